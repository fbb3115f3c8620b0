"""The small detector itself, in the process the agent gives it: a planted defect leaves the drone before its video."""

from __future__ import annotations

import hashlib
import io
import threading
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from contracts.errors import InvalidInput
from contracts.first_look import FirstLook, crop_key, record_key
from contracts.geo import Pose
from contracts.media import PoseSample, video_key
from contracts.optics import CameraIntrinsics
from contracts.vocabulary import DefectKind
from edge.backends.camera import encoded
from edge.backends.container import Mp4File, whole_frames
from edge.first_look.detection import Means, OnboardDetection
from edge.first_look.process import DetectorProcess, detector_command
from edge.flights import Flights, Phase
from edge.poses import Poses
from edge.recorder import Frame, Recorder, Rig
from edge.sender import UploadJournal
from edge.uploader import Uploader
from simulators.encoder import GopEncoder
from simulators.tiles import Label, TileMaker
from tests.unit.edge.test_recorder import Tape
from tests.unit.edge.test_uploader import Shop
from tests.unit.edge.world import NOW_US, Announcements, at, flight

pytestmark = pytest.mark.backends
WEIGHTS = Path(__file__).resolve().parents[2] / "models" / "kestrel-blade-n.onnx"
SHA256 = hashlib.sha256(WEIGHTS.read_bytes()).hexdigest()
CAMERA = CameraIntrinsics(width_px=1280, height_px=720, focal_px=2000.0)
CORNER = 300, 60


def _film(times_us: list[int]) -> tuple[Any, list[Frame], Label]:
    """Return a second of H.264 that shows one delamination; packets live no longer than their container."""
    maker = TileMaker(5, 640)
    tile = next(
        t for t in iter(lambda: maker.make(background=False), None) if t.labels[0].kind is DefectKind.DELAMINATION
    )
    picture = np.full((CAMERA.height_px, CAMERA.width_px, 3), 150, np.uint8)
    x, y = CORNER
    picture[y : y + 640, x : x + 640] = tile.image
    encoder = GopEncoder(CAMERA.width_px, CAMERA.height_px, 5, 20)
    for t_us in times_us:
        encoder.add(picture, t_us)
    container: Any = av.open(io.BytesIO(encoder.finish()), format="mpegts")
    packets = [p for p in container.demux(video=0) if p.size]
    return container, [Frame(t, p.is_keyframe, p) for t, p in zip(times_us, packets, strict=True)], tile.labels[0]


def test_a_planted_defect_leaves_before_its_video_with_its_place_and_the_pose(tmp_path: Path) -> None:
    times = [NOW_US + n * 200_000 for n in range(5)]
    _container, frames, label = _film(times)
    flights, events, stop = Flights(tmp_path / "recordings"), Announcements(), threading.Event()
    flights.save(flight(phase=Phase.ENDED, started_us=times[0], ended_us=times[-1] + 1))
    poses = Poses(tmp_path / "poses.db")
    for t_us in range(times[0] - 300_000, times[-1] + 300_000, 50_000):
        poses.add(PoseSample(t_us=t_us, pose=Pose(point=at(0, 0, 30), yaw_deg=80.0, pitch_deg=0.0)))
    means = Means(
        "drone-1", CAMERA, SHA256, 60.0, lambda: DetectorProcess(detector_command(WEIGHTS, SHA256), stop), encoded
    )
    detection = OnboardDetection(means, flights, poses, events)
    rig = Rig("drone-1", CAMERA, Tape(frames), Mp4File, whole_frames, detection.offer)
    recorder = Recorder(rig, poses, flights, events, stop)
    shop = Shop()
    uploader = Uploader("drone-1", flights, UploadJournal(tmp_path / "uploads.db"), shop, events, stop)
    detection.want(True)
    try:
        while detection.step() is False:
            continue  # a machine so busy that the process gets no turn within a minute; the third time it gives up
        recorder.step()
        detection.step()
        health = detection.health()
    finally:
        detection.close()
    while uploader.step():
        continue
    (name,) = (p.stem for p in flights.folder("flt-1").glob("first-look/*.json"))
    crop, record, video = (
        crop_key("drone-1", "flt-1", name),
        record_key("drone-1", "flt-1", name),
        video_key("drone-1", "flt-1", 0),
    )
    assert sorted((crop, record, video), key=shop.order.index) == [crop, record, video]
    look = FirstLook.model_validate_json(shop.objects[record])
    assert (look.kind, look.t_us, look.model_sha256) == (DefectKind.DELAMINATION, times[0], SHA256)
    assert look.pose is not None
    middle = ((label.x0 + label.x1) / 2 + CORNER[0], (label.y0 + label.y1) / 2 + CORNER[1])
    assert look.box.x0 * CAMERA.width_px < middle[0] < look.box.x1 * CAMERA.width_px
    assert look.box.y0 * CAMERA.height_px < middle[1] < look.box.y1 * CAMERA.height_px
    with av.open(io.BytesIO(shop.objects[crop])) as picture:
        assert picture.streams.video[0].codec_context.name == "mjpeg"
    assert health is not None
    assert (health.state, health.looked, health.crops) == ("looking", 1, 1)


def test_weights_that_are_no_network_are_refused_with_what_to_do(tmp_path: Path) -> None:
    weights = tmp_path / "small.onnx"
    weights.write_bytes(b"no network")
    sha256 = hashlib.sha256(b"no network").hexdigest()
    weights.with_suffix(".json").write_text(f'{{"sha256": "{sha256}", "kinds": ["crack"], "accept": 0.4}}')
    detector = DetectorProcess(detector_command(weights, sha256), threading.Event())
    try:
        with pytest.raises(InvalidInput, match="cannot be opened") as refused:
            detector.ready(120.0)
    finally:
        detector.close()
    assert refused.value.hint
