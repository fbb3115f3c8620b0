"""Frames by PyAV: Kestrel's network camera (replays from its memory) or any URL FFmpeg reads."""

from __future__ import annotations

import http.client
import json
import queue
import socket
import threading
import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlsplit
from urllib.request import urlopen

import av

from contracts.errors import Unavailable
from edge import logbook
from edge.clock import now_us
from edge.first_look.scene import Encoded
from edge.recorder import Frame
from edge.sei import frame_time_us, parameter_sets

_CONNECT_S = 5.0
_POLL_S = 0.2
_PIECE_BYTES = 256 * 1024
_QUEUED_PIECES = 64
_PROBE = {"probesize": "4000000", "analyzeduration": "500000"}
_END = b""
_STORABLE = ("h264", "hevc")


class ReplayCamera:
    """An HTTP camera with ``/stream.ts?from_us=`` and ``/status``."""

    replays = True

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")

    def frames(self, from_us: int, waiting: Callable[[], bool]) -> Iterator[Frame]:
        """Yield frames whose group starts at or after ``from_us``; end where the camera ends the stream.

        Raises:
            Unavailable: The stream broke off; what came last may be cut short.

        """
        pipe = _Pipe(f"{self._url}/stream.ts?from_us={from_us}", waiting)
        try:
            yield from _demuxed(pipe, _PROBE, "mpegts")
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
    """A camera that cannot replay: RTSP, V4L2, a file played in its own time, any other FFmpeg URL."""

    replays = False
    _IDLE_S = 3.0

    def __init__(self, url: str) -> None:
        self._url = url
        self._source = source_of(url)
        self._last_at = 0.0

    def frames(self, from_us: int, waiting: Callable[[], bool]) -> Iterator[Frame]:
        """Yield frames as they come until none comes for 3 s, or the picture's format changes.

        Raises:
            Unavailable: The camera is away or fell silent in the middle.

        """
        if waiting():
            return
        try:
            frames = _demuxed(self._source.where, self._source.options, self._source.format, (_CONNECT_S, self._IDLE_S))
            for frame in _in_own_time(frames, waiting) if self._source.paced else frames:
                self._last_at = time.monotonic()
                if frame.t_us >= from_us:
                    yield frame
        except Unavailable:
            if waiting():
                return
            raise

    def probe(self) -> str:
        """Say what the stream is.

        Raises:
            Unavailable: It does not open, or its codec cannot be stored.

        """
        source = self._source
        try:
            with av.open(
                source.where, format=source.format, options=source.options, timeout=(_CONNECT_S, self._IDLE_S)
            ) as container:
                stream = container.streams.video[0]
                _require_storable(stream)
                return f"{self._url}: {stream.codec_context.name} {stream.width}x{stream.height}."
        except (av.FFmpegError, IndexError) as error:
            raise Unavailable(f"{self._url}: {error}.", hint="Is the camera running?") from error

    def finished(self, after_us: int) -> bool:  # noqa: ARG002 - a plain stream cannot be asked
        """Tell whether nothing has come for 3 s."""
        return time.monotonic() - self._last_at > self._IDLE_S


def encoded(packet: Any) -> Encoded:
    """Return a key frame's packet as bytes, with what its decoder must know beforehand."""
    context = packet.stream.codec_context
    return Encoded(str(context.name), bytes(context.extradata or b""), bytes(packet))


class Source(NamedTuple):
    """A URL as FFmpeg wants it."""

    where: str
    format: str | None = None
    options: dict[str, str] = {}  # noqa: RUF012 - a default of a NamedTuple; never changed
    paced: bool = False


def source_of(url: str) -> Source:
    """Return how a camera's URL is opened.

    ``rtsp://`` goes over TCP: a lost datagram spoils a whole group of pictures. ``v4l2:/dev/video0`` asks the camera
    for its own H.264; ``?input_format=hevc&video_size=1920x1080`` after it asks for others. ``file:`` plays in its own
    time.
    """
    parts = urlsplit(url)
    match parts.scheme:
        case "rtsp" | "rtsps":
            return Source(url, options={"rtsp_transport": "tcp", "fpsprobesize": "1", **_PROBE})
        case "v4l2":
            return Source(parts.path, "v4l2", {"input_format": "h264"} | dict(parse_qsl(parts.query)))
        case "file":
            return Source(parts.path, paced=True)
        case _:
            return Source(url)


def camera_at(url: str) -> ReplayCamera | PlainCamera:
    """Return the camera for a URL: a bare ``http://HOST:PORT`` is a replaying one."""
    parts = urlsplit(url)
    return ReplayCamera(url) if parts.scheme == "http" and parts.path in ("", "/") else PlainCamera(url)


def _require_storable(stream: Any) -> None:
    if stream.codec_context.name not in _STORABLE:
        raise Unavailable(
            f"The camera sends {stream.codec_context.name}; the agent stores {', '.join(_STORABLE)}.",
            hint="Set the camera to H.264 or H.265.",
        )


def _in_own_time(frames: Iterator[Frame], waiting: Callable[[], bool]) -> Iterator[Frame]:
    """Hold each frame back until its time has come; a file is read faster than it was filmed."""
    for frame in frames:
        while (early_s := (frame.t_us - now_us()) / 1e6) > 0:
            if waiting():
                return
            time.sleep(min(early_s, _POLL_S))
        yield frame


def _demuxed(source: Any, options: dict[str, str], kind: str | None, timeout: Any = None) -> Iterator[Frame]:
    """Yield frames until the source ends or its format changes; the caller opens it anew and sees the new one."""
    try:
        with av.open(source, format=kind, options=options, timeout=timeout) as container:
            stream = container.streams.video[0]
            _require_storable(stream)
            opened_us, first_pts, form = now_us(), None, ""
            for packet in _timed(container.demux(stream)):
                first_pts = packet.pts if first_pts is None else first_pts
                t_us = frame_time_us(bytes(packet))
                if t_us is None:
                    t_us = opened_us + round((packet.pts - first_pts) * float(packet.time_base) * 1e6)
                seen = _format(stream, packet) if packet.is_keyframe else form
                if form and seen != form:
                    logbook.note("camera_format_changed", before=form, after=seen)
                    return
                form = seen
                yield Frame(t_us, packet.is_keyframe, packet, form)
    except (av.FFmpegError, IndexError) as error:
        if isinstance(source, _Pipe) and source.empty:
            return
        raise Unavailable(f"The camera's stream cannot be read: {error}.") from error


def _timed(packets: Iterable[Any]) -> Iterator[Any]:
    """Give the first packets their times: over RTSP, FFmpeg learns the clock from the second frame only."""
    early: list[Any] = []
    known: Any = None
    for packet in packets:
        if packet.size == 0 or (packet.pts is None and known is not None):
            continue
        if packet.pts is None or (early and known is None):
            known = packet if packet.pts is not None else None
            early.append(packet)
            continue
        step = packet.pts - known.pts if early else 0
        for behind, waiting in zip(range(len(early) - 1, -1, -1), early, strict=True):
            waiting.pts = waiting.dts = known.pts - behind * step
            yield waiting
        early.clear()
        known = packet
        yield packet


def _format(stream: Any, packet: Any) -> str:
    """Name a stream's format by codec, size and the parameter sets in front of a key frame."""
    context = stream.codec_context
    sets = parameter_sets(bytes(packet), hevc=context.name == "hevc") or bytes(context.extradata or b"")
    return f"{context.name} {stream.width}x{stream.height} {zlib.crc32(sets):08x}"


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
