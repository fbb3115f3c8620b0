"""Systemd's watchdog: told that the agent is ready, and that its loops still turn. Silent without systemd."""

from __future__ import annotations

import socket
from collections.abc import Callable


class Watchdog:
    """Speaks to the socket systemd names in ``NOTIFY_SOCKET`` (sd_notify's protocol)."""

    def __init__(self, address: str, alive: Callable[[], bool]) -> None:
        self._address = address.replace("@", "\0", 1) if address.startswith("@") else address
        self._alive = alive
        self._ready = False

    def step(self) -> bool | None:
        """Say READY once, then that we live, as long as every loop does."""
        if not self._address:
            return None
        if not self._ready:
            self._ready = True
            self._say("READY=1")
        if not self._alive():
            return False
        self._say("WATCHDOG=1")
        return None

    def stopping(self) -> None:
        """Say that the end is meant."""
        if self._address:
            self._say("STOPPING=1")

    def _say(self, what: str) -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
            out.sendto(what.encode(), self._address)
