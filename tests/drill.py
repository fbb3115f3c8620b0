"""The restore drill: a platform is backed up while it is written to, killed, wiped, restored, started and compared.

``python -m tests.drill`` prints what was lost (RPO: everything committed after the snapshot, and nothing before it) and
how long it took (RTO: from the kill until the API says that it is ready).
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import httpx

from cloud import sample_rows, samples
from cloud.backends.objects import S3Objects
from cloud.db import Database
from contracts.resources import BUCKET
from contracts.topics import TELEMETRY, decode_samples
from infra.local import supervisor, table
from infra.local.backup import capture, database, restoration
from infra.local.backup.manifest import Manifest
from infra.local.backup.stores import Stores
from infra.local.stack import Stack
from tests import platform

_OBJECT_BYTES = 256 * 1024
_PATIENCE_S = 120.0


class Written(NamedTuple):
    """A committed batch of samples."""

    last_seq: int
    at: datetime


def keys_of(stack: Stack) -> dict[str, bytes]:
    """Return the authority and every key of an instance."""
    return {path.name: path.read_bytes() for path in stack.keys.folder.rglob("*.*")}


def kill(stack: Stack) -> None:
    """Kill the supervisor and every process of an instance with SIGKILL."""
    keeper = supervisor.holder(stack.layout)
    pids = [pid for row in stack.status() if (pid := stack.pid(row.name)) is not None]
    for pid in [*([keeper] if keeper else []), *pids]:
        os.killpg(os.getpgid(pid), signal.SIGKILL)
    deadline = time.monotonic() + _PATIENCE_S
    while any(_lives(pid) for pid in pids):
        assert time.monotonic() < deadline, "a killed process lives on"
        time.sleep(0.02)


def _lives(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2][:3]
    except (FileNotFoundError, ProcessLookupError):
        return False


@contextmanager
def writing(stack: Stack) -> Iterator[list[Written]]:
    """Commit ten samples some hundred times a second, as the ingest would; yields what was committed."""
    done: list[Written] = []
    stop = threading.Event()
    rows = Database(stack.database_url)

    def write() -> None:
        seq = 0
        while not stop.wait(0.01):
            batch = decode_samples(TELEMETRY.of("kite-01"), platform.telemetry(seq + 1, seq + 10))
            with rows.session() as session:
                samples.store(session, [sample_rows.rows(batch)])
            seq += 10
            done.append(Written(seq, datetime.now(UTC)))

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield done
    finally:
        stop.set()
        thread.join()
        rows.close()


def fill(stack: Stack, objects: int) -> None:
    """Put a site, a drone and some objects there."""
    services = platform.build(stack.database_url)
    platform.stock(services)
    services.database.close()
    os.environ.update({k: v for k, v in stack.env("aws").items() if k.startswith("AWS_")})
    store = S3Objects(BUCKET)
    for number in range(objects):
        store.put(f"drill/{number:05d}.bin", os.urandom(_OBJECT_BYTES), "application/octet-stream")


def wait(holds: Callable[[], bool], what: str) -> None:
    """Wait for a condition."""
    deadline = time.monotonic() + _PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


def run(folder: Path, objects: int) -> dict[str, object]:
    """Fly the drill; returns its report."""
    stack = Stack(folder / "state")
    stack.up()
    fill(stack, objects)
    with writing(stack) as committed:
        wait(lambda: len(committed) > 100, "nothing is written")
        taken = capture.take(stack, folder / "backup.tar", _say)
        here = len(committed)
        wait(lambda: len(committed) > here + 200, "writing stopped")
    keys = keys_of(stack)
    killed_at, began = datetime.now(UTC), time.monotonic()
    kill(stack)
    shutil.rmtree(stack.layout.state_dir)
    restoration.restore(folder / "backup.tar", stack.layout.state_dir, _say)
    stack = Stack(folder / "state")
    stack.up()
    wait(lambda: httpx.get(f"{stack.api_url}/readyz").status_code == 200, "the API is not ready")
    rto_s = time.monotonic() - began
    try:
        return _compared(stack, taken, committed, keys, killed_at) | {"rto_s": round(rto_s, 1)}
    finally:
        stack.down()


def _compared(
    stack: Stack, taken: Manifest, committed: list[Written], keys: dict[str, bytes], killed_at: datetime
) -> dict[str, object]:
    server = table.database_of(stack.layout, stack.instance)
    with database.connected(server) as cursor:
        last_seq, rows = database.one(cursor, "SELECT coalesce(max(seq), 0), count(*) FROM telemetry")
        found = database.states(cursor)
    before = [batch for batch in committed if batch.at < taken.snapshot_at]
    assert last_seq >= before[-1].last_seq, "a row committed before the snapshot is gone"
    assert rows == last_seq == taken.tables["public.telemetry"].rows
    assert found["public.telemetry"] == taken.tables["public.telemetry"]
    stores = Stores(stack.ports["emulator"], stack.instance.aws_secret)
    assert stores.hashes() == {stored.key: stored.member.sha256 for stored in taken.objects}
    assert keys_of(stack) == keys
    return {
        "rows": rows,
        "objects": len(taken.objects),
        "backup_bytes": taken.size_bytes(),
        "backup_s": round((taken.finished_at - taken.snapshot_at).total_seconds(), 2),
        "lost_rows": committed[-1].last_seq - last_seq,
        "rpo_s": round((killed_at - taken.snapshot_at).total_seconds(), 1),
    }


def _say(said: str) -> None:
    sys.stderr.write(said + "\n")


def main() -> None:
    """Run the drill in a folder of its own and print the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--objects", type=int, default=200)
    with tempfile.TemporaryDirectory(prefix="kestrel-drill-", ignore_cleanup_errors=True) as folder:
        report = run(Path(folder), parser.parse_args().objects)
    sys.stdout.write(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
