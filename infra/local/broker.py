"""Mosquitto's configuration: mutual TLS on loopback, rights generated from the table of topics."""

from __future__ import annotations

import getpass
import os
import re
import shutil
from pathlib import Path

from contracts.errors import NotFound
from contracts.topics import MAX_PAYLOAD_BYTES, PLATFORM_IDENTITY, TOPICS, Direction, denial
from infra.local.certificates import Identity
from infra.local.files import write_private
from infra.local.layout import REPOSITORY

VENDOR = REPOSITORY / ".kestrel" / "vendor"
"""Where ``make setup`` unpacks Mosquitto when it may not install packages."""
_PROPERTIES_BYTES = 4096
"""Room for an MQTT 5 publish's topic and properties beside its payload."""

_DENIED = re.compile(r"^user (\S+)\ntopic deny #$", re.MULTILINE)


def executable() -> Path:
    """Return the broker's program.

    Raises:
        NotFound: It is not installed.

    """
    places = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin", str(VENDOR / "usr/sbin")))
    found = shutil.which("mosquitto", path=places)
    if found is None:
        raise NotFound("Mosquitto is not installed.", hint="Run `make setup`, or install the package mosquitto.")
    return Path(found)


def library_path(program: Path) -> str:
    """Return what LD_LIBRARY_PATH must hold for an unpacked broker, or an empty string."""
    if not program.is_relative_to(VENDOR):
        return ""
    return os.pathsep.join(str(folder) for folder in sorted((VENDOR / "usr" / "lib").glob("*-linux-gnu")))


def access_rules() -> str:
    """Return the ACL file: the platform sees every drone, a drone only itself (%u: its certificate's name)."""
    lines = ["# Generated from contracts/topics.py.", f"user {PLATFORM_IDENTITY}"]
    lines += [f"topic readwrite {topic.any_drone()}" for topic in TOPICS]
    lines.append("")
    for topic in TOPICS:
        right = "write" if topic.direction is Direction.UP else "read"
        lines.append(f"pattern {right} {topic.of('%u')}")
    return "\n".join(lines) + "\n"


def rules_file(folder: Path) -> Path:
    """Return where the rights stand; drones in quarantine are denied at its end."""
    return folder / "access.rules"


def pid_file(folder: Path) -> Path:
    """Return where the broker writes its process id."""
    return folder / "mosquitto.pid"


def denied(rules: Path) -> list[str]:
    """Return the drones in quarantine."""
    return _DENIED.findall(rules.read_text()) if rules.exists() else []


def configure(folder: Path, port: int, server: Identity) -> Path:
    """Write the broker's files into ``folder``; return the configuration file."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    rules = rules_file(folder)
    write_private(rules, access_rules() + "".join(denial(drone_id) for drone_id in denied(rules)))
    settings = {
        "user": getpass.getuser(),
        "listener": f"{port} 127.0.0.1",
        "cafile": str(server.ca_file),
        "certfile": str(server.cert_file),
        "keyfile": str(server.key_file),
        "require_certificate": "true",
        "use_identity_as_username": "true",
        "tls_version": "tlsv1.2",
        "allow_anonymous": "false",
        "acl_file": str(rules),
        "pid_file": str(pid_file(folder)),
        # Truth is the drone's outbox and Postgres; what the broker would keep is not durable anyway.
        "persistence": "false",
        "message_size_limit": str(MAX_PAYLOAD_BYTES),
        "max_packet_size": str(MAX_PAYLOAD_BYTES + _PROPERTIES_BYTES),
        "max_inflight_messages": "100",
        "max_queued_messages": "10000",
        "persistent_client_expiration": "1d",
        "set_tcp_nodelay": "true",
        "connection_messages": "true",
        "log_type": "error\nlog_type warning\nlog_type notice",
        "log_dest": "stderr",
        "log_timestamp_format": "%Y-%m-%dT%H:%M:%S",
    }
    configuration = folder / "mosquitto.conf"
    write_private(configuration, "".join(f"{key} {value}\n" for key, value in settings.items()))
    return configuration
