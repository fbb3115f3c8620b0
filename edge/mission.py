"""The flight as a state machine: what the autopilot shows in, the new state and what to tell out. Pure."""

from __future__ import annotations

from typing import NamedTuple

from contracts.commands import AckState
from contracts.events import DroneEventKind
from contracts.geo import GeoPoint
from contracts.vocabulary import AircraftState
from edge.aircraft import HOLDING_MODES, LAND_MODES, RETURN_MODES, Aircraft, Landed, MissionState
from edge.flights import Flight, Phase
from edge.itinerary import NAV_RETURN_TO_LAUNCH, Item, Itinerary, itinerary_of
from edge.refusals import AutopilotSilent


class Emit(NamedTuple):
    """An event to send."""

    kind: DroneEventKind
    waypoint: int | None = None
    detail: str = ""


class Conclude(NamedTuple):
    """A command has ended; told by the state machine it is the flight's begin_flight."""

    state: AckState
    code: str = ""
    detail: str = ""
    hint: str = ""


Effect = Emit | Conclude
LOST_AFTER_S = 60.0
"""How long a flight on its route may be silent before its command ends as unknown: a link comes back within seconds."""
_NOT_SEEN_BEGINNING = Conclude(
    AckState.UNKNOWN,
    AutopilotSilent.code,
    detail="The autopilot fell silent while the flight began: it may fly. What it does is told when it is heard again.",
    hint="Look at the aircraft.",
)
_LOST = Conclude(
    AckState.UNKNOWN,
    AutopilotSilent.code,
    detail="The autopilot fell silent in flight and stays so: nobody knows what the aircraft does. "
    "What it does is told when it is heard again.",
    hint="Look for the aircraft.",
)
"""Both are told at every look in silence: a command ends once."""


class Picture(NamedTuple):
    """What the machine remembers between two observations."""

    state: AircraftState | None = None
    """None before the first look."""
    flight: Flight | None = None


def itinerary_for(flight: Flight | None, home: GeoPoint | None) -> Itinerary | None:
    """Return the mission of a flight; None without one, or without a home to count its heights from.

    On its way back no waypoint of the route is reached any more: all of that mission is the return.
    """
    if flight and flight.homeward:
        return Itinerary((Item(NAV_RETURN_TO_LAUNCH),), (), flight.reached + 1)
    return itinerary_of(flight.route, home, flight.joined_at) if flight and home else None


def aircraft_state(aircraft: Aircraft, itinerary: Itinerary | None) -> AircraftState:
    """Return what the aircraft is doing, in the operator's words."""
    if not aircraft.connected:
        return AircraftState.DISCONNECTED if aircraft.heard else AircraftState.NOT_HEARD
    if aircraft.landed in (Landed.ON_GROUND, Landed.UNDEFINED):
        return AircraftState.ON_GROUND
    if aircraft.mode in RETURN_MODES | LAND_MODES:
        descending = aircraft.mode in LAND_MODES or aircraft.landed is Landed.LANDING
        return AircraftState.LANDING if descending else AircraftState.RETURNING
    return _on_mission(aircraft, itinerary) if aircraft.mode == "AUTO" else _by_hand(aircraft, itinerary)


def _by_hand(aircraft: Aircraft, itinerary: Itinerary | None) -> AircraftState:
    low = aircraft.fix is None or aircraft.fix.alt_rel_m < 1.0
    if aircraft.landed is Landed.TAKING_OFF and (aircraft.climbing or low):
        return AircraftState.TAKING_OFF
    return AircraftState.PAUSED if aircraft.mode in HOLDING_MODES and itinerary else AircraftState.HOLDING


