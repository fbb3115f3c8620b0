"""Cameras that cannot replay: RTSP and files, in H.264 and H.265; stalled, hung up, changed, and the agent killed."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import pytest

from contracts.errors import Unavailable
from contracts.events import DroneEventKind
from contracts.geo import Pose
from contracts.media import PoseSample, SegmentManifest
from contracts.optics import CameraIntrinsics
from edge.backends.camera import PlainCamera, camera_at, source_of
from edge.backends.container import Mp4File, whole_frames
from edge.backends.film import Mp4Films
from edge.clock import now_us
from edge.files import sha256_of
from edge.flights import Flights, Phase
from edge.poses import Poses
from edge.recorder import Frame, Recorder, Rig
from tests.backends.rtsp_camera import RtspCamera
from tests.unit.edge.captures.reels import FPS, mp4
from tests.unit.edge.world import Announcements, at, flight

OPTICS = CameraIntrinsics(width_px=64, height_px=48, focal_px=90.0)
REPOSITORY = Path(__file__).resolve().parents[2]


def never() -> bool:
    return False


class Live:
    """A camera that cannot replay, in memory: each call gives the next strip."""

    replays = False

    def __init__(self, *strips: list[Frame]) -> None:
        self.strips = list(strips)
        self.breaks = False

    def frames(self, from_us: int, waiting: Callable[[], bool]) -> Iterator[Frame]:
        strip = self.strips.pop(0) if self.strips else []
        yield from (frame for frame in strip if frame.t_us >= from_us)
        if self.breaks:
            self.breaks = False
            raise Unavailable("It fell silent.")

    def finished(self, after_us: int) -> bool:
        return not self.strips


class Bench:
    """A recorder on a folder, over an ended flight; ``restart`` is what a new process would see."""

    def __init__(self, folder: Path, camera: Live | PlainCamera, start_us: int) -> None:
        self.folder, self.camera, self.start_us = folder, camera, start_us
        self.events = Announcements()
        self.poses = Poses(folder / "poses.db")
        Flights(folder / "recordings").save(
            flight(phase=Phase.ENDED, started_us=start_us, ended_us=start_us + 3_600_000_000, flight_id="flt-1")
        )
        for t_us in range(start_us - 300_000, start_us + 20_000_000, 100_000):
            self.poses.add(PoseSample(t_us=t_us, pose=Pose(point=at(0, 0, 30), yaw_deg=10.0, pitch_deg=0.0)))
        self.restart()

    def restart(self) -> None:
        self.flights = Flights(self.folder / "recordings")
        rig = Rig("drone-1", OPTICS, self.camera, Mp4File, whole_frames)
        self.recorder = Recorder(rig, self.poses, self.flights, self.events, threading.Event())

    def run(self) -> None:
        while self.flights.known("flt-1").segments is None:
            try:
                self.recorder.step()
            except Unavailable:
                continue

    def manifests(self) -> list[SegmentManifest]:
        folder = self.flights.folder("flt-1")
        return [SegmentManifest.model_validate_json(p.read_bytes()) for p in sorted(folder.glob("[0-9]*.json"))]


def film(path: Path, seconds: float, start_us: int, form: str = "one", **how: object) -> list[Frame]:
    """Return the frames of a film; the packets stay readable because their container is not closed."""
    mp4(path, seconds, **how)  # type: ignore[arg-type]
    return [f._replace(t_us=start_us + f.t_us, format=form) for f in _frames_of(path)]


def _frames_of(path: Path) -> Iterator[Frame]:
    reader = Mp4Films().frames(path)
    _OPEN.append(reader)
    for _ in range(len(list(Mp4Films().frames(path)))):
        yield next(reader)


_OPEN: list[Iterator[Frame]] = []


@pytest.fixture(autouse=True)
def _close_films() -> Iterator[None]:
    yield
    while _OPEN:
        _OPEN.pop().close()  # type: ignore[attr-defined]


@pytest.mark.parametrize("codec", ["h264", "hevc"])
def test_frames_come_over_rtsp(tmp_path: Path, codec: str) -> None:
    video = mp4(tmp_path / "a.mp4", 3.0, codec=codec, size=(320, 240))
    got: list[Frame] = []
    with RtspCamera(video) as server:
        camera = camera_at(server.url)
        assert f"{codec} 320x240" in camera.probe()
        try:
            got.extend(f._replace(packet=None) for f in camera.frames(0, never))
        except Unavailable:
            assert len(got) == 15
    steps = {round((b.t_us - a.t_us) / 1000) for a, b in pairwise(got)}
    assert len(got) == 15
    assert [f.key for f in got] == [n % 5 == 0 for n in range(15)]
    assert steps == {1000 // FPS}


def test_a_camera_that_falls_silent_is_given_up_in_seconds(tmp_path: Path) -> None:
    video = mp4(tmp_path / "a.mp4", 3.0)
    got: list[int] = []
    began = time.monotonic()
    with RtspCamera(video, stall_after=7) as server, pytest.raises(Unavailable):
        got.extend(f.t_us for f in PlainCamera(server.url).frames(0, never))
    assert len(got) >= 5
    assert time.monotonic() - began < 20


def test_hung_up_and_back_with_another_codec_each_film_is_stored_whole(tmp_path: Path) -> None:
    first = mp4(tmp_path / "a.mp4", 2.0, size=(64, 48))
    second = mp4(tmp_path / "b.mp4", 2.0, size=(128, 96), codec="hevc")
    with RtspCamera(first, second) as server:
        bench = Bench(tmp_path / "state", PlainCamera(server.url), now_us())
        bench.flights.change("flt-1", phase=Phase.FLYING, ended_us=None)
        while len(bench.manifests()) < 2 and server.plays < 4:
            with suppress(Unavailable):
                bench.recorder.step()
        bench.recorder.close()
    shot = [(m.codec, m.camera.width_px, m.camera.focal_px, len(m.frames)) for m in bench.manifests()[:2]]
    assert shot[0] == ("h264", 64, 90.0, 10)
    assert shot[1][:3] == ("hevc", 128, 180.0)
    assert shot[1][3] >= 10


def test_a_changed_format_begins_a_new_segment(tmp_path: Path) -> None:
    start_us = now_us()
    strips = [
        film(tmp_path / "a.mp4", 2.0, start_us, "one"),
        film(tmp_path / "b.mp4", 2.0, start_us + 2_000_000, "two", size=(96, 96)),
    ]
    bench = Bench(tmp_path / "state", Live(*strips), start_us)
    bench.run()
    assert [(len(m.frames), m.camera.height_px) for m in bench.manifests()] == [(10, 48), (10, 96)]
    assert DroneEventKind.SAFETY in bench.events.kinds()


def test_what_came_before_a_break_is_kept(tmp_path: Path) -> None:
    start_us = now_us()
    camera = Live(film(tmp_path / "a.mp4", 2.6, start_us))
    camera.breaks = True
    bench = Bench(tmp_path / "state", camera, start_us)
    bench.run()
    assert [len(m.frames) for m in bench.manifests()] == [13]


_CHILD = """
import sys, threading
from pathlib import Path
sys.path.insert(0, {repository!r})
from tests.backends.test_edge_live_cameras import Bench, film
from contracts.errors import Unavailable

