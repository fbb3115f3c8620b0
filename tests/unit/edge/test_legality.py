"""Which command is legal when: the table says it, and nothing gets past the table."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.commands import SAFETY_INCREASING, Preconditions
from contracts.errors import PlatformError
from contracts.vocabulary import AircraftState, CommandKind
from edge.aircraft import Aircraft, Fix
from edge.flights import Phase
from edge.legality import LEGAL, Refusal, Situation, require_expected, require_free, require_legal
from edge.refusals import NotReady, RouteChanged, UnexpectedState
from tests.unit.edge.world import NOW_US, aircraft, at, command, flight, in_flight, route

K, S = CommandKind, AircraftState
LATCHED = Refusal("fence", "6.0 m outside the fence of 200 m")
SWIFT = Fix(NOW_US, at(0, 0, 30), 30.0, 2.0, 0.0, 0.0)
_flights = st.sampled_from([None, *(flight(phase=p) for p in Phase if flight(phase=p).active)])
_situations = st.builds(Situation, st.sampled_from(S), _flights, st.sampled_from([None, LATCHED]))


def refused(kind: CommandKind, now: Situation) -> str | None:
    try:
        require_legal(kind, now)
    except PlatformError as error:
        return error.message
    return None


@given(kind=st.sampled_from(K), now=_situations)
def test_a_command_is_legal_exactly_in_the_states_of_its_row(kind: CommandKind, now: Situation) -> None:
    phase = now.flight.phase if now.flight is not None else None
    free = kind in SAFETY_INCREASING | {K.SET_LIMITS}
    under_way = phase in (Phase.BEGUN, Phase.FLYING)
    going_on = kind in (K.RESUME, K.ADJUST_ROUTE, K.BEGIN_FLIGHT)
    rules = {
        "in a state of its row": now.state in LEGAL[kind],
        "a silent autopilot gets safety commands only": free or now.state not in (S.DISCONNECTED, S.NOT_HEARD),
        "what a rule has latched no command undoes in the air": not (
            now.latched and going_on and now.state is not S.ON_GROUND
        ),
        "only a flight under way goes on": kind not in (K.RESUME, K.ADJUST_ROUTE) or under_way,
        "one flight at a time": kind is not K.BEGIN_FLIGHT or phase is None,
    }
    broken = [rule for rule, kept in rules.items() if not kept]
    assert (refused(kind, now) is not None) == bool(broken), broken
    assert not (free and broken), "nothing stands in the way of stopping, returning and landing"


@pytest.mark.parametrize(
    ("kind", "state", "phase"),
    [
        (K.TAKE_OFF, S.ON_GROUND, None),
        (K.BEGIN_FLIGHT, S.ON_GROUND, None),
        (K.BEGIN_FLIGHT, S.HOLDING, None),
        (K.RESUME, S.PAUSED, Phase.FLYING),
        (K.ADJUST_ROUTE, S.ON_ROUTE, Phase.FLYING),
        (K.ADJUST_ROUTE, S.PAUSED, Phase.FLYING),
    ],
)
def test_what_a_flight_is_made_of_is_legal(kind: CommandKind, state: AircraftState, phase: Phase | None) -> None:
    assert refused(kind, Situation(state, flight(phase=phase) if phase else None, None)) is None


@pytest.mark.parametrize(
    ("seen", "free"),
    [
        (in_flight(), True),
        (in_flight(mode="BRAKE"), True),
        (in_flight(mode="LOITER"), True),
        (in_flight(mode="LOITER", fix=SWIFT), False),
        (in_flight(mode="STABILIZE"), False),
        (in_flight(mode="RTL"), False),
        (in_flight(mode="ALT_HOLD"), False),
        (in_flight(mode="POSITION"), False),
        (in_flight(mode="AVOID_ADSB"), False),
        (aircraft(mode="STABILIZE"), True),
    ],
)
def test_no_command_that_flies_on_takes_the_aircraft_from_somebody_else(seen: Aircraft, free: bool) -> None:
    for kind in (K.RESUME, K.ADJUST_ROUTE, K.BEGIN_FLIGHT):
        if free:
            require_free(kind, seen)
        else:
            with pytest.raises(NotReady, match=seen.mode):
                require_free(kind, seen)
    for kind in SAFETY_INCREASING:
        require_free(kind, seen)


def test_every_kind_has_its_row() -> None:
    assert set(LEGAL) == set(K)


@pytest.mark.parametrize(
    ("expected", "error"),
    [
        ({"states": [S.PAUSED]}, UnexpectedState),
        ({"route_hash": "0" * 64}, RouteChanged),
        ({"states": [S.ON_ROUTE, S.PAUSED], "route_hash": route().content_hash()}, None),
        ({}, None),
    ],
)
def test_preconditions_are_the_senders_beliefs(expected: dict[str, Any], error: type[PlatformError] | None) -> None:
    now = Situation(S.ON_ROUTE, flight(phase=Phase.FLYING), None)
    order = command(K.RESUME, preconditions=Preconditions(**expected))
    if error is None:
        require_expected(order, now)
    else:
        with pytest.raises(error):
            require_expected(order, now)
    require_expected(command(K.LAND, preconditions=Preconditions(**expected)), now)
