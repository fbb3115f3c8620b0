"""Killed anywhere while a memory card is taken and sent: the same captures, once, and the card untouched."""

from __future__ import annotations

import threading
from datetime import timedelta
from pathlib import Path

import pytest

from contracts.captures import HeightDatum
from edge.backends.container import Mp4File
from edge.backends.film import Mp4Films
from edge.captures.card import Inspector
from edge.captures.courier import Courier
from edge.captures.shelf import CaptureShelf, Taker
from edge.captures.terms import Heights, Terms
from edge.files import sha256_of
from edge.flights import Flights
from edge.sender import UploadJournal
from edge.uploader import Uploader
from tests.crash_points import behind, lives, walk
from tests.unit.edge.captures.reels import mp4, telemetry
from tests.unit.edge.captures.test_exif import jpeg
from tests.unit.edge.killed.test_killed_uploads import Cloud, Intake
from tests.unit.edge.world import Announcements

TERMS = Terms("drone-1", "wt-01", timedelta(hours=2), Heights(HeightDatum.ELLIPSOID), 24.0)


def takes(folder: Path) -> None:
    """Run the import."""
    behind(Mp4File, "__init__", "finish")
    shelf = CaptureShelf(folder / "captures")
    inventory = Inspector(folder / "card", Mp4Films(), TERMS, shelf.knows).inventory()
    Taker(shelf, Mp4Films(), Mp4File, TERMS, 0).take(inventory)


def sends(folder: Path) -> None:
    """Send every capture and free what the cloud has vouched for."""
    cloud, journal = Cloud(folder / "cloud"), UploadJournal(folder / "uploads.db")
    stop = threading.Event()
    uploader = Uploader("drone-1", Flights(folder / "recordings"), journal, cloud, Announcements(), stop)
    courier = Courier(CaptureShelf(folder / "captures"), uploader)
    intake = Intake(uploader, courier)
    intake.take_in(cloud.waiting)
    while courier.step():
        continue
    intake.take_in(cloud.waiting)
    journal.close()


def _contents(folder: Path) -> dict[str, str]:
    return {path.relative_to(folder).as_posix(): sha256_of(path) for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def drone(tmp_path: Path) -> Path:
    """Return a drone with a card: a video of two segments."""
    folder = tmp_path / "drone"
    video = mp4(folder / "card/DCIM/DJI_0001.MP4", 5.0)
    video.with_suffix(".SRT").write_text(telemetry(5.0))
    (folder / "cloud").mkdir()
    return folder


def test_killed_anywhere_an_import_that_is_repeated_gives_the_same_captures(drone: Path) -> None:
    for number in (1, 2):
        (drone / f"card/DCIM/DJI_100{number}.JPG").write_bytes(jpeg() + bytes(number))
    card = _contents(drone / "card")
    found: dict[str, dict[str, str]] = {}
    for at in walk(drone, takes):
        lives(drone, takes)
        found[at] = _contents(drone / "captures")
    whole = found[""]
    assert len([name for name in whole if name.endswith("capture.json")]) == 2
    assert not [name for name in whole if ".part" in name]
    assert [at for at, contents in found.items() if contents != whole] == []
    assert _contents(drone / "card") == card


def test_killed_anywhere_a_capture_arrives_whole_and_only_what_was_vouched_for_is_freed(drone: Path) -> None:
    lives(drone, takes)
    cloud = Cloud(drone / "cloud")
    (capture,) = CaptureShelf(drone / "captures").captures()
    folder = drone / "captures" / capture.capture_id
    videos = {path.name: path.read_bytes() for path in folder.glob("*.mp4")}
    assert len(videos) == capture.segments == 2
    for at in walk(drone, sends):
        for name, body in videos.items():
            assert (cloud.vouched / name[:5]).exists() or (folder / name).read_bytes() == body, at
        lives(drone, sends)
        arrived = {key.rpartition("/")[2]: body for key, body in cloud.objects().items()}
        assert {name: arrived[name] for name in videos} == videos, at
        assert {"capture.json", "flight.json"} <= set(arrived), at
        assert not list(folder.glob("*.mp4")), at
        assert not list(cloud.waiting.iterdir()), at
