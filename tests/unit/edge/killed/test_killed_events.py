"""Killed anywhere between a file and the event that tells of it: the next life tells it, and nothing is told twice."""

from __future__ import annotations

import threading
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import pytest

from contracts.events import DroneEvent, DroneEventKind
from contracts.ids import segment_id
from contracts.telemetry import Stream
from edge.agent import Agent
from edge.backends.container import whole_frames
from edge.flights import Flights
from edge.journal import Journal
from edge.poses import Poses
from edge.recorder import Frame, Recorder, Rig, Size
from edge.sender import UploadJournal
from edge.uploader import Uploader
from tests.crash_points import lives, walk
from tests.unit.edge.killed.test_killed_records import held, outbox_of
from tests.unit.edge.killed.test_killed_uploads import Cloud
from tests.unit.edge.test_recorder import OPTICS, Tape, _times
from tests.unit.edge.test_recorder import Bench as RecorderBench
from tests.unit.edge.test_uploader import Bench
from tests.unit.edge.world import NOW_US, SetClock


class Teller(Agent):
    """The agent's way of telling events, and nothing else of it."""

    def __init__(self, folder: Path) -> None:
        self._outbox = outbox_of(folder)
        self._clock = SetClock()  # type: ignore[assignment]
        self._settings = SimpleNamespace(state_dir=folder)  # type: ignore[assignment]

    def close(self) -> None:
        self._outbox.close()


def told(folder: Path) -> list[DroneEvent]:
    """Return all events that are on a drone's disk; no cloud has taken any."""
    outbox = outbox_of(folder)
    events = [DroneEvent.model_validate_json(payload) for payload in held(outbox, Stream.EVENTS).values()]
    outbox.close()
    return events


def _segments(folder: Path, kind: DroneEventKind) -> Counter[str | None]:
    return Counter(event.segment_id for event in told(folder) if event.kind is kind)


class Blank:
    """A video file without pictures."""

    codec, size = "h264", Size(64, 48)

    def __init__(self, part: Path, first: Frame) -> None:
        part.write_bytes(b"film")
        self._count = 0

    def add(self, frame: Frame) -> None:
        self._count += 1

    def finish(self) -> tuple[float, ...]:
        return tuple(float(number) for number in range(self._count))

    def abandon(self) -> None:
        return


TIMES = _times((0.0, 1.0), (3.0, 1.0), (6.0, 1.0))
FILM = [Frame(t_us, key=True, packet=None) for t_us in TIMES]


def records(folder: Path) -> None:
    """Record three segments to the end."""
    teller, poses, flights = Teller(folder), Poses(folder / "poses.db"), Flights(folder / "recordings")
    rig = Rig("drone-1", OPTICS, Tape(FILM), Blank, whole_frames)
    recorder = Recorder(rig, poses, flights, teller.announce, threading.Event())
    while flights.known("flt-1").segments is None:
        recorder.step()
    teller.close()


def test_killed_anywhere_each_segment_is_told_as_recorded_once(tmp_path: Path) -> None:
    drone = tmp_path / "drone"
    bench = RecorderBench(drone, Tape([]))
    bench.fly(TIMES[0], TIMES[-1])
    bench.poses.close()
    for at in walk(drone, records):
        lives(drone, records)
        assert _segments(drone, DroneEventKind.SEGMENT_RECORDED) == {segment_id("flt-1", i): 1 for i in range(3)}, at


@pytest.fixture
def recorded(tmp_path: Path) -> Path:
    """Return a drone with a recorded flight of three segments, of which one manifest has rotted."""
    folder = tmp_path / "drone"
    folder.mkdir()
    bench = Bench(folder)
    for index in range(3):
        bench.record(index, b"film")
    bench.flights.change("flt-1", segments=2)
    (folder / "recordings/flt-1/00001.json").write_text("{")
    bench.journal.close()
    (folder / "cloud").mkdir()
    return folder


def uploads(folder: Path) -> None:
    """Send all there is, and tell that it is all."""
    teller, flights = Teller(folder), Flights(folder / "recordings")
    journal = UploadJournal(folder / "uploads.db")
    uploader = Uploader("drone-1", flights, journal, Cloud(folder / "cloud"), teller.announce, threading.Event())
    while not flights.known("flt-1").media_told:
        uploader.step()
    journal.close()
    teller.close()


def test_killed_anywhere_each_segment_is_told_as_uploaded_once_and_a_rotten_one_as_damaged(recorded: Path) -> None:
    for at in walk(recorded, uploads):
        lives(recorded, uploads)
        uploaded = _segments(recorded, DroneEventKind.SEGMENT_UPLOADED)
        assert uploaded == {segment_id("flt-1", index): 1 for index in (0, 2)}, at
        assert [event.code for event in told(recorded) if event.code] == ["segment_damaged"], at


def test_killed_anywhere_a_database_that_was_set_aside_is_told_once(tmp_path: Path) -> None:
    drone = tmp_path / "drone"
    drone.mkdir()
    (drone / "journal.db").write_bytes(b"no database" * 500)

    def starts(folder: Path) -> None:
        Journal(folder / "journal.db", lambda: NOW_US).close()
        teller = Teller(folder)
        teller._report_renewals()
        teller.close()

    for at in walk(drone, starts):
        lives(drone, starts)
        assert [event.code for event in told(drone)] == ["database_damaged"], at
