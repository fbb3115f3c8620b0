"""The detector as the agent sees it: a process that is asked, given time, and ended when it takes too long."""

from __future__ import annotations

import contextlib
import os
import select
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import IO, Any

from contracts.errors import InvalidInput, Unavailable
from edge.first_look.wire import Message, packed, unpacked

_PIECE_BYTES = 64 * 1024
_ENDS_WITHIN_S = 2.0


def detector_command(weights: Path, sha256: str) -> list[str]:
    """Return how the detector's process is started."""
    return [sys.executable, "-m", "edge.onboard_detector", str(weights), sha256]


class DetectorProcess:
    """Not thread-safe: one caller asks and waits."""

    def __init__(self, command: list[str], stop: threading.Event) -> None:
        self._stop = stop
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        for pipe in (self._stdin, self._stdout):
            os.set_blocking(pipe.fileno(), False)

    def ready(self, timeout_s: float) -> float:
        """Wait until it can look; return the seconds one tile takes it.

        Raises:
            InvalidInput: It says that it cannot, and why: trying again does not help.
            Unavailable: It died, or took too long.

        """
        told = self._answer(time.monotonic() + timeout_s).head
        if "failed" in told:
            raise InvalidInput(str(told["failed"]), hint=str(told.get("hint", "")))
        return float(told["tile_s"])

    def ask(self, frame: Message, timeout_s: float) -> Message:
        """Return what it says of a frame.

        Raises:
            Unavailable: It died, or took too long.

        """
        deadline = time.monotonic() + timeout_s
        left = memoryview(packed(frame))
        while left:
            self._wait(deadline, sends=True)
            try:
                left = left[os.write(self._stdin.fileno(), left[:_PIECE_BYTES]) :]
            except OSError as error:
                raise Unavailable(f"The first look's process is gone: {error}.") from error
        return self._answer(deadline)

    def close(self) -> None:
        """End it. Where the processor is so busy that it does not even get to die, it is left to do so."""
        self._process.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_ENDS_WITHIN_S)
        self._stdin.close()
        self._stdout.close()

    def cpu_s(self) -> float:
        """Return the processor time it has taken so far, seconds."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory_bytes(self) -> int:
        """Return the memory it holds."""
        pages = Path(f"/proc/{self._process.pid}/statm").read_text(encoding="ascii").split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")

    @property
    def _stdin(self) -> IO[Any]:
        assert self._process.stdin is not None  # noqa: S101 - it was asked for
        return self._process.stdin

    @property
    def _stdout(self) -> IO[Any]:
        assert self._process.stdout is not None  # noqa: S101 - it was asked for
        return self._process.stdout

    def _answer(self, deadline_s: float) -> Message:
        def read(count: int) -> bytes:
            got = b""
            while len(got) < count:
                self._wait(deadline_s, sends=False)
                piece = os.read(self._stdout.fileno(), min(count - len(got), 16 * _PIECE_BYTES))
                if not piece:
                    break
                got += piece
            return got

        if (message := unpacked(read)) is None:
            raise Unavailable("The first look's process ended.", hint="See the agent's log.")
        return message

    def _wait(self, deadline_s: float, *, sends: bool) -> None:
        """Wait until the pipe is ready; a short look each time, so that the agent's end is not waited out."""
        reads, writes = ([], [self._stdin]) if sends else ([self._stdout], [])
        while not any(select.select(reads, writes, [], 0.2)):
            if self._stop.is_set():
                raise Unavailable("The agent ends.")
            if time.monotonic() > deadline_s:
                raise Unavailable("The first look's process took too long.", hint="The computer may be too weak.")
