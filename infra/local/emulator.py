"""MiniStack, the stand-in for AWS, reached by ``AWS_ENDPOINT_URL`` only."""

from __future__ import annotations

import sys
from pathlib import Path

REGION = "eu-west-1"
ACCESS_KEY_ID = "kestrel"
KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
HEALTH_PATH = "/_ministack/health"


def command() -> list[str]:
    """Return the emulator's command line."""
    return [sys.executable, "-m", "ministack"]


def environment(folder: Path, port: int) -> dict[str, str]:
    """Return its settings: loopback only, objects on disk, no MQTT listener of its own."""
    return {
        "GATEWAY_PORT": str(port),
        "BIND_HOST": "127.0.0.1",
        "HOST": "127.0.0.1",
        "MINISTACK_HOST": "127.0.0.1",
        "PERSIST_STATE": "1",
        "STATE_DIR": str(folder / "state"),
        "S3_PERSIST": "1",
        "S3_DATA_DIR": str(folder / "objects"),
        "LAMBDA_EXECUTOR": "local",
        "IOT_MTLS_ENABLED": "0",
        "MINISTACK_REGION": REGION,
    }


def client_environment(port: int, secret: str) -> dict[str, str]:
    """Return the standard AWS variables that lead any AWS client here, and nowhere else."""
    return {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": ACCESS_KEY_ID,
        "AWS_SECRET_ACCESS_KEY": secret,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": "/dev/null",
        "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
    }
