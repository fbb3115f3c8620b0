"""Frames by PyAV: Kestrel's network camera (replays from its memory) or any URL FFmpeg reads."""

from __future__ import annotations

import http.client
import json
import queue
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit
from urllib.request import urlopen

import av

from contracts.errors import Unavailable
from edge.clock import now_us
from edge.recorder import Frame
from edge.sei import frame_time_us

_CONNECT_S = 5.0
_POLL_S = 0.2
_PIECE_BYTES = 256 * 1024
_QUEUED_PIECES = 64
_PROBE = {"probesize": "4000000", "analyzeduration": "500000"}
_END = b""


class ReplayCamera:
    """An HTTP camera with ``/stream.ts?from_us=`` and ``/status``."""

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")

    def frames(self, from_us: int, waiting: Callable[[], bool]) -> Iterator[Frame]:
        """Yield frames whose group starts at or after ``from_us``; end where the camera ends the stream.

        Raises:
            Unavailable: The stream broke off; what came last may be cut short.

        """
        pipe = _Pipe(f"{self._url}/stream.ts?from_us={from_us}", waiting)
        try:
            yield from _demuxed(pipe, _PROBE)
            if pipe.broken is not None:
                raise Unavailable(f"{self._url}: the stream broke off: {pipe.broken}.", hint="Is the camera running?")
        finally:
            pipe.close()

    def finished(self, after_us: int) -> bool:
        """Tell whether the camera is idle and holds no group later than ``after_us``."""
        status = self.status()
        last_us = status.get("last_gop_us") or 0
        return not status.get("recording") and not status.get("behind_s") and int(str(last_us)) <= after_us

    def probe(self) -> str:
        """Say that the camera answers.

        Raises:
            Unavailable: It does not.

        """
        status = self.status()
        return f"{self._url}: {status.get('gops', 0)} groups on its card."

    def status(self) -> dict[str, object]:
        """Return what the camera says of itself.

        Raises:
            Unavailable: No answer.

        """
        try:
            with urlopen(f"{self._url}/status", timeout=_CONNECT_S) as answer:  # noqa: S310 - the owner's URL
                return dict(json.load(answer))
        except (OSError, ValueError, http.client.HTTPException) as error:
            raise Unavailable(f"{self._url}/status: {error}.", hint="Is the camera running?") from error


class PlainCamera:
    """Any FFmpeg URL; it cannot replay, so what was not recorded is gone."""

    _IDLE_S = 3.0

    def __init__(self, url: str) -> None:
        self._url = url
        self._last_at = 0.0

    def frames(self, from_us: int, waiting: Callable[[], bool]) -> Iterator[Frame]:
        """Yield frames as they come until none comes for 3 s."""
        if waiting():
            return
        try:
            for frame in _demuxed(self._url, {}, timeout=(_CONNECT_S, self._IDLE_S)):
                self._last_at = time.monotonic()
                if frame.t_us >= from_us:
                    yield frame
        except Unavailable:
            if waiting():
                return
            raise

    def probe(self) -> str:
        """Say that the stream opens.

        Raises:
            Unavailable: It does not.

        """
        try:
            with av.open(self._url, timeout=(_CONNECT_S, self._IDLE_S)) as container:
                return f"{self._url}: {container.streams.video[0].codec_context.name}."
        except (av.FFmpegError, IndexError) as error:
            raise Unavailable(f"{self._url}: {error}.", hint="Is the camera running?") from error

    def finished(self, after_us: int) -> bool:  # noqa: ARG002 - a plain stream cannot be asked
        """Tell whether nothing has come for 3 s."""
        return time.monotonic() - self._last_at > self._IDLE_S


def camera_at(url: str) -> ReplayCamera | PlainCamera:
    """Return the camera for a URL: a bare ``http://HOST:PORT`` is a replaying one."""
    parts = urlsplit(url)
    return ReplayCamera(url) if parts.scheme == "http" and parts.path in ("", "/") else PlainCamera(url)


def _demuxed(source: Any, options: dict[str, str], timeout: Any = None) -> Iterator[Frame]:
    try:
        kind = "mpegts" if isinstance(source, _Pipe) else None
        with av.open(source, format=kind, options=options, timeout=timeout) as container:
            stream = container.streams.video[0]
            opened_us, first_pts = now_us(), None
            for packet in container.demux(stream):
                if packet.size == 0 or packet.pts is None:
                    continue
                first_pts = packet.pts if first_pts is None else first_pts
                t_us = frame_time_us(bytes(packet))
                if t_us is None:
                    t_us = opened_us + round((packet.pts - first_pts) * float(packet.time_base) * 1e6)
                yield Frame(t_us, packet.is_keyframe, packet)
    except (av.FFmpegError, IndexError) as error:
        if isinstance(source, _Pipe) and source.empty:
            return
        raise Unavailable(f"The camera's stream cannot be read: {error}.") from error


class _Pipe:
    """The body of an HTTP answer as a file: a thread reads it, so that waiting can be given up."""

    def __init__(self, url: str, waiting: Callable[[], bool]) -> None:
        parts = urlsplit(url)
        self._waiting = waiting
        self._pieces: queue.Queue[bytes] = queue.Queue(_QUEUED_PIECES)
        self._rest = b""
        self._closed = threading.Event()
        self._given_up = False
        self.broken: Exception | None = None
        self.empty = True
        self._connection = http.client.HTTPConnection(parts.hostname or "", parts.port or 80, timeout=_CONNECT_S)
        try:
            self._connection.request("GET", f"{parts.path}?{parts.query}")
            self._answer = self._connection.getresponse()
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            raise Unavailable(f"{url}: {error}.", hint="Is the camera running?") from error
        if self._answer.status != http.HTTPStatus.OK:
            self._connection.close()
            raise Unavailable(f"{url}: the camera answered {self._answer.status}.")
        self._socket: socket.socket = self._connection.sock
        self._socket.settimeout(None)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        self._thread = threading.Thread(target=self._pump, name="kestrel-camera", daemon=True)
        self._thread.start()

    def read(self, size: int) -> bytes:
        """Return some bytes, or nothing at the end or when waiting was given up."""
        while not self._rest:
            if self._given_up:
                return b""
            try:
                piece = self._pieces.get(timeout=_POLL_S)
            except queue.Empty:
                self._given_up = self._waiting()
                continue
            if piece == _END:
                self._put(_END)
                return b""
            self._rest = piece
            self.empty = False
        head, self._rest = self._rest[:size], self._rest[size:]
        return head

    def close(self) -> None:
        """Hang up."""
        self._closed.set()
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            self._closed.set()  # the camera hung up first
        self._thread.join(timeout=2.0)
        self._answer.close()
        self._connection.close()

    def _pump(self) -> None:
        try:
            while not self._closed.is_set() and (piece := self._answer.read1(_PIECE_BYTES)):
                self._put(piece)
        except (OSError, http.client.HTTPException, ValueError) as error:
            if not self._closed.is_set():
                self.broken = error
        self._put(_END)

    def _put(self, piece: bytes) -> None:
        while not self._closed.is_set():
            try:
                self._pieces.put(piece, timeout=_POLL_S)
            except queue.Full:
                continue
            return
