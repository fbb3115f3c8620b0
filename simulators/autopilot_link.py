"""The simulated autopilot's end of a MAVLink connection: UDP towards an agent, or a TCP server."""

from __future__ import annotations

import select
import socket
from typing import Any, Protocol

from pymavlink.dialects.v20 import ardupilotmega as mav

from contracts.errors import InvalidInput

_CHUNK = 4096
_BACKLOG_BYTES = 1 << 20


class Link(Protocol):
    """Bytes in both directions; nothing blocks and nothing is promised to arrive."""

    def write(self, data: bytes) -> None:
        """Send one packed message to whoever listens."""

    def read(self, wait_s: float) -> list[bytes]:
        """Wait at most ``wait_s`` for something; return what came."""

    def close(self) -> None:
        """Give the socket back."""


class UdpLink:
    """Datagrams to one fixed address; only that address is listened to."""

    def __init__(self, host: str, port: int) -> None:
        self._peer = (socket.gethostbyname(host), port)
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.bind(("", 0))

    def write(self, data: bytes) -> None:
        """Send one datagram; a full buffer drops it, as a radio would."""
        try:
            self._socket.sendto(data, self._peer)
        except BlockingIOError:
            return

    def read(self, wait_s: float) -> list[bytes]:
        """Return the datagrams that came within ``wait_s``."""
        if not select.select([self._socket], [], [], max(0.0, wait_s))[0]:
            return []
        came: list[bytes] = []
        while True:
            try:
                data, sender = self._socket.recvfrom(_CHUNK)
            except BlockingIOError:
                return came
            if sender == self._peer:
                came.append(data)

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()


class TcpLink:
    """A server; every connected client gets everything."""

    def __init__(self, host: str, port: int) -> None:
        self._server = socket.create_server((host, port))
        self._server.setblocking(False)
        self._clients: dict[socket.socket, bytearray] = {}

    def write(self, data: bytes) -> None:
        """Queue for every client; one that does not read is dropped."""
        for client, backlog in list(self._clients.items()):
            backlog.extend(data)
            if len(backlog) > _BACKLOG_BYTES or not self._drain(client, backlog):
                self._drop(client)

    def read(self, wait_s: float) -> list[bytes]:
        """Accept new clients and return what all of them sent within ``wait_s``."""
        readable, _, _ = select.select([self._server, *self._clients], [], [], max(0.0, wait_s))
        came: list[bytes] = []
        for ready in readable:
            if ready is self._server:
                client, _ = self._server.accept()
                client.setblocking(False)
                self._clients[client] = bytearray()
            else:
                data = self._receive(ready)
                came.append(data) if data else self._drop(ready)
        return came

    def close(self) -> None:
        """Close everything."""
        for client in list(self._clients):
            self._drop(client)
        self._server.close()

    @staticmethod
    def _receive(client: socket.socket) -> bytes:
        try:
            return client.recv(_CHUNK)
        except OSError:
            return b""

    @staticmethod
    def _drain(client: socket.socket, backlog: bytearray) -> bool:
        try:
            del backlog[: client.send(backlog)]
        except BlockingIOError:
            return True
        except OSError:
            return False
        return True

    def _drop(self, client: socket.socket) -> None:
        del self._clients[client]
        client.close()


def open_link(url: str) -> Link:
    """Open ``udpout:HOST:PORT`` or ``tcpin:HOST:PORT``.

    Raises:
        InvalidInput: Another form, or the address cannot be used.

    """
    kind, _, address = url.partition(":")
    host, _, port = address.rpartition(":")
    makers: dict[str, type[UdpLink | TcpLink]] = {"udpout": UdpLink, "tcpin": TcpLink}
    if kind not in makers or not host or not port.isdigit() or int(port) > 65_535:
        raise InvalidInput(f"{url!r} is no link.", hint="udpout:HOST:PORT or tcpin:HOST:PORT", field="connect")
    try:
        return makers[kind](host, int(port))
    except OSError as error:
        raise InvalidInput(f"{url}: {error}.", hint="Is the port free?", field="connect") from error


class Wire:
    """Packs and parses MAVLink 2 over a link, as system 1 component 1."""

    def __init__(self, link: Link, system_id: int) -> None:
        self._link = link
        self._codec = mav.MAVLink(None, srcSystem=system_id, srcComponent=mav.MAV_COMP_ID_AUTOPILOT1)
        self._codec.robust_parsing = True

    def send(self, message: Any) -> None:
        """Send one message."""
        self._link.write(bytes(message.pack(self._codec)))
        self._codec.seq = (self._codec.seq + 1) % 256

    def receive(self, wait_s: float) -> list[Any]:
        """Return the messages that came within ``wait_s``; garbage is skipped."""
        messages: list[Any] = []
        for data in self._link.read(wait_s):
            messages += self._codec.parse_buffer(data) or []
        return [message for message in messages if message.get_type() != "BAD_DATA"]
