"""Video before manifest before the flight's count; resumed, never called uploaded when it was refused."""

from __future__ import annotations

import hashlib
import threading
import zlib
from pathlib import Path

import pytest

from contracts.errors import Forbidden, PlatformError, Unavailable
from contracts.events import DroneEventKind, SegmentVerified
from contracts.first_look import FirstLook
from contracts.geo import BoxNorm, Pose
from contracts.ids import segment_id
from contracts.media import FlightInventory, FlightMedia, FrameTime, PoseSample, SegmentManifest, UploadOrder
from contracts.optics import CameraIntrinsics
from contracts.vocabulary import DefectKind
from edge.clock import from_us
from edge.flights import Flights, Phase
from edge.sender import PART_BYTES, Part, UploadGone, UploadJournal
from edge.uploader import Uploader
from tests.unit.edge.world import NOW_US, Announcements, at, flight


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

    def crc(self, body: bytes, before: int = 0) -> int:
        return zlib.crc32(body, before)

    def put(self, key: str, body: bytes) -> None:
        self._maybe_fail("put" if key.endswith(".mp4") else "record")
        self.objects[key] = body
        self.order.append(key)

    def begin(self, key: str) -> str:
        self._maybe_fail("begin")
        self.begun += 1
        self.open[f"u{self.begun}"] = {}
        return f"u{self.begun}"

    def part(self, key: str, upload_id: str, number: int, body: bytes) -> Part:
        self._maybe_fail(f"part{number}")
        self._known(upload_id)[number] = body
        self.part_numbers.append(number)
        return Part(_etag(body), self.crc(body))

    def parts(self, key: str, upload_id: str) -> dict[int, str]:
        return {n: _etag(body) for n, body in self._known(upload_id).items()}

    def complete(self, key: str, upload_id: str, parts: dict[int, Part], crc: int) -> None:
        self._maybe_fail("complete")
        stored = self._known(upload_id)
        assert {n: part.etag for n, part in parts.items()} == self.parts(key, upload_id)
        whole = b"".join(stored[n] for n in sorted(stored))
        assert self.crc(whole) == crc
        self.objects[key] = whole
        self.order.append(key)

    def _known(self, upload_id: str) -> dict[int, bytes]:
        if upload_id not in self.open:
            raise UploadGone("gone")
        return self.open[upload_id]


