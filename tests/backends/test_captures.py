"""Imported captures become flights, photos and segments in the cloud; first looks are shown and never graded."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime

import httpx
import pytest
from sqlalchemy import func, select

from cloud.consume import consumers, event_for
from cloud.reconcile import Reconciler
from cloud.services import Services
from cloud.tables import CaptureRow, DeadLetter, Finding, FirstLookRow, Flight, Media, Outgoing
from contracts import first_look as looks
from contracts import media as keys
from contracts.captures import Capture, CaptureKind, PhotoRecord, capture_key, photo_key
from contracts.first_look import FirstLook
from contracts.geo import BoxNorm
from contracts.media import FrameTime, SegmentManifest
from contracts.optics import CameraIntrinsics
from contracts.resources import MEDIA_EVENTS_QUEUE, VISION_JOBS_QUEUE
from contracts.vocabulary import DefectKind, Role
from tests import platform
from tests.clean_database import empty
from tests.factories import MemoryObjects, World
from tests.platform import Server
from tests.stand_ins import MemoryQueues, MemorySap, MemoryWorkflows

NOW = datetime(2026, 11, 20, 17, 0, tzinfo=UTC)
VIDEO, JPEG = b"a video", b"\xff\xd8 a photo"


class Bench:
    """A cloud that knows one drone and one turbine, and what an import stores."""

    def __init__(self, services: Services) -> None:
        assert isinstance(services.queues, MemoryQueues)
        assert isinstance(services.objects, MemoryObjects)
        self.services, self.queues, self.objects = services, services.queues, services.objects
        self.objects.stored.clear()
        self.queues.lose_all()
        with services.database.session() as session:
            world = World(session, NOW)
            world.site()
            flight = world.flight(world.asset("T-01", 260.0, 0.0), world.drone(), NOW, state="landed")
            self.flight_id, self.drone_id, self.asset_id = flight.flight_id, flight.drone_id, flight.asset_id
        self.consumer = consumers(services)[0]

    def put(self, key: str, body: bytes) -> str:
        self.objects.put(key, body, "")
        return key

    def video(self, capture_id: str = "cap-aa") -> tuple[str, str]:
        """Store a capture of one segment without poses; return the keys of its record and its manifest."""
        capture = Capture(
            capture_id=capture_id, drone_id=self.drone_id, asset_id=self.asset_id, kind=CaptureKind.VIDEO,
            source_name="DJI_1.MP4", source_sha256="0" * 64, started_at=NOW, ended_at=NOW, segments=1,
            notes=("no camera direction",),
        )  # fmt: skip
        manifest = SegmentManifest(
            segment_id=f"{capture_id}.00000", flight_id=capture_id, drone_id=self.drone_id, asset_id=self.asset_id,
            index=0, sha256=hashlib.sha256(VIDEO).hexdigest(), size_bytes=len(VIDEO), codec="h264", started_at=NOW,
            frames=(FrameTime(pts_ms=0, t_us=1), FrameTime(pts_ms=40, t_us=40_001)), poses=(),
            camera=CameraIntrinsics(width_px=64, height_px=48, focal_px=40.0),
        )  # fmt: skip
        record = self.put(capture_key(self.drone_id, capture_id), capture.model_dump_json().encode())
        self.put(keys.video_key(self.drone_id, capture_id, 0), VIDEO)
        name = keys.manifest_key(self.drone_id, capture_id, 0)
        return record, self.put(name, manifest.model_dump_json().encode())

    def photos(self, stored: bytes = JPEG, **changes: str) -> str:
        """Store a capture of one photo; return its record's key."""
        photo = PhotoRecord(
            index=0, name="DJI_1.JPG", sha256=hashlib.sha256(JPEG).hexdigest(), size_bytes=len(JPEG),
            width_px=64, height_px=48,
        )  # fmt: skip
        capture = Capture(
            capture_id="cap-bb", kind=CaptureKind.PHOTOS, source_name="DCIM", photos=(photo,),
            **({"drone_id": self.drone_id, "asset_id": self.asset_id} | changes),
        )  # fmt: skip
        self.put(photo_key(capture.drone_id, "cap-bb", 0), stored)
        return self.put(capture_key(capture.drone_id, "cap-bb"), capture.model_dump_json().encode())

    def look(self, crop: bytes = JPEG) -> str:
        """Store a first look; return its record's key."""
        look = FirstLook(
            look_id="1795176000000000-0", drone_id=self.drone_id, flight_id=self.flight_id, asset_id=self.asset_id,
            t_us=1_795_176_000_000_000, captured_at=NOW, kind=DefectKind.CRACK, confidence=0.8,
            box=BoxNorm(x0=0.1, y0=0.1, x1=0.2, y1=0.2), pose=None, width_px=3840, height_px=2160,
            crop_sha256=hashlib.sha256(JPEG).hexdigest(), crop_bytes=len(JPEG), model_sha256="1" * 64, latency_ms=900.0,
        )  # fmt: skip
        self.put(looks.crop_key(self.drone_id, self.flight_id, look.look_id), crop)
        name = looks.record_key(self.drone_id, self.flight_id, look.look_id)
        return self.put(name, look.model_dump_json().encode())

    def arrive(self, *names: str) -> None:
        for name in names:
            self.queues.send(MEDIA_EVENTS_QUEUE, event_for(name))
        while self.consumer.step():
            continue

    def count(self, table: type) -> int:
        with self.services.database.session() as session:
            return session.scalar(select(func.count()).select_from(table)) or 0

    def flight(self, flight_id: str) -> Flight:
        with self.services.database.session() as session:
            return session.get_one(Flight, flight_id)

    def told(self) -> list[str]:
        with self.services.database.session() as session:
            return [row.payload["segment_id"] for row in session.scalars(select(Outgoing).order_by(Outgoing.id))]

    def buried(self) -> list[str]:
        with self.services.database.session() as session:
            return list(session.scalars(select(DeadLetter.reason)))