def advance(
    before: Picture, aircraft: Aircraft, itinerary: Itinerary | None, t_us: int, silent_s: float = 0.0
) -> tuple[Picture, list[Effect]]:
    """Return the new picture and what to tell, given what the autopilot shows now and how long it has been silent."""
    state = aircraft_state(aircraft, itinerary)
    effects: list[Effect] = _state_events(before.state, state)
    flight = before.flight
    if not aircraft.connected:
        return Picture(state, flight), [*effects, *_in_silence(flight, silent_s)]
    if flight is None or itinerary is None:
        return Picture(state, flight), effects
    if _has_begun(flight, state):
        flight = flight.model_copy(update={"phase": Phase.FLYING})
        effects.append(Emit(DroneEventKind.FLIGHT_STARTED))
    if flight.phase is Phase.FLYING:
        flight, more = _progress(flight, aircraft, state, itinerary)
        effects += more
    if flight.phase in (Phase.FLYING, Phase.RETURNING) and aircraft.on_ground:
        if flight.phase is Phase.FLYING:
            effects.append(Conclude(AckState.FAILED, "landed_early", _how_far(flight)))
        flight = flight.model_copy(update={"phase": Phase.ENDED, "ended_us": t_us})
        reached = flight.reached if flight.reached >= 0 else None
        effects.append(Emit(DroneEventKind.FLIGHT_ENDED, waypoint=reached, detail=_how_far(flight)))
    return Picture(state, flight), effects


def _in_silence(flight: Flight | None, silent_s: float) -> list[Effect]:
    """A command ends, also where the aircraft is never heard again. What it was is settled when it is."""
    if flight is not None and flight.phase is Phase.BEGUN:
        return [_NOT_SEEN_BEGINNING]
    return [_LOST] if flight is not None and flight.phase is Phase.FLYING and silent_s >= LOST_AFTER_S else []


def _has_begun(flight: Flight, state: AircraftState) -> bool:
    """Tell whether a flight starts now: its beginning is over, or it is seen on the very route that was stored.

    Before that an aircraft in the air may fly another mission, or hold, as it did before the beginning.
    """
    on_its_route = flight.stored and state is AircraftState.ON_ROUTE
    return flight.phase is Phase.BEGUN or (flight.phase is Phase.PREPARING and on_its_route)


def _on_mission(aircraft: Aircraft, itinerary: Itinerary | None) -> AircraftState:
    if aircraft.landed is Landed.LANDING:
        return AircraftState.LANDING
    if aircraft.mission_state is MissionState.PAUSED:
        return AircraftState.PAUSED
    if itinerary is not None and aircraft.mission_seq >= itinerary.return_item:
        return AircraftState.RETURNING
    return AircraftState.ON_ROUTE if aircraft.mission_state is MissionState.ACTIVE else AircraftState.HOLDING


def _state_events(before: AircraftState | None, after: AircraftState) -> list[Effect]:
    if before is after:
        return []
    effects: list[Effect] = [Emit(DroneEventKind.STATE_CHANGED, detail=f"{before or 'started'} -> {after}")]
    if before is None:
        return effects
    if after is AircraftState.DISCONNECTED:
        effects.append(Emit(DroneEventKind.AUTOPILOT_LOST, detail="No heartbeat for 3 s."))
    elif before is AircraftState.DISCONNECTED:
        effects.append(Emit(DroneEventKind.AUTOPILOT_BACK))
    return effects


def _progress(
    flight: Flight, aircraft: Aircraft, state: AircraftState, itinerary: Itinerary
) -> tuple[Flight, list[Effect]]:
    """Count waypoints, also those whose message was lost; end the route at its last or when it is left.

    While a changed route is being stored, the autopilot's numbers still mean the old one.
    """
    on_mission = aircraft.mode == "AUTO"
    passed = max(aircraft.reached_seq, aircraft.mission_seq - 1 if on_mission else -1) if flight.stored else -1
    reached = max(flight.reached, itinerary.waypoint_reached(passed))
    effects: list[Effect] = [
        Emit(DroneEventKind.WAYPOINT_REACHED, waypoint=w) for w in range(flight.reached + 1, reached + 1)
    ]
    phase = flight.phase
    if reached == len(flight.route.waypoints) - 1:
        phase = Phase.RETURNING
        effects.append(Conclude(AckState.DONE, detail="The last waypoint is reached; going home."))
    elif state in (AircraftState.RETURNING, AircraftState.LANDING):
        phase = Phase.RETURNING
        effects.append(Conclude(AckState.FAILED, "interrupted", f"{aircraft.mode}: {_how_far(flight)}"))
    if (phase, reached) != (flight.phase, flight.reached):
        flight = flight.model_copy(update={"phase": phase, "reached": reached})
    return flight, effects


def _how_far(flight: Flight) -> str:
    return f"{flight.reached + 1} of {len(flight.route.waypoints)} waypoints reached."
