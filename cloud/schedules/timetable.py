"""Schedules: kept free of conflicts, and turned into planned flights some hours before their time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from cloud import adjustments, audit, flights
from cloud.db import Database
from cloud.logbook import log
from cloud.planning import plans
from cloud.schedules import recurrence
from cloud.tables import Drone, Flight, Plan, Schedule
from contracts.errors import Conflict, NotFound
from contracts.ids import mint
from contracts.vocabulary import FlightState

HORIZON = timedelta(days=90)
"""How far ahead conflicts are looked for."""
_LATE = timedelta(hours=1)
"""A time that passed longer ago than this is not flown any more; it is logged as missed."""
_OVER = (FlightState.LANDED.value, FlightState.COMPLETE.value, FlightState.ABORTED.value)


class Clash(NamedTuple):
    """A time at which a drone would have to be in two places."""

    at: datetime
    with_id: str
    with_at: datetime
    sentence: str


def schedule(session: Session, schedule_id: str, *, lock: bool = False) -> Schedule:
    """Return a schedule; NotFound when there is none."""
    row = session.get(Schedule, schedule_id, with_for_update=lock or None)
    if row is None:
        raise NotFound(f"No schedule {schedule_id!r}.", hint="List schedules with GET /v1/schedules.")
    return row


def create(session: Session, by: str, **wanted: Any) -> Schedule:
    """Keep a schedule. Where the plan is the first of several flights, all of them are flown, one after another.

    Raises:
        NotFound: No such plan version or drone.
        InvalidInput: The recurrence rule or the time zone is not one.
        Conflict: A check blocks the plan, or its drone is taken at one of its times; the message names the first.

    """
    plan = session.get(Plan, (wanted["plan_id"], wanted["plan_version"]))
    if plan is None:
        raise NotFound(f"No plan {wanted['plan_id']!r} version {wanted['plan_version']}.", field="plan_id")
    for part in _parts(session, plan):
        adjustments.refuse_blocked(part.checks)
    if session.get(Drone, wanted["drone_id"], with_for_update=True) is None:
        raise NotFound(f"No drone {wanted['drone_id']!r} is registered.", field="drone_id")
    if wanted["rrule"] is not None:
        recurrence.rule_of(wanted["rrule"], wanted["starts_at"], wanted["zone"])
    recurrence.zone_of(wanted["zone"])
    row = Schedule(schedule_id=mint("sch"), asset_id=plan.asset_id, enabled=True, created_by=by, **wanted)
    clash = next(iter(clashes(session, row)), None)
    if clash is not None:
        raise Conflict(clash.sentence, hint="Choose another time or another drone.", field="starts_at")
    session.add(row)
    session.flush()
    session.refresh(row)
    audit.record(session, by, "schedule.create", row.schedule_id, after={"plan_id": row.plan_id, "rrule": row.rrule})
    return row


def switch(session: Session, schedule_id: str, by: str, *, enabled: bool) -> Schedule:
    """Pause a schedule or let it go on; what it planned already stays.

    Raises:
        NotFound: No such schedule.
        Conflict: Its drone has been given to another meanwhile.

    """
    row = schedule(session, schedule_id, lock=True)
    if enabled and not row.enabled:
        session.get(Drone, row.drone_id, with_for_update=True)
        clash = next(iter(clashes(session, row)), None)
        if clash is not None:
            raise Conflict(clash.sentence, hint="Pause the other schedule first.", field="enabled")
        row.planned_until = None
    if row.enabled != enabled:
        audit.record(session, by, "schedule.switch", schedule_id, after={"enabled": enabled})
    row.enabled = enabled
    return row


def upcoming(row: Schedule, after: datetime, until: datetime, limit: int = 200) -> list[datetime]:
    """Return a schedule's times in a period."""
    return recurrence.times(row.starts_at, row.rrule, row.zone, after, until, limit)


