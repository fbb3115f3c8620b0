"""Whether the platform answers as a customer sees it: ready, its keys readable, a caller known, a stranger refused.

Runs every five minutes outside the VPC, through the public name. Only AWS's own modules and Python's are used, so the
folder is the bundle. What it finds is one line in CloudWatch's embedded metric format: no right is needed to write it.
"""

from __future__ import annotations

import json
import os
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

import boto3

_TIMEOUT_S = 8.0
_LIMIT = 1_000_000
Say = Callable[[str], object]


def handler(_event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Probe once; ``failed`` names the steps that failed and why."""
    said = os.environ  # noqa: TID251 - a function's settings are its variables
    key = boto3.client("secretsmanager").get_secret_value(SecretId=said["CANARY_SECRET"])["SecretString"]
    return probe(said["CANARY_URL"], said["CANARY_ISSUER"], key.strip(), print)


def probe(url: str, issuer: str, key: str, say: Say) -> dict[str, Any]:
    """Take every step, whatever became of the one before; tell the metrics."""
    began = time.monotonic()
    steps: dict[str, Callable[[], str]] = {
        "ready": lambda: _expect(200, f"{url}/readyz"),
        "page": lambda: _expect(200, f"{url}/login"),
        "issuer": lambda: _has_keys(f"{issuer}/.well-known/jwks.json"),
        "known": lambda: _expect(200, f"{url}/v1/drones?limit=1", key),
        "stranger": lambda: _expect(401, f"{url}/v1/drones?limit=1"),
    }
    failed = {name: why for name, step in steps.items() if (why := step())}
    took_ms = round((time.monotonic() - began) * 1000)
    metrics = [{"Name": "canary-failures", "Unit": "Count"}, {"Name": "canary-ms", "Unit": "Milliseconds"}]
    meta = {
        "Timestamp": int(time.time() * 1000),
        "CloudWatchMetrics": [{"Namespace": "Kestrel", "Dimensions": [[]], "Metrics": metrics}],
    }
    say(json.dumps({"_aws": meta, "canary-failures": len(failed), "canary-ms": took_ms, "failed": failed}))
    return {"failed": failed, "ms": took_ms}


def _expect(status: int, address: str, key: str = "") -> str:
    """Return why an address does not answer as it should; empty when it does."""
    try:
        got, _ = _get(address, key)
    except OSError as error:
        return f"no answer: {error}"
    return "" if got == status else f"{got} instead of {status}"


def _has_keys(address: str) -> str:
    try:
        got, body = _get(address, "")
        return "" if got == 200 and json.loads(body)["keys"] else f"{got}, no keys"
    except (OSError, ValueError, KeyError, TypeError) as error:
        return f"no key set: {error}"


def _get(address: str, key: str) -> tuple[int, bytes]:
    headers = {"User-Agent": "kestrel-canary", **({"Authorization": f"Bearer {key}"} if key else {})}
    asked = urllib.request.Request(address, headers=headers)  # noqa: S310 - the address is the deployment's own
    try:
        with urllib.request.urlopen(asked, timeout=_TIMEOUT_S) as answer:  # noqa: S310 - as above
            return answer.status, answer.read(_LIMIT)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, b""
