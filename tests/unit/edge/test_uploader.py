"""Video before manifest before the flight's count; resumed, never called uploaded when it was refused."""

from __future__ import annotations

import base64
import hashlib
import threading
from pathlib import Path

import pytest

from contracts.errors import Forbidden, PlatformError, Unavailable
from contracts.events import DroneEventKind, SegmentVerified
from contracts.geo import Pose
from contracts.ids import segment_id
from contracts.media import FlightMedia, FrameTime, PoseSample, SegmentManifest
from contracts.optics import CameraIntrinsics
from edge.clock import from_us
from edge.flights import Flights, Phase
from edge.uploader import PART_BYTES, Part, Uploader, UploadGone, UploadJournal
from tests.unit.edge.world import NOW_US, Announcements, at, flight


def checksum(body: bytes) -> str:
    return base64.b64encode(hashlib.sha256(body).digest()).decode()


class Shop:
    """An object store in memory that checks what it gets and can be told to fail."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.order: list[str] = []
        self.open: dict[str, dict[int, bytes]] = {}
        self.part_numbers: list[int] = []
        self.begun = 0
        self.failures: list[tuple[str, PlatformError]] = []

    def _maybe_fail(self, call: str) -> None:
        if self.failures and self.failures[0][0] == call:
            raise self.failures.pop(0)[1]

    def put(self, key: str, body: bytes, checksum: str) -> None:
        self._maybe_fail("put")
        assert checksum == globals()["checksum"](body)
        self.objects[key] = body
        self.order.append(key)

    def begin(self, key: str) -> str:
        self._maybe_fail("begin")
        self.begun += 1
        self.open[f"u{self.begun}"] = {}
        return f"u{self.begun}"

    def part(self, key: str, upload_id: str, number: int, body: bytes, checksum: str) -> str:
        self._maybe_fail(f"part{number}")
        assert checksum == globals()["checksum"](body)
        self._known(upload_id)[number] = body
        self.part_numbers.append(number)
        return f"etag{number}"

    def parts(self, key: str, upload_id: str) -> dict[int, Part]:
        return {n: Part(f"etag{n}", checksum(body)) for n, body in self._known(upload_id).items()}

    def complete(self, key: str, upload_id: str, parts: dict[int, Part]) -> None:
        self._maybe_fail("complete")
        stored = self._known(upload_id)
        assert sorted(parts) == sorted(stored)
        self.objects[key] = b"".join(stored[n] for n in sorted(stored))
        self.order.append(key)

    def _known(self, upload_id: str) -> dict[int, bytes]:
        if upload_id not in self.open:
            raise UploadGone("gone")
        return self.open[upload_id]


class Bench:
    """An uploader over a folder; ``restart`` is what a new process would see."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.shop = Shop()
        self.events = Announcements()
        self.stop = threading.Event()
        self.restart()
        self.flights.save(flight(phase=Phase.ENDED, ended_us=NOW_US + 1))

    def restart(self) -> None:
        self.flights = Flights(self.folder / "recordings")
        self.journal = UploadJournal(self.folder / "uploads.db")
        self.uploader = Uploader("drone-1", self.flights, self.journal, self.shop, self.events, self.stop)

    def record(self, index: int, body: bytes) -> SegmentManifest:
        folder = self.flights.folder("flt-1")
        (folder / f"{index:05d}.mp4").write_bytes(body)
        pose = Pose(point=at(0, 0, 30), yaw_deg=0.0, pitch_deg=0.0)
        manifest = SegmentManifest(
            segment_id=segment_id("flt-1", index),
            flight_id="flt-1",
            drone_id="drone-1",
            asset_id="wt-01",
            index=index,
            sha256=hashlib.sha256(body).hexdigest(),
            size_bytes=len(body),
            codec="h264",
            started_at=from_us(NOW_US),
            frames=(FrameTime(pts_ms=0, t_us=NOW_US),),
            poses=(PoseSample(t_us=NOW_US, pose=pose), PoseSample(t_us=NOW_US + 1, pose=pose)),
            camera=CameraIntrinsics(width_px=64, height_px=48, focal_px=90.0),
        )
        (folder / f"{index:05d}.json").write_text(manifest.model_dump_json())
        return manifest

    def run(self) -> list[bool | None]:
        outcomes: list[bool | None] = []
        while (outcome := self.uploader.step()) is not None and len(outcomes) < 50:
            outcomes.append(outcome)
        return outcomes


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


