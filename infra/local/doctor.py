"""``kestrel doctor``: what is wrong with an instance, and how to mend it."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Any

import boto3
import httpx
import psycopg2
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from pydantic import BaseModel, ConfigDict

from contracts import resources
from contracts.errors import PlatformError
from infra.local import broker, certificates, emulator, instance, postgres, supervisor, table
from infra.local.layout import REPOSITORY
from infra.local.processes import State
from infra.local.stack import Stack

MIGRATIONS = REPOSITORY / "cloud" / "migrations" / "versions"
_WARN_FREE_BYTES = 5 * 1024**3
_FAIL_FREE_BYTES = 1024**3
_WARN_BEFORE_END = timedelta(days=30)
_MANY_MESSAGES = 1000
_CLIENT = Config(connect_timeout=2, read_timeout=5, retries={"max_attempts": 0})
_REVISION = re.compile(r"^(down_)?revision\b[^=]*=\s*[\"'](\w+)[\"']", re.MULTILINE)


class Verdict(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


class Check(BaseModel):
    """One thing looked at."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    verdict: Verdict
    found: str
    mend: str = ""


def examine(stack: Stack) -> list[Check]:
    """Look at everything; never raises for what is wrong."""
    looks: tuple[Callable[[Stack], Iterable[Check]], ...] = (
        _programs,
        _disk,
        _clock,
        _certificates,
        _processes,
        _ports,
        _readiness,
        _database,
        _queues,
    )
    return [check for look in looks for check in look(stack)]


def _ok(name: str, found: str) -> Check:
    return Check(name=name, verdict=Verdict.OK, found=found)


def _warn(name: str, found: str, mend: str) -> Check:
    return Check(name=name, verdict=Verdict.WARN, found=found, mend=mend)


def _fail(name: str, found: str, mend: str) -> Check:
    return Check(name=name, verdict=Verdict.FAIL, found=found, mend=mend)


def _programs(_stack: Stack) -> Iterable[Check]:
    yield _program("postgres", partial(postgres.program, "postgres"))
    yield _program("mosquitto", broker.executable)


def _program(name: str, find: Callable[[], Path]) -> Check:
    try:
        return _ok(f"program {name}", str(find()))
    except PlatformError as error:
        return _fail(f"program {name}", error.message, error.hint)


def _disk(stack: Stack) -> Iterable[Check]:
    place = next(p for p in (stack.layout.state_dir, *stack.layout.state_dir.parents) if p.exists())
    free = shutil.disk_usage(place).free
    found = f"{free / 1024**3:.1f} GiB free at {place}"
    mend = "Make room, or choose another --state-dir; 4K video needs about 0.5 GB a minute."
    if free < _FAIL_FREE_BYTES:
        yield _fail("disk", found, mend)
    elif free < _WARN_FREE_BYTES:
        yield _warn("disk", found, mend)
    else:
        yield _ok("disk", found)


def _clock(_stack: Stack) -> Iterable[Check]:
    now = datetime.now(UTC)
    newest = datetime.fromtimestamp((REPOSITORY / "pyproject.toml").stat().st_mtime, UTC)
    if now < newest - timedelta(days=1):
        yield _fail("clock", f"{now:%Y-%m-%d %H:%M} UTC lies before these files were written", "Set the clock.")
        return
    timedatectl = shutil.which("timedatectl")
    said = _said([timedatectl, "show", "--property=NTPSynchronized", "--value"]) if timedatectl else ""
    if said == "no":
        yield _warn("clock", f"{now:%Y-%m-%d %H:%M:%S} UTC, not synchronised", "Run `timedatectl set-ntp true`.")
    else:
        yield _ok("clock", f"{now:%Y-%m-%d %H:%M:%S} UTC" + (", synchronised" if said == "yes" else ""))


def _certificates(stack: Stack) -> Iterable[Check]:
    files = sorted(stack.keys.folder.glob("*.pem"))
    if not files:
        yield _warn("certificates", "none yet", "Run `kestrel up`.")
        return
    soonest = min(files, key=certificates.valid_until)
    left = certificates.valid_until(soonest) - datetime.now(UTC)
    found = f"{len(files)}; {soonest.stem} ends first, in {left.days} days"
    mend = f"Run `kestrel down`, remove {soonest} and its .key, run `kestrel up`."
    if left < timedelta():
        yield _fail("certificates", found, mend)
    elif left < _WARN_BEFORE_END:
        yield _warn("certificates", found, mend)
    else:
        yield _ok("certificates", found)


def _processes(stack: Stack) -> Iterable[Check]:
    rows = stack.status()
    pid = supervisor.holder(stack.layout)
    if pid is None:
        yield _fail("supervisor", "does not run", "Run `kestrel up`.")
        return
    yield _ok("supervisor", f"pid {pid}")
    for row in rows:
        restarts = f", restarted {row.restarts} times, last: {row.last_exit}" if row.restarts else ""
        found = f"{row.state}{restarts}"
        look = f"Look at `kestrel logs {row.name}`."
        if row.state in {State.BACKOFF, State.STOPPED}:
            yield _fail(f"process {row.name}", found, look)
        elif not row.well:
            yield _warn(f"process {row.name}", found, f"Wait, then look at `kestrel logs {row.name}`.")
        else:
            yield _ok(f"process {row.name}", found)


