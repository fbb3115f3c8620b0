"""The flight's state machine: whatever the autopilot shows, its story stays consistent."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.commands import AckState
from contracts.events import DroneEventKind
from contracts.vocabulary import AircraftState
from edge.aircraft import Aircraft, Landed, MissionState
from edge.flights import Phase
from edge.itinerary import itinerary_of
from edge.mission import LOST_AFTER_S, Conclude, Effect, Emit, Picture, advance, aircraft_state
from tests.unit.edge.world import HOME, NOW_US, aircraft, flight, in_flight, route

E = DroneEventKind
S = AircraftState
PLAN = itinerary_of(route(), HOME)
FLYING = flight(phase=Phase.FLYING)

STATES = [
    (aircraft(connected=False), S.DISCONNECTED),
    (Aircraft(), S.NOT_HEARD),
    (aircraft(), S.ON_GROUND),
    (aircraft(landed=Landed.TAKING_OFF, armed=True, up=3.0, climb_mps=2.0), S.TAKING_OFF),
    (aircraft(landed=Landed.TAKING_OFF, armed=True, up=10.0), S.HOLDING),
    (in_flight(), S.ON_ROUTE),
    (in_flight(mission_state=MissionState.PAUSED), S.PAUSED),
    (in_flight(mode="LOITER"), S.PAUSED),
    (in_flight(mission_seq=PLAN.return_item), S.RETURNING),
    (in_flight(mode="RTL"), S.RETURNING),
    (in_flight(mode="RTL", landed=Landed.LANDING), S.LANDING),
    (in_flight(mode="LAND"), S.LANDING),
    (in_flight(mission_state=MissionState.COMPLETE), S.HOLDING),
]


@pytest.mark.parametrize(("seen", "state"), STATES)
def test_what_it_is_doing(seen: Aircraft, state: AircraftState) -> None:
    assert aircraft_state(seen, PLAN) is state


def test_a_loiter_without_a_flight_is_just_holding() -> None:
    assert aircraft_state(in_flight(mode="LOITER"), None) is S.HOLDING


def _story(*seen: Aircraft) -> tuple[Picture, list[Effect]]:
    picture, told = Picture(S.HOLDING, flight()), []
    for one in seen:
        picture, effects = advance(picture, one, PLAN, NOW_US)
        told += effects
    return picture, told


def _kinds(told: list[Effect]) -> list[str]:
    return [e.kind if isinstance(e, Emit) else f"={e.state}" for e in told if e[0] is not E.STATE_CHANGED]


def test_a_whole_flight() -> None:
    last = PLAN.item_of_waypoint[-1]
    picture, told = _story(
        in_flight(mission_seq=3),
        in_flight(mission_seq=6, reached_seq=3),
        in_flight(mission_seq=last, reached_seq=6),
        in_flight(mission_seq=PLAN.return_item, reached_seq=last),
        in_flight(mission_seq=PLAN.return_item, reached_seq=last, landed=Landed.LANDING),
        aircraft(mode="AUTO", reached_seq=last),
    )
    assert _kinds(told) == [E.FLIGHT_STARTED, *[E.WAYPOINT_REACHED] * 3, "=done", E.FLIGHT_ENDED]
    assert picture.flight is not None
    assert (picture.flight.phase, picture.flight.ended_us) == (Phase.ENDED, NOW_US)


def test_a_waypoint_whose_message_was_lost_is_still_counted() -> None:
    _, told = _story(in_flight(mission_seq=3), in_flight(mission_seq=8))
    assert [e.waypoint for e in told if isinstance(e, Emit) and e.kind is E.WAYPOINT_REACHED] == [0, 1]


@pytest.mark.parametrize("mode", ["RTL", "LAND"])
def test_going_home_early_fails_the_flight_once(mode: str) -> None:
    picture, told = _story(in_flight(mission_seq=3), *[in_flight(mode=mode)] * 3, aircraft(mode=mode))
    ends = [e for e in told if isinstance(e, Conclude)]
    assert [(e.state, e.code) for e in ends] == [(AckState.FAILED, "interrupted")]
    assert _kinds(told)[-1] == E.FLIGHT_ENDED
    assert picture.flight is not None


def test_silence_is_told_and_changes_nothing_of_the_flight() -> None:
    picture, told = _story(in_flight(mission_seq=3), in_flight(connected=False), in_flight(mission_seq=3))
    assert _kinds(told) == [E.FLIGHT_STARTED, E.AUTOPILOT_LOST, E.AUTOPILOT_BACK]
    assert picture.flight is not None
    assert picture.flight.phase is Phase.FLYING


@pytest.mark.parametrize(
    ("phase", "silent_s", "ends"),
    [
        (Phase.PREPARING, 999.0, []),
        (Phase.BEGUN, 0.0, [AckState.UNKNOWN]),
        (Phase.FLYING, LOST_AFTER_S - 0.1, []),
        (Phase.FLYING, LOST_AFTER_S, [AckState.UNKNOWN]),
        (Phase.RETURNING, 999.0, []),
    ],
)
def test_a_command_ends_also_where_the_aircraft_is_never_heard_again(
    phase: Phase, silent_s: float, ends: list[AckState]
) -> None:
    """Before a flight has begun its procedure ends it, and once it returns it has ended already."""
    lost = in_flight(connected=False)
    _, told = advance(Picture(S.DISCONNECTED, flight(phase=phase)), lost, PLAN, NOW_US, silent_s)
    assert [e.state for e in told if isinstance(e, Conclude)] == ends


def test_the_first_look_is_no_recovery() -> None:
    _, told = advance(Picture(), aircraft(), None, NOW_US)
    assert next(e for e in told if isinstance(e, Emit)).detail == "started -> on_ground"
    assert len(told) == 1


def test_a_machine_killed_in_flight_and_found_landed_ends_the_flight() -> None:
    picture, told = advance(Picture(None, FLYING), aircraft(mode="RTL"), PLAN, NOW_US)
    assert "=failed" in _kinds(told)
    assert picture.flight is not None
    assert picture.flight.phase is Phase.ENDED


_any_aircraft = st.builds(
    in_flight,
    connected=st.booleans(),
    armed=st.booleans(),
    landed=st.sampled_from(Landed),
    mode=st.sampled_from(["GUIDED", "AUTO", "LOITER", "RTL", "LAND", "STABILIZE"]),
    mission_state=st.sampled_from(MissionState),
    mission_seq=st.integers(0, PLAN.return_item),
    reached_seq=st.integers(-1, PLAN.return_item),
)


@given(seen=st.lists(_any_aircraft, max_size=40))
def test_whatever_happens_the_story_is_consistent(seen: list[Aircraft]) -> None:
    picture, told = Picture(None, flight()), []
    reached, phases = -1, [Phase.PREPARING]
    for one in seen:
        picture, effects = advance(picture, one, PLAN, NOW_US)
        told += effects
        assert picture.flight is not None
        assert picture.flight.reached >= reached
        reached = picture.flight.reached
        phases.append(picture.flight.phase)
    order = [Phase.PREPARING, Phase.FLYING, Phase.RETURNING, Phase.ENDED]
    assert [order.index(p) for p in phases] == sorted(order.index(p) for p in phases)
    emitted = [e for e in told if isinstance(e, Emit)]
    assert [e.waypoint for e in emitted if e.kind is E.WAYPOINT_REACHED] == list(range(reached + 1))
    assert len([e for e in told if isinstance(e, Conclude)]) <= 1
    for once in (E.FLIGHT_STARTED, E.FLIGHT_ENDED):
        assert sum(e.kind is once for e in emitted) <= 1
    if any(e.kind is E.FLIGHT_ENDED for e in emitted):
        assert any(isinstance(e, Conclude) for e in told)
