"""Video to whole segments: each a playable file with its manifest.

Cuts follow the video's own time, so that a replay after a crash gives the same ones: no frame lost, none twice.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from pydantic import ValidationError

from contracts.events import DroneEventKind
from contracts.ids import segment_id
from contracts.media import FrameTime, PoseSample, SegmentManifest
from contracts.optics import CameraIntrinsics
from edge import logbook
from edge.clock import from_us
from edge.files import rename_durably, sha256_of, sync, write_durably
from edge.flights import Flight, Flights, Phase
from edge.tracks import sidecars

SEGMENT_US = 4_000_000
GAP_US = 500_000
_MARGIN_US = 200_000
_POSE_PATIENCE_S = 3.0
_SETTLE_S = 1.0
_DURABLE_S = 5.0
"""How long to wait for an event to be on disk; a disk in trouble must not keep the next flight waiting."""
_POSE_GAP_US = 300_000
_DRIFT_MPS2 = 0.5
"""How much an inspection flight accelerates: what a hole in the pose track may hide."""
_BASE_SIGMA_M = 0.03


class Frame(NamedTuple):
    """One encoded frame; ``packet`` belongs to the backend."""

    t_us: int
    key: bool
    packet: Any
    format: str = ""
    """Codec, size and parameter sets: frames of different formats do not fit into one file."""


class Size(NamedTuple):
    """A picture's size, pixels."""

    width_px: int
    height_px: int


class Camera(Protocol):
    """Where encoded frames come from."""

    replays: bool
    """Whether it keeps what it filmed and gives it again. What a camera that does not gave is kept at once."""

    def frames(self, from_us: int, waiting: Callable[[], bool]) -> Iterator[Frame]:
        """Yield frames from ``from_us`` on, in order; end when the camera has no more for now.

        ``waiting`` is called while nothing comes; True ends the stream. Unavailable: it broke off.
        """

    def finished(self, after_us: int) -> bool:
        """Tell whether nothing later than ``after_us`` is recorded or still to come."""


class SegmentFile(Protocol):
    """A video file being written."""

    codec: str
    size: Size

    def add(self, frame: Frame) -> None:
        """Write a frame."""

    def finish(self) -> tuple[float, ...]:
        """Close the file and return the presentation time of each frame, ms, as a reader sees it."""

    def abandon(self) -> None:
        """Close and forget."""


OpenFile = Callable[[Path, Frame], SegmentFile]
Rescue = Callable[[Path], Iterator[Frame]]
"""Yields the frames that are whole in a file that was cut off, ``t_us`` counting from the first."""


class PoseTrack(Protocol):
    """Where the camera was."""

    def latest_us(self) -> int:
        """Return the newest pose's time."""

    def covering(self, start_us: int, end_us: int) -> tuple[PoseSample, ...]:
        """Return the poses that enclose a span."""


Announce = Callable[[DroneEventKind, dict[str, object]], Future[int] | None]
"""Tells an event; the future is done when it would survive a power cut. A segment told again is told once."""


Watch = Callable[[str, int, Any], None]
"""Is told of each key frame that is recorded: the flight, the frame's time and packet. It must not wait."""


def _unwatched(flight_id: str, t_us: int, packet: Any) -> None:
    """Nobody looks at frames on board."""


class Rig(NamedTuple):
    """The drone's camera, how its files are written, and who is shown its key frames."""

    drone_id: str
    intrinsics: CameraIntrinsics
    camera: Camera
    open_file: OpenFile
    rescue: Rescue
    watch: Watch = _unwatched


class _Segment:
    """The segment in hand."""

    def __init__(self, index: int, part: Path, file: SegmentFile, first: Frame) -> None:
        self.index, self.part, self.file, self.format = index, part, file, first.format
        self.times_us: list[int] = []
        self.add(first)

    def add(self, frame: Frame) -> None:
        self.file.add(frame)
        self.times_us.append(frame.t_us)

    def ends_before(self, frame: Frame) -> bool:
        """Tell whether ``frame`` opens the next segment."""
        gap_us = frame.t_us - self.times_us[-1]
        if gap_us > GAP_US or frame.format != self.format:
            return True
        return frame.key and frame.t_us - self.times_us[0] >= SEGMENT_US


