"""``python -m tests.fuzzing``: each parser in a process of its own, bounded in time and memory; crashes are kept.

A crash is any error but a PlatformError, an input that takes longer than five seconds, or the end of the process (a
fault in a C library, or more than its memory). Its input lands in the corpus, which the suite replays.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import NamedTuple

from tests.fuzzing import targets
from tests.fuzzing.mutation import mutated

CORPUS = Path(__file__).parent / "corpus"
INPUT_S = 5
"""Of processor time: a busy machine makes no parser slow."""
_WAITS_S = 60
_MEMORY_BYTES = 3 * 1024**3
_KEPT_BYTES = 4096


class Outcome(NamedTuple):
    """What the run of one parser found."""

    target: str
    inputs: int
    read: int
    seconds: float
    crashes: list[str]


def seeds_of(name: str) -> list[bytes]:
    """Return the corpus of a parser, and nothing at all."""
    return [b"", *(path.read_bytes() for path in sorted((CORPUS / name).glob("*")))]


def fuzz(name: str, seconds: float, seed: int, last: Path) -> Outcome:
    """Try one parser in this process; ``last`` always holds the input that is being tried."""
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGPROF, _too_long)
    signal.signal(signal.SIGALRM, _too_long)
    chance, seeds = random.Random(seed), seeds_of(name)
    began = time.process_time()
    inputs, read = 0, 0
    crashes: dict[str, str] = {}
    while time.process_time() - began < seconds and len(crashes) < 20:
        data = mutated(seeds, chance)
        last.write_bytes(data)
        inputs += 1
        signal.setitimer(signal.ITIMER_PROF, INPUT_S)
        signal.alarm(_WAITS_S)
        try:
            understood = targets.run(name, data) == "read"
        except BaseException as error:  # noqa: BLE001 - whatever comes out is a crash of the parser
            where, said = _where(error)
            if where not in crashes:
                crashes[where] = f"{keep(name, data)} ({said!r})"
            understood = False
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
            signal.alarm(0)
        read += understood
        if understood and len(data) < _KEPT_BYTES and len(seeds) < 400 and chance.random() < 0.05:
            seeds.append(data)
    found = [f"{where}: {path}" for where, path in crashes.items()]
    return Outcome(name, inputs, read, time.process_time() - began, found)


def keep(name: str, data: bytes) -> str:
    """Put an input into the corpus; return its file's name."""
    path = CORPUS / name / f"crash-{hashlib.sha256(data).hexdigest()[:12]}"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path.name


def _too_long(_signal: int, _frame: object) -> None:
    raise TimeoutError(f"no answer within {INPUT_S} s")


def _where(error: BaseException) -> tuple[str, str]:
    frames = traceback.extract_tb(error.__traceback__)
    place = next(
        (f for f in reversed(frames) if "site-packages" not in f.filename and "tests" not in f.filename), frames[-1]
    )
    return f"{type(error).__name__} at {Path(place.filename).name}:{place.lineno}", str(error)[:80]


def _apart(name: str, seconds: float, seed: int) -> Outcome:
    """Try one parser in a process of its own; when it dies, what it was reading is the crash."""
    with tempfile.TemporaryDirectory() as folder:
        last = Path(folder) / "last"
        command = [sys.executable, "-m", "tests.fuzzing", "--one", name, "--seconds", str(seconds), "--seed", str(seed)]
        done = subprocess.run([*command, "--last", str(last)], capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return Outcome(**json.loads(done.stdout.splitlines()[-1]))
        kept = keep(name, last.read_bytes()) if last.exists() else "nothing"
        said = done.stderr.strip().splitlines()[-1:]
        return Outcome(name, 0, 0, 0.0, [f"the process ended with {done.returncode}: {kept} {said}"])


def main() -> int:
    """Run; 1 when anything crashed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0, help="processor time for each parser")
    parser.add_argument("--only", nargs="*", default=list(targets.TARGETS), choices=list(targets.TARGETS))
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(4), "big"))
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("--seconds", type=float, help=argparse.SUPPRESS)
    parser.add_argument("--last", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.one:
        sys.stdout.write(json.dumps(fuzz(asked.one, asked.seconds, asked.seed, asked.last)._asdict()) + "\n")
        return 0
    failed = 0
    for name in asked.only:
        found = _apart(name, asked.minutes * 60, asked.seed)
        failed += len(found.crashes)
        sys.stdout.write(f"{name:16} {found.inputs:>9,} inputs, {found.read:>8,} read, {found.seconds:6.1f} s\n")
        sys.stdout.write("".join(f"    {crash}\n" for crash in found.crashes))
        sys.stdout.flush()
    sys.stdout.write(f"{failed} crashes (seed {asked.seed})\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
