"""A card's video and its subtitle telemetry to segments with pose tracks, or to a reason why not."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple, Protocol

from contracts.errors import InvalidInput
from contracts.geo import GeoPoint, Pose
from contracts.ids import segment_id
from contracts.media import FrameTime, PoseSample, SegmentManifest
from contracts.optics import CameraIntrinsics
from contracts.telemetry import to_utc_us
from edge.captures.photo import intrinsics
from edge.captures.sample import Moment
from edge.captures.srt import Track
from edge.captures.terms import Heights, Terms, stated_utc
from edge.clock import from_us
from edge.files import rename_durably, sha256_of, sync, write_durably
from edge.recorder import SEGMENT_US, Frame, OpenFile, SegmentFile, pose_sigma_m

GNSS_SIGMA_M = 1.5
"""What a drone without RTK knows of its own place: the makers' stated hovering accuracy."""
_GIMBAL_SIGMA_DEG = 1.0
_MARGIN_US = 1_500_000
_HOLE_US = 3_000_000
"""Poses further apart than this do not place what lies between."""


class Film(NamedTuple):
    """What a video file holds; its size is that of the upright picture."""

    width_px: int
    height_px: int
    codec: str
    duration_s: float
    created_at: datetime | None
    """The container's UTC, where the camera set it."""


class Films(Protocol):
    """Reads video files."""

    def probe(self, path: Path) -> Film:
        """Say what a file holds; CorruptMedia when no video can be read."""

    def frames(self, path: Path) -> Iterator[Frame]:
        """Yield frames with times since the first one."""

    def subtitles(self, path: Path) -> str:
        """Return a text track inside the video."""


class Reel(NamedTuple):
    """A video ready to be taken."""

    path: Path
    film: Film
    start_us: int
    """UTC of the first frame."""
    camera: CameraIntrinsics
    poses: tuple[PoseSample, ...]
    notes: tuple[str, ...]


def reel_of(path: Path, film: Film, track: Track, terms: Terms) -> Reel:
    """Put a video and its telemetry together.

    Raises:
        InvalidInput: When it was filmed, or with what lens, cannot be known; the message says what to state.

    """
    start = _started_at(film, track, terms)
    focal_mm35 = next((m.focal_mm35 for m in track.moments if m.focal_mm35), terms.focal_mm35)
    if focal_mm35 is None:
        raise InvalidInput("the focal length is not said", hint="State it: --focal-mm35 24.", field="focal_mm35")
    start_us = to_utc_us(start)
    poses = _poses(track, start_us, terms.heights)
    notes = _notes(track, poses, terms.heights)
    return Reel(path, film, start_us, intrinsics(film.width_px, film.height_px, focal_mm35), poses, notes)


def cues_ms(track: Track) -> list[tuple[int, Moment]]:
    """Return moments with their time in the video; files without cue times are told apart by their dates."""
    first = next((m.camera_time for m in track.moments if m.camera_time), None)
    timed: list[tuple[int, Moment]] = []
    for moment in track.moments:
        if moment.cue_ms is not None:
            timed.append((moment.cue_ms, moment))
        elif first is not None and moment.camera_time is not None:
            timed.append((round((moment.camera_time - first).total_seconds() * 1000), moment))
    return sorted(timed, key=lambda pair: pair[0])


def _started_at(film: Film, track: Track, terms: Terms) -> datetime:
    for cue_ms, moment in cues_ms(track):
        if moment.camera_time is None:
            continue
        camera_start = moment.camera_time - timedelta(milliseconds=cue_ms)
        utc = stated_utc(camera_start, terms.utc_offset, film.created_at)
        if utc is None:
            hint = "State the zone of the camera's clock: --utc-offset +02:00."
            raise InvalidInput(f"its clock said {camera_start:%Y-%m-%d %H:%M:%S}, in no known time zone", hint=hint)
        return utc
    if film.created_at is not None and terms.utc_offset is not None:
        return film.created_at - terms.utc_offset
    hint = "State the zone of the camera's clock (--utc-offset; +00:00 if the video's own time is UTC)."
    if film.created_at is not None:
        raise InvalidInput(f"only the video says when: {film.created_at:%Y-%m-%d %H:%M:%S}, zone unknown", hint=hint)
    raise InvalidInput("neither the video nor its subtitles say when it was filmed", hint="It cannot be taken.")


def _poses(track: Track, start_us: int, heights: Heights) -> tuple[PoseSample, ...]:
    found: dict[int, PoseSample] = {}
    for cue_ms, moment in cues_ms(track):
        if moment.place is None or moment.direction is None:
            continue
        alt_m = heights.above_ellipsoid_m(moment.place)
        if alt_m is None:
            continue
        point = GeoPoint(lat_deg=moment.place.lat_deg, lon_deg=moment.place.lon_deg, alt_m=alt_m)
        yaw, pitch, roll = moment.direction
        pose = Pose(point=point, yaw_deg=yaw, pitch_deg=pitch, roll_deg=roll)
        t_us = start_us + cue_ms * 1000
        found.setdefault(t_us, PoseSample(t_us=t_us, pose=pose))
    return tuple(found[t_us] for t_us in sorted(found))


