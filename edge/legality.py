"""Which command is legal in which state of aircraft and flight, and the reason where it is not. One table; pure."""

from __future__ import annotations

from typing import NamedTuple

from contracts.commands import SAFETY_INCREASING, Command
from contracts.vocabulary import AircraftState, CommandKind
from edge.aircraft import SHARED_MODES, Aircraft, standing
from edge.flights import Flight, Phase
from edge.refusals import AutopilotSilent, NotReady, RouteChanged, UnexpectedState

_ANY = frozenset(AircraftState)
_CONNECTED = _ANY - {AircraftState.NOT_HEARD, AircraftState.DISCONNECTED}
_STAYING = frozenset({AircraftState.PAUSED, AircraftState.HOLDING})
LEGAL: dict[CommandKind, frozenset[AircraftState]] = {
    CommandKind.TAKE_OFF: frozenset({AircraftState.ON_GROUND}),
    # Not while it returns: its autopilot may bring it home for its battery. Who holds it first has looked why.
    CommandKind.BEGIN_FLIGHT: _CONNECTED - {AircraftState.TAKING_OFF, AircraftState.LANDING, AircraftState.RETURNING},
    CommandKind.RESUME: _STAYING,
    CommandKind.ADJUST_ROUTE: _STAYING | {AircraftState.ON_ROUTE},
    CommandKind.SET_LIMITS: _ANY,
    # Always accepted; a silent autopilot is tried until it answers or the command's time is over.
    CommandKind.PAUSE: _ANY,
    CommandKind.HOLD: _ANY,
    CommandKind.RETURN_HOME: _ANY,
    CommandKind.LAND: _ANY,
}
_NEEDS_FLYING = frozenset({CommandKind.RESUME, CommandKind.ADJUST_ROUTE})
_GOES_ON = frozenset({CommandKind.BEGIN_FLIGHT, CommandKind.RESUME, CommandKind.ADJUST_ROUTE})
_NO_WORD = {
    AircraftState.NOT_HEARD: "No autopilot has been heard yet.",
    AircraftState.DISCONNECTED: "The autopilot has been silent for 3 s.",
}
_WRONG_STATE = {
    CommandKind.TAKE_OFF: "The aircraft is already in the air.",
    CommandKind.RESUME: "The aircraft is not holding.",
    CommandKind.ADJUST_ROUTE: "The aircraft is not on its route.",
}


class Refusal(NamedTuple):
    """Latched reasons against going on with a flight, e.g. a fence breach; cleared on the ground."""

    code: str
    detail: str


class Situation(NamedTuple):
    """What decides whether a command is legal."""

    state: AircraftState
    flight: Flight | None
    """The active one."""
    latched: Refusal | None


def require_expected(command: Command, now: Situation) -> None:
    """Refuse a command that was meant for another state than this; safety commands are meant for any.

    Raises:
        UnexpectedState: The aircraft does something else than the sender believed.
        RouteChanged: Another route is flown, or none.

    """
    expected = command.preconditions
    if command.kind in SAFETY_INCREASING:
        return
    if expected.states and now.state not in expected.states:
        raise UnexpectedState(f"The aircraft is {now.state}; the command is for {', '.join(expected.states)}.")
    flown = now.flight.route.content_hash() if now.flight is not None else None
    if expected.route_hash is not None and expected.route_hash != flown:
        raise RouteChanged(
            f"The route being flown is {flown[:12] if flown else 'none'}, not the one that was changed.",
            hint="Plan anew.",
        )


def require_free(kind: CommandKind, aircraft: Aircraft) -> None:
    """Refuse to take an aircraft in the air from whoever else has it; commands that increase safety are not asked.

    Raises:
        NotReady: A pilot flies it with a transmitter, or it is in a mode that no command asked for.

    """
    if kind not in _GOES_ON or standing(aircraft):
        return
    steered = aircraft.by_hand and aircraft.moving
    if steered or aircraft.mode not in SHARED_MODES:
        raise NotReady(
            f"Somebody else has the aircraft: it is in mode {aircraft.mode} and moves at {aircraft.speed_mps:.1f} m/s.",
            hint="Let the pilot stop it and switch to a mode in which it holds.",
        )


def require_legal(kind: CommandKind, now: Situation) -> None:
    """Refuse what the present state forbids.

    Raises:
        AutopilotSilent: Nothing but a safety command or a change of limits goes to a silent autopilot.
        NotReady: With the reason.

    """
    if now.state not in _CONNECTED and now.state not in LEGAL[kind]:
        raise AutopilotSilent(_NO_WORD[now.state], hint="Check its link and power.")
    if kind in _NEEDS_FLYING and (now.flight is None or now.flight.phase not in (Phase.BEGUN, Phase.FLYING)):
        if now.flight is not None and now.flight.phase is Phase.RETURNING:
            raise NotReady("The flight is on its way home and goes on no more.", hint="Send return_home or land.")
        raise NotReady("No flight is paused." if kind is CommandKind.RESUME else "No flight is under way.")
    if now.latched is not None and kind in _GOES_ON and now.state is not AircraftState.ON_GROUND:
        raise NotReady(f"The aircraft must land first: {now.latched.detail}")
    if kind is CommandKind.BEGIN_FLIGHT and now.flight is not None:
        raise NotReady(f"Flight {now.flight.flight_id} is still under way.", hint="Send return_home first.")
    if now.state not in LEGAL[kind]:
        raise NotReady(_WRONG_STATE.get(kind, f"{kind} is not possible while the aircraft is {now.state}."))
