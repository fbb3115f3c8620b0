"""Flights: planned, approved, flown, complete. A flight is also the inspection it makes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from cloud import adjustments, audit, contact, executions, fleet
from cloud.db import notify
from cloud.tables import DroneEventRow, Flight, Media, Plan
from contracts.errors import Conflict, NotFound
from contracts.events import DroneEvent, DroneEventKind
from contracts.ids import mint
from contracts.resources import INSPECTION_MACHINE
from contracts.vocabulary import AircraftState, FlightState, MediaState

_DOWN = frozenset({FlightState.LANDED, FlightState.COMPLETE})
_OVER = _DOWN | {FlightState.ABORTED}
_SEEN_AS = {
    AircraftState.ON_ROUTE: FlightState.FLYING,
    AircraftState.PAUSED: FlightState.PAUSED,
    AircraftState.RETURNING: FlightState.RETURNING,
    AircraftState.LANDING: FlightState.RETURNING,
}
_SETTLED = (MediaState.ANALYSED.value, MediaState.FAILED.value)


def flight(session: Session, flight_id: str, *, lock: bool = False) -> Flight:
    """Return a flight.

    Raises:
        NotFound: No such flight.

    """
    row = session.get(Flight, flight_id, with_for_update=lock or None)
    if row is None:
        raise NotFound(f"No flight {flight_id!r}.", hint="List flights with GET /v1/flights.")
    return row


def create(session: Session, *, plan_id: str, version: int, drone_id: str, by: str) -> Flight:
    """Plan a flight of a plan version by a drone.

    Raises:
        NotFound: No such plan version or drone.

    """
    plan = session.get(Plan, (plan_id, version))
    if plan is None:
        raise NotFound(f"No plan {plan_id!r} version {version}.", hint="List plans with GET /v1/plans.")
    fleet.drone(session, drone_id)
    row = _add(session, plan, drone_id, by)
    audit.record(session, by, "flight.create", row.flight_id, after={"plan_id": plan_id, "version": version})
    return row


def _add(session: Session, plan: Plan, drone_id: str, by: str, **more: Any) -> Flight:
    row = Flight(
        flight_id=mint("flt"),
        asset_id=plan.asset_id,
        drone_id=drone_id,
        plan_id=plan.plan_id,
        plan_version=plan.version,
        route_hash=plan.content_hash,
        state=FlightState.PLANNED.value,
        created_by=by,
        **more,
    )
    session.add(row)
    session.flush()
    session.refresh(row)
    notify(session, "flight", row.flight_id)
    return row


def schedule(session: Session, plan: Plan, drone_id: str, by: str, *, schedule_id: str, due_at: datetime) -> Flight:
    """Plan the flight that a schedule wants at a time."""
    return _add(session, plan, drone_id, by, schedule_id=schedule_id, due_at=due_at)


def carry_on(
    session: Session, flight_id: str, waypoints: int, by: str, joins: Callable[[int], int], drone_id: str | None = None
) -> Flight:
    """Plan a flight that goes on where another was broken off: at the last waypoint that it reached.

    ``waypoints`` is how many its route has; ``joins`` gives the waypoint, that one or an earlier one, to which the way
    from take-off is clear. The interrupted leg is flown, and filmed, again as a whole.

    Raises:
        NotFound: No such flight or drone.
        Conflict: It is not over, has flown its whole route, or is being carried on already.

    """
    row = flight(session, flight_id, lock=True)
    if FlightState(row.state) not in _OVER:
        raise Conflict(f"The flight {flight_id} is {row.state}.", hint="A flight is carried on when it is over.")
    reached = row.resume_at if row.waypoint is None else max(row.waypoint, row.resume_at)
    if reached >= waypoints - 1:
        raise Conflict(f"The flight {flight_id} has flown its whole route.", hint="Plan a new flight.")
    live = Flight.state != FlightState.ABORTED.value
    other = session.scalar(select(Flight.flight_id).where(Flight.continues == flight_id, live))
    if other is not None:
        raise Conflict(f"{other} carries the flight {flight_id} on already.", hint="Abort that one first.")
    chosen = fleet.drone(session, drone_id or row.drone_id).drone_id
    plan = session.get_one(Plan, (row.plan_id, row.plan_version))
    made = _add(session, plan, chosen, by, continues=flight_id, resume_at=joins(reached))
    audit.record(session, by, "flight.carry_on", made.flight_id, after={"of": flight_id, "resume_at": made.resume_at})
    return made


def approve(
    session: Session,
    flight_id: str,
    by: str,
    *,
    checks: Iterable[dict[str, Any]],
    acknowledged: Iterable[str] = (),
    people: int = 1,
) -> Flight:
    """Let a planned flight fly, once ``people`` different people have said so.

    ``checks`` are those of its plan and of its hour. What warns must be acknowledged by name; who acknowledged what is
    kept with the flight.

    Raises:
        NotFound: No such flight.
        Conflict: Not planned any more, a check blocks it (the message is that check's sentence), or a warning was not
            acknowledged.

    """
    row = flight(session, flight_id, lock=True)
    if row.state == FlightState.APPROVED.value:
        return row
    if row.state != FlightState.PLANNED.value:
        raise Conflict(f"The flight {flight_id} is {row.state}.", hint="Only a planned flight can be approved.")
    found = list(checks)
    adjustments.refuse_blocked(found)
    named = adjustments.acknowledge(found, acknowledged)
    if all(consent["by"] != by for consent in row.consents):
        consent = {"by": by, "at": datetime.now(UTC).isoformat(), "acknowledged": named}
        row.consents = [*row.consents, consent]
        audit.record(session, by, "flight.approve", flight_id, before={"state": "planned"}, after=consent)
    if len(row.consents) >= people:
        row.approved_by, row.approved_at = by, datetime.now(UTC)
        _move(session, row, FlightState.APPROVED)
    return row


def abort(session: Session, flight_id: str, by: str) -> Flight:
    """Give up a flight that has not taken off, or whose aircraft has not been heard for ten minutes.

    What a drone says later counts: a flight that was given up and is heard of again is flying, or has landed.

    Raises:
        NotFound: No such flight.
        Conflict: It is over, or under way and heard.

    """
    row = flight(session, flight_id, lock=True)
    if FlightState(row.state) in _DOWN:
        raise Conflict(f"The flight {flight_id} is {row.state}.", hint="It is over already.")
    if contact.under_way(session, row):
        now = datetime.now(UTC)
        contact.require_lost(session, row, now)
        fleet.leave_unknown(session, flight_id, now)
    audit.record(session, by, "flight.abort", flight_id, before={"state": row.state}, after={"state": "aborted"})
    _move(session, row, FlightState.ABORTED)
    return row


def on_drone_event(session: Session, drone_id: str, event: DroneEvent) -> None:
    """Apply what a drone reported about its flight. Repeats and late reports change nothing."""
    if event.flight_id is None:
        return
    row = session.get(Flight, event.flight_id, with_for_update=True)
    if row is None or row.drone_id != drone_id:
        return
    match event.kind:
        case DroneEventKind.FLIGHT_STARTED:
            _start(session, row, event)
        case DroneEventKind.STATE_CHANGED:
            _on_state(session, row, event)
        case DroneEventKind.WAYPOINT_REACHED:
            _start(session, row, event)  # its flight_started may still be on the way
            _on_waypoint(session, row, event)
        case DroneEventKind.FLIGHT_ENDED:
            _land(session, row, event)
        case _:
            return


def _start(session: Session, row: Flight, event: DroneEvent) -> None:
    row.started_at = min(row.started_at, event.at) if row.started_at else event.at
    if row.state in (FlightState.APPROVED.value, FlightState.ABORTED.value):  # given up too early: it flies
        _move(session, row, FlightState.FLYING)


def _on_waypoint(session: Session, row: Flight, event: DroneEvent) -> None:
    if event.waypoint is not None and event.waypoint > (row.waypoint if row.waypoint is not None else -1):
        row.waypoint = event.waypoint
        notify(session, "flight", row.flight_id)


def _on_state(session: Session, row: Flight, event: DroneEvent) -> None:
    if event.state in contact.SILENT:
        notify(session, "flight", row.flight_id)
    state = _SEEN_AS.get(event.state) if event.state else None
    if state is None or FlightState(row.state) in _DOWN or row.started_at is None or _is_stale(session, row, event):
        return
    _move(session, row, state)


def _is_stale(session: Session, row: Flight, event: DroneEvent) -> bool:
    """Return whether a later state of this flight is already known (messages may overtake each other)."""
    later = select(func.count()).where(
        DroneEventRow.drone_id == row.drone_id,
        DroneEventRow.flight_id == row.flight_id,
        DroneEventRow.kind == DroneEventKind.STATE_CHANGED.value,
        DroneEventRow.at > event.at,
    )
    return bool(session.scalar(later))


def _land(session: Session, row: Flight, event: DroneEvent) -> None:
    row.landed_at = row.landed_at or event.at
    if event.expected_segments is not None:
        row.expected_segments = event.expected_segments
    if FlightState(row.state) not in _DOWN:
        _move(session, row, FlightState.LANDED)
    try_complete(session, row.flight_id)


def try_complete(session: Session, flight_id: str) -> bool:
    """Complete a landed flight whose every expected segment is analysed or failed; returns whether it is complete."""
    row = session.get(Flight, flight_id, with_for_update=True)
    if row is None or row.state == FlightState.COMPLETE.value:
        return row is not None
    if row.state != FlightState.LANDED.value or row.expected_segments is None:
        return False
    settled = session.scalar(
        select(func.count()).select_from(Media).where(Media.flight_id == flight_id, Media.state.in_(_SETTLED))
    )
    if (settled or 0) < row.expected_segments:
        return False
    row.completed_at = datetime.now(UTC)
    _move(session, row, FlightState.COMPLETE)
    executions.want_for(session, flight_id, INSPECTION_MACHINE)
    return True


def _move(session: Session, row: Flight, state: FlightState) -> None:
    if row.state != state.value:
        row.state = state.value
        notify(session, "flight", row.flight_id)
