"""A link that misbehaves on command: a TCP proxy with latency, trickle, black hole and outage, in plain Python."""

from __future__ import annotations

import contextlib
import select
import socket
import threading
import time
from collections import deque
from typing import Self


class BadLink:
    """Forwards connections to a port of this machine; change the attributes while it runs."""

    def __init__(self, target_port: int) -> None:
        self.latency_s = 0.0
        self.bytes_per_s = float("inf")
        self.slice_bytes = 65_536
        self.swallows = False
        """A black hole: bytes are taken and go nowhere; connections stay open (half-open TCP)."""
        self.accepted_at: list[float] = []
        self.carried_bytes = 0
        self._free_at = 0.0
        self._rate_lock = threading.Lock()
        self._ending_lock = threading.Lock()
        self._down = False
        self._target_port = target_port
        self._done = threading.Event()
        self._pumps: list[threading.Thread] = []
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._server = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self.cut()
        self._thread.join(5)
        for pump in self._pumps:
            pump.join(5)
        self._server.close()

    @property
    def port(self) -> int:
        """Return where to connect instead of the target."""
        return int(self._server.getsockname()[1])

    def down(self) -> None:
        """Reset every connection and refuse new ones."""
        self._down = True
        self.cut()

    def up(self) -> None:
        """Let connections in again."""
        self._down = False

    def cut(self) -> None:
        """Reset every connection."""
        for pair in self._pairs:
            self._end(pair)
        self._pairs = []

    def _serve(self) -> None:
        self._server.settimeout(0.05)
        while not self._done.is_set():
            try:
                client, _ = self._server.accept()
            except TimeoutError:
                continue
            if self._down:
                client.close()
                continue
            self.accepted_at.append(time.monotonic())
            try:
                target = socket.create_connection(("127.0.0.1", self._target_port), timeout=2)
            except OSError:
                client.close()
                continue
            self._pairs.append((client, target))
            for source, sink in ((client, target), (target, client)):
                self._pumps.append(threading.Thread(target=self._pump, args=(source, sink), daemon=True))
                self._pumps[-1].start()

    def _wait_for_room(self, seconds: float) -> None:
        """Share the rate among all connections, as a radio does."""
        with self._rate_lock:
            now = time.monotonic()
            self._free_at = max(self._free_at, now) + seconds
            wait_s = self._free_at - now
        time.sleep(wait_s)

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        waiting: deque[tuple[float, bytes]] = deque()
        # Not select(): it knows no descriptor above 1023, and a process that has run many tests holds more.
        readable = select.poll()
        with contextlib.suppress(OSError, ValueError):  # Closed by the other direction meanwhile.
            readable.register(source, select.POLLIN)
            while not self._done.is_set():
                timeout_s = max(0.0, waiting[0][0] - time.monotonic()) if waiting else 0.05
                if readable.poll(min(timeout_s, 0.05) * 1000):
                    piece = source.recv(self.slice_bytes)
                    if not piece:
                        break
                    if not self.swallows:
                        waiting.append((time.monotonic() + self.latency_s, piece))
                while waiting and waiting[0][0] <= time.monotonic():
                    piece = waiting.popleft()[1]
                    sink.sendall(piece)
                    self.carried_bytes += len(piece)
                    if self.bytes_per_s != float("inf"):
                        self._wait_for_room(len(piece) / self.bytes_per_s)
        self._end((source, sink))
        with self._ending_lock:
            source.close()

    def _end(self, pair: tuple[socket.socket, socket.socket]) -> None:
        """Shut both ends; under a lock, so that none is closed meanwhile and its number another connection's."""
        with self._ending_lock:
            for end in pair:
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
