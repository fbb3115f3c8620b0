"""Tiny H.264 films with a true time in every frame, as the network camera streams them."""

from __future__ import annotations

import io
import re
from fractions import Fraction
from typing import Any

import av

from edge.recorder import Frame
from edge.sei import frame_time_us

FPS = 5
STEP_US = 1_000_000 // FPS


def stamped(access_unit: bytes, t_us: int) -> bytes:
    """Return an access unit with its MISB ST 0604 time before the first slice."""
    digits = t_us.to_bytes(8, "big")
    body = b"MISPmicrosectime\x1f" + b"\xff".join(digits[i : i + 2] for i in range(0, 8, 2))
    sei = b"\x00\x00\x00\x01\x06" + bytes([5, len(body)]) + body + b"\x80"
    found = next(m for m in re.finditer(b"\x00\x00\x01[\x65\x41\x61]", access_unit))
    return access_unit[: found.start()] + sei + access_unit[found.start() :]


def transport_stream(times_us: list[int]) -> bytes:
    """Return H.264 in MPEG-TS: groups of one second, a new one after every gap, each frame with its time."""
    codec: Any = av.CodecContext.create("libx264", "w")
    codec.width, codec.height, codec.pix_fmt = 64, 48, "yuv420p"
    codec.time_base, codec.framerate = Fraction(1, 90_000), Fraction(FPS)
    codec.options = {"preset": "ultrafast", "tune": "zerolatency", "x264-params": "repeat-headers=1:aud=1:threads=1"}
    before, opened = None, 0
    out = io.BytesIO()
    with av.open(out, "w", format="mpegts", options={"mpegts_copyts": "1"}) as sink:
        stream: Any = sink.add_stream("libx264", rate=FPS)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for t_us in times_us:
            key = before is None or t_us - before > 2 * STEP_US or t_us - opened >= 1_000_000
            opened, before = (t_us if key else opened), t_us
            picture = av.VideoFrame(64, 48, "yuv420p")
            picture.pts, picture.time_base = t_us * 9 // 100 % 2**33, Fraction(1, 90_000)
            picture.pict_type = av.video.frame.PictureType.I if key else av.video.frame.PictureType.P
            for packet in codec.encode(picture):
                unit = av.Packet(stamped(bytes(packet), t_us))
                unit.pts = unit.dts = packet.pts
                unit.time_base, unit.stream, unit.is_keyframe = Fraction(1, 90_000), stream, key
                sink.mux(unit)
    return out.getvalue()


def demuxed(ts: bytes) -> tuple[Any, list[Frame]]:
    """Return an open container and its frames: packets live no longer than it."""
    container: Any = av.open(io.BytesIO(ts), format="mpegts")
    packets = [p for p in container.demux(video=0) if p.size]
    return container, [Frame(frame_time_us(bytes(p)) or 0, p.is_keyframe, p) for p in packets]
