"""One closed group of pictures: H.264 with a time stamp in every frame, as a stand-alone piece of MPEG-TS."""

from __future__ import annotations

import io
from fractions import Fraction
from typing import Any

import av
import cv2
from av.packet import Packet

from simulators import misp
from simulators.noise import Image

_CLOCK_HZ = 90_000
_OPTIONS = {"preset": "ultrafast", "tune": "zerolatency", "threads": "2"}
_PARAMS = "keyint=250:scenecut=0:open-gop=0:repeat-headers=1:aud=1:log-level=0"
_TS_OPTIONS = {"mpegts_flags": "initial_discontinuity", "mpegts_copyts": "1"}


class GopEncoder:
    """Encodes the frames of one group; the first is an IDR frame and later ones refer to no other group."""

    def __init__(self, width_px: int, height_px: int, fps: int, crf: float) -> None:
        codec = av.CodecContext.create("libx264", "w")
        codec.width, codec.height, codec.pix_fmt = width_px, height_px, "yuv420p"
        codec.time_base, codec.framerate = Fraction(1, _CLOCK_HZ), Fraction(fps)
        codec.options = {**_OPTIONS, "crf": str(crf), "x264-params": _PARAMS}
        self._codec = codec
        self._size = (width_px, height_px)
        self._units: list[tuple[int, bool, bytes]] = []
        self.times_us: list[int] = []

    def add(self, frame_bgr: Image, t_us: int) -> None:
        """Encode the next frame."""
        planes: Image = cv2.cvtColor(frame_bgr, cv2.COLOR_BGR2YUV_I420)
        frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
        frame.pts = _ticks(t_us)
        frame.time_base = Fraction(1, _CLOCK_HZ)
        self.times_us.append(t_us)
        self._keep(self._codec.encode(frame))

    def finish(self) -> bytes:
        """Return the group as MPEG-TS."""
        self._keep(self._codec.encode(None))
        buffer = io.BytesIO()
        with av.open(buffer, "w", format="mpegts", options=_TS_OPTIONS) as muxer:
            stream = muxer.add_stream("libx264")
            stream.width, stream.height, stream.pix_fmt = *self._size, "yuv420p"
            for t_us, (pts, key, data) in zip(self.times_us, self._units, strict=True):
                packet = av.Packet(misp.insert(data, t_us))
                packet.pts = packet.dts = pts
                packet.time_base, packet.stream, packet.is_keyframe = Fraction(1, _CLOCK_HZ), stream, key
                muxer.mux(packet)
        return buffer.getvalue()

    def _keep(self, packets: list[Packet[Any]]) -> None:
        self._units += [(p.pts or 0, p.is_keyframe, bytes(p)) for p in packets]


def _ticks(t_us: int) -> int:
    """Return the 90 kHz presentation time of a UTC time, within the 33 bits MPEG-TS has."""
    return (t_us * 9 // 100) % (1 << 33)