@pytest.fixture(scope="module")
def services(database_url: str) -> Iterator[Services]:
    built = platform.build(database_url)
    built = dataclasses.replace(built, workflows=MemoryWorkflows(), maintenance=MemorySap())
    yield dataclasses.replace(built, objects=MemoryObjects(), queues=MemoryQueues())
    built.database.close()


@pytest.fixture
def bench(services: Services) -> Bench:
    empty(services.database)
    return Bench(services)


def test_a_video_is_a_flight_that_was_flown_elsewhere(bench: Bench) -> None:
    bench.arrive(*bench.video())
    row = bench.flight("cap-aa")
    assert (row.state, row.plan_id, row.drone_id) == ("landed", "import", bench.drone_id)
    assert bench.told() == ["cap-aa.00000"]
    assert len(bench.queues.bodies(VISION_JOBS_QUEUE)) == 1


def test_a_segment_that_overtakes_its_record_brings_it_along(bench: Bench) -> None:
    _, manifest = bench.video()
    bench.arrive(manifest)
    assert (bench.count(CaptureRow), bench.count(Media)) == (1, 1)


def test_twice_is_once(bench: Bench) -> None:
    names = (*bench.video(), bench.photos(), bench.look())
    bench.arrive(*names, *names)
    assert (bench.count(CaptureRow), bench.count(Media), bench.count(FirstLookRow)) == (2, 1, 1)
    assert bench.buried() == []


def test_photos_are_vouched_for_one_by_one_and_complete_at_once(bench: Bench) -> None:
    bench.arrive(bench.photos())
    assert bench.told() == ["cap-bb.00000"]
    assert bench.flight("cap-bb").state == "complete"


def test_a_spoilt_photo_is_not_vouched_for(bench: Bench) -> None:
    bench.arrive(bench.photos(stored=b"other"))
    assert bench.told() == []
    assert "does not match" in bench.buried()[0]


def test_a_record_under_anothers_name_is_buried(bench: Bench) -> None:
    record = bench.photos()
    foreign = bench.put(capture_key("someone-else", "cap-bb"), bench.objects.get(record))
    bench.arrive(foreign)
    assert bench.count(CaptureRow) == 0
    assert "holds the record of" in bench.buried()[0]


def test_a_first_look_is_stored_and_is_no_finding(bench: Bench) -> None:
    bench.arrive(bench.look())
    assert (bench.count(FirstLookRow), bench.count(Finding)) == (1, 0)


def test_a_spoilt_crop_is_refused(bench: Bench) -> None:
    bench.arrive(bench.look(crop=b"other"))
    assert bench.count(FirstLookRow) == 0
    assert "does not match" in bench.buried()[0]


def test_the_reconciler_finds_a_first_look_whose_message_was_lost_and_leaves_it_then(bench: Bench) -> None:
    bench.look()
    done, failed = Reconciler(bench.services, every_s=20.0).run()
    assert (done["objects_recorded"], failed, bench.count(FirstLookRow)) == (1, False, 1)
    done, _ = Reconciler(bench.services, every_s=20.0).run()
    assert done["objects_recorded"] == 0


@pytest.fixture(scope="module")
def server(services: Services) -> Iterator[Server]:
    with Server(services) as running:
        yield running


@pytest.fixture
def viewer(server: Server, bench: Bench) -> Iterator[httpx.Client]:
    with server.client(Role.VIEWER) as http:
        yield http


def test_captures_and_their_photos_over_http(bench: Bench, viewer: httpx.Client) -> None:
    bench.arrive(*bench.video(), bench.photos())
    first = viewer.get("/v1/captures", params={"limit": 1}).json()
    second = viewer.get("/v1/captures", params={"limit": 1, "cursor": first["next_cursor"]}).json()
    assert [page["data"][0]["flight_id"] for page in (first, second)] == ["cap-bb", "cap-aa"]
    assert viewer.get("/v1/captures/cap-aa").json()["record"]["notes"] == ["no camera direction"]
    assert viewer.get("/v1/captures/cap-bb/photos/0").content == JPEG
    assert viewer.get("/v1/captures/cap-bb/photos/1").status_code == 404
    assert viewer.get("/v1/captures/cap-zz").status_code == 404


def test_first_looks_over_http_say_that_they_are_provisional(bench: Bench, viewer: httpx.Client) -> None:
    bench.arrive(bench.look())
    (row,) = viewer.get("/v1/first-looks", params={"flight_id": bench.flight_id}).json()["data"]
    assert (row["kind"], row["provisional"]) == ("crack", True)
    path = f"/v1/first-looks/{bench.flight_id}/{row['look_id']}/crop"
    assert viewer.get(path).content == JPEG
    assert viewer.get(path.replace("-0/", "-1/")).status_code == 404
