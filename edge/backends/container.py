"""Segments as fragmented MP4 by PyAV, without re-encoding: whole to the last fragment whenever it is cut off."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av

from contracts.errors import CorruptMedia
from edge import logbook
from edge.recorder import Frame, Size

_CLOCK = Fraction(1, 90_000)
_OPTIONS = {"movflags": "frag_keyframe+empty_moov+default_base_moof", "flush_packets": "1"}
"""Each fragment reaches the file when it is made: left in FFmpeg's buffer, whole groups died with the process."""


class Mp4File:
    """One segment; presentation times follow the frames' true times."""

    def __init__(self, path: Path, first: Frame) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._first_us = first.t_us
        self._count = 0
        self._last_ticks = 0
        source = first.packet.stream
        self.codec = str(source.codec_context.name)[:16]
        self.size = Size(source.width, source.height)
        self._out = av.open(str(path), "w", format="mp4", options=_OPTIONS)
        self._stream: Any = self._out.add_stream_from_template(source)
        self._stream.time_base = _CLOCK

    def add(self, frame: Frame) -> None:
        """Write a frame at its true time."""
        packet = frame.packet
        ticks = round((frame.t_us - self._first_us) * 0.09)
        delay = 0 if packet.dts is None else round((packet.pts - packet.dts) * packet.time_base / _CLOCK)
        copy = av.Packet(bytes(packet))
        copy.time_base = _CLOCK
        copy.pts, copy.dts = ticks, ticks - delay
        copy.duration = ticks - self._last_ticks if self._count else 0
        copy.is_keyframe = frame.key
        copy.stream = self._stream
        self._out.mux(copy)
        self._count, self._last_ticks = self._count + 1, ticks

    def finish(self) -> tuple[float, ...]:
        """Close, read back, and return each frame's presentation time in ms.

        Raises:
            CorruptMedia: The file does not hold what was written.

        """
        self._out.close()
        with av.open(str(self._path)) as written:
            stream = written.streams.video[0]
            times = [float(p.pts * p.time_base) * 1000 for p in written.demux(stream) if p.size and p.pts is not None]
        if len(times) != self._count:
            raise CorruptMedia(f"{self._path.name} holds {len(times)} of {self._count} frames written.")
        return tuple(max(0.0, t) for t in sorted(times))

    def abandon(self) -> None:
        """Close and delete."""
        self._out.close()
        self._path.unlink(missing_ok=True)


def whole_frames(path: Path) -> Iterator[Frame]:
    """Yield the frames of a file that was cut off, as far as its fragments are whole; none when not one is."""
    try:
        with av.open(str(path)) as torn:
            for packet in torn.demux(torn.streams.video[0]):
                if packet.size and packet.pts is not None:
                    yield Frame(round(packet.pts * packet.time_base * 1_000_000), packet.is_keyframe, packet)
    except (av.FFmpegError, IndexError) as error:
        logbook.warn("torn_segment_ends", path=str(path), error=str(error))
