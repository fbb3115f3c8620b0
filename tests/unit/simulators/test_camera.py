from __future__ import annotations

import io
import itertools
import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import av
import pytest

from contracts.optics import CameraIntrinsics
from contracts.turbine import SurfacePlace
from contracts.vocabulary import Blade, BladeSide
from simulators import misp
from simulators.camera import Filming
from simulators.camera_http import serve
from simulators.card import Card
from simulators.poselog import PoseLog
from simulators.world import Scene, default_scene, save_scene
from tests.unit.simulators.aim import pose_at

T0 = 1_760_000_000_000_000
FPS = 6
SMALL = CameraIntrinsics(width_px=320, height_px=180, focal_px=427)


def small_scene() -> Scene:
    return default_scene(1).model_copy(update={"camera": SMALL})


def write_poses(path: Path, scene: Scene, first: int, last: int, on: range) -> None:
    geometry = scene.assets[0].geometry
    with path.open("a") as file:
        for k in range(first, last):
            place = SurfacePlace(blade=Blade.A, side=BladeSide.PS, distance_to_root_m=5 + k * 0.02, offset_m=0.4)
            pose = pose_at(geometry, place)
            point = pose.point
            row = {"t_us": T0 + k * 20_000, "lat_deg": point.lat_deg, "lon_deg": point.lon_deg, "alt_m": point.alt_m}
            row |= {"yaw_deg": pose.yaw_deg, "pitch_deg": pose.pitch_deg, "roll_deg": 0.0}
            row |= {"recording": k in on, "ve": 0.0, "vn": 0.0, "vu": 1.0}
            file.write(json.dumps(row) + "\n")


def film_all(filming: Filming) -> None:
    while filming.step() is not None:
        pass


def stamps(data: bytes) -> list[int | None]:
    with av.open(io.BytesIO(data), "r", format="mpegts") as opened:
        return [misp.read(bytes(p)) for p in opened.demux(video=0) if p.size]


