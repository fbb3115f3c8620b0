from __future__ import annotations

import hashlib
import threading
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

from contracts.errors import NotFound, Unavailable
from contracts.events import AnalyseSegment, BatchReady
from contracts.findings import DetectionBatch
from contracts.geo import Enu, Pose
from contracts.media import SegmentManifest
from contracts.optics import project
from contracts.places import SpanPlace
from contracts.powerline import LineTower, PowerLine
from contracts.turbine import TurbineGeometry
from contracts.vocabulary import BladeSide
from tests.vision_views import (
    CARD,
    SMALL,
    TURBINE,
    RedFinder,
    corners_of,
    encode,
    looking,
    manifest_of,
    painted,
    pass_along,
    place_at,
)
from vision.boxes import Boxes, Image
from vision.worker import Fetched, Job, Worker, _Kept, run


class FakeJobs:
    """A queue of at most one message, redelivered until done."""

    def __init__(self, *bodies: str) -> None:
        self.waiting = list(bodies)
        self.times = 0
        self.extended: list[int] = []
        self.answers: list[BatchReady] = []
        self.broken = 0

    def receive(self) -> Job | None:
        if not self.waiting:
            return None
        self.times += 1
        return Job(self.waiting[0], f"receipt-{self.times}", self.times)

    def extend(self, job: Job, seconds: int) -> None:
        self.extended.append(seconds)

    def done(self, job: Job) -> None:
        self.waiting.pop(0)
        self.times = 0

    def answer(self, body: str) -> None:
        if self.broken:
            self.broken -= 1
            raise Unavailable("the queue is away")
        self.answers.append(BatchReady.model_validate_json(body))


class FakeObjects:
    """A bucket in a dict."""

    def __init__(self, stored: dict[str, bytes]) -> None:
        self.stored = dict(stored)
        self.fetched = 0

    def fetch(self, key: str, path: Path) -> Fetched:
        self.fetched += 1
        path.write_bytes(self.get(key))
        return Fetched(hashlib.sha256(self.get(key)).hexdigest(), "v1")

    def get(self, key: str) -> bytes:
        if key not in self.stored:
            raise NotFound(f"No object {key!r} in the store.")
        return self.stored[key]

    def put(self, key: str, body: bytes, content_type: str) -> None:
        self.stored[key] = body

    def exists(self, key: str) -> bool:
        return key in self.stored


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, SegmentManifest]:
    poses = pass_along(BladeSide.PS, 7.0, 9.0, 8)
    patch = corners_of(place_at(BladeSide.PS, 8.0), 0.4, 0.3)
    content = encode(tmp_path_factory.mktemp("worker") / "v.mp4", [painted(p, SMALL, [patch]) for p in poses])
    return content, manifest_of(content, poses)


@pytest.fixture
def objects(recorded: tuple[bytes, SegmentManifest]) -> FakeObjects:
    content, manifest = recorded
    return FakeObjects({"video": content, "manifest": manifest.model_dump_json().encode()})


def job(recorded: tuple[bytes, SegmentManifest], geometry: TurbineGeometry | None = TURBINE, **changed: str) -> str:
    _, manifest = recorded
    asked = AnalyseSegment(
        segment_id=manifest.segment_id,
        flight_id=manifest.flight_id,
        drone_id=manifest.drone_id,
        asset_id=manifest.asset_id,
        video_key="video",
        manifest_key="manifest",
        video_sha256=manifest.sha256,
        geometry=geometry,
    )
    return asked.model_copy(update=changed).model_dump_json()


KEY = f"detections/flt-one.00000/{CARD.sha256[:12]}.json"


def test_no_job_is_nothing_to_do(objects: FakeObjects, tmp_path: Path) -> None:
    assert Worker(FakeJobs(), objects, RedFinder(), tmp_path).step() is None


def test_a_segment_becomes_a_stored_batch_and_an_answer(
    recorded: tuple[bytes, SegmentManifest], objects: FakeObjects, tmp_path: Path
) -> None:
    jobs = FakeJobs(job(recorded))
    assert Worker(jobs, objects, RedFinder(), tmp_path).step() is True
    assert jobs.waiting == []
    assert jobs.answers == [BatchReady(segment_id="flt-one.00000", batch_key=KEY)]
    batch = DetectionBatch.model_validate_json(objects.stored[KEY])
    assert len(batch.detections) == 1
    assert batch.video_sha256 == recorded[1].sha256
    assert batch.video_version == "v1"
    assert batch.model.sha256 == CARD.sha256
    evidence = batch.detections[0].evidence[0]
    assert hashlib.sha256(objects.stored[evidence.crop_key]).hexdigest() == evidence.crop_sha256
    assert hashlib.sha256(objects.stored[evidence.frame_key]).hexdigest() == evidence.frame_sha256
    assert list(tmp_path.iterdir()) == []