class Recorder:
    """Follows one flight's video at a time."""

    def __init__(
        self,
        rig: Rig,
        poses: PoseTrack,
        flights: Flights,
        announce: Announce,
        stop: threading.Event,
    ) -> None:
        self._rig = rig
        self._camera = rig.camera
        self._poses = poses
        self._flights = flights
        self._announce = announce
        self._stop = stop
        self._flight_id = ""
        self._index = 0
        self._from_us = 0
        self._segment: _Segment | None = None
        self._quiet_at = 0.0
        self._told: Future[int] | None = None
        """Of the last segment's event; those before it are told before."""

    def step(self) -> bool | None:
        """Take in what the camera has for the oldest flight whose video is not complete."""
        flight = next((f for f in self._flights.all() if _wanted(f)), None)
        if flight is None:
            return None
        if flight.flight_id != self._flight_id:
            self._resume(flight)
            for index in range(self._index):  # a process that died once the manifest was there
                self._tell(index)
        got, over = self._follow(flight)
        if self._stop.is_set():
            return None
        if over or self._camera.finished(self._from_us - 1):
            self._close_if_over()
            if self._flight().ended_us is not None:
                self._close()
                self._complete()
            return True
        return True if got else None

    def _follow(self, flight: Flight) -> tuple[int, bool]:
        """Take frames until the stream ends; return how many, and whether the next flight's began."""
        got = 0
        try:
            for frame in self._camera.frames(self._from_us, self._waiting):
                if self._after_end(frame):
                    return got, True
                self._take(frame)
                got += 1
                if self._stop.is_set():
                    break
        except BaseException:
            self._leave_off()
            self._resume(flight)
            raise
        return got, False

    def close(self) -> None:
        """Leave the segment in hand: whole if the camera cannot give it again, else to be recorded again."""
        self._leave_off()

    def _leave_off(self) -> None:
        if self._camera.replays:
            self._abandon()
        else:
            self._close()

    def _flight(self) -> Flight:
        return self._flights.known(self._flight_id)

    def _folder(self) -> Path:
        return self._flights.folder(self._flight_id)

    def _resume(self, flight: Flight) -> None:
        """Continue after the last whole segment of a flight."""
        self._abandon()
        self._flight_id = flight.flight_id
        self._index, self._from_us = 0, flight.started_us
        while (path := _manifest_of(self._folder(), self._index)) is not None:
            self._from_us = max(self._from_us, _end_us(path) + 1)
            for left in ("mp4.begun", "mp4.torn", "klv.part", "srt.part"):  # by a process that died behind the manifest
                (self._folder() / f"{self._index:05d}.{left}").unlink(missing_ok=True)
            self._index += 1
        if not self._camera.replays:
            self._rescue()
        logbook.note("recording_from", flight_id=flight.flight_id, index=self._index, from_us=self._from_us)

    def _rescue(self) -> None:
        """Make a segment of what a dead process left of the one it had in hand: all but its last group of pictures.

        It may have died in a rescue, while it recorded, or with the whole film in place and no manifest yet.
        """
        part = self._folder() / f"{self._index:05d}.mp4.part"
        begun, torn = part.with_suffix(".begun"), part.with_suffix(".torn")
        begun.with_name(begun.name + ".part").unlink(missing_ok=True)
        left = next((path for path in (torn, part, part.with_suffix("")) if path.exists()), None)
        if left is None or not begun.exists():
            begun.unlink(missing_ok=True)  # it died before a frame was written, or once nothing could be saved
            return
        start_us = int(begun.read_text())
        left.replace(torn)
        for frame in self._rig.rescue(torn):
            self._take(frame._replace(t_us=start_us + frame.t_us))
        saved = self._segment is not None
        self._close()
        torn.unlink()
        begun.unlink(missing_ok=True)
        logbook.note("segment_rescued", flight_id=self._flight_id, index=self._index, saved=saved)

    def _take(self, frame: Frame) -> None:
        if frame.t_us < self._from_us:
            return
        if self._segment is not None and self._segment.ends_before(frame):
            self._close()
        if self._segment is None:
            if not frame.key:
                logbook.warn("frame_without_key", t_us=frame.t_us)
                return
            part = self._folder() / f"{self._index:05d}.mp4.part"
            if not self._camera.replays:
                write_durably(part.with_suffix(".begun"), str(frame.t_us).encode())
            self._segment = _Segment(self._index, part, self._rig.open_file(part, frame), frame)
        else:
            self._segment.add(frame)
        self._from_us = frame.t_us + 1
        if frame.key:
            self._rig.watch(self._flight_id, frame.t_us, frame.packet)

    def _close(self) -> None:
        """Make the segment in hand whole: file, poses, manifest, then their names."""
        segment = self._segment
        if segment is None:
            return
        pts_ms = segment.file.finish()
        self._segment = None
        sync(segment.part)
        video = segment.part.with_suffix("")
        manifest = self._manifest(segment, pts_ms)
        rename_durably(segment.part, video)
        write_durably(video.with_suffix(".json"), manifest.model_dump_json().encode())
        segment.part.with_suffix(".begun").unlink(missing_ok=True)
        sidecars.write(video, manifest)
        self._index = segment.index + 1
        logbook.note("segment_recorded", segment_id=manifest.segment_id, frames=len(pts_ms), bytes=manifest.size_bytes)
        self._tell(segment.index)

    def _tell(self, index: int) -> None:
        told: dict[str, object] = {"flight_id": self._flight_id, "segment_id": segment_id(self._flight_id, index)}
        self._told = self._announce(DroneEventKind.SEGMENT_RECORDED, told)

    def _manifest(self, segment: _Segment, pts_ms: tuple[float, ...]) -> SegmentManifest:
        times = segment.times_us
        poses = self._poses_of(times[0] - _MARGIN_US, times[-1] + _MARGIN_US)
        return SegmentManifest(
            segment_id=segment_id(self._flight_id, segment.index),
            flight_id=self._flight_id,
            drone_id=self._rig.drone_id,
            asset_id=self._flight().route.asset_id,
            index=segment.index,
            sha256=sha256_of(segment.part),
            size_bytes=segment.part.stat().st_size,
            codec=segment.file.codec,
            started_at=from_us(times[0]),
            frames=tuple(FrameTime(pts_ms=p, t_us=t) for p, t in zip(pts_ms, sorted(times), strict=True)),
            poses=poses,
            camera=self._intrinsics(segment.file.size),
            pose_sigma_m=pose_sigma_m(poses, times[0], times[-1]),
        )

    def _intrinsics(self, size: Size) -> CameraIntrinsics:
        """Return the camera of a picture's true size: turned to another resolution it keeps its field of view."""
        known = self._rig.intrinsics
        if (known.width_px, known.height_px) == size:
            return known
        scale = size.width_px / known.width_px
        if size.height_px != round(known.height_px * scale):
            detail = f"The picture is {size.width_px}x{size.height_px}: its shape is not that of the camera settings."
            self._announce(DroneEventKind.SAFETY, {"code": "camera_shape_changed", "detail": detail})
        return CameraIntrinsics(width_px=size.width_px, height_px=size.height_px, focal_px=known.focal_px * scale)

    def _poses_of(self, start_us: int, end_us: int) -> tuple[PoseSample, ...]:
        deadline = time.monotonic() + _POSE_PATIENCE_S
        while self._poses.latest_us() < end_us and time.monotonic() < deadline and not self._stop.is_set():
            self._stop.wait(0.05)
        poses = self._poses.covering(start_us, end_us)
        return poses if len(poses) >= 2 else _nearest(self._poses, start_us, end_us)

    def _waiting(self) -> bool:
        """While the camera is silent: leave when told to, or when the flight is over and nothing more will come."""
        if self._stop.is_set():
            return True
        if self._flight().ended_us is None or time.monotonic() < self._quiet_at:
            return False
        self._quiet_at = time.monotonic() + _SETTLE_S
        return self._camera.finished(self._from_us - 1)

    def _close_if_over(self) -> None:
        """Recording pauses: what comes next is later than a gap, so the segment in hand is whole already."""
        if self._segment is not None and self._poses.latest_us() - self._segment.times_us[-1] > 2 * GAP_US:
            self._close()

    def _after_end(self, frame: Frame) -> bool:
        ended_us = self._flight().ended_us
        return ended_us is not None and frame.t_us > ended_us

    def _complete(self) -> None:
        """End the flight's recording, once its last event is told: nobody looks at a complete one again."""
        if self._told is not None:
            wait([self._told], _DURABLE_S)
        self._flights.change(self._flight_id, segments=self._index)
        logbook.note("recording_complete", flight_id=self._flight_id, segments=self._index)
        self._flight_id = ""

    def _abandon(self) -> None:
        if self._segment is not None:
            self._segment.file.abandon()
            self._segment = None


