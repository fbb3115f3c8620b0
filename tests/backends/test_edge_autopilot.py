"""The MAVLink backend against the simulated ArduCopter, over UDP and TCP."""

from __future__ import annotations

import json
import math
import os
import random
import select
import socket
import subprocess
import sys
import threading
import time
import tty
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from contracts.events import DroneEventKind
from contracts.geo import Enu, GeoPoint, LocalFrame
from contracts.media import PoseSample
from contracts.routes import Corner, Fence, Solid, Zone, ZoneKind
from contracts.vocabulary import CommandKind
from edge.aircraft import Aircraft
from edge.allowances import Allowances
from edge.backends.autopilot import MavlinkAutopilot
from edge.backends.mavlink_picture import SILENT_S
from edge.enclosure import fence_items, rally_item
from edge.flights import Flights, Phase
from edge.geometry import Leg, to_axis_m
from edge.itinerary import itinerary_of
from edge.latch import Latch
from edge.loan import Loan
from edge.monitor import Monitor, Surroundings
from edge.pilot import Outcome, Pilot
from edge.refusals import AutopilotRefused, AutopilotSilent, NotReady, UnsafeRoute
from edge.safety import Limits, require_position
from infra.local.instance import free_port
from tests.unit.edge.test_pilot import Desk
from tests.unit.edge.world import HOME, at, command, route, waypoint

pytestmark = pytest.mark.backends
ONE_LINK = pytest.mark.parametrize("craft", ["tcp"], indirect=True)
LIMITS = Limits(20.0, None, 300.0, 3000.0)


class Craft:
    """A running simulator and the agent's end of the wire."""

    def __init__(self, folder: Path, scheme: str) -> None:
        self.folder, port = folder, free_port(set())
        self._theirs = f"udpout:127.0.0.1:{port}" if scheme == "udpin" else f"tcpin:127.0.0.1:{port}"
        self.poses: list[PoseSample] = []
        self.url = f"{scheme}:127.0.0.1:{port}"
        self.autopilot = MavlinkAutopilot(self.url, self.poses.append, None)
        self.autopilot.start()
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "simulators", "autopilot", "--home", f"{HOME.lat_deg},{HOME.lon_deg},45.0"),
                *("--pose-log", str(self.folder / "pose.jsonl"), "--state-file", str(self.folder / "state.json")),
                *("--connect", self._theirs, "--ready-s", "1", "--speedup", "4", "--wind-mps", "2"),
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(10)

    def until(self, reached: Callable[[Aircraft], bool], timeout_s: float = 30.0) -> Aircraft:
        waiting = threading.Event()
        for _ in range(round(timeout_s / 0.05)):
            if reached(aircraft := self.autopilot.look()):
                return aircraft
            waiting.wait(0.05)
        raise AssertionError(f"Never reached; last seen {self.autopilot.look()}")


@pytest.fixture(params=["udpin", "tcp"])
def craft(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Craft]:
    made = Craft(tmp_path, request.param)
    made.until(lambda a: a.connected and a.fix is not None and a.home is not None and a.clock_set)
    yield made
    made.kill()
    made.autopilot.stop()