def test_a_duplicate_job_answers_again_without_looking_again(
    recorded: tuple[bytes, SegmentManifest], objects: FakeObjects, tmp_path: Path
) -> None:
    jobs = FakeJobs(job(recorded), job(recorded))
    worker = Worker(jobs, objects, RedFinder(), tmp_path)
    assert worker.step() is True
    batch = objects.stored[KEY]
    assert worker.step() is True
    assert objects.fetched == 1
    assert objects.stored[KEY] == batch
    assert jobs.answers[0] == jobs.answers[1]


def test_a_lost_answer_is_sent_when_the_job_returns(
    recorded: tuple[bytes, SegmentManifest], objects: FakeObjects, tmp_path: Path
) -> None:
    jobs = FakeJobs(job(recorded))
    jobs.broken = 1
    worker = Worker(jobs, objects, RedFinder(), tmp_path)
    with pytest.raises(Unavailable):
        worker.step()
    assert jobs.waiting
    assert worker.step() is True
    assert [a.failed_reason for a in jobs.answers] == [""]


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        pytest.param({"video": b"garbage"}, "corrupt_media: video has sha256", id="other bytes than recorded"),
        pytest.param({"manifest": b"{}"}, "invalid_input: manifest", id="manifest without fields"),
    ],
)
def test_what_will_never_work_is_answered_with_the_reason(
    recorded: tuple[bytes, SegmentManifest],
    objects: FakeObjects,
    tmp_path: Path,
    spoil: dict[str, bytes],
    reason: str,
) -> None:
    objects.stored.update(spoil)
    jobs = FakeJobs(job(recorded))
    assert Worker(jobs, objects, RedFinder(), tmp_path).step() is True
    assert jobs.waiting == []
    assert jobs.answers[0].failed_reason.startswith(reason)
    assert KEY not in objects.stored


def test_video_that_cannot_be_decoded_is_answered_with_the_reason(
    recorded: tuple[bytes, SegmentManifest], objects: FakeObjects, tmp_path: Path
) -> None:
    garbage = b"not a video" * 50
    objects.stored["video"] = garbage
    jobs = FakeJobs(job(recorded, video_sha256=hashlib.sha256(garbage).hexdigest()))
    assert Worker(jobs, objects, RedFinder(), tmp_path).step() is True
    assert "cannot be read as video" in jobs.answers[0].failed_reason


def test_another_segments_manifest_is_refused(
    recorded: tuple[bytes, SegmentManifest], objects: FakeObjects, tmp_path: Path
) -> None:
    jobs = FakeJobs(job(recorded, segment_id="flt-one.00001"))
    assert Worker(jobs, objects, RedFinder(), tmp_path).step() is True
    assert "is the manifest of flt-one.00000" in jobs.answers[0].failed_reason


def test_an_asset_without_geometry_is_refused(
    recorded: tuple[bytes, SegmentManifest], objects: FakeObjects, tmp_path: Path
) -> None:
    jobs = FakeJobs(job(recorded, geometry=None))
    assert Worker(jobs, objects, RedFinder(), tmp_path).step() is True
    assert "no geometry" in jobs.answers[0].failed_reason


@pytest.mark.parametrize("key", ["video", "manifest"])
def test_a_missing_object_is_waited_for_then_reported(
    recorded: tuple[bytes, SegmentManifest], objects: FakeObjects, tmp_path: Path, key: str
) -> None:
    del objects.stored[key]
    jobs = FakeJobs(job(recorded))
    worker = Worker(jobs, objects, RedFinder(), tmp_path)
    assert [worker.step() for _ in range(3)] == [False, False, True]
    assert jobs.extended == [5, 10]
    assert jobs.answers[0].failed_reason.startswith("not_found")


def test_an_unreadable_job_is_left_for_the_dead_letter_queue(objects: FakeObjects, tmp_path: Path) -> None:
    jobs = FakeJobs('{"segment_id": 5}')
    assert Worker(jobs, objects, RedFinder(), tmp_path).step() is False
    assert jobs.waiting
    assert not jobs.answers


def test_the_loop_ends_when_told_and_finishes_the_job_in_hand(
    recorded: tuple[bytes, SegmentManifest], objects: FakeObjects, tmp_path: Path
) -> None:
    stop = threading.Event()
    jobs = FakeJobs(job(recorded), job(recorded))

    class StopsDuringTheFirst(RedFinder):
        def find(self, images: Sequence[Image]) -> list[Boxes]:
            stop.set()
            return super().find(images)

    run(Worker(jobs, objects, StopsDuringTheFirst(), tmp_path), stop)
    assert len(jobs.answers) == 1
    assert len(jobs.waiting) == 1