def pose_sigma_m(poses: tuple[PoseSample, ...], start_us: int, end_us: int) -> float:
    """Return the 1-sigma position error: the sensor's, or what the largest hole in the track may hide (a t^2 / 8)."""
    times = [min(poses[0].t_us, start_us), *(p.t_us for p in poses), max(poses[-1].t_us, end_us)]
    hole_us = max(b - a for a, b in pairwise(times))
    if hole_us <= _POSE_GAP_US:
        return _BASE_SIGMA_M
    return _BASE_SIGMA_M + _DRIFT_MPS2 * (hole_us / 1e6) ** 2 / 8


def _wanted(flight: Flight) -> bool:
    return flight.segments is None and flight.phase is not Phase.ABANDONED


def _nearest(poses: PoseTrack, start_us: int, end_us: int) -> tuple[PoseSample, ...]:
    """Return two poses for a span the track does not cover at all: the last known place, held."""
    known = poses.covering(0, end_us) or poses.covering(start_us, poses.latest_us())
    last = known[-1]
    return (last.model_copy(update={"t_us": max(0, start_us)}), last.model_copy(update={"t_us": end_us}))


def _manifest_of(folder: Path, index: int) -> Path | None:
    """Return a segment's manifest, also one that was set aside as it cannot be read; None before it is recorded."""
    path = folder / f"{index:05d}.json"
    return next((found for found in (path, path.with_name(path.name + ".corrupt")) if found.exists()), None)


def _end_us(manifest: Path) -> int:
    """Return when a segment's last frame was taken; 0 where its manifest cannot be read: recording goes on."""
    try:
        return SegmentManifest.model_validate_json(manifest.read_bytes()).frames[-1].t_us
    except ValidationError as error:
        logbook.warn("manifest_unreadable", path=str(manifest), error=str(error)[:300])
        return 0