def _ports(stack: Stack) -> Iterable[Check]:
    chosen = instance.load(stack.layout)
    if chosen is None:
        return
    running = {row.name for row in stack.status() if row.pid is not None}
    for name, port in chosen.ports.items():
        if name not in table.PORT_OWNERS:
            continue
        free = instance.is_free(port)
        if name in running and free:
            yield _fail(f"port {port} ({name})", "nothing listens", f"Look at `kestrel logs {name}`.")
        elif name not in running and not free:
            yield _warn(
                f"port {port} ({name})", "taken by another program", "`kestrel down` and `kestrel up` choose another."
            )


def _readiness(stack: Stack) -> Iterable[Check]:
    running = {row.name for row in stack.status() if row.pid is not None}
    for name in instance.WATCHED:
        if name not in running:
            continue
        reasons = readiness_of(stack, name)
        if reasons:
            said = "; ".join(f"{what}: {why}" for what, why in reasons.items())
            yield _fail(f"ready {name}", said, f"Mend what it needs, then look at `kestrel logs {name}`.")
        else:
            yield _ok(f"ready {name}", "can do its work")


def readiness_of(stack: Stack, name: str) -> dict[str, str]:
    """Return what a running program says it lacks; empty when it is ready."""
    try:
        answer = httpx.get(f"{table.status_url(stack.instance, name)}/readyz", timeout=10)
        reasons = answer.json()["reasons"]
    except (httpx.HTTPError, ValueError, KeyError) as error:
        return {"status page": f"does not answer ({type(error).__name__})"}
    return {str(what): str(why) for what, why in reasons.items()}


def _database(stack: Stack) -> Iterable[Check]:
    if not any(row.name == "postgres" and row.well for row in stack.status()):
        return
    newest = head()
    server = table.database_of(stack.layout, stack.instance)
    try:
        connection = psycopg2.connect(server.url().replace("+psycopg2", ""), connect_timeout=3)
    except psycopg2.OperationalError as error:
        yield _fail("database", str(error).strip(), "Look at `kestrel logs postgres`.")
        return
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT version_num FROM alembic_version")
            row = cursor.fetchone()
    except psycopg2.errors.UndefinedTable:
        row = None
    finally:
        connection.close()
    present = row[0] if row else "none"
    if present == newest:
        yield _ok("migrations", f"at {present}")
    elif all(row.name != "migrate" for row in stack.status()):
        yield _warn("migrations", f"at {present}, the code has {newest}", "`kestrel up` without --only migrates.")
    else:
        yield _fail("migrations", f"at {present}, the code has {newest}", "Run `kestrel down`, then `kestrel up`.")


def _queues(stack: Stack) -> Iterable[Check]:
    if not any(row.name == "emulator" and row.well for row in stack.status()):
        return
    endpoint = emulator.client_environment(stack.ports["emulator"], stack.instance.aws_secret)
    sqs = boto3.client(
        "sqs",
        endpoint_url=endpoint["AWS_ENDPOINT_URL"],
        region_name=endpoint["AWS_REGION"],
        aws_access_key_id=endpoint["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=endpoint["AWS_SECRET_ACCESS_KEY"],
        config=_CLIENT,
    )
    for name in resources.QUEUES:
        yield _queue(sqs, name)


def _queue(sqs: Any, name: str) -> Check:
    try:
        waiting, dead = _depth(sqs, name), _depth(sqs, name + resources.DEAD_LETTER_SUFFIX)
    except (ClientError, BotoCoreError) as error:
        return _fail(f"queue {name}", str(error), "Wait a second for `resources`; then `kestrel logs resources`.")
    found = f"{waiting} waiting, {dead} dead"
    if dead:
        return _fail(f"queue {name}", found, "Dead letters hold what failed 5 times; see the failed media and tickets.")
    if waiting > _MANY_MESSAGES:
        return _warn(f"queue {name}", found, "Its reader is slow or down; see `kestrel status`.")
    return _ok(f"queue {name}", found)


def _depth(sqs: Any, name: str) -> int:
    url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
    wanted = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=wanted)["Attributes"]
    return sum(int(found[key]) for key in wanted)


def head(versions: Path = MIGRATIONS) -> str:
    """Return the newest schema this code has: the revision no other builds on."""
    own: set[str] = set()
    below: set[str] = set()
    for path in versions.glob("*.py"):
        for is_down, revision in _REVISION.findall(path.read_text()):
            (below if is_down else own).add(revision)
    return ",".join(sorted(own - below)) or "none"


def _said(command: list[str]) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=3).stdout.strip()
    except subprocess.TimeoutExpired:
        return ""
