"""The watch rules: what breaks each, what it then does, and that nothing but the landing ends it."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from contracts.commands import LimitsChange
from contracts.events import DroneEventKind
from contracts.geo import Enu
from contracts.routes import Corner, Fence, Route, Solid, Zone, ZoneKind
from contracts.vocabulary import AircraftState, CommandKind
from edge.aircraft import Aircraft, Landed
from edge.bodies import bodies_of
from edge.breaches import POSITION_PATIENCE_S, STALE_AFTER_S, UNCHARGED_REPORT_S, UNCHARGED_RETURN_S, Sight
from edge.flights import Phase
from edge.monitor import HOLD_GRACE_S, Monitor, Surroundings
from edge.refusals import NotReady, UnsafeRoute
from edge.rules import RULES, VOLTAGE_PATIENCE_S, Action, broken_rules
from edge.safety import Start, check_route
from tests.unit.edge.test_pilot import Bench, Desk
from tests.unit.edge.world import HOME, LIMITS, Announcements, at, command, flight, in_flight, route, waypoint

MAST = Solid(name="mast", start=at(60, 0, 0), end=at(60, 0, 80), radius_m=2.0)
NEAR_MAST = MAST.model_copy(update={"end_radius_m": 1.0, "clearance_m": 4.0})
START = Start(Enu(0, 0, 10))


def corner(east: float, north: float) -> Corner:
    place = at(east, north, 0)
    return Corner(lat_deg=place.lat_deg, lon_deg=place.lon_deg)


def square(kind: ZoneKind, east: float, north: float, half_m: float) -> Zone:
    around = [(-half_m, -half_m), (half_m, -half_m), (half_m, half_m), (-half_m, half_m)]
    return Zone(kind=kind, corners=tuple(corner(east + e, north + n) for e, n in around))


def fenced(*zones: Zone, **changes: Any) -> Fence:
    return Fence(centre=HOME, radius_m=200.0, max_alt_rel_m=120.0, zones=zones, **changes)


def placed(east: float, north: float, up: float) -> Aircraft:
    fix = in_flight().fix
    assert fix is not None
    return in_flight()._replace(fix=fix._replace(point=at(east, north, up), alt_rel_m=up))


def sight(seen: Aircraft, planned: Route | None = None, **changes: Any) -> Sight:
    flown = planned or route()
    seeing = Sight(seen, flown, 0.0, 0.0, storage_full=False, limits=LIMITS, bodies=bodies_of(flown, HOME))
    return seeing._replace(**changes)


KEEP_OUT = square(ZoneKind.KEEP_OUT, 100, 0, 20)
ROUND_KEEP_OUT = Zone(kind=ZoneKind.KEEP_OUT, centre=corner(100, 0), radius_m=20)
SMALL_KEEP_OUT, HUT = square(ZoneKind.KEEP_OUT, 100, 0, 4), ROUND_KEEP_OUT.model_copy(update={"radius_m": 4.0})
"""No deeper than what counts as sway at the outline of a large one."""
STAY_IN = square(ZoneKind.STAY_IN, 0, 0, 60)
LOW = LIMITS._replace(battery_min_v=21.0)
BROKEN: list[tuple[str, Sight, str, Action]] = [
    ("silent", sight(in_flight(connected=False)), "autopilot_silent", Action.REPORT),
    ("blind", sight(in_flight(gps_fix=1), blind_s=3.1), "position", Action.LAND),
    ("numbers that stand still", sight(in_flight(), stale_s=12.1), "stale", Action.RETURN),
    ("outside", sight(placed(206, 0, 30)), "fence", Action.RETURN),
    ("too high", sight(placed(0, 0, 126)), "fence", Action.RETURN),
    ("in a zone to keep out of", sight(placed(100, 0, 30), route(fence=fenced(KEEP_OUT))), "fence", Action.RETURN),
    ("in a round one", sight(placed(95, 0, 30), route(fence=fenced(ROUND_KEEP_OUT))), "fence", Action.RETURN),
    ("in a small one", sight(placed(101, 0, 30), route(fence=fenced(SMALL_KEEP_OUT))), "fence", Action.RETURN),
    ("in a small round one", sight(placed(101, 0, 30), route(fence=fenced(HUT))), "fence", Action.RETURN),
    ("out of a zone to stay in", sight(placed(70, 0, 30), route(fence=fenced(STAY_IN))), "fence", Action.RETURN),
    ("near the mast", sight(placed(56, 0, 30), route(solids=(MAST,))), "standoff", Action.HOLD),
    ("at a blade", sight(placed(56.6, 0, 30), route(solids=(NEAR_MAST,))), "standoff", Action.HOLD),
    ("empty", sight(in_flight(battery_percent=19.0)), "battery", Action.RETURN),
    ("low voltage", sight(in_flight(battery_v=20.5), limits=LOW), "voltage", Action.RETURN),
    ("offline", sight(in_flight(), offline_s=301.0), "link", Action.RETURN),
    ("no charge told", sight(in_flight(battery_percent=None), uncharged_s=11.0), "battery_unknown", Action.REPORT),
    ("none for long", sight(in_flight(battery_percent=None), uncharged_s=31.0), "battery_lost", Action.RETURN),
    ("no wind told any more", sight(in_flight(untold=frozenset({"WIND"}))), "unwatched", Action.REPORT),
    ("no voltage told", sight(in_flight(battery_v=None), limits=LOW), "unwatched", Action.REPORT),
    ("home moved up", sight(in_flight(), stored_home=at(0, 0, -3)), "home_moved", Action.HOLD),
    ("home moved away", sight(in_flight(), stored_home=at(11, 0, 0)), "home_moved", Action.HOLD),
    ("full disk", sight(in_flight(), storage_full=True), "storage", Action.RETURN),
]
KEPT = [
    ("sound", sight(in_flight())),
    ("swaying at the fence", sight(placed(203, 0, 30))),
    ("beside a zone", sight(placed(125, 0, 30), route(fence=fenced(KEEP_OUT)))),
    ("swaying at a zone", sight(placed(82, 0, 30), route(fence=fenced(KEEP_OUT)))),
    ("swaying at a small one", sight(placed(97, 0, 30), route(fence=fenced(SMALL_KEEP_OUT)))),
    ("at half its clearance", sight(placed(55.9, 0, 30), route(solids=(NEAR_MAST,)))),
    ("at its standoff", sight(placed(46, 0, 30), route(solids=(MAST,)))),
    ("never mind the link", sight(in_flight(), offline_s=9000.0, limits=LIMITS._replace(link_loss_return_s=0.0))),
    ("percentage unknown", sight(in_flight(battery_percent=None))),
    ("numbers that stood still for a moment", sight(in_flight(), stale_s=11.0)),
    ("numbers of somebody else's flight", sight(in_flight(), stale_s=99.0)._replace(route=None)),
    ("no charge told for a moment", sight(in_flight(battery_percent=None), uncharged_s=9.0)),
    ("no charge of somebody else's flight", sight(in_flight(battery_percent=None), uncharged_s=99.0, route=None)),
    ("no voltage where none is asked for", sight(in_flight(battery_v=None))),
    ("a home that sways", sight(in_flight(), stored_home=at(3, 0, 1))),
    ("a flicker of the fix", sight(in_flight(gps_fix=1), blind_s=2.0)),
]


@pytest.mark.parametrize(("seen", "code", "action"), [row[1:] for row in BROKEN], ids=[row[0] for row in BROKEN])
def test_what_breaks_a_rule(seen: Sight, code: str, action: Action) -> None:
    broken = broken_rules(seen)
    assert [(b.code, b.action) for b in broken] == [(code, action)]
    assert broken[0].detail


@pytest.mark.parametrize("seen", [row[1] for row in KEPT], ids=[row[0] for row in KEPT])
def test_what_breaks_none(seen: Sight) -> None:
    assert broken_rules(seen) == []


def test_every_rule_is_broken_by_some_row() -> None:
    assert {code for _, _, code, _ in BROKEN} == {rule.code for rule in RULES}


ORBIT = {"radius_m": 15.0, "turns": 1}
NEAR_ORBIT = {"radius_m": 10.0}
UNSAFE = [
    ("through a keep-out zone", route(waypoint(0, 150, 0, 30), fence=fenced(KEEP_OUT)), "inside zone 0"),
    ("round into it", route(waypoint(0, 70, 0, 30, orbit=ORBIT), fence=fenced(KEEP_OUT)), "inside zone 0"),
    ("round out of the fence", route(waypoint(0, 190, 0, 30, orbit=ORBIT)), "5.0 m outside"),
    ("past the mast", route(waypoint(0, 60, 60, 30), waypoint(1, 60, -60, 30), solids=(MAST,)), "of mast"),
    ("round the mast too near", route(waypoint(0, 60, 0, 30, orbit=NEAR_ORBIT), solids=(MAST,)), "8.0 m of mast"),
    ("below the floor", route(waypoint(0, 20, 0, 30), fence=fenced(min_alt_rel_m=40.0)), "at least 40.0 m"),
    ("home past the mast", route(waypoint(0, 90, 90, 30), waypoint(1, 130, 0, 30), solids=(MAST,)), "The way home"),
    ("a clearance of nothing", route(solids=(NEAR_MAST.model_copy(update={"clearance_m": 2.0}),)), "under 3.0 m"),
    (
        "nearer than its clearance",
        route(waypoint(0, 60, 60, 30), waypoint(1, 54.5, -60, 30), solids=(NEAR_MAST,)),
        "of",
    ),
    ("a standoff of nothing", route(solids=(MAST,), standoff_m=1.0), "under 3.0 m"),
]


@pytest.mark.parametrize(("planned", "why"), [row[1:] for row in UNSAFE], ids=[row[0] for row in UNSAFE])
def test_paths_are_judged_along_their_whole_length(planned: Route, why: str) -> None:
    with pytest.raises(UnsafeRoute, match=why):
        check_route(planned, HOME, START, LIMITS)


def test_an_orbit_at_its_standoff_is_flown() -> None:
    way = (waypoint(0, 30, 30, 30), waypoint(1, 60, 0, 30, orbit={"radius_m": 14.0}), waypoint(2, 20, 40, 30))
    check_route(route(*way, solids=(MAST,)), HOME, START, LIMITS)


def test_a_path_at_its_clearance_is_flown_though_the_standoff_is_larger() -> None:
    way = (waypoint(0, 54, 40, 30), waypoint(1, 54, -40, 30), waypoint(2, 20, -40, 30))
    check_route(route(*way, solids=(NEAR_MAST,)), HOME, START, LIMITS)


class Watched(Bench):
    """A flight under a monitor whose clock stands still until it is set."""

    def __init__(self, folder: Path, start: Aircraft | None = None) -> None:
        super().__init__(folder, start or in_flight())
        self.flights.save(flight(phase=Phase.FLYING))
        self.events, self.desk, self.ran_s, self.full = Announcements(), Desk(), 100.0, False
        self.monitor = self.restarted()
        self.monitor.step()

    def restarted(self) -> Monitor:
        around = Surroundings(lambda: 0.0, lambda: self.full, lambda: self.ran_s)
        return Monitor(self.craft.look, self.pilot, self.desk, self.flights, self.events, around)

    def see(self, **changes: Any) -> None:
        self.craft.now(**changes)
        self.monitor.step()

    def wait(self, seconds: float, *, telling: bool = True) -> None:
        self.ran_s += seconds
        fix = self.craft.look().fix
        if telling and fix is not None:
            self.craft.now(fix=fix._replace(t_us=fix.t_us + 1))
        self.monitor.step()

    def safety(self) -> list[object]:
        return [fields["code"] for kind, fields in self.events.said if kind is DroneEventKind.SAFETY]

    def until(self, *did: str) -> None:
        done = threading.Event()
        for _ in range(500):
            if self.craft.did == list(did) and not self.monitor._acting.is_alive():
                self.monitor.step()
                return
            done.wait(0.01)
        raise AssertionError(f"It never happened: {self.craft.did}")


def test_a_person_may_hold_a_return_for_a_while_and_then_it_goes_on(tmp_path: Path) -> None:
    bench = Watched(tmp_path)
    bench.see(battery_percent=15.0)
    bench.until("RTL")
    bench.pilot.fly(command(CommandKind.HOLD), bench.stop)
    bench.wait(HOLD_GRACE_S - 1)
    assert bench.craft.did == ["RTL", "HOLD"]
    bench.wait(2)
    bench.until("RTL", "HOLD", "RTL")
    assert bench.safety() == ["battery"]


@pytest.mark.parametrize("kind", [CommandKind.RESUME, CommandKind.BEGIN_FLIGHT, CommandKind.ADJUST_ROUTE])
def test_no_command_goes_on_with_a_flight_that_a_rule_has_ended(tmp_path: Path, kind: CommandKind) -> None:
    bench = Watched(tmp_path)
    bench.see(battery_percent=15.0)
    bench.until("RTL")
    bench.craft.now(mode="HOLD", battery_percent=90.0)
    with pytest.raises(NotReady):
        bench.pilot.check(command(kind))


def test_a_landing_asked_for_during_a_return_is_landed(tmp_path: Path) -> None:
    bench = Watched(tmp_path)
    bench.see(battery_percent=15.0)
    bench.until("RTL")
    bench.pilot.fly(command(CommandKind.LAND), bench.stop)
    bench.wait(100)
    bench.until("RTL", "LAND")


@pytest.mark.parametrize("mode", ["STABILIZE", "LOITER"])
def test_from_a_pilot_no_rule_takes_the_aircraft_and_what_they_give_back_it_acts_upon(
    tmp_path: Path, mode: str
) -> None:
    bench = Watched(tmp_path)
    bench.see(mode=mode, battery_percent=15.0)
    bench.see(gps_fix=0)
    bench.wait(4 * HOLD_GRACE_S)
    bench.until()
    assert bench.safety() == ["battery", "position"]
    assert all("A pilot flies it" in str(fields["detail"]) for _, fields in bench.events.said if "code" in fields)
    bench.see(mode="AUTO")
    bench.until("LAND")


def test_who_takes_it_from_a_rule_keeps_it(tmp_path: Path) -> None:
    bench = Watched(tmp_path)
    bench.see(battery_percent=15.0)
    bench.until("RTL")
    bench.see(mode="LOITER")
    bench.wait(HOLD_GRACE_S + 1)
    bench.wait(HOLD_GRACE_S + 1)
    bench.until("RTL")


def test_an_autopilot_that_is_heard_but_tells_no_new_place_brings_it_home(tmp_path: Path) -> None:
    bench = Watched(tmp_path)
    bench.wait(STALE_AFTER_S + 1)
    bench.wait(STALE_AFTER_S - 1, telling=False)
    assert bench.safety() == []
    bench.wait(2, telling=False)
    bench.until("RTL")
    assert bench.safety() == ["stale"]


def test_a_charge_that_is_told_no_more_is_warned_of_and_then_brings_it_home(tmp_path: Path) -> None:
    bench = Watched(tmp_path)
    bench.see(battery_percent=None)
    bench.wait(UNCHARGED_REPORT_S + 1)
    bench.until()
    assert bench.safety() == ["battery_unknown"]
    bench.wait(UNCHARGED_RETURN_S - UNCHARGED_REPORT_S)
    bench.until("RTL")
    assert bench.safety() == ["battery_unknown", "battery_lost"]


def test_a_home_that_moves_under_a_flight_stops_it_until_it_has_landed(tmp_path: Path) -> None:
    bench = Watched(tmp_path)
    bench.pilot._store(bench.flights.known("flt-1"), HOME, bench.stop)
    bench.craft.did.clear()
    bench.see(home=at(0, 0, 5), mode="AUTO")
    bench.until("HOLD")
    assert bench.safety() == ["home_moved"]
    with pytest.raises(NotReady, match="must land first"):
        bench.pilot.check(command(CommandKind.RESUME))


def test_a_voltage_that_a_gust_pulls_down_brings_nobody_home(tmp_path: Path) -> None:
    bench = Watched(tmp_path)
    bench.pilot.fly(command(CommandKind.SET_LIMITS, limits=LimitsChange(battery_min_v=21.0)), bench.stop)
    for volts in (20.5, 22.0, 20.5):
        bench.see(battery_v=volts)
        bench.wait(VOLTAGE_PATIENCE_S - 1)
    assert bench.safety() == []
    bench.wait(2)
    bench.until("RTL")
    assert bench.safety() == ["voltage"]


def test_an_aircraft_that_drifts_to_the_asset_while_it_holds_is_told_and_on_its_route_it_is_stopped(
    tmp_path: Path,
) -> None:
    bench = Watched(tmp_path)
    bench.flights.change("flt-1", route=route(solids=(MAST,)))
    bench.see(mode="HOLD", fix=placed(56, 0, 30).fix)
    bench.see()
    assert (bench.safety(), bench.craft.did, bench.pilot.latched) == (["standoff"], [], None)
    bench.see(mode="AUTO")
    bench.until("HOLD")
    assert bench.safety() == ["standoff"] * 2


def test_a_graver_rule_takes_over_from_a_return(tmp_path: Path) -> None:
    bench = Watched(tmp_path)
    bench.full = True
    bench.wait(1)
    bench.until("RTL")
    bench.see(gps_fix=0)
    bench.wait(4)
    bench.until("RTL", "LAND")
    assert bench.safety() == ["storage", "position"]


def test_a_fence_breach_stays_latched_inside_the_fence_and_ends_on_the_ground(tmp_path: Path) -> None:
    bench = Watched(tmp_path)
    inside, outside = bench.craft.look().fix, placed(210, 0, 30).fix
    bench.see(fix=outside)
    bench.until("RTL")
    bench.see(fix=inside, mode="HOLD")
    assert bench.pilot.latched is not None
    bench.see(landed=Landed.ON_GROUND, armed=False)
    assert bench.pilot.latched is None


def _again(bench: Watched, folder: Path, **changes: Any) -> Watched:
    """Return the bench of an agent that is started anew while the aircraft flies on."""
    bench.craft.now(**changes)
    bench.craft.did.clear()
    again = Watched(folder, bench.craft.look())
    again.monitor.step()
    return again


def test_started_anew_in_the_air_it_stays_latched_until_the_landing(tmp_path: Path) -> None:
    bench = Watched(tmp_path)
    inside = bench.craft.look().fix
    bench.see(fix=placed(210, 0, 30).fix)
    bench.until("RTL")
    again = _again(bench, tmp_path, fix=inside, mode="HOLD")
    with pytest.raises(NotReady, match=r"The aircraft must land first: .* outside"):
        again.pilot.check(command(CommandKind.RESUME))
    assert again.safety() == []
    again.see(landed=Landed.ON_GROUND, armed=False)
    assert again.pilot.latched is None
    again.pilot.latch.keep(None, 5.0)
    assert not (tmp_path / "latch.json").exists()
    assert _again(again, tmp_path).pilot.latched is None


def test_started_anew_before_the_aircraft_obeyed_it_acts_at_once(tmp_path: Path) -> None:
    bench = Watched(tmp_path)
    bench.see(fix=placed(210, 0, 30).fix)
    bench.until("RTL")
    again = _again(bench, tmp_path, fix=placed(150, 0, 30).fix, mode="AUTO")
    again.until("RTL")


def test_started_anew_while_a_person_holds_it_they_have_the_whole_time(tmp_path: Path) -> None:
    bench = Watched(tmp_path)
    bench.see(fix=placed(210, 0, 30).fix)
    bench.until("RTL")
    again = _again(bench, tmp_path, mode="HOLD")
    again.wait(HOLD_GRACE_S - 1)
    assert again.craft.did == []
    again.wait(2)
    again.until("RTL")


def test_silence_in_flight_is_told_each_time_and_needs_no_move(tmp_path: Path) -> None:
    bench = Watched(tmp_path)
    for _ in range(2):
        bench.see(connected=False)
        bench.monitor.step()
        bench.see(connected=True)
    assert bench.safety() == ["autopilot_silent", "autopilot_silent"]
    kinds = [kind for kind in bench.events.kinds() if kind is not DroneEventKind.STATE_CHANGED]
    lost = [DroneEventKind.AUTOPILOT_LOST, DroneEventKind.SAFETY, DroneEventKind.AUTOPILOT_BACK]
    assert kinds[-6:] == lost * 2
    assert bench.craft.did == []


def test_an_autopilot_not_heard_yet_is_no_alarm(tmp_path: Path) -> None:
    bench = Watched(tmp_path)
    bench.flights.change("flt-1", phase=Phase.ENDED)
    bench.craft.picture = Aircraft()
    bench.wait(60.0)
    assert bench.safety() == []
    assert bench.monitor.situation()[0] is AircraftState.NOT_HEARD


def test_an_autopilot_not_heard_since_a_restart_in_flight_is_one(tmp_path: Path) -> None:
    bench = Watched(tmp_path)
    bench.craft.picture = Aircraft()
    bench.wait(60.0)
    assert bench.safety() == ["autopilot_silent"]


def test_an_agent_restarted_in_flight_gives_the_autopilot_time_to_say_where_it_is(tmp_path: Path) -> None:
    """Heartbeat and landed state come first; place and GPS follow within a second, and are not lost before that."""
    bench = Watched(tmp_path)
    bench.craft.picture = Aircraft()
    bench.monitor = bench.restarted()
    bench.wait(10)
    bench.see(**in_flight(fix=None, gps_fix=0)._asdict())
    assert "position" not in bench.safety()
    bench.wait(POSITION_PATIENCE_S + 0.1)
    bench.until("LAND")
    assert bench.safety()[-1] == "position"


def test_silence_on_the_ground_is_no_danger(tmp_path: Path) -> None:
    bench = Watched(tmp_path)
    bench.see(landed=Landed.ON_GROUND, armed=False)
    bench.see(connected=False)
    assert bench.safety() == []