def clashes(session: Session, row: Schedule, now: datetime | None = None) -> list[Clash]:
    """Return at which of its times, within ``HORIZON``, a schedule's drone is wanted elsewhere."""
    begins = now or datetime.now(UTC)
    ends = max(begins, row.starts_at) + HORIZON
    taken, lasts = _taken(session, row, begins, ends), _lasts(session, row)
    found = []
    for at in upcoming(row, begins, ends):
        until = at + lasts
        for other_at, other_until, other_id in taken:
            if at < other_until and other_at < until:
                sentence = f"{row.drone_id} is wanted by {other_id} at {other_at:%Y-%m-%d %H:%M} UTC already."
                found.append(Clash(at, other_id, other_at, sentence))
                break
    return found


def _taken(session: Session, row: Schedule, begins: datetime, ends: datetime) -> list[tuple[datetime, datetime, str]]:
    others = session.scalars(
        select(Schedule).where(
            Schedule.drone_id == row.drone_id, Schedule.enabled, Schedule.schedule_id != row.schedule_id
        )
    ).all()
    taken = [
        (at, at + lasts, other.schedule_id)
        for other in others
        for lasts in (_lasts(session, other),)
        for at in upcoming(other, begins - lasts, ends)
    ]
    booked = session.execute(
        select(Flight.flight_id, Flight.due_at, Schedule.duration_min)
        .join(Schedule, Schedule.schedule_id == Flight.schedule_id)
        .where(
            Flight.drone_id == row.drone_id,
            Flight.schedule_id != row.schedule_id,
            Flight.due_at.between(begins - timedelta(days=1), ends),
            Flight.state.not_in(_OVER),
        )
    )
    return taken + [(at, at + timedelta(minutes=minutes), name) for name, at, minutes in booked if at]


def _parts(session: Session, plan: Plan) -> list[Plan]:
    """Return the flights that scheduling a plan means: every one of its wish, unless a later one alone is named."""
    return plans.series(session, plan) if plan.part == 1 else [plan]


def _lasts(session: Session, row: Schedule) -> timedelta:
    """Return for how long a schedule's drone is taken each time: one flight after another."""
    plan = session.get_one(Plan, (row.plan_id, row.plan_version))
    return timedelta(minutes=row.duration_min) * (plan.parts if plan.part == 1 else 1)


class Timetable:
    """A daemon: plans the flights whose time comes near. Safe to run twice and side by side."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def step(self, now: datetime | None = None) -> bool | None:
        """Plan what comes near; None when nothing does."""
        moment = now or datetime.now(UTC)
        with self._database.session() as session:
            names = session.scalars(select(Schedule.schedule_id).where(Schedule.enabled)).all()
        planned = 0
        for name in names:
            with self._database.session() as session:
                row = session.get(Schedule, name, with_for_update={"skip_locked": True})
                planned += _plan(session, row, moment) if row is not None and row.enabled else 0
        return True if planned else None


def _plan(session: Session, row: Schedule, now: datetime) -> int:
    until = now + timedelta(hours=row.lead_h)
    after = row.planned_until or min(row.starts_at, now)
    due = [at for at in upcoming(row, after, until) if at != row.planned_until]
    parts = _parts(session, session.get_one(Plan, (row.plan_id, row.plan_version)))
    planned = 0
    for at in due:
        if at < now - _LATE:
            log("schedule_missed", schedule_id=row.schedule_id, due_at=at.isoformat())
            continue
        for number, plan in enumerate(parts):
            planned += _plan_one(session, row, plan, at + number * timedelta(minutes=row.duration_min))
    if due:
        row.planned_until = due[-1]
    return planned


def _plan_one(session: Session, row: Schedule, plan: Plan, at: datetime) -> int:
    known = select(Flight.flight_id).where(Flight.schedule_id == row.schedule_id, Flight.due_at == at)
    if session.scalar(known) is not None:
        return 0
    flights.schedule(session, plan, row.drone_id, row.created_by, schedule_id=row.schedule_id, due_at=at)
    return 1
