"""Bytes to and from the autopilot: UDP (listening or calling), TCP and serial lines, both with reconnection."""

from __future__ import annotations

import re
import socket
import time
from typing import Protocol

import serial

from contracts.errors import InvalidInput
from edge import logbook

URL = r"^((udp|udpin|udpout|tcp):[^:]+:\d{1,5}|serial:/[^:]+:\d{3,7})$"
"""``udpin:HOST:PORT`` (or ``udp:``) listens, ``udpout:`` and ``tcp:`` call, ``serial:/dev/ttyAMA0:57600`` is a wire."""
_BUFFER_BYTES = 65_535
_RECONNECT_S = 1.0
_DIAL_S = 3.0
"""A mobile network takes its time; the reader has nothing else to do meanwhile."""


class Line(Protocol):
    """One way to reach an autopilot. ``receive`` waits a moment; ``send`` drops what nobody is there to take."""

    def open(self) -> None:
        """Bind or prepare; OSError when the place is taken. A peer may come later."""

    def receive(self) -> bytes:
        """Return what has come, or nothing after the time-out."""

    def send(self, data: bytes) -> None:
        """Send, or drop: the protocol above repeats itself."""

    def close(self) -> None:
        """Let go of it."""


def line_of(url: str, timeout_s: float) -> Line:
    """Return the line of a URL.

    Raises:
        InvalidInput: It is none of the known forms.

    """
    if not re.match(URL, url):
        raise InvalidInput(
            f"{url!r} is no autopilot link.",
            hint="Give tcp:HOST:PORT, udpin:HOST:PORT, udpout:HOST:PORT or serial:/dev/DEVICE:BAUD.",
            field="autopilot_url",
        )
    scheme, place, number = url.split(":")
    if scheme == "serial":
        return SerialLine(place, int(number), timeout_s)
    if scheme == "tcp":
        return TcpLine((place, int(number)), timeout_s)
    return UdpLine((place, int(number)), timeout_s, listens=scheme != "udpout")


class UdpLine:
    """Datagrams. A listening port is never shared: a second listener would take the autopilot's packets."""

    def __init__(self, address: tuple[str, int], timeout_s: float, *, listens: bool) -> None:
        self._address = address
        self._timeout_s = timeout_s
        self._listens = listens
        self._peer: tuple[str, int] | None = None
        self._socket: socket.socket | None = None

    def open(self) -> None:
        """Bind or connect now."""
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.settimeout(self._timeout_s)
        if self._listens:
            self._socket.bind(self._address)
        else:
            self._socket.connect(self._address)

    def receive(self) -> bytes:
        """Return one datagram."""
        if self._socket is None:
            return b""
        try:
            data, peer = self._socket.recvfrom(_BUFFER_BYTES)
        except OSError:  # a time-out, or a calling socket whose peer is not there yet
            return b""
        self._peer = peer
        return data

    def send(self, data: bytes) -> None:
        """Send to the peer, when there is one."""
        if self._socket is None:
            return
        try:
            if not self._listens:
                self._socket.send(data)
            elif self._peer is not None:
                self._socket.sendto(data, self._peer)
        except OSError as error:
            logbook.note("datagram_dropped", error=str(error))

    def close(self) -> None:
        """Close the socket."""
        if self._socket is not None:
            self._socket.close()


class TcpLine:
    """A stream that is called again when it breaks, at most once a second."""

    def __init__(self, address: tuple[str, int], timeout_s: float) -> None:
        self._address = address
        self._timeout_s = timeout_s
        self._socket: socket.socket | None = None
        self._retry_at = 0.0

    def open(self) -> None:
        """Do nothing yet: the peer may come later."""

    def receive(self) -> bytes:
        """Return what has come; an end of file closes the line and the next call dials anew."""
        connection = self._connected()
        if connection is None:
            time.sleep(self._timeout_s)
            return b""
        try:
            data = connection.recv(_BUFFER_BYTES)
        except TimeoutError:
            return b""
        except OSError:
            data = b""
        if not data:
            self._drop()
        return data

    def send(self, data: bytes) -> None:
        """Send when connected; only the reader dials."""
        connection = self._socket
        if connection is None:
            return
        try:
            connection.sendall(data)
        except OSError:
            self._drop()

    def close(self) -> None:
        """Close the socket."""
        self._drop()

    def _drop(self) -> None:
        connection, self._socket = self._socket, None
        if connection is not None:
            connection.close()

    def _connected(self) -> socket.socket | None:
        if self._socket is None and time.monotonic() >= self._retry_at:
            self._retry_at = time.monotonic() + _RECONNECT_S
            try:
                dialled = socket.create_connection(self._address, timeout=_DIAL_S)
            except OSError:
                return None
            dialled.settimeout(self._timeout_s)
            dialled.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._socket = dialled
        return self._socket


class SerialLine:
    """A UART or USB wire, opened again when it was unplugged."""

    def __init__(self, device: str, baud: int, timeout_s: float) -> None:
        self._device, self._baud, self._timeout_s = device, baud, timeout_s
        self._port: serial.Serial | None = None
        self._retry_at = 0.0

    def open(self) -> None:
        """Open the device, for this program alone; OSError when it is absent or taken."""
        self._port = serial.Serial(
            self._device, self._baud, timeout=self._timeout_s, write_timeout=self._timeout_s, exclusive=True
        )

    def receive(self) -> bytes:
        """Return what has come."""
        port = self._connected()
        if port is None:
            time.sleep(self._timeout_s)
            return b""
        try:
            first = port.read(1)
            return bytes(first + port.read(port.in_waiting)) if first else b""
        except (OSError, TypeError):  # TypeError: pyserial's own way to say that another thread closed the port
            self._drop()
            return b""

    def send(self, data: bytes) -> None:
        """Send when the device is there."""
        port = self._connected()
        if port is None:
            return
        try:
            port.write(data)
        except OSError:
            self._drop()

    def close(self) -> None:
        """Close the device."""
        self._drop()

    def _drop(self) -> None:
        port, self._port = self._port, None
        if port is not None:
            port.close()

    def _connected(self) -> serial.Serial | None:
        if self._port is None and time.monotonic() >= self._retry_at:
            self._retry_at = time.monotonic() + _RECONNECT_S
            try:
                self.open()
            except OSError as error:
                logbook.note("serial_away", device=self._device, error=str(error))
        return self._port
