"""Modes, failsafes, fence and items of the simulated autopilot, without a network or a clock."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymavlink.dialects.v20 import ardupilotmega as mav

from contracts.errors import InvalidInput
from contracts.geo import Enu, GeoPoint
from simulators.autopilot import parse_home
from simulators.autopilot_commands import ACCEPTED, DENIED, FAILED, UNSUPPORTED, Commands
from simulators.autopilot_fence import inside_polygon
from simulators.autopilot_items import fence_is_sound, normalised, refusal
from simulators.autopilot_log import PoseLog
from simulators.autopilot_modes import AUTO, BRAKE, GUIDED, LAND, LOITER, RTL, Commander
from simulators.autopilot_reports import Reports, quaternion
from simulators.autopilot_state import Item, Phase, Run, State, StateFile
from simulators.autopilot_streams import Streams
from simulators.flight import turn_deg
from simulators.flight_air import Air, Sensors
from simulators.flight_battery import Battery

GEOID_M = 41.0
INSIDE, OUTSIDE = mav.MAV_CMD_NAV_FENCE_POLYGON_VERTEX_INCLUSION, mav.MAV_CMD_NAV_FENCE_CIRCLE_EXCLUSION


class Drone:
    """An autopilot on a bench: its decisions, its commands, and what it said."""

    def __init__(self, wind_mps: float = 6.0, **params: float) -> None:
        self.said: list[Any] = []
        self.state = State(1_700_000_000_000, 56.7, 8.2, 45.0, seed=1, ready_at_ms=0)
        self.state.params.update(params)
        self.commander = Commander(self.state, Air(1, wind_mps, 250.0), self.said.append, GEOID_M)
        reports = Reports(self.commander, Sensors(1), GEOID_M)
        self.streams = Streams(self.state, reports, self.said.append)
        self.commands = Commands(self.commander, self.streams, GEOID_M)

    def run(self, command: int, *params: float, place: tuple[float, float, float] = (0.0, 0.0, 0.0)) -> int:
        p1, p2, p3, p4 = [*params, *([0.0] * (4 - len(params)))]
        east, north, up = place
        point = self.commander.pilot.frame.to_geo(Enu(east, north, up))
        x, y = (round(point.lat_deg * 1e7), round(point.lon_deg * 1e7)) if any(place) else (0, 0)
        return self.commands.run(Item(command, 3, p1, p2, p3, p4, x, y, up))

    def wait(self, holds: Callable[[], object], seconds: float = 300.0) -> None:
        for _ in range(round(seconds * 50)):
            if holds():
                return
            self.commander.tick()
        raise AssertionError(f"not within {seconds} s; said {self.texts()}")

    def airborne(self, height_m: float = 20.0) -> None:
        assert self.commander.set_mode(GUIDED)
        assert self.run(mav.MAV_CMD_COMPONENT_ARM_DISARM, 1) == ACCEPTED
        assert self.commands.run(Item(mav.MAV_CMD_NAV_TAKEOFF, 3, 0, 0, 0, 0, 0, 0, height_m)) == ACCEPTED
        self.wait(lambda: self.commander.pilot.phase is Phase.HOLD)

    def texts(self) -> list[str]:
        return [str(m.text) for m in self.said if m.get_type() == "STATUSTEXT"]

    @property
    def mode(self) -> int:
        return self.state.supervisor.mode


def waypoint(drone: Drone, east: float, north: float, up: float) -> Item:
    point = drone.commander.pilot.frame.to_geo(Enu(east, north, up))
    x, y = round(point.lat_deg * 1e7), round(point.lon_deg * 1e7)
    return Item(mav.MAV_CMD_NAV_WAYPOINT, 3, 0.0, 0.0, 0.0, 0.0, x, y, point.alt_m - 45.0)


def load(drone: Drone, *items: Item) -> None:
    drone.state.mission[:] = [waypoint(drone, 0.0, 0.0, 0.0), *items]


def simple(command: int, *params: float, z: float = 0.0) -> Item:
    p1, p2, p3, p4 = [*params, *([0.0] * (4 - len(params)))]
    return Item(command, 0, p1, p2, p3, p4, 0, 0, z)


def test_battery_returns_and_then_lands() -> None:
    drone = Drone()
    drone.state.battery = Battery(capacity_wh=100.0, used_wh=65.0)
    drone.airborne(30.0)
    assert drone.run(mav.MAV_CMD_DO_REPOSITION, 5, place=(400.0, 0.0, 30.0)) == ACCEPTED
    drone.wait(lambda: drone.mode == RTL)
    assert any(text.startswith("Battery 1 is low") for text in drone.texts())
    drone.wait(lambda: not drone.state.supervisor.armed)
    assert drone.run(mav.MAV_CMD_COMPONENT_ARM_DISARM, 1) == FAILED
    assert drone.commander.set_mode(GUIDED)
    assert drone.run(mav.MAV_CMD_COMPONENT_ARM_DISARM, 1) == FAILED
    assert "Arm: Battery 1 low voltage failsafe" in drone.texts()


def test_critical_battery_lands_where_it_is() -> None:
    drone = Drone(BATT_FS_LOW_ACT=0)
    drone.state.battery = Battery(capacity_wh=100.0, used_wh=75.0)
    drone.airborne(30.0)
    assert drone.run(mav.MAV_CMD_DO_REPOSITION, 5, place=(900.0, 0.0, 30.0)) == ACCEPTED
    drone.wait(lambda: drone.mode == LAND)
    drone.wait(lambda: not drone.state.supervisor.armed)
    assert drone.state.position.east > 50


def test_a_fence_breach_returns_once_and_auto_is_obeyed_again() -> None:
    drone = Drone(FENCE_ENABLE=1, FENCE_RADIUS=50)
    load(drone, waypoint(drone, 90.0, 0.0, 30.0), waypoint(drone, 0.0, 0.0, 30.0))
    drone.airborne(20.0)
    assert drone.commander.set_mode(AUTO)
    drone.wait(lambda: drone.mode == RTL)
    assert drone.state.position.east == pytest.approx(50.0, abs=1.0)
    assert drone.commander.set_mode(AUTO)
    drone.wait(lambda: drone.state.position.east > 85)
    assert drone.mode == AUTO
    assert drone.state.supervisor.fence_breaches == 1


def test_reposition_outside_the_fence_fails() -> None:
    drone = Drone(FENCE_ENABLE=1, FENCE_RADIUS=50)
    drone.airborne(20.0)
    assert drone.run(mav.MAV_CMD_DO_REPOSITION, place=(60.0, 0.0, 20.0)) == FAILED
    assert drone.run(mav.MAV_CMD_DO_REPOSITION, place=(40.0, 0.0, 20.0)) == ACCEPTED
    assert drone.run(mav.MAV_CMD_DO_REPOSITION, place=(0.0, 0.0, 120.0)) == FAILED
    drone.wait(drone.commander.pilot.arrived)
    assert drone.state.position.minus(Enu(40.0, 0.0, 20.0)).norm() < 0.3


def test_polygon_fences_keep_in_and_keep_out() -> None:
    drone = Drone(FENCE_ENABLE=1, FENCE_TYPE=4)
    corners = [waypoint(drone, e, n, 0.0) for e, n in ((-50, -50), (50, -50), (50, 50), (-50, 50))]
    fence = [corner._replace(command=INSIDE, p1=4.0) for corner in corners]
    fence.append(waypoint(drone, 20.0, 0.0, 0.0)._replace(command=OUTSIDE, p1=5.0))
    drone.state.fence[:] = fence
    drone.commander.fence.rebuild()
    places = {(0.0, 0.0): 0, (60.0, 0.0): 3, (20.0, 4.0): 3, (20.0, 6.0): 0, (49.0, -49.0): 0}
    for (east, north), breach in places.items():
        assert drone.commander.fence.breach(Enu(east, north, 10.0)) == breach


@pytest.mark.parametrize(("options", "mode"), [(16, RTL), (2, AUTO)])
def test_link_loss_in_auto(options: int, mode: int) -> None:
    drone = Drone(FS_GCS_ENABLE=1, FS_OPTIONS=options)
    load(drone, waypoint(drone, 200.0, 0.0, 30.0))
    drone.airborne()
    drone.commander.hear_station(10)
    drone.commander.hear_station(255)
    assert drone.commander.set_mode(AUTO)
    drone.wait(lambda: drone.state.supervisor.link_lost, seconds=6.0)
    assert drone.mode == mode
    drone.commander.hear_station(255)
    assert drone.mode == mode


def test_a_mission_with_take_off_speed_hold_and_landing() -> None:
    drone = Drone()
    load(
        drone,
        simple(mav.MAV_CMD_NAV_TAKEOFF, z=15.0)._replace(frame=3),
        simple(mav.MAV_CMD_DO_CHANGE_SPEED, 1, 3),
        waypoint(drone, 30.0, 0.0, 15.0)._replace(p1=2.0),
        simple(mav.MAV_CMD_NAV_DELAY, 3),
        simple(mav.MAV_CMD_NAV_LAND),
    )
    assert drone.commander.set_mode(GUIDED)
    assert drone.run(mav.MAV_CMD_COMPONENT_ARM_DISARM, 1) == ACCEPTED
    assert drone.commander.set_mode(AUTO)
    drone.wait(lambda: drone.state.t_ms >= 5000)
    assert drone.commander.pilot.on_ground
    assert drone.run(mav.MAV_CMD_MISSION_START) == ACCEPTED
    drone.wait(lambda: drone.state.sequencer.seq == 3)
    started = drone.state.t_ms
    drone.wait(lambda: drone.state.sequencer.seq == 4)
    assert (drone.state.t_ms - started) / 1000 > 30 / 3 + 2
    drone.wait(lambda: not drone.state.supervisor.armed)
    reached = [m.seq for m in drone.said if m.get_type() == "MISSION_ITEM_REACHED"]
    assert reached == [3, 4, 5]
    assert (drone.state.sequencer.run, drone.state.sequencer.seq, drone.mode) == (Run.COMPLETE, 0, AUTO)


def test_without_a_take_off_item_it_will_not_start_from_the_ground() -> None:
    drone = Drone()
    load(drone, waypoint(drone, 30.0, 0.0, 15.0))
    drone.commander.set_mode(GUIDED)
    drone.run(mav.MAV_CMD_COMPONENT_ARM_DISARM, 1)
    assert not drone.commander.set_mode(AUTO)
    assert drone.run(mav.MAV_CMD_MISSION_START) == FAILED
    assert "Auto: Missing Takeoff Cmd" in drone.texts()


def test_loiter_without_a_transmitter_descends() -> None:
    drone = Drone()
    drone.airborne()
    drone.commander.set_mode(LOITER)
    drone.wait(lambda: drone.commander.pilot.on_ground)
    assert not drone.state.params["SIM_RC_PRESENT"]


def test_without_gps_it_lands_after_eight_seconds() -> None:
    drone = Drone()
    drone.airborne()
    drone.state.params["SIM_GPS_DISABLE"] = 1
    blind_ms = drone.state.t_ms
    drone.wait(lambda: drone.state.supervisor.mode == LAND)
    assert 8000 <= drone.state.t_ms - blind_ms < 8200
    assert any("EKF Failsafe" in text for text in drone.texts())


def test_loiter_turns_are_flown_round_their_centre() -> None:
    drone = Drone()
    around = waypoint(drone, 40.0, 0.0, 20.0)._replace(command=mav.MAV_CMD_NAV_LOITER_TURNS, p1=2.0, p3=-15.0)
    load(drone, around, waypoint(drone, 0.0, 0.0, 20.0))
    drone.airborne()
    drone.commander.set_mode(AUTO)
    drone.wait(lambda: drone.state.sequencer.turned_deg > 20)
    offs: list[float] = []

    def turned() -> bool:
        here = drone.state.position
        offs.append(abs(math.hypot(here.east - 40.0, here.north) - 15.0))
        return drone.state.sequencer.seq == 2

    drone.wait(turned)
    assert drone.state.sequencer.turned_deg >= 720
    assert max(offs) < 2.0


def test_leaving_auto_keeps_the_place_in_the_mission() -> None:
    drone = Drone()
    load(drone, waypoint(drone, 10.0, 0.0, 20.0), waypoint(drone, 80.0, 0.0, 20.0))
    drone.airborne()
    drone.commander.set_mode(AUTO)
    drone.wait(lambda: drone.state.sequencer.seq == 2)
    drone.commander.set_mode(BRAKE)
    assert drone.commander.mission.mavlink_state == mav.MISSION_STATE_PAUSED
    drone.wait(drone.commander.pilot.arrived)
    drone.commander.set_mode(AUTO)
    assert drone.state.sequencer.seq == 2
    assert drone.run(mav.MAV_CMD_DO_SET_MISSION_CURRENT, 1) == ACCEPTED
    assert drone.state.sequencer.seq == 1
    assert drone.run(mav.MAV_CMD_DO_SET_MISSION_CURRENT, 9) == FAILED
    drone.wait(lambda: drone.state.sequencer.run is Run.COMPLETE)
    assert not drone.commander.pilot.on_ground


def test_filming_stops_on_the_way_home() -> None:
    drone = Drone()
    drone.airborne()
    assert drone.run(mav.MAV_CMD_VIDEO_START_CAPTURE) == ACCEPTED
    assert drone.state.controls.recording
    assert drone.run(mav.MAV_CMD_NAV_RETURN_TO_LAUNCH) == ACCEPTED
    assert not drone.state.controls.recording


def test_motors_stopped_by_force_in_flight_mean_a_crash() -> None:
    drone = Drone()
    drone.airborne(10.0)
    assert drone.run(mav.MAV_CMD_COMPONENT_ARM_DISARM, 0) == FAILED
    assert drone.run(mav.MAV_CMD_COMPONENT_ARM_DISARM, 0, 21196) == ACCEPTED
    drone.wait(lambda: drone.commander.pilot.on_ground, seconds=2.0)


@pytest.mark.parametrize(
    ("command", "params", "result"),
    [
        (mav.MAV_CMD_DO_SET_MODE, (1, 99), FAILED),
        (mav.MAV_CMD_DO_CHANGE_SPEED, (1, -5), FAILED),
        (mav.MAV_CMD_DO_CHANGE_SPEED, (2, 2), ACCEPTED),
        (mav.MAV_CMD_DO_CHANGE_SPEED, (3, 2), ACCEPTED),
        (mav.MAV_CMD_DO_CHANGE_SPEED, (7, 2), FAILED),
        (mav.MAV_CMD_DO_FENCE_ENABLE, (1,), ACCEPTED),
        (mav.MAV_CMD_DO_FENCE_ENABLE, (5,), FAILED),
        (mav.MAV_CMD_REQUEST_MESSAGE, (mav.MAVLINK_MSG_ID_HOME_POSITION,), ACCEPTED),
        (mav.MAV_CMD_REQUEST_MESSAGE, (12345,), DENIED),
        (mav.MAV_CMD_RUN_PREARM_CHECKS, (), ACCEPTED),
        (mav.MAV_CMD_DO_PARACHUTE, (), UNSUPPORTED),
        (mav.MAV_CMD_DO_REPOSITION, (), FAILED),
    ],
)
def test_answers(command: int, params: tuple[float, ...], result: int) -> None:
    assert Drone().run(command, *params) == result


def test_a_picture_too_soon_after_another_fails() -> None:
    drone = Drone()
    assert drone.run(mav.MAV_CMD_IMAGE_START_CAPTURE) == ACCEPTED
    assert drone.said[-1].get_type() == "CAMERA_FEEDBACK"
    assert drone.run(mav.MAV_CMD_IMAGE_START_CAPTURE) == FAILED
    drone.wait(lambda: drone.state.t_ms >= 100)
    assert drone.run(mav.MAV_CMD_IMAGE_START_CAPTURE) == ACCEPTED


def test_rates_can_be_changed() -> None:
    drone = Drone()
    drone.streams.tick()
    drone.said.clear()
    assert drone.streams.set_interval(mav.MAVLINK_MSG_ID_ATTITUDE, 200_000)
    assert drone.streams.set_interval(mav.MAVLINK_MSG_ID_HEARTBEAT, -1)
    for _ in range(100):
        drone.commander.tick()
        drone.streams.tick()
    kinds = [m.get_type() for m in drone.said]
    assert (kinds.count("ATTITUDE"), kinds.count("GLOBAL_POSITION_INT"), kinds.count("HEARTBEAT")) == (11, 40, 0)
    times = [m.time_boot_ms for m in drone.said if m.get_type() == "GLOBAL_POSITION_INT"]
    assert {b - a for a, b in pairwise(times)} <= {40, 60}


@pytest.mark.parametrize(
    ("item", "kind", "result"),
    [
        (simple(mav.MAV_CMD_DO_PARACHUTE), 0, mav.MAV_MISSION_UNSUPPORTED),
        (Item(16, 6, 0, 0, 0, 0, 0, 0, 10.0), 0, 0),
        (Item(16, 10, 0, 0, 0, 0, 0, 0, 10.0), 0, mav.MAV_MISSION_UNSUPPORTED_FRAME),
        (Item(16, 6, 0, 0, 0, 0, 910_000_000, 0, 10.0), 0, mav.MAV_MISSION_INVALID_PARAM5_X),
        (Item(16, 6, 0, 0, 0, 0, 0, 1_810_000_000, 10.0), 0, mav.MAV_MISSION_INVALID_PARAM6_Y),
        (Item(16, 6, 0, 0, 0, 0, 0, 0, math.nan), 0, mav.MAV_MISSION_INVALID_PARAM7),
        (Item(INSIDE, 3, 3, 0, 0, 0, 0, 0, 0.0), 0, mav.MAV_MISSION_UNSUPPORTED),
        (Item(INSIDE, 3, 3, 0, 0, 0, 0, 0, 0.0), 1, 0),
    ],
)
def test_items_are_judged(item: Item, kind: int, result: int) -> None:
    assert refusal(item, kind) == result


def test_items_are_normalised() -> None:
    assert normalised(Item(16, 6, 0, 0, 0, math.nan, 1, 2, 3.0)) == Item(16, 3, 0, 0, 0, 0.0, 1, 2, 3.0)
    assert normalised(Item(178, 2, 1, 5, -1, 0, 0, 0, 0.0)).frame == 0


@pytest.mark.parametrize(("counts", "sound"), [([3, 3, 3], True), ([3, 3], False), ([4, 4, 4], False), ([2, 2], False)])
def test_a_fence_counts_its_vertices(counts: list[int], sound: bool) -> None:
    assert fence_is_sound([Item(INSIDE, 3, n, 0, 0, 0, 0, 0, 0.0) for n in counts]) is sound


@given(st.floats(-9, 9), st.floats(-9, 9))
def test_inside_a_square(east: float, north: float) -> None:
    square = [(-5.0, -5.0), (5.0, -5.0), (5.0, 5.0), (-5.0, 5.0)]
    if min(abs(abs(east) - 5), abs(abs(north) - 5)) > 1e-6:
        assert inside_polygon(east, north, square) == (abs(east) < 5 and abs(north) < 5)


@given(st.floats(-30, 30), st.floats(-89, 45), st.floats(0, 359))
def test_quaternions_turn_back_into_angles(roll: float, pitch: float, yaw: float) -> None:
    w, x, y, z = quaternion(roll, pitch, yaw)
    assert math.degrees(math.asin(2 * (w * y - z * x))) == pytest.approx(pitch, abs=1e-4)
    found = math.degrees(math.atan2(2 * (w * z + x * y), 1 - 2 * (y * y + z * z)))
    assert turn_deg(found, yaw) == pytest.approx(0, abs=1e-6)


def test_the_state_file_is_whole_or_refused(tmp_path: Path) -> None:
    file = StateFile(tmp_path / "state.json")
    assert file.load() is None
    drone = Drone()
    load(drone, waypoint(drone, 30.0, 0.0, 15.0))
    drone.airborne()
    file.save(drone.state)
    assert file.load() == drone.state
    (tmp_path / "state.json").write_text('{"boot_utc_ms": 1}')
    with pytest.raises(InvalidInput, match="not a saved drone state"):
        file.load()


def test_a_torn_line_of_the_pose_log_is_cut_off(tmp_path: Path) -> None:
    drone, path = Drone(), tmp_path / "pose.jsonl"
    log = PoseLog(path)
    log.append(drone.commander.pilot)
    log.close()
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"t_us": 17000')
    log = PoseLog(path)
    log.close()
    assert log.last_us == drone.state.t_us
    assert path.read_bytes() == whole


@pytest.mark.parametrize("text", ["", "1,2", "91,0,0", "1,2,nan", "a,b,c"])
def test_a_home_that_is_no_place_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        parse_home(text)
    assert parse_home("53.6,-1.6,92") == GeoPoint(lat_deg=53.6, lon_deg=-1.6, alt_m=92.0)