class Endless:
    replays = False
    def __init__(self, strip): self.strip = strip
    def frames(self, from_us, waiting):
        for count, frame in enumerate(self.strip):
            yield frame
            print(count + 1, flush=True)
        threading.Event().wait()
    def finished(self, after_us): return False

folder, start_us = Path({folder!r}), {start_us}
Bench(folder / "state", Endless(film(folder / "a.mp4", 7.4, start_us)), start_us).recorder.step()
"""


@pytest.mark.parametrize("frames_seen", [3, 12, 29, 37])
def test_killed_at_least_all_but_the_last_group_of_pictures_is_there(tmp_path: Path, frames_seen: int) -> None:
    start_us = now_us()
    code = _CHILD.format(repository=str(REPOSITORY), folder=str(tmp_path), start_us=start_us)
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, cwd=REPOSITORY) as child:
        assert child.stdout is not None
        while int(child.stdout.readline()) < frames_seen:
            continue
        child.send_signal(signal.SIGKILL)
    bench = Bench(tmp_path / "state", Live(), start_us)
    bench.run()
    kept = sum(len(m.frames) for m in bench.manifests())
    whole_groups = frames_seen // FPS * FPS
    assert kept >= (whole_groups if frames_seen % FPS else whole_groups - FPS)
    for manifest in bench.manifests():
        assert sha256_of(bench.flights.folder("flt-1") / f"{manifest.index:05d}.mp4") == manifest.sha256
        assert manifest.frames[0].t_us >= start_us
    assert [p.name for p in bench.flights.folder("flt-1").iterdir() if p.suffix in (".part", ".torn", ".begun")] == []


def test_killed_with_the_film_in_place_and_no_manifest_yet_all_of_it_is_there(tmp_path: Path) -> None:
    start_us = now_us()
    bench = Bench(tmp_path / "state", Live(film(tmp_path / "a.mp4", 2.6, start_us)), start_us)
    bench.recorder.step()
    folder = bench.flights.folder("flt-1")
    (folder / "00000.json").unlink()
    (folder / "00000.mp4.begun").write_text(str(start_us))
    again = Bench(tmp_path / "state", Live(), start_us)
    again.run()
    assert [len(m.frames) for m in again.manifests()] == [13]
    assert [p.name for p in folder.iterdir() if p.suffix in (".part", ".torn", ".begun")] == []


def test_what_a_rescue_left_when_it_was_killed_at_its_very_end_takes_no_room(tmp_path: Path) -> None:
    start_us = now_us()
    bench = Bench(tmp_path / "state", Live(film(tmp_path / "a.mp4", 2.6, start_us)), start_us)
    bench.recorder.step()
    folder = bench.flights.folder("flt-1")
    for left in ("begun", "torn"):
        (folder / f"00000.mp4.{left}").write_bytes(b"1")
    again = Bench(tmp_path / "state", Live(), start_us)
    again.run()
    assert [len(m.frames) for m in again.manifests()] == [13]
    assert [p.name for p in folder.iterdir() if p.suffix in (".part", ".torn", ".begun")] == []


def test_a_file_plays_in_its_own_time(tmp_path: Path) -> None:
    video = mp4(tmp_path / "a.mp4", 1.0, codec="hevc")
    frames = [f._replace(packet=None) for f in camera_at(f"file:{video}").frames(0, never)]
    assert len(frames) == 5
    assert all(f.t_us <= now_us() for f in frames)


@pytest.mark.parametrize(
    ("url", "where", "kind", "options"),
    [
        ("v4l2:/dev/video0", "/dev/video0", "v4l2", {"input_format": "h264"}),
        ("v4l2:/dev/video2?input_format=hevc&video_size=1920x1080", "/dev/video2", "v4l2",
         {"input_format": "hevc", "video_size": "1920x1080"}),
        ("file:/media/a.mp4", "/media/a.mp4", None, {}),
        ("http://10.0.0.5/a.m3u8", "http://10.0.0.5/a.m3u8", None, {}),
    ],
)  # fmt: skip
def test_how_urls_are_opened(url: str, where: str, kind: str | None, options: dict[str, str]) -> None:
    source = source_of(url)
    assert (source.where, source.format, source.options) == (where, kind, options)


def test_a_device_that_is_not_there_is_unavailable() -> None:
    with pytest.raises(Unavailable):
        camera_at("v4l2:/dev/video99").probe()