def test_the_loop_outlives_a_broken_step(
    recorded: tuple[bytes, SegmentManifest], objects: FakeObjects, tmp_path: Path
) -> None:
    stop = threading.Event()

    class BreaksOnce(RedFinder):
        broken = True

        def find(self, images: Sequence[Image]) -> list[Boxes]:
            if BreaksOnce.broken:
                BreaksOnce.broken = False
                raise RuntimeError("a bug")
            stop.set()
            return super().find(images)

    jobs = FakeJobs(job(recorded))
    run(Worker(jobs, objects, BreaksOnce(), tmp_path), stop)
    assert len(jobs.answers) == 1


class Beats(FakeJobs):
    """A queue that tells when it was asked to hide the job again; the first time it is away."""

    def __init__(self) -> None:
        super().__init__()
        self.news = threading.Condition()

    def extend(self, job: Job, seconds: int) -> None:
        with self.news:
            super().extend(job, seconds)
            self.news.notify_all()
        if len(self.extended) == 1:
            raise Unavailable("the queue is away")

    def heard(self, times: int) -> bool:
        with self.news:
            return self.news.wait_for(lambda: len(self.extended) >= times, 20)


JOB = Job("{}", "receipt-1", 1)


def test_a_job_is_hidden_for_a_short_while_from_the_start_and_again_and_again() -> None:
    jobs = Beats()
    with _Kept(jobs, JOB, "seg-1", beat_s=0.001):
        assert jobs.heard(4)
    assert set(jobs.extended) == {40}


def test_after_the_work_the_job_is_no_longer_hidden() -> None:
    jobs = Beats()
    with _Kept(jobs, JOB, "seg-1", beat_s=0.001) as kept:
        assert jobs.heard(2)
    assert not kept._beating.is_alive()


def test_work_that_is_stuck_lets_its_job_go() -> None:
    jobs = Beats()
    with _Kept(jobs, JOB, "seg-1", beat_s=0.001, patience_s=0.02) as kept:
        kept._beating.join(20)
        assert not kept._beating.is_alive()


def test_a_video_of_a_line_ends_in_a_finding_on_its_span(tmp_path: Path) -> None:
    towers = [TURBINE.frame().to_geo(Enu(0.0, north, 0.0)) for north in (0.0, 200.0)]
    line = PowerLine(towers=tuple(LineTower(name=f"{12 + n}", foot=foot) for n, foot in enumerate(towers)))
    span = line.span(0)
    target = span.at(0.4, 6.0)
    poses = [looking(TURBINE, target.plus(Enu(-8.0, m, 12.0)), target.plus(Enu(0.0, m, 0.0))) for m in (-0.4, 0.0, 0.4)]
    video = encode(tmp_path / "v.mp4", [picture_of(line, pose) for pose in poses])
    manifest = manifest_of(video, poses)
    objects = FakeObjects({"video": video, "manifest": manifest.model_dump_json().encode()})
    asked = AnalyseSegment.model_validate_json(job((video, manifest), None)).model_copy(update={"geometry": line})
    assert Worker(FakeJobs(asked.model_dump_json()), objects, RedFinder(), tmp_path / "scratch").step() is True
    batch = DetectionBatch.model_validate_json(objects.stored[KEY])
    (found,) = batch.detections
    assert isinstance(found.place, SpanPlace)
    assert (found.place.from_tower, found.place.to_tower, found.place.conductor) == ("12", "13", 2)
    assert found.place.distance_m == pytest.approx(80.0, abs=0.1)
    assert {part.part for part in batch.parts} == {"span-0000"}


def picture_of(line: PowerLine, pose: Pose) -> Image:
    """Paint the outer conductor dark over a grainy field, and a red patch on it, 0.4 m long at 80 m."""
    image = np.random.default_rng(0).integers(120, 150, (SMALL.height_px, SMALL.width_px, 3)).astype(np.uint8)
    span, eye = line.span(0), TURBINE.frame().to_enu(pose.point)
    for first, last, colour, width_px in ((0.36, 0.44, (40, 40, 40), 7), (0.399, 0.401, (0, 0, 255), 30)):
        one, other = (project(pose, SMALL, span.at(share, 6.0).minus(eye)) for share in (first, last))
        assert one is not None
        assert other is not None
        cv2.line(image, (round(one[0]), round(one[1])), (round(other[0]), round(other[1])), colour, width_px)
    return image
