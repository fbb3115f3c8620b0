"""Bytes to and from the autopilot: UDP (listening or calling) and TCP with reconnection."""

from __future__ import annotations

import socket
import time

_BUFFER_BYTES = 65_535
_RECONNECT_S = 1.0


class Wire:
    """One endpoint: ``udpin:HOST:PORT`` listens, ``udpout:`` and ``tcp:`` call."""

    def __init__(self, url: str, timeout_s: float) -> None:
        self._scheme, host, port = url.split(":")
        self._address = (host, int(port))
        self._timeout_s = timeout_s
        self._peer: tuple[str, int] | None = None
        self._socket: socket.socket | None = None
        self._retry_at = 0.0

    def open(self) -> None:
        """Bind or connect now; OSError when a UDP port is taken (a TCP peer may come later).

        The port is never shared: a second listener would take the autopilot's packets from the first.
        """
        if self._scheme != "tcp":
            self._socket = self._udp()

    def receive(self) -> bytes:
        """Return what has come, or nothing after the time-out."""
        connection = self._connected()
        if connection is None:
            time.sleep(self._timeout_s)
            return b""
        try:
            data, peer = connection.recvfrom(_BUFFER_BYTES)
        except TimeoutError:
            return b""
        except OSError:
            self._drop()
            return b""
        if self._scheme == "udpin":
            self._peer = peer
        elif self._scheme == "tcp" and not data:
            self._drop()
        return data

    def send(self, data: bytes) -> None:
        """Send, or drop it when nobody is there yet: the protocol above repeats itself."""
        connection = self._connected()
        try:
            if connection is not None and self._scheme != "udpin":
                connection.send(data)
            elif connection is not None and self._peer is not None:
                connection.sendto(data, self._peer)
        except OSError:
            self._drop()

    def close(self) -> None:
        """Close the socket."""
        if self._socket is not None:
            self._socket.close()

    def _drop(self) -> None:
        if self._scheme == "tcp" and self._socket is not None:
            self._socket.close()
            self._socket = None

    def _udp(self) -> socket.socket:
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        udp.settimeout(self._timeout_s)
        if self._scheme == "udpin":
            udp.bind(self._address)
        else:
            udp.connect(self._address)
        return udp

    def _connected(self) -> socket.socket | None:
        if self._socket is None and self._scheme == "tcp" and time.monotonic() >= self._retry_at:
            self._retry_at = time.monotonic() + _RECONNECT_S
            try:
                self._socket = socket.create_connection(self._address, timeout=self._timeout_s)
            except OSError:
                return None
        return self._socket
