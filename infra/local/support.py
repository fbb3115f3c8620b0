"""``kestrel doctor --bundle``: what somebody who helps needs to see, in one file, without a secret in it."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import sys
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx

from contracts.errors import Conflict, NotFound
from infra.local import doctor, instance, supervisor, table
from infra.local.doctor import Check
from infra.local.redaction import HIDDEN, Redactor, is_secret_name, known_secrets
from infra.local.stack import Stack

_PROGRAMS = ("cloud", "workflows", "vision", "aws")
_LOG_BYTES = 400_000
_ERRORS = 50


def write(stack: Stack, target: Path, checks: list[Check]) -> list[str]:
    """Write the bundle (a zip of 0600) and return the names in it; every text passes the redactor.

    Raises:
        Conflict: ``target`` exists.
        NotFound: Its folder, or the instance, does not exist.

    """
    if instance.load(stack.layout) is None:
        raise NotFound(f"There is no instance in {stack.layout.state_dir}.", hint="Name its --state-dir.")
    if target.exists():
        raise Conflict(f"{target} exists.", hint="Name a new file.")
    if not target.parent.is_dir():
        raise NotFound(f"There is no folder {target.parent}.", hint="Create it first.")
    environments = {name: stack.env(name) for name in _PROGRAMS}
    redactor = Redactor(known_secrets(stack, environments.values()))
    aside = target.with_name(f".{target.name}.{os.getpid()}")
    names = []
    try:
        with (
            os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file,
            zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as bundle,
        ):
            for name, text in _parts(stack, checks, environments):
                bundle.writestr(name, redactor.clean(text))
                names.append(name)
        aside.rename(target)
    finally:
        aside.unlink(missing_ok=True)
    return names


def _parts(stack: Stack, checks: list[Check], environments: dict[str, dict[str, str]]) -> Iterator[tuple[str, str]]:
    yield "about.json", _json(_about())
    yield "doctor.json", _json([check.model_dump(mode="json") for check in checks])
    yield "processes.json", _json([row.model_dump(mode="json") for row in supervisor.statuses(stack.layout)])
    yield "configuration.json", _json({name: _shown(env) for name, env in environments.items()})
    yield "ports.json", _json(stack.ports)
    running = [name for name in instance.WATCHED if stack.pid(name) is not None]
    yield "readiness.json", _json({name: doctor.readiness_of(stack, name) for name in running})
    for name in running:
        yield f"metrics/{name}.txt", _metrics(stack, name)
    for path in sorted(stack.layout.logs.glob("*.log")):
        text = _end(path)
        yield f"logs/{path.name}", text
        yield f"errors/{path.stem}.txt", _errors(text)


def _about() -> dict[str, object]:
    packages = {found.metadata["Name"]: found.version for found in importlib.metadata.distributions()}
    return {
        "made_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "kestrel": importlib.metadata.version("kestrel"),
        "schema": doctor.head(),
        "python": sys.version,
        "platform": platform.platform(),
        "processors": os.cpu_count(),
        "packages": dict(sorted(packages.items())),
    }


def _shown(environment: dict[str, str]) -> dict[str, str]:
    return {name: HIDDEN if is_secret_name(name) else value for name, value in sorted(environment.items())}


def _metrics(stack: Stack, name: str) -> str:
    try:
        return httpx.get(f"{table.status_url(stack.instance, name)}/metrics", timeout=5).text
    except httpx.HTTPError as error:
        return f"no answer: {type(error).__name__}\n"


def _end(path: Path) -> str:
    """Return the end of a log from the beginning of a line: the first line may be cut, and a secret with it."""
    with path.open("rb") as file:
        size = path.stat().st_size
        file.seek(max(0, size - _LOG_BYTES))
        data = file.read()
    whole = data if size <= _LOG_BYTES else data.partition(b"\n")[2]
    return whole.decode(errors="replace")


def _errors(log: str) -> str:
    """Return the last lines that speak of a failure."""
    wanted = [
        line for line in log.splitlines() if '"level": "error"' in line or '"traceback"' in line or "FATAL" in line
    ]
    return "\n".join(wanted[-_ERRORS:]) + "\n"


def _json(value: object) -> str:
    return json.dumps(value, indent=1, default=str) + "\n"
