"""Round the towers of a line: every side of them is seen, and the aircraft keeps outside the conductors."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest

from cloud.planning.bodies import conductor_pieces
from cloud.planning.flying import Planned
from cloud.planning.pattern import DEFAULT_CAMERA
from cloud.planning.surveys import SurveyInputs
from cloud.planning.verdicts import Verdict
from contracts.errors import InvalidInput
from contracts.geo import Enu, LocalFrame, Pose
from contracts.optics import CameraIntrinsics
from contracts.parts import line_tower_of
from contracts.powerline import LineTower, PowerLine
from contracts.routes import Waypoint, WaypointAction
from tests.unit.cloud.planning.test_flights import FOOT, line, plan
from vision.coverage import Coverage
from vision.line_grid import Line

LONG_LENS = CameraIntrinsics(width_px=3840, height_px=2160, focal_px=6000.0)


def wish(geometry: PowerLine, camera: CameraIntrinsics = LONG_LENS, **params: Any) -> SurveyInputs:
    wanted = {"pattern": "line_towers", **params}
    return SurveyInputs.model_validate(
        {"asset_id": "l", "geometry": geometry, "home": None, "camera": camera, "params": wanted}
    )


def bent(turn_deg: float) -> PowerLine:
    """Three towers; the line turns at the second."""
    frame, turn = LocalFrame(FOOT), math.radians(turn_deg)
    feet = Enu(-260.0, 0.0, 0.0), Enu(0.0, 0.0, 0.0), Enu(260.0 * math.cos(turn), 260.0 * math.sin(turn), 0.0)
    places = [frame.to_geo(foot).model_copy(update={"alt_m": 45.0}) for foot in feet]
    return PowerLine(towers=tuple(LineTower(name=f"T{n}", foot=place) for n, place in enumerate(places)))


def filmed(flight: Planned) -> Iterator[tuple[Waypoint, Waypoint]]:
    """Yield the legs that are recorded."""
    recording = False
    for one, other in pairwise(flight.route.waypoints):
        recording = (
            recording or one.action is WaypointAction.START_VIDEO
        ) and one.action is not WaypointAction.STOP_VIDEO
        if recording:
            yield one, other


def poses(flight: Planned) -> Iterator[Pose]:
    """Yield where the camera is every two metres of what is recorded."""
    for one, other in filmed(flight):
        frame = LocalFrame(one.point)
        way = frame.to_enu(other.point)
        turn = (other.camera_yaw_deg - one.camera_yaw_deg + 180.0) % 360.0 - 180.0
        count = max(1, round(way.norm() / 2.0))
        for step in range(count + 1):
            point = frame.to_geo(way.times(step / count))
            yield Pose(point=point, yaw_deg=one.camera_yaw_deg + turn * step / count, pitch_deg=0.0, roll_deg=0.0)


def test_every_side_of_a_tower_is_seen_from_the_floor_up() -> None:
    geometry = bent(0.0)
    [flight] = plan(wish(geometry, first_tower=1, last_tower=1))
    shown = list(poses(flight))
    grid = Line(geometry, [pose.point for pose in shown], LONG_LENS)
    coverage = Coverage(grid, LONG_LENS)
    for pose in shown:
        coverage.add(grid.sight(pose, LONG_LENS), 90.0)
    seen = {(c.part, c.cell) for c in coverage.parts() if c.seen_share >= 0.8 and line_tower_of(c.part) == 1}
    floor_band = math.ceil(6.0 / 3.0)
    assert {(f"tower-0001-face-{face}", band) for face in range(4) for band in range(floor_band, 11)} <= seen
    assert {part for part, _ in seen if "string" in part} == {"tower-0001-string-1"}, (
        "of the outer ones three sides are"
    )


@pytest.mark.parametrize("turn_deg", [0.0, 25.0, -55.0])
def test_the_aircraft_keeps_outside_the_conductors_and_crosses_above_every_tower(turn_deg: float) -> None:
    geometry = bent(turn_deg)
    [flight] = plan(wish(geometry))
    frame = LocalFrame(FOOT)
    wires = [frame.to_enu(point) for span in geometry.spans() for point in conductor_pieces(span)]
    sides = []
    for one, other in filmed(flight):
        places = [frame.to_enu(waypoint.point) for waypoint in (one, other)]
        for place in places:
            nearest = min(wires, key=lambda wire: math.hypot(wire.east - place.east, wire.north - place.north))
            assert math.hypot(nearest.east - place.east, nearest.north - place.north) > geometry.half_width_m + 5.0
        sides.append(places)
    top_m = max(tower.foot.alt_m + tower.height_m for tower in geometry.towers)
    crossing = [w for w in flight.route.waypoints if w.point.alt_m > top_m]
    assert len(crossing) >= 4 * len(geometry.towers)


@pytest.mark.parametrize(
    ("turn_deg", "camera", "said"),
    [
        (0.0, LONG_LENS, "insulator strings are not, where a tower hides them"),
        (0.0, DEFAULT_CAMERA, "insulator strings are not, where a tower hides them"),
        (55.0, DEFAULT_CAMERA, "Too coarse to count as seen: tower T1 at 6.7 mm a pixel."),
    ],
    ids=["long lens", "short lens", "short lens at a bend"],
)
def test_what_is_shown_too_coarsely_to_count_as_seen_is_said_before_it_is_flown(
    turn_deg: float, camera: CameraIntrinsics, said: str
) -> None:
    [flight] = plan(wish(bent(turn_deg), camera))
    assert said in next(check.sentence for check in flight.checks if check.name == "coverage")


def test_a_level_camera_is_not_told_as_minus_nothing() -> None:
    [flight] = plan(wish(bent(0.0)))
    [said] = [check.sentence for check in flight.checks if check.name == "camera_limits"]
    assert said == "The camera looks up to 0 degrees; the gimbal reaches 45."


def test_it_flies_no_lower_than_is_asked_for() -> None:
    [flight] = plan(wish(bent(0.0), first_height_m=14.0))
    assert min(w.point.alt_m for pair in filmed(flight) for w in pair) == pytest.approx(45.0 + 14.0, abs=0.01)


def test_a_long_line_becomes_flights_each_round_towers_of_its_own() -> None:
    planned = plan(wish(line(12)))
    stretches = [flight.stretch for flight in planned]
    assert len(planned) > 1
    assert [n for s in stretches if s for n in range(s.first, s.last + 1)] == list(range(12))


def test_a_tower_where_the_line_turns_sharply_is_left_out_and_said() -> None:
    [flight] = plan(wish(bent(80.0)))
    [said] = [check for check in flight.checks if check.name == "coverage"]
    assert (said.verdict, "tower T1 not at all" in said.sentence) == (Verdict.WARN, True)


@pytest.mark.parametrize(
    ("geometry", "params", "field"),
    [
        (line(4), {"first_tower": 2, "last_tower": 4}, "params.last_tower"),
        (line(4), {"first_tower": 3, "last_tower": 1}, "params.first_tower"),
        (bent(80.0), {"first_tower": 1, "last_tower": 1}, "params.first_tower"),
        (line(4), {"standoff_m": 9.0}, "params.standoff_m"),
        (line(4), {"first_height_m": 31.0}, "params.first_height_m"),
    ],
)
def test_a_wish_that_cannot_be_flown_names_its_field(geometry: PowerLine, params: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        plan(wish(geometry, **params))
    assert caught.value.field == field
