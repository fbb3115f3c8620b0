"""The book of repairs: what is wanted, what the plan proposes, what people decide; solved anew round what is pinned."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from cloud import audit, findings
from cloud.db import notify
from cloud.logbook import log
from cloud.repairs import board
from cloud.repairs.board import LIVE, OPEN, STEP, Board
from cloud.repairs.methods import Methods
from cloud.repairs.problem import Job, Outcome, able, collide, shift_starts
from cloud.tables import CrewRow, Finding, RepairSlot
from contracts.errors import Conflict, InvalidInput, NotFound
from contracts.ids import mint
from contracts.vocabulary import FindingStatus

WANTED, PROPOSED, ACCEPTED, UNPLANNED, DONE, CANCELLED = (
    "wanted",
    "proposed",
    "accepted",
    "unplanned",
    "done",
    "cancelled",
)
PLANNER = "planner"


def want(session: Session, finding_id: str) -> RepairSlot:
    """Return the slot of a finding's defect, asking for one where there is none; the next plan gives it its time.

    Raises:
        NotFound: No such finding (any more).

    """
    _lock(session)
    finding = findings.finding(session, finding_id, kept=True)
    known = session.scalars(
        select(RepairSlot)
        .join(Finding, Finding.finding_id == RepairSlot.finding_id)
        .where(
            (RepairSlot.finding_id == finding_id)
            | ((Finding.link_group == finding.link_group) & RepairSlot.state.in_(OPEN))
        )
        .order_by(RepairSlot.created_at)
    ).first()
    if known is not None:
        return known
    made = RepairSlot(slot_id=mint("rep"), finding_id=finding_id, state=WANTED)
    session.add(made)
    session.flush()
    return made


def plan(session: Session, methods: Methods, now: datetime, by: str = PLANNER, reason: str = "") -> Counter[str]:
    """Solve everything that is open anew, round what people pinned; returns how many slots are in which state."""
    from cloud.repairs.solver import solve  # noqa: PLC0415 - OR-Tools loads slowly, and most requests never plan

    _lock(session)
    _close(session)
    present = board.read(session, methods, now)
    moved = [o.job_id for o in solve(present.problem) if _apply(session, present, o)]
    counted = Counter(slot.state for slot in present.slots.values())
    if moved or reason:
        audit.record(session, by, "repairs.plan", "repairs", after={"moved": moved, "reason": reason, **counted})
    log("repairs_planned", moved=len(moved), **counted)
    return counted


def plan_wanted(session: Session, methods: Methods, slot_id: str, now: datetime) -> RepairSlot:
    """Return a slot once a plan has looked at it; of many that come together, one plan serves all.

    Raises:
        NotFound: No such slot (any more).

    """
    _lock(session)
    row = slot(session, slot_id)
    if row.state == WANTED:
        plan(session, methods, now)
    return row


def accept(session: Session, slot_id: str, by: str) -> RepairSlot:
    """Hold a proposal: plans go round it from now on.

    Raises:
        NotFound: No such slot.
        Conflict: It has no time, or is over.

    """
    _lock(session)
    row = slot(session, slot_id)
    if row.state not in (PROPOSED, ACCEPTED) or row.starts_at is None:
        raise Conflict(f"The repair {slot_id} is {row.state}.", hint=row.reason or "Only a proposal can be accepted.")
    return _decide(session, row, by, "repair.accept", state=ACCEPTED, pinned=True)


def move(  # noqa: PLR0913 - who, what, where to, by which methods, and when that is asked
    session: Session,
    methods: Methods,
    slot_id: str,
    crew_id: str,
    starts_at: datetime,
    *,
    by: str,
    now: datetime,
) -> RepairSlot:
    """Pin a repair to a crew and a time, then solve the others round it.

    Raises:
        NotFound: No such slot or crew.
        Conflict: It is over, or the crew is held by another pinned repair then.
        InvalidInput: The crew lacks a skill, or shift, wind or parts do not allow it; the field is named.

    """
    _lock(session)
    row = slot(session, slot_id)
    present = board.read(session, methods, now)
    if slot_id not in present.slots:
        raise Conflict(f"The repair {slot_id} is {row.state}.", hint="Only an open repair can be moved.")
    job = present.job(slot_id)._replace(pinned=None)
    start = _checked(present, job, crew_id, starts_at)
    changes: dict[str, Any] = {
        "crew_id": crew_id,
        "starts_at": present.at(start),
        "ends_at": present.at(job.end(start)),
    }
    _decide(session, row, by, "repair.move", state=ACCEPTED, pinned=True, sequence=row.sequence + 1, **changes)
    plan(session, methods, now, by)
    return row


def release(session: Session, methods: Methods, slot_id: str, *, by: str, now: datetime) -> RepairSlot:
    """Give a pinned repair back to the planner.

    Raises:
        NotFound: No such slot.
        Conflict: It is not pinned.

    """
    _lock(session)
    row = slot(session, slot_id)
    if not row.pinned or row.state not in OPEN:
        raise Conflict(f"{slot_id} is not pinned.", hint="The planner moves it already.")
    _decide(session, row, by, "repair.release", state=PROPOSED, pinned=False)
    plan(session, methods, now, by)
    return row


def slot(session: Session, slot_id: str) -> RepairSlot:
    """Return a slot; NotFound when there is none."""
    row = session.get(RepairSlot, slot_id)
    if row is None:
        raise NotFound(f"No repair {slot_id!r}.", hint="List them with GET /v1/repairs.")
    return row


def _checked(present: Board, job: Job, crew_id: str, starts_at: datetime) -> int:
    """Return the half hour a person's wish falls on, refusing what no plan would do."""
    crew = next((crew for crew in present.problem.crews if crew.crew_id == crew_id), None)
    if crew is None:
        raise NotFound(
            f"No crew {crew_id!r} that works.", hint="List them with GET /v1/repairs/crews.", field="crew_id"
        )
    if crew not in able(present.problem, job):
        missing = ", ".join(sorted(job.skills - crew.skills))
        raise InvalidInput(f"{crew_id} lacks {missing}.", hint="Choose another crew.", field="crew_id")
    start, rest = divmod(starts_at - present.begins, STEP)
    if rest or start < 0:
        raise InvalidInput(
            f"{starts_at:%Y-%m-%d %H:%M} UTC is past, or no half hour.",
            hint="Begin on a full or half hour from now on.",
            field="starts_at",
        )
    if start not in shift_starts(crew, job, present.problem.horizon):
        what = f"{crew_id} cannot be there and back within one of its shifts."
        raise InvalidInput(what, hint=f"The repair takes {job.length / 2:g} h, ways not counted.", field="starts_at")
    wind = present.problem.windy(job, start)
    if wind is not None:
        what = f"{wind:.0f} m/s of wind are forecast then; {job.max_wind_mps:g} m/s are allowed."
        raise InvalidInput(what, hint="Choose a calmer time.", field="starts_at")
    earliest = present.problem.parts_from(job)
    if earliest is None or start < earliest:
        what = f"Its parts ({', '.join(job.parts)}) are not there by then."
        raise InvalidInput(what, hint="Choose a later time, or say when they come.", field="starts_at")
    pins = [j for j in present.problem.jobs if j.pinned is not None and j.pinned.crew_id == crew_id]
    held = next((other for other in pins if collide(job, start, other)), None)
    if held is not None:
        raise Conflict(f"{crew_id} is held by {held.job_id} then.", hint="Move that one first.", field="starts_at")
    return start


