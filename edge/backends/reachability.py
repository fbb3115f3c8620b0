"""Notices that the way to the broker is open again, sooner than a client that rests up to a minute between attempts.

A drone that comes out of a valley has a network again at once; its MQTT client may still rest for most of a minute.
While the link is down the broker's port is dialled every second or so, TCP alone, which costs a few hundred bytes. Only
a dial that succeeds *after one that failed* counts: where the port answers all the time, it is the broker that does
not want us, and the client's own growing rests are right.
"""

from __future__ import annotations

import random
import socket
import threading
from collections.abc import Callable
from typing import NamedTuple


class Dialling(NamedTuple):
    """How often the port is dialled, and how long a drone waits then; a fleet that comes back does so over a second."""

    rest_s: float = 1.0
    dial_s: float = 2.0
    wake_s: tuple[float, float] = (1.0, 2.0)


class Reachability:
    """Dials while it is told to watch; calls ``reopened`` from its own thread."""

    def __init__(
        self, dial: Callable[[float], bool], reopened: Callable[[], None], pace: Dialling = Dialling()
    ) -> None:
        self._dial, self._reopened, self._pace = dial, reopened, pace
        self._lock = threading.Lock()
        self._enough: threading.Event | None = None

    def watch(self) -> None:
        """Dial until the port opens or ``rest`` is called; nothing where that goes on already."""
        with self._lock:
            if self._enough is not None and not self._enough.is_set():
                return
            self._enough = enough = threading.Event()
        threading.Thread(target=self._look, args=(enough,), name="reachability", daemon=True).start()

    def rest(self) -> None:
        """Stop dialling: the link is up, or nobody wants it."""
        with self._lock:
            if self._enough is not None:
                self._enough.set()

    def _look(self, enough: threading.Event) -> None:
        was_closed = False
        while not enough.wait(self._pace.rest_s):
            opened = self._dial(self._pace.dial_s)
            if opened and was_closed and not enough.wait(random.uniform(*self._pace.wake_s)):
                self._reopened()
            was_closed = not opened


def dial(host: str, port: int, timeout_s: float) -> bool:
    """Tell whether a TCP connection to the port can be made now."""
    try:
        socket.create_connection((host, port), timeout_s).close()
    except OSError:
        return False
    return True