def test_it_sees_the_aircraft_and_its_home_above_the_ellipsoid(craft: Craft) -> None:
    home = require_position(craft.autopilot.look())
    assert home.alt_m == pytest.approx(HOME.alt_m, abs=0.01)
    craft.until(lambda _: len(craft.poses) > 40)
    gaps = {(b.t_us - a.t_us) // 1000 for a, b in pairwise(craft.poses[-20:])}
    assert gaps <= {40, 60, 50, 20}


def test_what_it_refuses_comes_with_its_own_reason(craft: Craft) -> None:
    craft.autopilot.set_mode("LAND")
    with pytest.raises(AutopilotRefused, match="not armable"):
        craft.autopilot.command(400, 1)


def test_a_mission_is_stored_and_reads_back(craft: Craft) -> None:
    craft.autopilot.upload(itinerary_of(route(), HOME).items)
    craft.autopilot.upload(itinerary_of(route(), HOME).items[:4])


def test_a_flight_begins_pauses_resumes_and_comes_home(craft: Craft, tmp_path: Path) -> None:
    pilot = _pilot(craft, tmp_path)
    stop = threading.Event()
    assert pilot.fly(command(CommandKind.BEGIN_FLIGHT), stop) is Outcome.FLYING
    craft.until(lambda a: a.reached_seq >= 3, 60)
    pilot.fly(command(CommandKind.PAUSE), stop)
    pilot.fly(command(CommandKind.RESUME), stop)
    _look_closer(craft, pilot, stop)
    pilot.fly(command(CommandKind.RETURN_HOME), stop)
    craft.until(lambda a: a.mode == "RTL")
    craft.until(lambda a: a.on_ground, 60)


@ONE_LINK
def test_paused_in_its_climb_a_flight_has_begun_and_goes_on(craft: Craft, tmp_path: Path) -> None:
    pilot, stop = _pilot(craft, tmp_path), threading.Event()
    ended: list[Outcome] = []
    beginning = threading.Thread(target=lambda: ended.append(pilot.fly(command(CommandKind.BEGIN_FLIGHT), stop)))
    beginning.start()
    craft.until(lambda a: a.climbing and a.fix is not None and a.fix.alt_rel_m > 2.0)
    stop.set()  # as the desk does when a pause arrives
    beginning.join(10)
    assert (ended, pilot._flights.known("flt-1").phase) == ([Outcome.FLYING], Phase.BEGUN)
    pilot.fly(command(CommandKind.PAUSE), threading.Event())
    craft.until(lambda a: not a.climbing and a.mode == "BRAKE")
    pilot.fly(command(CommandKind.RESUME), threading.Event())
    craft.until(lambda a: a.reached_seq >= 3, 60)


@ONE_LINK
def test_moved_behind_a_mast_it_resumes_only_once_it_is_clear_of_it(craft: Craft, tmp_path: Path) -> None:
    mast = Solid(name="mast", start=at(40, 15, 0), end=at(40, 15, 60), radius_m=1.0)
    plan = route(solids=(mast,))
    pilot, stop = _pilot(craft, tmp_path), threading.Event()
    order = command(CommandKind.BEGIN_FLIGHT, route=plan, route_hash=plan.content_hash())
    pilot.check(order)
    pilot.fly(order, stop)
    craft.until(lambda a: a.reached_seq >= 3, 60)
    pilot._flights.change("flt-1", phase=Phase.FLYING, reached=0)
    _by_transmitter(craft, at(65, 15, 30))
    with pytest.raises(UnsafeRoute, match=r"waypoint 1 comes within .* of mast"):
        pilot.check(command(CommandKind.RESUME))
    _by_transmitter(craft, at(65, 45, 30))
    pilot.check(command(CommandKind.RESUME))
    pilot.fly(command(CommandKind.RESUME), stop)
    craft.until(lambda a: a.reached_seq >= 3, 60)


NACELLE = Solid(name="nacelle", start=at(60, -10, 40), end=at(60, 10, 40), radius_m=3.0, clearance_m=4.0)
LENT = {
    "FS_GCS_ENABLE": (1, 3), "FS_THR_ENABLE": (1, 4), "BATT_FS_LOW_ACT": (2, 3), "BATT2_FS_LOW_ACT": (2, 3),
    "FENCE_ACTION": (1, 3),
}  # fmt: skip
"""The autopilot's failsafes as they were, and for a flight below a nacelle."""


@ONE_LINK
def test_below_a_nacelle_with_the_agent_dead_it_comes_home_the_way_it_came(craft: Craft, tmp_path: Path) -> None:
    delivered = {"RTL_ALT": 6000, "RTL_CONE_SLOPE": 0, "BATT2_MONITOR": 4, "BATT2_FS_LOW_ACT": 2, "BATT9_FS_LOW_ACT": 2}
    # the agent's own heartbeats count: its death is a lost station
    for name, value in {**delivered, "FS_GCS_ENABLE": 1, "SYSID_MYGCS": 245}.items():
        assert craft.autopilot.put_parameter(name, value)
    below = waypoint(1, 60, 0, 10)
    plan = route(waypoint(0, 50, 0, 10), below, waypoint(2, 20, 5, 10), solids=(NACELLE,))
    pilot, stop = _pilot(craft, tmp_path), threading.Event()
    pilot.fly(command(CommandKind.BEGIN_FLIGHT, route=plan, route_hash=plan.content_hash()), stop)
    assert {name: craft.autopilot.parameter(name) for name in LENT} == {name: put for name, (_, put) in LENT.items()}
    assert craft.autopilot.parameter("BATT9_FS_LOW_ACT") == 2, "that monitor is off"
    craft.until(lambda a: a.fix is not None and LocalFrame(below.point).to_enu(a.fix.point).norm() < 3.0, 120)
    pilot.fly(command(CommandKind.PAUSE), stop)
    craft.autopilot.stop()
    flown = _flown_until_landed(craft)
    start, end = (LocalFrame(HOME).to_enu(place) for place in (NACELLE.start, NACELLE.end))
    kept_m = min(to_axis_m(Leg(place, place), Leg(start, end)) for place in flown) - NACELLE.radius_m
    assert kept_m > plan.standoff_m > 4.0
    assert math.hypot(flown[-1].east, flown[-1].north) < 2.0
    craft.autopilot = MavlinkAutopilot(craft.url, craft.poses.append, None)
    craft.autopilot.start()
    craft.until(lambda a: a.connected and a.on_ground)
    Loan(tmp_path / "loan.json", craft.autopilot).give_back()
    assert {name: craft.autopilot.parameter(name) for name in LENT} == {name: was for name, (was, _) in LENT.items()}


def _flown_until_landed(craft: Craft) -> list[Enu]:
    """Return where it truly was, from its take-off on, once it stands again."""
    waiting = threading.Event()
    for _ in range(600):
        places = [_place(line) for line in (craft.folder / "pose.jsonl").read_text().splitlines()[:-1:10]]
        if places[-1].up < 0.2:
            return places
        waiting.wait(1.0)
    raise AssertionError(f"Never landed; last at {places[-1]}")


def _place(line: str) -> Enu:
    pose = json.loads(line)
    point = GeoPoint(lat_deg=pose["lat_deg"], lon_deg=pose["lon_deg"], alt_m=pose["alt_m"])
    return LocalFrame(HOME).to_enu(point)


def _by_transmitter(craft: Craft, place: GeoPoint) -> None:
    """Fly it elsewhere in GUIDED, as a ground station does."""
    craft.autopilot.command(192, -1, 1, 0, 0, place.lat_deg, place.lon_deg, place.alt_m - HOME.alt_m)
    frame = LocalFrame(place)
    craft.until(lambda a: a.fix is not None and frame.to_enu(a.fix.point).norm() < 2.0, 60)


def _look_closer(craft: Craft, pilot: Pilot, stop: threading.Event) -> None:
    """In flight: the changed route is stored, and the aircraft goes to its detour and passes it."""
    pilot._flights.change("flt-1", phase=Phase.FLYING)
    order = command(CommandKind.ADJUST_ROUTE)
    pilot.check(order)
    assert pilot.fly(order, stop) is Outcome.DONE
    itinerary = pilot.itinerary()
    assert itinerary is not None
    craft.until(lambda a: itinerary.waypoint_reached(a.reached_seq) >= order.resume_at, 60)
    assert pilot._flights.known("flt-1").stored


def _pilot(craft: Craft, folder: Path) -> Pilot:
    allowances = Allowances(folder / "limits.json", LIMITS)
    loan = Loan(folder / "loan.json", craft.autopilot)
    latch = Latch(folder / "latch.json")
    return Pilot(craft.autopilot, Flights(folder / "recordings"), allowances, lambda: None, loan, latch)


@ONE_LINK
def test_started_anew_during_a_return_that_a_rule_began_it_is_latched_until_it_has_landed(
    craft: Craft, tmp_path: Path
) -> None:
    def agent(offline_s: float) -> tuple[Pilot, Monitor]:
        pilot, flights = _pilot(craft, tmp_path), Flights(tmp_path / "recordings")
        around = Surroundings(lambda: offline_s)
        return pilot, Monitor(craft.autopilot.look, pilot, Desk(), flights, lambda *_: None, around)

    pilot, _ = agent(0.0)
    pilot.fly(command(CommandKind.BEGIN_FLIGHT), threading.Event())
    craft.until(lambda a: a.reached_seq >= 3, 60)
    agent(1000.0)[1].step()  # nobody has been heard for a quarter of an hour
    craft.until(lambda a: a.mode == "RTL")
    again, monitor = agent(0.0)
    monitor.step()
    assert again.latched is not None
    assert again.latched.code == "link"
    craft.until(lambda a: a.on_ground, 60)
    monitor.step()
    assert again.latched is None


def test_silence_is_noticed_and_it_comes_back_by_itself(craft: Craft) -> None:
    craft.kill()
    craft.until(lambda a: not a.connected)
    with pytest.raises(AutopilotSilent):
        craft.autopilot.set_mode("GUIDED")
    craft.start()
    craft.until(lambda a: a.connected)
    craft.autopilot.set_mode("GUIDED")


@ONE_LINK
def test_silence_is_told_at_the_first_look_after_it_and_within_three_seconds(craft: Craft, tmp_path: Path) -> None:
    """The agent looks ten times a second; by its own clock no look may pass in silence for longer than that."""
    pilot, flights = _pilot(craft, tmp_path), Flights(tmp_path / "recordings")
    pilot.fly(command(CommandKind.TAKE_OFF), threading.Event())
    told: list[tuple[float, DroneEventKind, object]] = []
    desk = Desk()
    around = Surroundings(lambda: 0.0)
    monitor = Monitor(
        craft.autopilot.look,
        pilot,
        desk,
        flights,
        lambda kind, fields: told.append((time.monotonic(), kind, fields.get("code"))),
        around,
    )
    monitor.step()
    craft.kill()
    looks, resting = [], threading.Event()
    while not any(kind is DroneEventKind.AUTOPILOT_LOST for _, kind, _ in told):
        looks.append(time.monotonic())
        monitor.step()
        resting.wait(0.1)
    heard_at = craft.autopilot._maker._heard_at
    unseen = [at for at in looks[:-1] if at - heard_at >= SILENT_S]
    assert not unseen, "no look passed in silence"
    assert SILENT_S + 0.1 < 3.0
    lost = [(kind, code) for _, kind, code in told][-2:]
    assert lost == [(DroneEventKind.AUTOPILOT_LOST, None), (DroneEventKind.SAFETY, "autopilot_silent")]


@pytest.mark.parametrize("craft", ["udpin"], indirect=True)
def test_with_two_of_ten_datagrams_lost_each_way_everything_is_still_stored(craft: Craft) -> None:
    wire, dice = craft.autopilot._connection._wire, random.Random(7)
    send, receive = wire.send, wire.receive
    wire.send = lambda data: None if dice.random() < 0.2 else send(data)  # type: ignore[method-assign]
    wire.receive = lambda: b"" if dice.random() < 0.2 and receive() else receive()  # type: ignore[method-assign]
    craft.autopilot.upload(itinerary_of(route(), HOME).items)
    zone = Zone(kind=ZoneKind.KEEP_OUT, corners=(NORTH, EAST, SOUTH))
    fence = Fence(centre=HOME, radius_m=150.7, max_alt_rel_m=80, zones=(zone,))
    craft.autopilot.store_fence(fence_items(fence), 80.0)
    craft.autopilot.command(401)


NORTH, EAST, SOUTH = (Corner(lat_deg=56.7 + n * 1e-4, lon_deg=8.2 + e * 1e-4) for n, e in ((2, 4), (0, 6), (-2, 4)))


@ONE_LINK
def test_a_fence_and_rally_points_are_stored_switched_on_and_read_back(craft: Craft) -> None:
    zones = (
        Zone(kind=ZoneKind.STAY_IN, centre=NORTH, radius_m=120.0),
        Zone(kind=ZoneKind.KEEP_OUT, centre=EAST, radius_m=12.3),
        Zone(kind=ZoneKind.KEEP_OUT, corners=(NORTH, EAST, SOUTH)),
    )
    items = fence_items(Fence(centre=HOME, radius_m=150.7, max_alt_rel_m=80, zones=zones))
    assert [(item.command, item.params[0]) for item in items] == [
        (5003, 150.0),
        (5003, 120.0),
        (5004, 13.0),
        *[(5002, 3.0)] * 3,
    ]
    craft.autopilot.store_fence(items, 80.0)
    for name, value in {"FENCE_ENABLE": 1, "FENCE_ALT_MAX": 80, "FENCE_TYPE": 5, "FENCE_ACTION": 1}.items():
        assert craft.autopilot.parameter(name) == value
    broken = tuple(item._replace(params=(4.0, 0.0, 0.0, 0.0)) for item in items[-3:])
    with pytest.raises(AutopilotRefused, match="fence were refused: MAV_MISSION_ERROR"):
        craft.autopilot.store_fence(broken, 80.0)
    craft.autopilot.store_rally((rally_item(HOME, 20.0),))
    craft.autopilot.clear_rally()


@ONE_LINK
def test_the_link_loss_action_is_set_and_never_hides_a_real_loss(craft: Craft) -> None:
    craft.autopilot.put_parameter("FS_OPTIONS", 18)
    assert craft.autopilot.set_link_loss() == ["FS_GCS_ENABLE=1", "FS_GCS_TIMEOUT=5", "FS_OPTIONS without bit 2"]
    assert craft.autopilot.parameter("FS_OPTIONS") == 16
    craft.autopilot.put_parameter("SYSID_MYGCS", 245)
    with pytest.raises(AutopilotRefused, match="hide the loss"):
        craft.autopilot.set_link_loss()
    assert craft.autopilot.put_parameter("NO_SUCH_NAME", 1.0) is False


@ONE_LINK
def test_readiness_passes_the_autopilots_reasons_up(craft: Craft) -> None:
    craft.until(lambda a: a.position_good and a.gps_fix >= 3)
    assert craft.autopilot.readiness() == []
    craft.autopilot.put_parameter("SIM_GPS_DISABLE", 1)
    craft.until(lambda a: a.gps_fix < 3 and not a.position_good)
    reasons = craft.autopilot.readiness()
    assert "PreArm: Need Position Estimate" in reasons
    assert any("GPS fix 1" in reason for reason in reasons)


@ONE_LINK
def test_a_camera_that_has_not_announced_itself_is_not_commanded(craft: Craft) -> None:
    for move in (craft.autopilot.camera.photograph, lambda: craft.autopilot.camera.film(on=True)):
        with pytest.raises(NotReady, match="No camera"):
            move()
    with pytest.raises(NotReady, match="No gimbal"):
        craft.autopilot.camera.point(90.0, -10.0)


@ONE_LINK
def test_a_serial_wire_carries_the_same(craft: Craft) -> None:
    """A pseudo-terminal stands for the UART; its other end is joined to the simulator."""
    ours, theirs = os.openpty()
    tty.setraw(ours)
    tty.setraw(theirs)
    address = craft._theirs.split(":")
    joined = socket.create_connection((address[1], int(address[2])))
    over = threading.Event()
    pump = threading.Thread(target=_join, args=(ours, joined, over))
    pump.start()
    autopilot = MavlinkAutopilot(f"serial:{os.ttyname(theirs)}:115200", lambda _pose: None, None)
    autopilot.start()
    try:
        seen, waiting = autopilot.look(), threading.Event()
        for _ in range(400):
            if (seen := autopilot.look()).connected and seen.fix is not None:
                break
            waiting.wait(0.05)
        assert seen.connected
        autopilot.upload(itinerary_of(route(), HOME).items)
    finally:
        autopilot.stop()
        over.set()
        pump.join()
        joined.close()
        os.close(ours)
        os.close(theirs)


def _join(wire: int, stream: socket.socket, over: threading.Event) -> None:
    while not over.is_set():
        for ready in select.select([wire, stream.fileno()], [], [], 0.1)[0]:
            if ready == stream.fileno():
                os.write(wire, stream.recv(4096))
            else:
                stream.sendall(os.read(wire, 4096))