def _decide(session: Session, row: RepairSlot, by: str, action: str, **changes: Any) -> RepairSlot:
    before = {name: getattr(row, name) for name in changes}
    for name, value in (changes | {"decided_by": by}).items():
        setattr(row, name, value)
    audit.record(session, by, action, row.slot_id, before=_plain(before), after=_plain(changes))
    notify(session, "finding", row.finding_id)
    session.flush()
    return row


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in values.items()}


def _apply(session: Session, present: Board, outcome: Outcome) -> bool:
    """Write one outcome; returns whether crew or time changed."""
    row, job, pin = present.slots[outcome.job_id], present.job(outcome.job_id), outcome.pin
    row.late, row.reason = outcome.late, outcome.reason
    if pin is None:
        wanted: tuple[Any, ...] = (None, None, None)
        row.state, row.wind_known = UNPLANNED, False
    else:
        wanted = (pin.crew_id, present.at(pin.start), present.at(job.end(pin.start)))
        row.state = row.state if job.pinned else PROPOSED
        known = [present.problem.wind_at(job.site_id, at) for at in range(pin.start, job.end(pin.start))]
        row.wind_known = None not in known
        if job.pinned:
            return False
    if (row.crew_id, row.starts_at, row.ends_at) == wanted:
        return False
    row.crew_id, row.starts_at, row.ends_at = wanted
    row.sequence += 1
    notify(session, "finding", row.finding_id)
    return True


def _close(session: Session) -> None:
    """End the repairs of findings that are repaired or rejected; take those back up that are open again."""
    for status, state in ((FindingStatus.REPAIRED.value, DONE), (FindingStatus.REJECTED.value, CANCELLED)):
        ended = select(Finding.finding_id).where(Finding.status == status)
        session.execute(
            update(RepairSlot)
            .where(RepairSlot.finding_id.in_(ended), RepairSlot.state.in_(OPEN))
            .values(state=state)
            .execution_options(synchronize_session="fetch")
        )
    live = select(Finding.finding_id).where(Finding.status.in_(LIVE))
    session.execute(
        update(RepairSlot)
        .where(RepairSlot.finding_id.in_(live), RepairSlot.state.in_((DONE, CANCELLED)))
        .values(state=WANTED, pinned=False, crew_id=None, starts_at=None, ends_at=None)
        .execution_options(synchronize_session="fetch")
    )


def overdue(session: Session, now: datetime) -> bool:
    """Return whether a plan is due: something is wanted, or a proposal's time has come without anybody accepting it."""
    stale = (RepairSlot.state == PROPOSED) & (RepairSlot.starts_at < now)
    query = select(func.count()).select_from(RepairSlot).where((RepairSlot.state == WANTED) | stale)
    return bool(session.scalar(query))


def crew(session: Session, crew_id: str) -> CrewRow:
    """Return a crew; NotFound when there is none."""
    row = session.get(CrewRow, crew_id)
    if row is None:
        raise NotFound(f"No crew {crew_id!r}.", hint="List them with GET /v1/repairs/crews.", field="crew_id")
    return row


def _lock(session: Session) -> None:
    session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended("repairs", 0))))
