"""Tiny MP4 files and subtitle files as a camera writes them onto its card."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av

FPS = 5
_X265 = "scenecut=0:keyint=5:bframes=0:log-level=none:pools=1:frame-threads=1"
CODECS = {
    "h264": ("libx264", "x264-params", "scenecut=0:keyint=5:bframes=0"),
    "hevc": ("libx265", "x265-params", _X265),
}


def mp4(
    path: Path, seconds: float, *, codec: str = "h264", created: str = "", size: tuple[int, int] = (64, 48)
) -> Path:
    """Write a video with a key frame every second."""
    path.parent.mkdir(parents=True, exist_ok=True)
    encoder, name, parameters = CODECS[codec]
    with av.open(str(path), "w", format="mp4") as out:
        if created:
            out.metadata["creation_time"] = created
        stream: Any = out.add_stream(encoder, rate=FPS, options={"preset": "ultrafast", name: parameters})
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        for n in range(round(seconds * FPS)):
            picture = av.VideoFrame(*size, "yuv420p")
            picture.pts, picture.time_base = n, Fraction(1, FPS)
            for plane in picture.planes:
                plane.update(bytes([(n * 7) % 256]) * plane.buffer_size)
            out.mux(stream.encode(picture))
        out.mux(stream.encode(None))
    return path


def block(n: int, text: str, step_ms: int = 200) -> str:
    """Return one subtitle block."""
    return f"{n}\n{_clock((n - 1) * step_ms)} --> {_clock(n * step_ms)}\n{text}\n\n"


def _clock(t_ms: int) -> str:
    return f"00:{t_ms // 60_000:02d}:{t_ms // 1000 % 60:02d},{t_ms % 1000:03d}"


def telemetry(seconds: float, *, gimbal: bool = True, start: str = "2026-05-27 13:10:0") -> str:
    """Return subtitles of a drone that climbs 1 m each second."""
    lines = []
    for n in range(1, round(seconds * FPS) + 1):
        t_s = (n - 1) / FPS
        angles = " [gb_yaw: 90.0 gb_pitch: -10.0 gb_roll: 0.0]" if gimbal else ""
        lines.append(
            block(
                n,
                f'<font size="28">FrameCnt: {n}, DiffTime: 200ms\n{start[:-1]}{t_s:06.3f}\n'
                f"[focal_len: 24.00] [latitude: 56.70000{n}] [longitude: 8.200000] "
                f"[rel_alt: {t_s:.3f} abs_alt: {50 + t_s:.3f}]{angles} </font>",
            )
        )
    return "".join(lines)
