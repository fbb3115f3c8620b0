"""Video files by PyAV, read only: what they hold, their frames, and the telemetry some cameras put inside them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import IO, Any

import av

from contracts.errors import CorruptMedia
from contracts.media import SegmentManifest
from edge.captures.video import Film
from edge.recorder import Frame
from edge.tracks import klv

_TS_CLOCK = Fraction(1, 90_000)


class Mp4Films:
    """MP4 and MOV files on a memory card."""

    def probe(self, path: Path) -> Film:
        """Say what a file holds.

        Raises:
            CorruptMedia: No video can be read from it.

        """
        with _readable("no video can be read"), av.open(str(path), metadata_errors="replace") as opened:
            stream = opened.streams.video[0]
            seconds = float(opened.duration or 0) / 1e6
            created = _created(opened.metadata.get("creation_time"))
            width_px, height_px = stream.width, stream.height
            if _is_on_its_side(opened):
                width_px, height_px = height_px, width_px
            return Film(width_px, height_px, stream.codec_context.name, seconds, created)

    def frames(self, path: Path) -> Iterator[Frame]:
        """Yield encoded frames in the file's order; ``t_us`` counts from the first shown frame.

        Raises:
            CorruptMedia: The file breaks off.

        """
        with _readable("the video breaks off"), av.open(str(path), metadata_errors="replace") as opened:
            first: int | None = None
            for packet in opened.demux(opened.streams.video[0]):
                if packet.size == 0 or packet.pts is None:
                    continue
                first = packet.pts if first is None else first
                yield Frame(round((packet.pts - first) * packet.time_base * 1_000_000), packet.is_keyframe, packet)

    def subtitles(self, path: Path) -> str:
        """Return a text track as the subtitle file it would be; empty when the video has none."""
        blocks: list[str] = []
        with _readable("its text track cannot be read"), av.open(str(path), metadata_errors="replace") as opened:
            track = next((s for s in opened.streams.subtitles if s.codec_context.name == "mov_text"), None)
            for packet in opened.demux(track) if track is not None else ():
                if packet.size > 2 and packet.pts is not None:
                    blocks.append(_block(len(blocks) + 1, packet))
        return "\n\n".join(blocks)


def _is_on_its_side(opened: Any) -> bool:
    """Say whether a file tells players to turn its pictures by a quarter; copies of its packets keep telling them."""
    return any(round(frame.rotation / 90) % 2 for frame in itertools.islice(opened.decode(video=0), 1))


@contextmanager
def _readable(what: str) -> Iterator[None]:
    """Refuse a file that FFmpeg or its binding fall over.

    Beside FFmpeg's own errors: a damaged file may have no stream (IndexError), or one without a codec (AttributeError).
    """
    try:
        yield
    except (av.FFmpegError, IndexError, AttributeError) as error:
        raise CorruptMedia(f"{what}: {error}") from error


def _block(count: int, packet: Any) -> str:
    """Return a subtitle block of a timed text sample: two bytes of length, then the text."""
    raw = bytes(packet)
    text = raw[2 : 2 + int.from_bytes(raw[:2], "big")].decode("utf-8", errors="replace")
    start_ms = round(float(packet.pts * packet.time_base) * 1000)
    end_ms = start_ms + round(float((packet.duration or 0) * packet.time_base) * 1000)
    body = "\n".join(line for line in text.splitlines() if line.strip() and not line.strip().isdecimal())
    return f"{count}\n{_clock(start_ms)} --> {_clock(end_ms)}\n{body}"


def _clock(t_ms: int) -> str:
    seconds, millis = divmod(max(0, t_ms), 1000)
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d},{millis:03d}"


def _created(text: str | None) -> datetime | None:
    """Return the container's creation time; cameras that have no clock write the epoch of 1904 or 1970."""
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment.astimezone(UTC) if moment.tzinfo is not None and moment.year > 2000 else None


def transport_stream(video: Path, manifest: SegmentManifest, out: IO[bytes]) -> None:
    """Write a segment and its pose track as MPEG-TS with a KLV data track (STANAG 4609), pictures unchanged.

    MP4 has no room for it: FFmpeg's muxer refuses KLV in MP4, MOV and Matroska.

    Raises:
        CorruptMedia: The video cannot be read.

    """
    mission = klv.Mission(manifest.flight_id, manifest.drone_id, manifest.camera, manifest.pose_sigma_m)
    first_us = manifest.frames[0].t_us
    waiting = [((s.t_us - first_us) * 9 // 100, klv.packet(s, mission)) for s in manifest.poses]
    lead = max(0, -waiting[0][0]) if waiting else 0
    try:
        with av.open(str(video)) as source, av.open(out, "w", format="mpegts") as sink:
            picture = sink.add_stream_from_template(source.streams.video[0])
            data = sink.add_data_stream("klv")
            data.time_base = _TS_CLOCK
            for packet in source.demux(source.streams.video[0]):
                if packet.size == 0 or packet.pts is None or packet.dts is None:
                    continue
                due = float(packet.dts * packet.time_base / _TS_CLOCK)
                while waiting and waiting[0][0] <= due:
                    sink.mux(_data_packet(data, *waiting.pop(0), lead))
                _shift(packet, lead)
                packet.stream = picture
                sink.mux(packet)
            for late in waiting:
                sink.mux(_data_packet(data, *late, lead))
    except av.FFmpegError as error:
        raise CorruptMedia(f"{video.name} cannot be copied: {error}") from error


def _data_packet(stream: Any, ticks: int, body: bytes, lead: int) -> Any:
    packet = av.Packet(body)
    packet.stream, packet.time_base = stream, _TS_CLOCK
    packet.pts = packet.dts = ticks + lead
    return packet


def _shift(packet: Any, lead: int) -> None:
    """Make room for the poses before the first frame."""
    offset = int(lead * _TS_CLOCK / packet.time_base)
    packet.pts, packet.dts = packet.pts + offset, packet.dts + offset
