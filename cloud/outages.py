"""Runs that an outage ended: seen as failed while it lasts, resumed a few at a time when it is over.

People may resume them too, at any time; whoever comes first, a run is resumed once.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session, aliased

from cloud import executions
from cloud.maintenance import MaintenanceSystem
from cloud.tables import WorkflowRun

AT_ONCE = 10
"""Runs resumed in one pass: a system that has just come back is not asked for everything at once."""
_FIRST_WAIT = timedelta(seconds=20)
_BY = "reconciler"


def waiting(session: Session, now: datetime, most: int = AT_ONCE) -> Sequence[WorkflowRun]:
    """Return the failed runs that an outage ended, nobody resumed and whose pause is over, oldest first.

    The pause doubles with every run for the same finding, flight or day; after MAX_RUNS of them a person must look.
    """
    other = aliased(WorkflowRun)
    same = (other.finding_id == WorkflowRun.finding_id) | (
        (other.subject == WorkflowRun.subject) & (other.machine == WorkflowRun.machine)
    )
    newer = select(other).where(
        same, (other.created_at > WorkflowRun.created_at) | other.state.in_((executions.WANTED, executions.RUNNING))
    )
    failed = session.scalars(
        select(WorkflowRun)
        .where(WorkflowRun.state == executions.FAILED, WorkflowRun.outage != "", ~newer.exists())
        .order_by(WorkflowRun.ended_at)
    )
    found = []
    for run in failed:
        made = executions.runs_like(session, run)
        rested = run.ended_at is None or run.ended_at + _FIRST_WAIT * 2 ** (made - 1) <= now
        if made < executions.MAX_RUNS and rested:
            found.append(run)
        if len(found) == most:
            break
    return found


def resume(session: Session, system: MaintenanceSystem, now: datetime | None = None) -> int:
    """Resume what an outage ended, where it is over; returns how many.

    Raises:
        Unavailable: It is not over.

    """
    found = waiting(session, now or datetime.now(UTC))
    refused = next((run for run in found if run.outage == executions.OF_MAINTENANCE), None)
    if refused is not None:
        system.find(str(refused.finding_id))
    for run in found:
        executions.resume(session, run.execution_name, by=_BY)
    return len(found)