def _etag(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


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

    def record(self, index: int, body: bytes, at_us: int = NOW_US) -> SegmentManifest:
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
            frames=(FrameTime(pts_ms=0, t_us=at_us),),
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

    def fail_step(self) -> None:
        """Step over the inventory to the step that fails."""
        while (outcome := self.uploader.step()) is True:
            continue
        assert outcome is False

    def names(self) -> list[str]:
        """Return what was stored, in order, without the inventories."""
        names = [key.removeprefix("flights/drone-1/flt-1/") for key in self.shop.order]
        return [name for name in names if name != "inventory.json"]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


BIG = bytes(range(256)) * (PART_BYTES // 256) * 2 + b"tail"
KEY = "flights/drone-1/flt-1/0000"


def test_video_then_manifest_then_the_count(bench: Bench) -> None:
    bench.record(0, b"first")
    bench.record(1, b"second")
    bench.run()
    bench.flights.change("flt-1", segments=2)
    bench.run()
    assert bench.names() == ["00000.mp4", "00000.json", "00001.mp4", "00001.json", "flight.json"]
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
    bench.fail_step()
    assert f"{KEY}0.json" not in bench.shop.objects
    assert bench.run() == [True]
    assert bench.shop.objects[f"{KEY}0.mp4"] == body


def test_after_a_crash_between_parts_only_the_missing_ones_are_sent(bench: Bench) -> None:
    bench.record(0, BIG)
    bench.shop.failures = [("part3", Unavailable("the process died here"))]
    bench.fail_step()
    bench.restart()
    assert bench.run() == [True]
    assert sorted(bench.shop.part_numbers) == [1, 2, 3]
    assert bench.shop.begun == 1
    assert bench.shop.objects[f"{KEY}0.mp4"] == BIG


def test_a_forgotten_upload_starts_again(bench: Bench) -> None:
    bench.record(0, BIG)
    bench.shop.failures = [("part2", Unavailable("gone for a week"))]
    bench.fail_step()
    bench.shop.open.clear()
    assert bench.run() == [True]
    assert bench.shop.begun == 2
    assert bench.shop.objects[f"{KEY}0.mp4"] == BIG


def test_a_part_of_other_bytes_is_sent_again(bench: Bench) -> None:
    bench.record(0, BIG)
    bench.shop.failures = [("part2", Unavailable("the process died here"))]
    bench.fail_step()
    bench.shop.open["u1"][1] = b"rotten"
    assert bench.run() == [True]
    assert bench.shop.objects[f"{KEY}0.mp4"] == BIG


def test_a_video_that_rotted_on_the_drone_is_not_uploaded(bench: Bench) -> None:
    bench.record(0, b"good")
    bench.record(1, b"fine")
    bench.flights.change("flt-1", segments=2)
    (bench.flights.folder("flt-1") / "00000.mp4").write_bytes(b"evil")
    bench.fail_step()
    bench.run()
    assert bench.names() == ["00001.mp4", "00001.json"], "the others go on; the flight is not called complete"
    assert bench.events.codes() == ["segment_damaged"]


def test_a_manifest_that_rotted_keeps_no_other_segment_and_is_told_once(bench: Bench) -> None:
    for index in range(3):
        bench.record(index, b"fine")
    (bench.flights.folder("flt-1") / "00001.json").write_text('{"segment_id":')
    bench.run()
    bench.restart()
    bench.run()
    assert bench.names() == ["00000.mp4", "00000.json", "00002.mp4", "00002.json"]
    assert bench.events.codes() == ["segment_damaged"]
    assert (bench.flights.folder("flt-1") / "00001.mp4").exists()


def test_an_order_that_rotted_is_none(bench: Bench) -> None:
    bench.record(0, b"fine")
    (bench.flights.folder("flt-1") / "upload-order.json").write_text("\0\0")
    bench.run()
    assert bench.names() == ["00000.mp4", "00000.json"]


def test_a_lost_journal_stops_no_upload_though_what_it_knew_of_is_freed(bench: Bench) -> None:
    for index in range(2):
        bench.record(index, b"fine")
    bench.run()
    bench.uploader.verify(
        SegmentVerified(segment_id=segment_id("flt-1", 0), sha256=hashlib.sha256(b"fine").hexdigest())
    )
    assert not (bench.flights.folder("flt-1") / "00000.mp4").exists()
    bench.journal.close()
    (bench.folder / "uploads.db").unlink()
    bench.record(2, b"new")
    bench.restart()
    bench.run()
    assert bench.names()[4:] == ["00000.json", "00001.mp4", "00001.json", "00002.mp4", "00002.json"]


def test_a_video_that_has_not_got_its_name_yet_is_not_taken_for_freed(bench: Bench) -> None:
    bench.record(0, b"fine")
    video = bench.flights.folder("flt-1") / "00000.mp4"
    part = video.rename(video.with_name("00000.mp4.part"))
    with pytest.raises(FileNotFoundError):
        bench.run()
    part.rename(video)
    bench.run()
    assert bench.names() == ["00000.mp4", "00000.json"]


def test_stopping_between_parts_keeps_what_was_sent(bench: Bench) -> None:
    bench.record(0, BIG)
    send = bench.shop.part

    def stop_after_first(key: str, upload_id: str, number: int, body: bytes) -> Part:
        bench.stop.set()
        return send(key, upload_id, number, body)

    bench.shop.part = stop_after_first  # type: ignore[method-assign]
    bench.run()
    bench.stop.clear()
    bench.shop.part = send  # type: ignore[method-assign]
    bench.restart()
    assert bench.run() == [True]
    assert sorted(bench.shop.part_numbers) == [1, 2, 3]


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


def inventory(bench: Bench) -> FlightInventory:
    return FlightInventory.model_validate_json(bench.shop.objects["flights/drone-1/flt-1/inventory.json"])


def test_what_exists_is_told_before_any_of_it_is_sent_and_again_when_it_grows(bench: Bench) -> None:
    first = bench.record(0, b"first")
    bench.uploader.step()
    assert bench.shop.order == ["flights/drone-1/flt-1/inventory.json"]
    told = inventory(bench)
    assert not told.complete
    assert [(e.index, e.sha256, e.size_bytes) for e in told.segments] == [(0, first.sha256, 5)]
    bench.record(1, b"second")
    bench.uploader.step()
    assert [e.index for e in inventory(bench).segments] == [0, 1]
    bench.flights.change("flt-1", segments=2)
    bench.uploader.step()
    assert inventory(bench).complete


def look(t_us: int, crop: bytes) -> FirstLook:
    return FirstLook(
        look_id=f"{t_us}-0",
        drone_id="drone-1",
        flight_id="flt-1",
        asset_id="wt-01",
        t_us=t_us,
        captured_at=from_us(t_us),
        kind=DefectKind.CRACK,
        confidence=0.9,
        box=BoxNorm(x0=0.4, y0=0.4, x1=0.5, y1=0.5),
        pose=None,
        width_px=64,
        height_px=48,
        crop_sha256=hashlib.sha256(crop).hexdigest(),
        crop_bytes=len(crop),
        model_sha256="0" * 64,
        latency_ms=80.0,
    )


def put(bench: Bench, name: str, body: bytes) -> None:
    path = bench.flights.folder("flt-1") / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(body)


def test_crops_then_thumbnails_then_proxies_then_what_is_wanted_then_the_rest(bench: Bench) -> None:
    for index in range(6):
        bench.record(index, b"video%d" % index)
    seen = look(NOW_US + 5 * 60_000_000, b"crop")
    put(bench, "proxy/00000.mp4", b"proxy")
    put(bench, "thumbs/00003.jpg", b"thumb")
    put(bench, f"first-look/{seen.look_id}.json", seen.model_dump_json().encode())
    put(bench, f"first-look/{seen.look_id}.jpg", b"crop")
    bench.uploader.order(UploadOrder(flight_id="flt-1", segments=(4, 99, 2)))
    bench.restart()
    bench.run()
    assert bench.names() == [
        *(f"first-look/{seen.look_id}.jpg", f"first-look/{seen.look_id}.json"),
        *("thumbs/00003.jpg", "proxy/00000.mp4"),
        *("00004.mp4", "00004.json", "00002.mp4", "00002.json"),
        *(name for index in (0, 1, 3, 5) for name in (f"0000{index}.mp4", f"0000{index}.json")),
    ]


def test_segments_round_a_first_look_go_before_the_rest(bench: Bench) -> None:
    for index in range(4):
        bench.record(index, b"video%d" % index, at_us=NOW_US + index * 20_000_000)
    seen = look(NOW_US + 40_000_000, b"crop")
    put(bench, f"first-look/{seen.look_id}.json", seen.model_dump_json().encode())
    put(bench, f"first-look/{seen.look_id}.jpg", b"crop")
    bench.run()
    assert next(name for name in bench.names() if name.startswith("0000") and name.endswith("mp4")) == "00002.mp4"


def test_an_order_for_a_flight_it_never_flew_is_ignored(bench: Bench) -> None:
    bench.uploader.order(UploadOrder(flight_id="flt-9", segments=(1,)))
    assert not bench.flights.folder("flt-9").exists()


def test_no_more_than_two_parts_are_ever_at_risk(bench: Bench) -> None:
    body = bytes(PART_BYTES) * 5
    bench.record(0, body)
    under_way, most = set[int](), [0]
    lock = threading.Lock()
    send = bench.shop.part

    def watched(key: str, upload_id: str, number: int, body: bytes) -> Part:
        with lock:
            under_way.add(number)
            most[0] = max(most[0], len(under_way))
        part = send(key, upload_id, number, body)
        with lock:
            under_way.discard(number)
        return part

    bench.shop.part = watched  # type: ignore[method-assign]
    bench.run()
    assert bench.shop.objects[f"{KEY}0.mp4"] == body
    assert 1 <= most[0] <= 2
