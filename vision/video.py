"""Reads a video file: its packets without decoding, and only those frames that are wanted."""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import av
import av.error
import numpy as np
from numpy.typing import NDArray

from contracts.errors import CorruptMedia

Image = NDArray[np.uint8]
"""(height, width, 3), BGR."""


class IndexEntry(NamedTuple):
    """One frame of the file, in presentation order."""

    pts: int
    pts_ms: float
    """Since the first frame of the file."""
    key: bool
    """Can be decoded by itself."""


class Decoded(NamedTuple):
    """One decoded frame."""

    frame: int
    """Index in presentation order."""
    pts_ms: float
    image: Image


class Video:
    """One video file, indexed at opening; its frames come upright, as the file says they are to be shown.

    Raises:
        CorruptMedia: The file cannot be opened as video or holds no frame.

    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.problems: list[str] = []
        self._packets: list[tuple[int, bool]] = []
        with self._open() as container:
            stream = container.streams.video[0]
            coded = (stream.codec_context.width, stream.codec_context.height)
            self.codec: str = stream.codec_context.name
            base = float(stream.time_base or 0) * 1000.0
            try:
                self._packets = [(p.pts, p.is_keyframe) for p in container.demux(stream) if p.pts is not None]
            except av.error.FFmpegError as error:
                self.problems.append(f"reading stopped: {error}")
        if not self._packets or not any(key for _, key in self._packets):
            raise CorruptMedia(f"{path.name} holds no video frame.", hint="Record or upload the segment again.")
        ordered = sorted(self._packets)
        self.index = [IndexEntry(pts, (pts - ordered[0][0]) * base, key) for pts, key in ordered]
        self.first_ms = ordered[0][0] * base
        self._quarter_turns = self._read_quarter_turns()
        self.width_px, self.height_px = coded[::-1] if self._quarter_turns % 2 else coded

    @property
    def duration_s(self) -> float:
        """Return the time the frames span, the last one included."""
        if len(self.index) < 2:
            return 0.0
        last = self.index[-1].pts_ms
        return (last + last / (len(self.index) - 1)) / 1000.0

    def key_before(self, index: int) -> int:
        """Return the frame at or before ``index`` from which decoding can start."""
        return next((i for i in range(index, -1, -1) if self.index[i].key), 0)

    def decode(self, wanted: Sequence[int]) -> Iterator[Decoded]:
        """Yield the wanted frames in presentation order; groups of pictures without one are not decoded.

        A frame that cannot be decoded is left out and noted in ``problems``.
        """
        positions = {self.index[i].pts: i for i in wanted}
        lost = set(wanted)
        feed = self._packets_to_feed(wanted)
        with self._open() as container:
            stream = container.streams.video[0]
            # With frame threads FFmpeg conceals damage; one frame at a time it reports it.
            stream.thread_type = "SLICE"
            stream.codec_context.options = {"err_detect": "explode"}
            try:
                number = -1
                for packet in container.demux(stream):
                    number += packet.pts is not None
                    if packet.size == 0 or (packet.pts is not None and number in feed):
                        for decoded in self._frames(packet, positions):
                            lost.discard(decoded.frame)
                            yield decoded
            except av.error.FFmpegError as error:
                self._note(f"reading stopped: {error}")
        if lost:
            self._note(f"{len(lost)} of {len(wanted)} frames looked for could not be decoded, the first is {min(lost)}")

    def _packets_to_feed(self, wanted: Sequence[int]) -> set[int]:
        """Return which packets (by file order) lead up to the wanted frames: each from its key frame on.

        In an open group some frames come after their key frame in the file, are shown before it, and refer to the
        group before as well (HEVC's leading pictures): those need that group too, and are fed with it alone.
        """
        order = {pts: number for number, (pts, _) in enumerate(self._packets)}
        keys = [number for number, (_, key) in enumerate(self._packets) if key]
        feed: set[int] = set()
        for i in wanted:
            pts, last = self.index[i].pts, order[self.index[i].pts]
            group = max(0, bisect.bisect_right(keys, last) - 1)
            leads = pts < self._packets[keys[group]][0]
            feed.update(range(keys[max(0, group - leads)], last + 1))
        return feed - {n for key in keys if key - 1 not in feed for n in self._leading(key)}

    def _leading(self, key: int) -> Iterator[int]:
        """Yield the packets after a key frame that are shown before it."""
        shown, after = self._packets[key][0], range(key + 1, len(self._packets))
        return itertools.takewhile(lambda number: self._packets[number][0] < shown, after)

    def _read_quarter_turns(self) -> int:
        """Return how often the coded pictures are to be turned by 90 degrees, counter-clockwise."""
        with self._open() as container:
            container.streams.video[0].thread_type = "SLICE"  # frame threads would decode more than the first
            try:
                turned_deg = next((frame.rotation for frame in container.decode(video=0)), 0)
            except av.error.FFmpegError:
                return 0  # what cannot be decoded is said when it is looked at
        return round(turned_deg / 90) % 4

    def _frames(self, packet: av.Packet[av.VideoStream], positions: dict[int, int]) -> Iterator[Decoded]:
        try:
            frames = packet.decode()
        except av.error.FFmpegError as error:
            self._note(f"frame at {packet.pts} lost: {error}")
            return
        for frame in frames:
            if frame.pts not in positions:
                continue
            index = positions[frame.pts]
            if frame.is_corrupt:
                self._note(f"frame {index} is damaged")
                continue
            coded = np.asarray(frame.to_ndarray(format="bgr24"), np.uint8)
            image = np.ascontiguousarray(np.rot90(coded, self._quarter_turns))
            yield Decoded(index, self.index[index].pts_ms, image)

    def _note(self, problem: str) -> None:
        if problem not in self.problems:
            self.problems.append(problem)

    def _open(self) -> av.container.InputContainer:
        try:
            container = av.open(str(self.path), metadata_errors="replace")
        except (av.error.FFmpegError, OSError) as error:
            raise CorruptMedia(
                f"{self.path.name} cannot be read as video: {error}", hint="Record or upload the segment again."
            ) from error
        # A damaged file may have a stream without a codec.
        if not container.streams.video or not getattr(container.streams.video[0].codec_context, "width", 0):
            container.close()
            raise CorruptMedia(f"{self.path.name} holds no video stream.", hint="Check the recorder's output.")
        return container
