"""The drone's upload beside ``s3transfer`` on the same link and store, and what a crash costs each of them.

Usage: python -m benchmarks.upload [--mbit 80] [--mib 96] [--rounds 3] [--json]

The store is MiniStack behind a link of a fixed rate and 40 ms round trip; ours and boto3's ``upload_file`` take turns.
The crash is a connection that breaks after two thirds of the file: ours goes on from its journal, the other begins at
byte 0 (it aborts its multipart upload on failure). Ours sends CRC-32 here, because the emulator computes CRC-64/NVME in
plain Python; on S3 it sends CRC-64/NVME.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import statistics
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import boto3
from boto3.exceptions import S3UploadFailedError
from botocore.config import Config
from botocore.exceptions import BotoCoreError

from contracts.errors import PlatformError
from contracts.resources import BUCKET
from edge.backends.objects import S3Objects
from edge.sender import Sender, UploadJournal
from infra.local import resources
from tests.bad_link import BadLink
from tests.services import MiniStack

_LATENCY_S = 0.02
_MIB = 1024 * 1024


class Bench:
    """One file, one link, one store."""

    def __init__(self, folder: Path, link: BadLink, size_bytes: int) -> None:
        self.link = link
        self.path = folder / "video.mp4"
        self.path.write_bytes(os.urandom(size_bytes))
        self.sha256 = hashlib.sha256(self.path.read_bytes()).hexdigest()
        self._folder = folder
        self._number = 0

    def ours(self, key: str) -> None:
        """Upload as the drone does; again after each failure, in what would be a new process."""
        self._number += 1
        journal = UploadJournal(self._folder / f"uploads-{self._number}.db")
        while True:
            sender = Sender(journal, S3Objects(BUCKET, checksum="CRC32"), threading.Event())
            with contextlib.suppress(PlatformError):
                if sender.send_file(key, self.path, self.sha256):
                    break
        journal.close()

    def theirs(self, key: str) -> None:
        """Upload with boto3's own manager; again after each failure."""
        config = Config(s3={"addressing_style": "path"}, retries={"max_attempts": 2, "mode": "standard"})
        while True:
            with contextlib.suppress(S3UploadFailedError, BotoCoreError):
                boto3.client("s3", config=config).upload_file(str(self.path), BUCKET, key)
                return

    def timed(self, upload: Any, key: str) -> float:
        """Return seconds."""
        began = time.perf_counter()
        upload(key)
        return time.perf_counter() - began

    def resent_bytes(self, upload: Any, key: str, cut_at: int) -> int:
        """Cut the link once after ``cut_at`` bytes for three seconds; return what went over it beyond one file."""
        size = self.path.stat().st_size
        before = self.link.carried_bytes

        def cut() -> None:
            while self.link.carried_bytes - before < cut_at:
                time.sleep(0.005)
            self.link.down()
            time.sleep(3.0)
            self.link.up()

        breaker = threading.Thread(target=cut)
        breaker.start()
        upload(key)
        breaker.join()
        return max(0, self.link.carried_bytes - before - size)


def measure(bench: Bench, rounds: int) -> dict[str, Any]:
    """Take turns, so that other load on the machine meets both alike."""
    ours, theirs = [], []
    for number in range(rounds):
        ours.append(bench.timed(bench.ours, f"bench/ours-{number}"))
        theirs.append(bench.timed(bench.theirs, f"bench/theirs-{number}"))
    size = bench.path.stat().st_size
    cut_at = size * 2 // 3
    mine, plain = statistics.median(ours), statistics.median(theirs)
    return {
        "file_mib": size // _MIB,
        "ours_mbit": round(8 * size / mine / 1e6, 1),
        "upload_file_mbit": round(8 * size / plain / 1e6, 1),
        "ours_of_upload_file": round(plain / mine, 3),
        "resent_after_crash_mib": round(bench.resent_bytes(bench.ours, "bench/cut-ours", cut_at) / _MIB, 1),
        "upload_file_resent_mib": round(bench.resent_bytes(bench.theirs, "bench/cut-theirs", cut_at) / _MIB, 1),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mbit", type=float, default=80.0)
    parser.add_argument("--mib", type=int, default=96)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="kb") as name:
        folder = Path(name)
        with MiniStack(folder / "aws") as store:
            os.environ.update(store.env)  # noqa: TID251 - where AWS is
            resources.ensure()
            port = int(store.url.rpartition(":")[2])
            with BadLink(port) as link:
                link.latency_s, link.bytes_per_s = _LATENCY_S, asked.mbit * 1e6 / 8
                os.environ["AWS_ENDPOINT_URL"] = f"http://127.0.0.1:{link.port}"  # noqa: TID251 - the narrow way there
                found = {"link_mbit": asked.mbit, **measure(Bench(folder, link, asked.mib * _MIB), asked.rounds)}
    print(json.dumps(found) if asked.json else "\n".join(f"{name:24} {value}" for name, value in found.items()))


if __name__ == "__main__":
    main()
