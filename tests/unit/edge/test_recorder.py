"""Segments are cut by the video's own time; killed anywhere and replayed, every frame is in exactly one."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import av
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contracts.errors import Unavailable
from contracts.events import DroneEventKind
from contracts.geo import Pose
from contracts.ids import segment_id
from contracts.media import PoseSample, SegmentManifest
from contracts.optics import CameraIntrinsics
from edge.backends.container import Mp4File, whole_frames
from edge.files import sha256_of
from edge.flights import Flights, Phase
from edge.poses import Poses
from edge.recorder import Frame, Recorder, Rig, pose_sigma_m
from tests.unit.edge.film import FPS, STEP_US, demuxed, transport_stream
from tests.unit.edge.world import NOW_US, Announcements, at, flight

OPTICS = CameraIntrinsics(width_px=64, height_px=48, focal_px=90.0)


class Tape:
    """A camera that replays from its memory; it breaks off where told."""

    replays = True

    def __init__(self, frames: list[Frame]) -> None:
        self.frames_on_card = frames
        self.break_after: list[int] = []

    def frames(self, from_us: int, waiting: Callable[[], bool]) -> Iterator[Frame]:
        limit = self.break_after.pop(0) if self.break_after else None
        starts = [f.t_us for f in self.frames_on_card if f.key and f.t_us >= from_us]
        for count, frame in enumerate(f for f in self.frames_on_card if starts and f.t_us >= starts[0]):
            if count == limit:
                raise Unavailable("The stream broke off.")
            yield frame
        waiting()

    def finished(self, after_us: int) -> bool:
        return not any(f.key and f.t_us > after_us for f in self.frames_on_card)


class Bench:
    """A recorder on a folder; ``restart`` is what a new process would see."""

    def __init__(self, folder: Path, tape: Tape) -> None:
        self.folder, self.tape = folder, tape
        self.flights = Flights(folder / "recordings")
        self.poses = Poses(folder / "poses.db")
        self.events = Announcements()
        self.restart()

    def restart(self) -> None:
        self.flights = Flights(self.folder / "recordings")
        rig = Rig("drone-1", OPTICS, self.tape, Mp4File, whole_frames)
        self.recorder = Recorder(rig, self.poses, self.flights, self.events, threading.Event())

    def fly(self, first_us: int, last_us: int) -> None:
        self.flights.save(
            flight(phase=Phase.ENDED, started_us=first_us, ended_us=last_us + 1_000_000, flight_id="flt-1")
        )
        for t_us in range(first_us - 300_000, last_us + 400_000, 50_000):
            self.poses.add(PoseSample(t_us=t_us, pose=Pose(point=at(t_us % 7, 0, 30), yaw_deg=10.0, pitch_deg=0.0)))

    def run(self) -> None:
        for _ in range(60):
            try:
                self.recorder.step()
            except Unavailable:
                continue
            if self.flights.known("flt-1").segments is not None:
                return
        raise AssertionError("The recording never ended.")

    def manifests(self) -> list[SegmentManifest]:
        folder = self.flights.folder("flt-1")
        return [SegmentManifest.model_validate_json(p.read_bytes()) for p in sorted(folder.glob("[0-9]*.json"))]


def _times(*strips_s: tuple[float, float]) -> list[int]:
    return [NOW_US + round(start * 1e6) + n * STEP_US for start, length in strips_s for n in range(round(length * FPS))]


STRIPS = _times((0.0, 9.4), (12.0, 2.0), (15.0, 6.0))
OPENED, FRAMES = demuxed(transport_stream(STRIPS))


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    made = Bench(tmp_path, Tape(FRAMES))
    made.fly(STRIPS[0], STRIPS[-1])
    return made


def test_segments_are_four_seconds_and_never_span_a_gap(bench: Bench) -> None:
    bench.run()
    spans = [(m.frames[0].t_us - NOW_US, len(m.frames)) for m in bench.manifests()]
    assert spans == [(0, 20), (4_000_000, 20), (8_000_000, 7), (12_000_000, 10), (15_000_000, 20), (19_000_000, 10)]
    assert bench.flights.known("flt-1").segments == 6
    assert bench.events.kinds() == [DroneEventKind.SEGMENT_RECORDED] * 6


def test_each_file_plays_and_its_manifest_is_true(bench: Bench) -> None:
    bench.run()
    for manifest in bench.manifests():
        video = bench.flights.folder("flt-1") / f"{manifest.index:05d}.mp4"
        assert sha256_of(video) == manifest.sha256
        assert manifest.segment_id == segment_id("flt-1", manifest.index)
        with av.open(str(video)) as opened:
            shown = [(f.time or 0.0) * 1000 for f in opened.decode(video=0)]
        assert shown == pytest.approx([f.pts_ms for f in manifest.frames], abs=0.02)
        times = [(f.t_us - manifest.frames[0].t_us) / 1000 for f in manifest.frames]
        assert shown == pytest.approx(times, abs=0.02)


def test_the_pose_track_covers_the_segment_with_a_margin(bench: Bench) -> None:
    bench.run()
    for manifest in bench.manifests():
        assert manifest.poses[0].t_us <= manifest.frames[0].t_us - 200_000
        assert manifest.poses[-1].t_us >= manifest.frames[-1].t_us + 200_000
        assert manifest.pose_sigma_m == 0.03


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(breaks=st.lists(st.integers(0, 45), max_size=6), restarts=st.lists(st.booleans(), min_size=6, max_size=6))
def test_broken_off_and_killed_anywhere_it_records_the_same(
    tmp_path_factory: pytest.TempPathFactory, breaks: list[int], restarts: list[bool]
) -> None:
    whole = Bench(tmp_path_factory.mktemp("whole"), Tape(FRAMES))
    whole.fly(STRIPS[0], STRIPS[-1])
    whole.run()
    tape = Tape(FRAMES)
    tape.break_after = list(breaks)
    bench = Bench(tmp_path_factory.mktemp("broken"), tape)
    bench.fly(STRIPS[0], STRIPS[-1])
    for restart in restarts:
        with suppress(Unavailable):
            bench.recorder.step()
        if restart:
            bench.restart()
    bench.run()
    assert [m.frames for m in bench.manifests()] == [m.frames for m in whole.manifests()]
    assert [m.sha256 for m in bench.manifests()] == [m.sha256 for m in whole.manifests()]


@pytest.mark.parametrize("name", ["00001.json", "00001.json.corrupt"], ids=["found now", "set aside before"])
def test_a_manifest_that_rotted_ends_no_recording_and_no_video_is_written_over(bench: Bench, name: str) -> None:
    bench.run()
    folder = bench.flights.folder("flt-1")
    (folder / "00001.json").rename(folder / name)
    (folder / name).write_text("{")
    videos = {path.name: path.read_bytes() for path in folder.glob("*.mp4")}
    bench.flights.change("flt-1", segments=None)
    bench.restart()
    bench.run()
    assert {path.name: path.read_bytes() for path in folder.glob("*.mp4")} == videos
    assert bench.flights.known("flt-1").segments == len(videos)


def test_a_torn_part_of_a_dead_process_is_written_over(bench: Bench) -> None:
    folder = bench.flights.folder("flt-1")
    (folder / "00000.mp4.part").write_bytes(b"torn")
    (folder / "00000.mp4").write_bytes(b"renamed, but its manifest never was")
    bench.run()
    assert len(bench.manifests()) == 6
    assert sha256_of(folder / "00000.mp4") == bench.manifests()[0].sha256


def test_frames_before_the_first_key_frame_are_left_out(tmp_path: Path) -> None:
    bench = Bench(tmp_path, Tape([]))
    bench.fly(STRIPS[0], STRIPS[-1])
    bench.tape.frames_on_card = FRAMES
    rig = Rig("drone-1", OPTICS, _Raw(FRAMES[2:]), Mp4File, whole_frames)
    bench.recorder = Recorder(rig, bench.poses, bench.flights, bench.events, threading.Event())
    bench.run()
    assert bench.manifests()[0].frames[0].t_us == STRIPS[5]


class _Raw(Tape):
    """A camera that starts in the middle of a group."""

    def frames(self, from_us: int, waiting: Callable[[], bool]) -> Iterator[Frame]:
        yield from self.frames_on_card


def test_the_next_flights_video_is_not_this_ones(tmp_path: Path) -> None:
    bench = Bench(tmp_path, Tape(FRAMES))
    bench.fly(STRIPS[0], STRIPS[-1])
    bench.flights.change("flt-1", ended_us=NOW_US + 10_000_000)
    bench.flights.save(
        flight(flight_id="flt-2", phase=Phase.ENDED, started_us=NOW_US + 11_000_000, ended_us=NOW_US + 30_000_000)
    )
    bench.run()
    assert sum(len(m.frames) for m in bench.manifests()) == 47
    while bench.flights.known("flt-2").segments is None:
        bench.recorder.step()
    assert bench.flights.known("flt-2").segments == 3


def test_a_flight_without_video_has_no_segments(tmp_path: Path) -> None:
    bench = Bench(tmp_path, Tape([]))
    bench.fly(NOW_US, NOW_US + 1_000_000)
    bench.run()
    assert bench.flights.known("flt-1").segments == 0


def test_a_hole_in_the_track_widens_the_error() -> None:
    def track(*times_ms: int) -> tuple[PoseSample, ...]:
        pose = Pose(point=at(0, 0, 30), yaw_deg=0.0, pitch_deg=0.0)
        return tuple(PoseSample(t_us=NOW_US + t * 1000, pose=pose) for t in times_ms)

    end_us = NOW_US + 1_000_000
    assert pose_sigma_m(track(-200, 0, 250, 500, 750, 1000, 1200), NOW_US, end_us) == 0.03
    assert pose_sigma_m(track(-200, 1200), NOW_US, end_us) == pytest.approx(0.03 + 0.5 * 1.4**2 / 8)
    assert pose_sigma_m(track(0, 50), NOW_US, end_us) > 0.05