def _notes(track: Track, poses: tuple[PoseSample, ...], heights: Heights) -> tuple[str, ...]:
    notes = [f"subtitles, line {fault.line}: {fault.reason}" for fault in track.faults[:20]]
    placed = [m for m in track.moments if m.place is not None]
    if not placed:
        return (*notes, "no position")
    if not any(m.direction for m in placed):
        notes.append("no camera direction")
    if not any(m.place and heights.above_ellipsoid_m(m.place) is not None for m in placed):
        notes.append("no height above the ellipsoid: state --datum, or --take-off-alt-m")
    if len(placed) < len(track.moments):
        notes.append(f"no fix in {len(track.moments) - len(placed)} of {len(track.moments)} moments")
    if poses and len(track.dialects) > 1:
        notes.append(f"two dialects in one file: {', '.join(track.dialects)}")
    return tuple(notes)


class Cutter:
    """Cuts one video into segments in a folder; segments that are there already are kept."""

    def __init__(self, reel: Reel, capture_id: str, terms: Terms, folder: Path, open_file: OpenFile) -> None:
        self._reel = reel
        self._capture_id = capture_id
        self._terms = terms
        self._folder = folder
        self._open_file = open_file
        self._file: SegmentFile | None = None
        self._times_us: list[int] = []
        self._index = 0
        self.placed = 0

    def run(self, frames: Iterator[Frame]) -> int:
        """Cut; return the number of segments. A repeat after a crash makes the same cuts.

        Raises:
            InvalidInput: The video cannot be cut without loss.
            CorruptMedia: It breaks off.

        """
        try:
            for frame in frames:
                self._take(frame._replace(t_us=self._reel.start_us + frame.t_us))
            self._close()
        except BaseException:
            if self._file is not None:
                self._file.abandon()
            raise
        if self._index == 0:
            raise InvalidInput("the video has no frame that can be shown alone")
        return self._index

    def _take(self, frame: Frame) -> None:
        if self._times_us and frame.key and frame.t_us - self._times_us[0] >= SEGMENT_US:
            self._close()
        if not self._times_us:
            if not frame.key:
                return
            if not self._manifest_path().exists():
                self._file = self._open_file(self._part(), frame)
        elif frame.t_us < self._times_us[0]:
            raise InvalidInput("frames of one group are shown before its key frame: it cannot be cut without loss")
        if self._file is not None:
            self._file.add(frame)
        self._times_us.append(frame.t_us)

    def _close(self) -> None:
        if self._file is not None:
            pts_ms, self._file = self._file.finish(), None
            sync(self._part())
            manifest = self._manifest(pts_ms)
            rename_durably(self._part(), self._part().with_suffix(""))
            write_durably(self._manifest_path(), manifest.model_dump_json().encode())
            self.placed += bool(manifest.poses)
        elif self._times_us:
            self.placed += bool(SegmentManifest.model_validate_json(self._manifest_path().read_bytes()).poses)
        if self._times_us:
            self._index, self._times_us = self._index + 1, []

    def _manifest(self, pts_ms: tuple[float, ...]) -> SegmentManifest:
        times = sorted(self._times_us)
        poses = covering(self._reel.poses, times[0], times[-1])
        sigma_m = GNSS_SIGMA_M + pose_sigma_m(poses, times[0], times[-1]) if poses else GNSS_SIGMA_M
        return SegmentManifest(
            segment_id=segment_id(self._capture_id, self._index),
            flight_id=self._capture_id,
            drone_id=self._terms.drone_id,
            asset_id=self._terms.asset_id,
            index=self._index,
            sha256=sha256_of(self._part()),
            size_bytes=self._part().stat().st_size,
            codec=self._reel.film.codec[:16],
            started_at=from_us(times[0]),
            frames=tuple(FrameTime(pts_ms=p, t_us=t) for p, t in zip(pts_ms, times, strict=True)),
            poses=poses,
            camera=self._reel.camera,
            pose_sigma_m=sigma_m,
            attitude_sigma_deg=_GIMBAL_SIGMA_DEG,
        )

    def _part(self) -> Path:
        return self._folder / f"{self._index:05d}.mp4.part"

    def _manifest_path(self) -> Path:
        return self._folder / f"{self._index:05d}.json"


def covering(poses: tuple[PoseSample, ...], start_us: int, end_us: int) -> tuple[PoseSample, ...]:
    """Return the poses about a span; none when they leave a hole in it that the camera may have moved through."""
    near = tuple(p for p in poses if start_us - _MARGIN_US <= p.t_us <= end_us + _MARGIN_US)
    times = [start_us - _MARGIN_US, *(p.t_us for p in near), end_us + _MARGIN_US]
    return near if len(near) >= 2 and max(b - a for a, b in pairwise(times)) <= _HOLE_US else ()