def wait_for(condition: Callable[[], bool], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    tick = threading.Event()
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        tick.wait(0.02)


@pytest.fixture
def filmed(tmp_path: Path) -> Filming:
    scene = small_scene()
    write_poses(tmp_path / "poses", scene, 0, 180, range(20, 160))
    filming = Filming(scene, 1, PoseLog(tmp_path / "poses"), Card(tmp_path / "card"), FPS)
    film_all(filming)
    return filming


def expected_times() -> list[int]:
    frames = (T0 + round(n * 1e6 / FPS) for n in range(40))
    return [t for t in frames if T0 + 400_000 <= t < T0 + 3_200_000]


def test_every_frame_is_on_the_card_once_with_its_true_time(filmed: Filming) -> None:
    gops = filmed.card.since(0)
    found = [t for g in gops for t in stamps(filmed.card.data(g))]
    assert found == expected_times()
    assert [g.t_us for g in gops] == [expected_times()[0], T0 + 1_000_000, T0 + 2_000_000, T0 + 3_000_000]
    assert filmed.behind_s() == 0


def test_groups_stand_alone_and_follow_each_other(filmed: Filming) -> None:
    gops = filmed.card.since(0)
    with av.open(io.BytesIO(filmed.card.data(gops[1])), "r", format="mpegts") as opened:
        frames = list(opened.decode(video=0))
    assert len(frames) == gops[1].frames == FPS
    assert (frames[0].width, frames[0].height) == (320, 180)
    joined = b"".join(filmed.card.data(g) for g in gops)
    with av.open(io.BytesIO(joined), "r", format="mpegts") as opened:
        packets = [p for p in opened.demux(video=0) if p.size]
    assert not any(p.is_corrupt for p in packets)
    gaps = {round((b.pts or 0) - (a.pts or 0), -1) for a, b in itertools.pairwise(packets)}
    assert gaps == {15_000}


def test_an_unfinished_group_waits_for_its_end(tmp_path: Path) -> None:
    scene = small_scene()
    write_poses(tmp_path / "poses", scene, 0, 40, range(200))
    filming = Filming(scene, 1, PoseLog(tmp_path / "poses"), Card(tmp_path / "card"), FPS)
    film_all(filming)
    assert filming.card.since(0) == []
    assert filming.behind_s() > 0
    write_poses(tmp_path / "poses", scene, 40, 60, range(200))
    film_all(filming)
    assert [(g.t_us, g.frames) for g in filming.card.since(0)] == [(T0, FPS)]


def test_a_restarted_camera_goes_on_where_the_card_ends(filmed: Filming, tmp_path: Path) -> None:
    before = {p.name: p.read_bytes() for p in (tmp_path / "card").iterdir()}
    newest = max(before)
    (tmp_path / "card" / newest).rename(tmp_path / "card" / f"{newest[:-3]}.part")
    again = Filming(small_scene(), 1, PoseLog(tmp_path / "poses"), Card(tmp_path / "card"), FPS)
    film_all(again)
    assert {p.name: p.read_bytes() for p in (tmp_path / "card").iterdir()} == before
    assert again.rendered_frames == filmed.card.since(0)[-1].frames


def test_http_replays_then_ends_and_tells_its_state(filmed: Filming) -> None:
    stop = threading.Event()
    server = serve("127.0.0.1", 0, filmed, stop)
    base = f"http://127.0.0.1:{server.server_port}"
    try:
        with urllib.request.urlopen(f"{base}/stream.ts?from_us={T0 + 1_000_000}", timeout=20) as answer:
            assert answer.headers["Content-Type"] == "video/mp2t"
            assert stamps(answer.read()) == [t for t in expected_times() if t >= T0 + 1_000_000]
        with urllib.request.urlopen(f"{base}/status", timeout=20) as answer:
            status = json.load(answer)
        assert status["recording"] is False
        assert status["rendered_frames"] == len(expected_times())
        assert (status["gops"], status["behind_s"], status["last_gop_us"]) == (4, 0, T0 + 3_000_000)
        with urllib.request.urlopen(f"{base}/gops?from_us={T0 + 2_500_000}", timeout=20) as answer:
            (only,) = json.load(answer)
        assert (only["t_us"], only["frames"]) == (T0 + 3_000_000, 2)
        for path, code in (("/nothing", 404), ("/gops?from_us=soon", 400)):
            with pytest.raises(urllib.error.HTTPError) as refused:
                urllib.request.urlopen(base + path, timeout=20)
            assert refused.value.code == code
            refused.value.close()
    finally:
        stop.set()
        server.shutdown()
        server.server_close()


def test_kill_9_in_mid_flight_loses_nothing(tmp_path: Path) -> None:
    scene = small_scene()
    save_scene(scene, tmp_path / "scene.json")
    write_poses(tmp_path / "poses", scene, 0, 400, range(10, 380))
    card = tmp_path / "card"
    command = [sys.executable, "-m", "simulators", "camera", "--scene", str(tmp_path / "scene.json"), "--json"]
    command += ["--pose-log", str(tmp_path / "poses"), "--state-dir", str(card), "--listen", "127.0.0.1:0"]
    command += ["--fps", str(FPS)]
    with (tmp_path / "log").open("wb") as log:
        with subprocess.Popen(command, stdout=log, stderr=log) as first:
            wait_for(lambda: len(list(card.glob("*.ts"))) >= 2)
            os.kill(first.pid, signal.SIGKILL)
        assert len(list(card.glob("*.ts"))) < 8
        with subprocess.Popen(command, stdout=log, stderr=log) as second:
            wait_for(lambda: len(list(card.glob("*.ts"))) == 8)
            second.terminate()
            assert second.wait(timeout=20) == 0
    found = [t for p in sorted(card.glob("*.ts")) for t in stamps(p.read_bytes())]
    assert found == [t for n in range(60) if T0 + 200_000 <= (t := T0 + round(n * 1e6 / FPS)) < T0 + 7_600_000]
