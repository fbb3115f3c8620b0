"""Killed anywhere on the way to the cloud: every object arrives, and only what was vouched for is deleted."""

from __future__ import annotations

import hashlib
import queue
import threading
import time
import zlib
from pathlib import Path
from types import SimpleNamespace

import pytest

from contracts.events import SegmentVerified
from contracts.media import FlightMedia, SegmentManifest, UploadOrder
from contracts.topics import UPLOAD_ORDERS, VERIFIED
from edge import sender
from edge.agent import Agent
from edge.captures.courier import Courier
from edge.flights import Flights
from edge.inbox import Inbound
from edge.retention import Retention
from edge.sender import Part, UploadGone, UploadJournal
from edge.uploader import Uploader
from tests.crash_points import far, lives, walk
from tests.unit.edge.test_uploader import Bench
from tests.unit.edge.world import Announcements

_PART_BYTES = 1000
_BODIES = (b"small", bytes(range(250)) * 9)


class Cloud:
    """Store, database and broker, which live on: a message waits until it is acknowledged."""

    def __init__(self, folder: Path) -> None:
        self._objects, self._uploads, self.waiting = (folder / name for name in ("objects", "uploads", "waiting"))
        self.vouched = folder / "vouched"
        for path in (self._objects, self._uploads, self.waiting, self.vouched):
            path.mkdir(exist_ok=True)

    def crc(self, body: bytes, before: int = 0) -> int:
        return zlib.crc32(body, before)

    def put(self, key: str, body: bytes) -> None:
        with far(f"put {key}"):
            self._store(key, body)

    def begin(self, key: str) -> str:
        with far(f"begin {key}"):
            upload_id = f"u{len(list(self._uploads.iterdir()))}"
            (self._uploads / upload_id).mkdir()
            return upload_id

    def part(self, key: str, upload_id: str, number: int, body: bytes) -> Part:
        with far(f"part {number} of {key}"):
            (self._known(upload_id) / str(number)).write_bytes(body)
            return Part(hashlib.sha256(body).hexdigest(), self.crc(body))

    def parts(self, key: str, upload_id: str) -> dict[int, str]:
        stored = self._known(upload_id).iterdir()
        return {int(path.name): hashlib.sha256(path.read_bytes()).hexdigest() for path in stored}

    def complete(self, key: str, upload_id: str, parts: dict[int, Part], crc: int) -> None:
        with far(f"complete {key}"):
            folder = self._known(upload_id)
            assert {n: part.etag for n, part in parts.items()} == self.parts(key, upload_id)
            body = b"".join((folder / str(number)).read_bytes() for number in sorted(parts))
            assert self.crc(body) == crc
            self._store(key, body)
            folder.rename(folder.with_name(f"{upload_id}-complete"))

    def objects(self) -> dict[str, bytes]:
        return {path.name.replace("|", "/"): path.read_bytes() for path in self._objects.iterdir()}

    def send(self, topic: str, payload: str) -> None:
        """Leave a message for the drone."""
        (self.waiting / str(time.time_ns())).write_text(f"{topic}\n{payload}")

    def _known(self, upload_id: str) -> Path:
        if not (self._uploads / upload_id).exists():
            raise UploadGone("gone")
        return self._uploads / upload_id

    def _store(self, key: str, body: bytes) -> None:
        """Keep an object; vouch for a segment each time its video or its manifest has come, as the cloud does."""
        (self._objects / key.replace("/", "|")).write_bytes(body)
        name = key.rpartition("/")[2]
        there = {path.name.rpartition("|")[2]: path.read_bytes() for path in self._objects.iterdir()}
        video, manifest = there.get(name[:5] + ".mp4"), there.get(name[:5] + ".json")
        if video is None or manifest is None or not name[:5].isdigit():
            return
        said = SegmentManifest.model_validate_json(manifest)
        assert hashlib.sha256(video).hexdigest() == said.sha256
        (self.vouched / name[:5]).touch()
        verified = SegmentVerified(segment_id=said.segment_id, sha256=said.sha256)
        self.send(VERIFIED.of("drone-1"), verified.model_dump_json())


class Intake(Agent):
    """The agent's intake and nothing else of it."""

    def __init__(self, uploader: Uploader, courier: Courier | None = None) -> None:
        self.inbox: queue.Queue[Inbound] = queue.Queue()
        self._uploader = uploader
        if courier is not None:
            self._courier = courier
        self._link = SimpleNamespace(inbox=self.inbox)  # type: ignore[assignment]
        self._settings = SimpleNamespace(drone_id="drone-1")  # type: ignore[assignment]
        self._shadow_post = self._job_post = None

    def take_in(self, waiting: Path) -> None:
        """Do what the broker holds; a message is gone there when it is settled."""
        for path in sorted(waiting.iterdir()):
            topic, _, payload = path.read_text().partition("\n")
            self.inbox.put(Inbound(topic, payload.encode(), lambda p=path: _settle(p)))  # type: ignore[misc]
            self._take_in()


def _settle(message: Path) -> None:
    with far("PUBACK"):
        message.unlink()


def uploads(folder: Path) -> None:
    """Send all there is, do what the broker holds for this drone, and free what may go."""
    sender.PART_BYTES = _PART_BYTES
    cloud, flights = Cloud(folder / "cloud"), Flights(folder / "recordings")
    journal = UploadJournal(folder / "uploads.db")
    uploader = Uploader("drone-1", flights, journal, cloud, Announcements(), threading.Event())
    intake = Intake(uploader)
    intake.take_in(cloud.waiting)
    while uploader.step():
        continue
    intake.take_in(cloud.waiting)
    Retention((folder / "recordings",), 10**9, Announcements()).step()
    journal.close()


@pytest.fixture
def drone(tmp_path: Path) -> Path:
    """Return a drone with a recorded flight, for which the cloud has an order."""
    folder = tmp_path / "drone"
    folder.mkdir()
    bench = Bench(folder)
    for index, body in enumerate(_BODIES):
        bench.record(index, body)
        (folder / f"recordings/flt-1/{index:05d}.srt").touch()
    bench.flights.change("flt-1", segments=len(_BODIES))
    bench.journal.close()
    (folder / "cloud").mkdir()
    cloud = Cloud(folder / "cloud")
    cloud.send(UPLOAD_ORDERS.of("drone-1"), UploadOrder(flight_id="flt-1", segments=(1,)).model_dump_json())
    return folder


def test_killed_anywhere_every_object_arrives_and_only_what_was_vouched_for_is_freed(drone: Path) -> None:
    flight, cloud = drone / "recordings/flt-1", Cloud(drone / "cloud")
    for at in walk(drone, uploads):
        for index, body in enumerate(_BODIES):
            video = flight / f"{index:05d}.mp4"
            assert (cloud.vouched / video.stem).exists() or video.read_bytes() == body, at
        lives(drone, uploads)
        objects = {key.removeprefix("flights/drone-1/flt-1/"): body for key, body in cloud.objects().items()}
        assert [objects[f"{index:05d}.mp4"] for index in range(len(_BODIES))] == list(_BODIES), at
        assert FlightMedia.model_validate_json(objects["flight.json"]).expected_segments == len(_BODIES), at
        assert sorted(p.name for p in flight.iterdir() if p.suffix in (".mp4", ".srt", ".part")) == [], at
        assert (flight / "upload-order.json").exists(), at
        assert not list(cloud.waiting.iterdir()), at
