"""The simulated autopilot comes back the way it came, where a failsafe asks it to."""

from __future__ import annotations

import math

import pytest
from pymavlink.dialects.v20 import ardupilotmega as mav

from contracts.geo import Enu
from simulators import autopilot_track
from simulators.autopilot_commands import ACCEPTED
from simulators.autopilot_modes import AUTO, GUIDED, LAND, RTL, SMART_RTL
from tests.unit.simulators.test_autopilot_modes import Drone, load, waypoint

ROOF = Enu(60.0, 0.0, 40.0)
"""The middle of a body under which the mission leads."""


def under(**params: float) -> tuple[Drone, list[Enu]]:
    """Return a drone that flies a mission under a body and has lost its ground station, and where it was since."""
    drone = Drone(0.0, RTL_ALT=6000.0, RTL_CONE_SLOPE=0.0, FS_GCS_TIMEOUT=0.1, **params)
    load(drone, waypoint(drone, 20, 30, 10), waypoint(drone, 60, 30, 10), waypoint(drone, 60, -200, 10))
    drone.airborne(10.0)
    drone.commander.hear_station(255)
    assert drone.commander.set_mode(AUTO)
    flown: list[Enu] = []

    def below() -> bool:
        drone.commander.hear_station(255)
        return drone.state.position.minus(ROOF).norm() < 30.1

    drone.wait(below)

    def landed() -> bool:
        flown.append(drone.state.position)
        return not drone.state.supervisor.armed

    drone.wait(landed)
    return drone, flown


@pytest.mark.parametrize(("action", "least_m"), [(1, 0.0), (3, 29.0)], ids=["straight", "the way it came"])
def test_a_lost_station_below_a_body(action: int, least_m: float) -> None:
    drone, flown = under(FS_GCS_ENABLE=action)
    apart_m = min(place.minus(ROOF).norm() for place in flown)
    assert (apart_m < 10.0) == (least_m == 0.0)
    assert apart_m >= least_m
    assert math.hypot(drone.state.position.east, drone.state.position.north) < 1.0
    assert drone.mode == (RTL if action == 1 else SMART_RTL)


@pytest.mark.parametrize(("action", "mode"), [(3, RTL), (4, LAND)], ids=["or straight", "or down"])
def test_where_its_track_was_too_long_it_does_the_second_thing(action: int, mode: int) -> None:
    drone, _ = under(FS_GCS_ENABLE=action, SRTL_POINTS=2)
    assert drone.mode == mode


def test_on_its_way_home_a_failsafe_turns_it_round() -> None:
    drone = Drone(0.0, FS_GCS_ENABLE=3)
    drone.airborne(20.0)
    assert drone.run(mav.MAV_CMD_DO_REPOSITION, 5, place=(80.0, 0.0, 20.0)) == ACCEPTED
    drone.wait(drone.commander.pilot.arrived)
    drone.commander.hear_station(255)
    assert drone.commander.set_mode(RTL)
    drone.wait(lambda: drone.mode == SMART_RTL)


def test_a_loop_is_cut_out_and_a_straight_line_keeps_its_ends() -> None:
    track: list[Enu] = []
    around = [Enu(20 * math.cos(t / 8), 20 * math.sin(t / 8), 10.0) for t in range(51)]
    for place in (Enu(0, 0, 0), Enu(0, 0, 10), *around, Enu(60, 0, 10)):
        assert autopilot_track.noted(track, place, 2.0, 300)
    back = autopilot_track.way_back(track, 2.0)
    assert len(back) < 8
    assert back[-1] == Enu(0, 0, 0)
    straight = [Enu(2.0 * step, 0, 10) for step in range(40)]
    assert autopilot_track.corners(straight, 1.0) == [straight[0], straight[-1]]


def test_the_track_begins_anew_where_it_is_armed() -> None:
    drone = Drone(0.0)
    drone.airborne(10.0)
    assert drone.commander.set_mode(LAND)
    drone.wait(lambda: not drone.state.supervisor.armed)
    drone.airborne(10.0)
    assert drone.commander.set_mode(SMART_RTL)
    drone.wait(lambda: not drone.state.supervisor.armed)
    assert drone.commander.set_mode(GUIDED)
