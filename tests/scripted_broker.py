"""An MQTT 5 broker that follows a script: it forgets answers, refuses, disconnects, repeats itself.

As much of the protocol as a drone's link uses, written from the standard (OASIS MQTT 5.0, section 3).
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from typing import Self

CONNECT, PUBLISH, SUBSCRIBE, PINGREQ, DISCONNECT = 1, 3, 8, 12, 14


class ScriptedBroker:
    """Answers every packet unless its kind is in ``silent``; ``connack_reason`` 0 accepts."""

    def __init__(self) -> None:
        self.silent: set[int] = set()
        self.connack_reason = 0
        self.connected_at: list[float] = []
        self.published: list[bytes] = []
        self.subscribes = 0
        self._done = threading.Event()
        self._talks: list[threading.Thread] = []
        self._clients: list[socket.socket] = []
        self._server = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        for client in self._clients:
            with contextlib.suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)
        self._thread.join(5)
        for talk in self._talks:
            talk.join(5)
        self._server.close()

    @property
    def url(self) -> str:
        """Return its address."""
        return f"mqtt://127.0.0.1:{self._server.getsockname()[1]}"

    def disconnect(self, reason: int) -> None:
        """Send every client away with a reason."""
        leaving, self._clients = self._clients, []  # first: one may be back before the last is gone
        for client in leaving:
            with contextlib.suppress(OSError):
                client.sendall(bytes((0xE0, 2, reason, 0)))
                client.shutdown(socket.SHUT_RDWR)

    def deliver(self, topic: str, payload: bytes, packet_id: int) -> None:
        """Publish to every client with QoS 1."""
        name = topic.encode()
        body = len(name).to_bytes(2, "big") + name + packet_id.to_bytes(2, "big") + b"\0" + payload
        for client in self._clients:
            client.sendall(bytes((0x32,)) + _length(len(body)) + body)

    def _serve(self) -> None:
        self._server.settimeout(0.05)
        while not self._done.is_set():
            with contextlib.suppress(TimeoutError):
                client, _ = self._server.accept()
                self._clients.append(client)
                self._talks.append(threading.Thread(target=self._talk, args=(client,), daemon=True))
                self._talks[-1].start()

    def _talk(self, client: socket.socket) -> None:
        with client, contextlib.suppress(OSError, EOFError):
            while not self._done.is_set():
                kind, flags, body = _packet(client)
                self._note(kind, body)
                if kind not in self.silent:
                    client.sendall(self._answer(kind, flags, body))

    def _note(self, kind: int, body: bytes) -> None:
        if kind == CONNECT:
            self.connected_at.append(time.monotonic())
        elif kind == PUBLISH:
            self.published.append(body)
        elif kind == SUBSCRIBE:
            self.subscribes += 1

    def _answer(self, kind: int, flags: int, body: bytes) -> bytes:
        if kind == CONNECT:
            return bytes((0x20, 3, 0, self.connack_reason, 0))
        if kind == PUBLISH and flags & 0x06:
            at = 2 + int.from_bytes(body[:2], "big")
            return bytes((0x40, 2)) + body[at : at + 2]
        if kind == SUBSCRIBE:
            return _suback(body)
        return bytes((0xD0, 0)) if kind == PINGREQ else b""


def _suback(body: bytes) -> bytes:
    at, count = 3 + body[2], 0
    while at < len(body):
        at += 3 + int.from_bytes(body[at : at + 2], "big")
        count += 1
    answer = body[:2] + b"\0" + b"\1" * count
    return bytes((0x90,)) + _length(len(answer)) + answer


def _packet(client: socket.socket) -> tuple[int, int, bytes]:
    first = _exactly(client, 1)[0]
    size, shift = 0, 0
    while True:
        byte = _exactly(client, 1)[0]
        size |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return first >> 4, first & 15, _exactly(client, size)


def _exactly(client: socket.socket, count: int) -> bytes:
    got = b""
    while len(got) < count:
        piece = client.recv(count - len(got))
        if not piece:
            raise EOFError
        got += piece
    return got


def _length(size: int) -> bytes:
    out = bytearray()
    while True:
        size, byte = divmod(size, 128)
        out.append(byte | (128 if size else 0))
        if not size:
            return bytes(out)
