"""What is chosen once per state directory: free ports and passwords."""

from __future__ import annotations

import fcntl
import random
import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager

from pydantic import BaseModel, ConfigDict, Field

from contracts.errors import Unavailable
from infra.local.files import write_private
from infra.local.layout import Layout

STATUS = "-status"
"""What is appended to a program's name for the port of its /healthz, /readyz and /metrics."""
VISION = ("vision", "vision-2")
"""Two workers with half of the processors each: one decodes while the other computes, neither waits for a thread."""
WATCHED = ("api", "ingest", "consume", "reconcile", *VISION, "workflows")
FIXED_PORTS = ("postgres", "mosquitto", "emulator", "api", "sap", "lender", *(name + STATUS for name in WATCHED))
_RANGE = (20_000, 32_000)
"""Below the kernel's range for outgoing connections, so that no client socket takes a port of ours."""


class Instance(BaseModel):
    """One running copy of the platform."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    ports: dict[str, int]
    database_password: str = Field(repr=False)
    aws_secret: str = Field(repr=False)
    sap_password: str = Field(repr=False)


def load(layout: Layout) -> Instance | None:
    """Return what was chosen, or None before the first start."""
    try:
        return Instance.model_validate_json(layout.instance_file.read_bytes())
    except FileNotFoundError:
        return None


def load_or_create(layout: Layout) -> Instance:
    """Return what was chosen for a state directory, choosing now at the first call."""
    with _locked(layout):
        known = load(layout)
        if known is None:
            return _save(layout, _new())
        missing = [name for name in FIXED_PORTS if name not in known.ports]
        return _save(layout, _with_ports(known, missing)) if missing else known


def port(layout: Layout, name: str) -> int:
    """Return the port kept for a name (free for TCP and UDP when chosen), choosing one at the first call."""
    with _locked(layout):
        known = load(layout) or _new()
        if name in known.ports:
            return known.ports[name]
        chosen = free_port(set(known.ports.values()))
        _save(layout, known.model_copy(update={"ports": known.ports | {name: chosen}}))
        return chosen


def move_taken_ports(layout: Layout, names: list[str]) -> dict[str, int]:
    """Choose again for ports that a stranger took while we were down; return the new ones."""
    with _locked(layout):
        known = load(layout) or _new()
        ports = dict(known.ports)
        moved: dict[str, int] = {}
        for name in names:
            if not is_free(ports[name]):
                moved[name] = ports[name] = free_port(set(ports.values()))
        if moved:
            _save(layout, known.model_copy(update={"ports": ports}))
        return moved


def free_port(taken: set[int]) -> int:
    """Return a loopback port that nothing listens on.

    Raises:
        Unavailable: None was found.

    """
    for candidate in random.sample(range(*_RANGE), 500):
        if candidate not in taken and is_free(candidate):
            return candidate
    raise Unavailable(
        f"No free loopback port between {_RANGE[0]} and {_RANGE[1]}.", hint="Stop other programs that listen there."
    )


def is_free(number: int) -> bool:
    """Return whether a loopback port can be bound, for TCP and UDP."""
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with socket.socket(socket.AF_INET, kind) as probe:
            if kind is socket.SOCK_STREAM:
                # A closed server's TIME_WAIT sockets do not stop the next one, which sets this too.
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", number))
            except OSError:
                return False
    return True


def _with_ports(known: Instance, names: list[str]) -> Instance:
    """Return an instance made before these programs listened, with a port for each."""
    ports = dict(known.ports)
    for name in names:
        ports[name] = free_port(set(ports.values()))
    return known.model_copy(update={"ports": ports})


def _new() -> Instance:
    ports: dict[str, int] = {}
    for name in FIXED_PORTS:
        ports[name] = free_port(set(ports.values()))
    return Instance(
        name=secrets.token_hex(4),
        ports=ports,
        database_password=secrets.token_urlsafe(18),
        aws_secret=secrets.token_urlsafe(24),
        sap_password=secrets.token_urlsafe(18),
    )


def _save(layout: Layout, instance: Instance) -> Instance:
    write_private(layout.instance_file, instance.model_dump_json(indent=2))
    return instance


@contextmanager
def _locked(layout: Layout) -> Iterator[None]:
    layout.run.mkdir(parents=True, exist_ok=True)
    with (layout.run / "instance.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
