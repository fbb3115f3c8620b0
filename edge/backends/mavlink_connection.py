"""One MAVLink 2 connection: a reader thread, our own heartbeat, listeners, and what the autopilot said in words."""

from __future__ import annotations

import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from contracts.errors import PlatformError, Unavailable
from edge import logbook
from edge.backends import mavlink_dialect as mav
from edge.backends.mavlink_signing import Seal
from edge.backends.mavlink_wire import line_of

SYSTEM, COMPONENT = 245, 191
"""Ours. Never a ground station's (255): its heartbeats would hide that the real one is lost."""
_READ_TIMEOUT_S = 0.1
_HEARTBEAT_S = 1.0
_TEXT_PIECE = 50
Message = Any
"""One of the dialect's messages; which one is known by its name only."""


class Connection:
    """Sends and hears. ``on_message`` and ``on_idle`` run in the reader's thread."""

    def __init__(
        self, url: str, on_message: Callable[[Message], None], on_idle: Callable[[], None], seal: Seal | None = None
    ) -> None:
        self._url = url
        self._wire = line_of(url, _READ_TIMEOUT_S)
        self._codec: Any = mav.MAVLink(None, srcSystem=SYSTEM, srcComponent=COMPONENT)
        self._codec.robust_parsing = True
        self._seal = seal
        if seal is not None:
            seal.put_on(self._codec)
        self._on_message, self._on_idle = on_message, on_idle
        self._listeners: list[tuple[frozenset[str], queue.Queue[Message]]] = []
        self._texts: deque[tuple[float, int, str]] = deque(maxlen=40)
        self._pieces: tuple[tuple[int, int, int], list[str]] = (0, 0, 0), []
        self._sending = threading.Lock()
        self._stop = threading.Event()
        self._beat_at = 0.0
        self._thread = threading.Thread(target=self._read, name="kestrel-autopilot", daemon=True)

    def start(self) -> None:
        """Open the wire and listen.

        Raises:
            Unavailable: The port or device is taken or absent.

        """
        try:
            self._wire.open()
        except OSError as error:
            raise Unavailable(f"{self._url}: {error}.", hint="Is another agent using it?") from error
        self._thread.start()

    def stop(self) -> None:
        """Stop listening."""
        self._stop.set()
        self._thread.join(timeout=3.0)
        self._wire.close()

    def rest(self, seconds: float) -> None:
        """Wait, unless the connection is being closed."""
        self._stop.wait(seconds)

    def send(self, encode: str, *values: Any) -> None:
        """Send one message, built by the dialect's ``encode`` method."""
        with self._sending:
            if self._seal is not None:
                self._seal.stamp(self._codec)
            packet = getattr(self._codec, encode)(*values).pack(self._codec)
            self._codec.seq = (self._codec.seq + 1) % 256
        self._wire.send(bytes(packet))

    @contextmanager
    def hear(self, *kinds: str) -> Iterator[queue.Queue[Message]]:
        """Collect messages of some kinds while the block runs."""
        listener: tuple[frozenset[str], queue.Queue[Message]] = (frozenset(kinds), queue.Queue())
        self._listeners = [*self._listeners, listener]
        try:
            yield listener[1]
        finally:
            self._listeners = [other for other in self._listeners if other is not listener]

    def texts(self, since: float, worst_severity: int = mav.MAV_SEVERITY_DEBUG) -> list[str]:
        """Return what the autopilot said in words since a monotonic instant, each once, up to a severity."""
        said = (text for at, severity, text in list(self._texts) if at >= since and severity <= worst_severity)
        return list(dict.fromkeys(said))

    def _read(self) -> None:
        while not self._stop.is_set():
            for message in self._codec.parse_buffer(self._wire.receive()) or ():
                try:
                    self._take(message)
                except (PlatformError, ValueError) as error:
                    logbook.warn("message_unusable", kind=message.get_type(), error=str(error)[:200])
            if time.monotonic() - self._beat_at >= _HEARTBEAT_S:
                self._beat_at = time.monotonic()
                kind, silent = mav.MAV_TYPE_ONBOARD_CONTROLLER, mav.MAV_AUTOPILOT_INVALID
                self.send("heartbeat_encode", kind, silent, 0, 0, mav.MAV_STATE_ACTIVE)
            self._on_idle()

    def _take(self, message: Message) -> None:
        kind = message.get_type()
        # UNKNOWN_*: kinds that the dialect leaves out. Neither sum nor signature of theirs was looked at.
        if kind == "BAD_DATA" or kind.startswith("UNKNOWN_") or message.get_srcSystem() == SYSTEM:
            return
        if kind == "STATUSTEXT":
            self._hear_text(message)
        self._on_message(message)
        for kinds, box in self._listeners:
            if kind in kinds:
                box.put(message)

    def _hear_text(self, message: Message) -> None:
        """Keep what was said; what is longer than 50 letters comes in pieces of one id, the last one shorter."""
        piece = str(message.text)
        number = getattr(message, "id", 0)
        if number:
            sender = message.get_srcSystem(), message.get_srcComponent(), number
            known = self._pieces[1] if self._pieces[0] == sender and message.chunk_seq else []
            self._pieces = sender, [*known, piece]
            if len(piece) >= _TEXT_PIECE:
                return
            piece = "".join(self._pieces[1])
        self._texts.append((time.monotonic(), int(message.severity), piece))
        logbook.note("autopilot_says", text=piece, severity=message.severity)


def next_of(answers: queue.Queue[Message], timeout_s: float) -> Message | None:
    """Return the next message heard, or None when the time is up."""
    if timeout_s <= 0:
        return None
    try:
        return answers.get(timeout=timeout_s)
    except queue.Empty:
        return None
