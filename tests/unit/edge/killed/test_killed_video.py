"""Killed anywhere while a flight is filmed: every frame is in one whole segment; of a live camera, all but a group."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from contracts.media import SegmentManifest
from edge.backends.container import Mp4File, whole_frames
from edge.files import sha256_of
from edge.flights import Flights
from edge.poses import Poses
from edge.recorder import Frame, Recorder, Rig
from tests.crash_points import behind, far, lives, walk
from tests.unit.edge.film import FPS, demuxed, transport_stream
from tests.unit.edge.test_recorder import OPTICS, Bench, Tape, _times
from tests.unit.edge.world import Announcements

_TIMES = _times((0.0, 5.0), (7.0, 1.6))
_OPENED, FRAMES = demuxed(transport_stream(_TIMES))


def _manifests(flight: Path) -> list[SegmentManifest]:
    return [SegmentManifest.model_validate_json(p.read_bytes()) for p in sorted(flight.glob("[0-9]*.json"))]


def _recorded(flight: Path, at: str) -> list[int]:
    """Return the times of all frames, having looked whether each segment is whole and none overlaps another."""
    found: list[int] = []
    for manifest in _manifests(flight):
        assert sha256_of(flight / f"{manifest.index:05d}.mp4") == manifest.sha256, at
        found += [frame.t_us for frame in manifest.frames]
    assert all(a < b for a, b in pairwise(found)), at
    return found


@pytest.fixture
def drone(tmp_path: Path) -> Path:
    """Return a drone whose flight is over and whose camera still has its video."""
    folder = tmp_path / "drone"
    bench = Bench(folder, Tape([]))
    bench.fly(_TIMES[0], _TIMES[-1])
    bench.poses.close()
    return folder


def records(folder: Path) -> None:
    """Record all from a camera that gives it again."""
    behind(Mp4File, "__init__", "finish")
    Bench(folder, Tape(FRAMES)).run()


def test_killed_anywhere_a_replayed_video_is_recorded_to_the_last_frame(drone: Path) -> None:
    flight = drone / "recordings/flt-1"
    for at in walk(drone, records):
        lives(drone, records)
        assert _recorded(flight, at) == _TIMES, at
        assert not list(flight.glob("*.mp4.part")), at


class Live:
    """A camera that does not give again what it gave: what a dead process had in hand is gone."""

    replays = False

    def __init__(self, folder: Path, film: list[Frame] = FRAMES) -> None:
        self._given, self._film = folder / "given", film

    def given(self) -> int:
        return int(self._given.read_text()) if self._given.exists() else 0

    def frames(self, from_us: int, waiting: Callable[[], bool]) -> Iterator[Frame]:
        for number in range(self.given(), len(self._film)):
            with far("the next frame"):
                self._given.write_text(str(number + 1))
            yield self._film[number]._replace(format="one")

    def finished(self, after_us: int) -> bool:
        return self.given() == len(self._film)


def watches(folder: Path, film: list[Frame] = FRAMES) -> None:
    """Record what is left from a camera that gives nothing again; what a dead process had in hand is rescued first."""
    behind(Mp4File, "add", "finish")
    flights, poses = Flights(folder / "recordings"), Poses(folder / "poses.db")
    rig = Rig("drone-1", OPTICS, Live(folder, film), Mp4File, whole_frames)
    recorder = Recorder(rig, poses, flights, Announcements(), threading.Event())
    while flights.known("flt-1").segments is None:
        recorder.step()


def _kept_of(given: int) -> set[int]:
    """Return the frames of whole groups: a group is on the disk when the next one's first frame is."""
    return set(_TIMES[: max(0, (given - 2) // FPS * FPS)])


def test_killed_anywhere_a_live_camera_loses_no_more_than_the_group_in_hand(drone: Path) -> None:
    flight, lost = drone / "recordings/flt-1", []
    for at in walk(drone, watches):
        given = Live(drone).given()
        lives(drone, watches)
        next_key = next((n for n in range(given, len(_TIMES)) if FRAMES[n].key), len(_TIMES))
        found = set(_recorded(flight, at))
        lost += [at] if (_kept_of(given) | set(_TIMES[next_key:])) - found else []
        assert _left_over(flight) == [], at
    assert lost == []


def _left_over(flight: Path) -> list[str]:
    return [path.name for path in flight.iterdir() if path.suffix in (".part", ".torn", ".begun")]


def test_killed_anywhere_in_a_film_of_one_group_it_leaves_nothing_behind(drone: Path) -> None:
    def glances(folder: Path) -> None:
        watches(folder, FRAMES[:FPS])

    for at in walk(drone, glances):
        lives(drone, glances)
        assert _left_over(drone / "recordings/flt-1") == [], at