BIG = bytes(range(256)) * (PART_BYTES // 256) * 2 + b"tail"
KEY = "flights/drone-1/flt-1/0000"


def test_video_then_manifest_then_the_count(bench: Bench) -> None:
    bench.record(0, b"first")
    bench.record(1, b"second")
    assert bench.run() == [True, True]
    bench.flights.change("flt-1", segments=2)
    assert bench.run() == [True]
    assert bench.shop.order == [
        *(f"{KEY}0.mp4", f"{KEY}0.json", f"{KEY}1.mp4", f"{KEY}1.json"),
        "flights/drone-1/flt-1/flight.json",
    ]
    told = FlightMedia.model_validate_json(bench.shop.objects[bench.shop.order[-1]])
    assert told.expected_segments == 2
    assert bench.events.kinds() == [DroneEventKind.SEGMENT_UPLOADED] * 2
    bench.restart()
    assert bench.uploader.step() is None


@pytest.mark.parametrize("error", [Forbidden("403"), Unavailable("503")])
@pytest.mark.parametrize("call", ["put", "begin", "part1", "part2", "complete"])
def test_a_refusal_is_no_success_and_is_tried_again(bench: Bench, call: str, error: PlatformError) -> None:
    body = b"small" if call == "put" else BIG
    bench.record(0, body)
    bench.shop.failures = [(call, error)]
    assert bench.uploader.step() is False
    assert f"{KEY}0.json" not in bench.shop.objects
    assert bench.run() == [True]
    assert bench.shop.objects[f"{KEY}0.mp4"] == body


def test_after_a_crash_between_parts_only_the_missing_ones_are_sent(bench: Bench) -> None:
    bench.record(0, BIG)
    bench.shop.failures = [("part3", Unavailable("the process died here"))]
    assert bench.uploader.step() is False
    bench.restart()
    assert bench.run() == [True]
    assert bench.shop.part_numbers == [1, 2, 3]
    assert bench.shop.begun == 1
    assert bench.shop.objects[f"{KEY}0.mp4"] == BIG


def test_a_forgotten_upload_starts_again(bench: Bench) -> None:
    bench.record(0, BIG)
    bench.shop.failures = [("part2", Unavailable("gone for a week"))]
    assert bench.uploader.step() is False
    bench.shop.open.clear()
    assert bench.run() == [True]
    assert bench.shop.begun == 2
    assert bench.shop.objects[f"{KEY}0.mp4"] == BIG


def test_a_part_of_other_bytes_is_sent_again(bench: Bench) -> None:
    bench.record(0, BIG)
    bench.shop.failures = [("part2", Unavailable("the process died here"))]
    bench.uploader.step()
    bench.shop.open["u1"][1] = b"rotten"
    assert bench.run() == [True]
    assert bench.shop.objects[f"{KEY}0.mp4"] == BIG


def test_a_video_that_rotted_on_the_drone_is_not_uploaded(bench: Bench) -> None:
    bench.record(0, b"good")
    (bench.flights.folder("flt-1") / "00000.mp4").write_bytes(b"evil")
    assert bench.uploader.step() is False
    assert bench.shop.objects == {}


def test_stopping_between_parts_keeps_what_was_sent(bench: Bench) -> None:
    bench.record(0, BIG)
    send = bench.shop.part

    def stop_after_first(key: str, upload_id: str, number: int, body: bytes, checksum: str) -> str:
        bench.stop.set()
        return send(key, upload_id, number, body, checksum)

    bench.shop.part = stop_after_first  # type: ignore[method-assign]
    assert bench.uploader.step() is None
    bench.stop.clear()
    bench.shop.part = send  # type: ignore[method-assign]
    bench.restart()
    assert bench.run() == [True]
    assert bench.shop.part_numbers == [1, 2, 3]


def test_only_a_matching_hash_frees_the_space(bench: Bench) -> None:
    manifest = bench.record(0, b"video")
    bench.run()
    video = bench.flights.folder("flt-1") / "00000.mp4"
    bench.uploader.verify(SegmentVerified(segment_id=manifest.segment_id, sha256="0" * 64))
    assert video.exists()
    assert bench.run() == [True], "the cloud saw other bytes: it goes up again"
    bench.uploader.verify(SegmentVerified(segment_id=manifest.segment_id, sha256=manifest.sha256))
    assert not video.exists()
    bench.uploader.verify(SegmentVerified(segment_id="flt-9.00000", sha256="0" * 64))
    assert bench.uploader.step() is None
