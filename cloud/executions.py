"""Runs of state machines: wanted in the transaction that makes them needed, started after it, ended by their handlers.

Step Functions may forget (an emulator always does when killed); the rows here do not.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Protocol

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from cloud import audit
from cloud.logbook import log
from cloud.tables import EvidenceRow, Finding, WorkflowRun
from contracts.errors import Conflict, NotFound
from contracts.events import FindingCritical, SubjectDue
from contracts.resources import CRITICAL_FINDING_MACHINE
from instruments import traces

WANTED, RUNNING, SUCCEEDED, FAILED = "wanted", "running", "succeeded", "failed"
LOST = "ExecutionLost"
OF_MAINTENANCE, OF_PLATFORM = "maintenance", "platform"
"""Whose outage ended a run: the customer's maintenance system's, or that of a part of the platform itself."""
MAX_RUNS = 10
"""Automatic runs for one finding; a person may resume beyond."""


class Workflows(Protocol):
    """Step Functions: executions, and the tokens of tasks that wait for an answer."""

    def start(self, machine: str, name: str, body: str) -> str:
        """Start an execution and return its ARN; one of that name that exists already is fine.

        Raises:
            Unavailable: The service does not answer, or has no such machine (yet).

        """

    def status(self, arn: str) -> str | None:
        """Return RUNNING, SUCCEEDED, FAILED, TIMED_OUT or ABORTED; None when the service does not know it."""

    def succeed(self, token: str, output: str) -> bool:
        """Answer a task with JSON; False when nobody waits for this token any more."""

    def fail(self, token: str, error: str, cause: str) -> bool:
        """Answer a task with an error name that Retry and Catch match; False when nobody waits."""

    def beat(self, token: str) -> bool:
        """Say that a task is still being worked on; False when nobody waits."""


def want(
    session: Session, finding_id: str, *, renew: bool = False, machine: str = CRITICAL_FINDING_MACHINE
) -> WorkflowRun | None:
    """Ask for a run for a finding; None when there is one already.

    The first run is named after the finding, so that Step Functions itself refuses a second. ``renew`` asks for
    another one where earlier runs ended well (a person's verdict may give them work again).
    """
    runs = session.scalars(select(WorkflowRun).where(WorkflowRun.finding_id == finding_id)).all()
    if not runs:
        return _add(session, finding_id, finding_id, machine)
    return again(session, runs[0]) if renew and all(run.state == SUCCEEDED for run in runs) else None


def want_for(session: Session, subject: str, machine: str) -> WorkflowRun | None:
    """Ask for a run about a flight or a day; None when there is one already."""
    known = select(WorkflowRun).where(WorkflowRun.subject == subject, WorkflowRun.machine == machine)
    return None if session.scalars(known).first() is not None else _add(session, subject, None, machine, subject)


def again(session: Session, run: WorkflowRun) -> WorkflowRun:
    """Ask for another run of what ``run`` was for, named ``<finding>-2``, ``-3`` and so on."""
    about = run.finding_id or run.subject
    if about is None:
        hint = "Start one for a finding, a flight or a day."
        raise Conflict(f"The run {run.execution_name} has nothing to run for.", hint=hint)
    number = runs_like(session, run) + 1
    while session.get(WorkflowRun, f"{about}-{number}") is not None:
        number += 1
    return _add(session, f"{about}-{number}", run.finding_id, run.machine, run.subject)


def runs_like(session: Session, run: WorkflowRun) -> int:
    """Return how many runs were made for what ``run`` is for."""
    return session.scalar(select(func.count()).select_from(WorkflowRun).where(_like(run))) or 0


def _like(run: WorkflowRun) -> ColumnElement[bool]:
    if run.finding_id is not None:
        return WorkflowRun.finding_id == run.finding_id
    return (WorkflowRun.subject == run.subject) & (WorkflowRun.machine == run.machine)


def _add(session: Session, name: str, finding_id: str | None, machine: str, subject: str | None = None) -> WorkflowRun:
    run = WorkflowRun(execution_name=name, machine=machine, finding_id=finding_id, subject=subject, state=WANTED)
    session.add(run)
    session.flush()
    return run


def start_next(session: Session, machines: Workflows) -> str | None:
    """Start one wanted run and return its name; None when nothing is wanted.

    Raises:
        Unavailable: Step Functions does not answer; the run stays wanted.

    """
    run = session.scalars(
        select(WorkflowRun)
        .where(WorkflowRun.state == WANTED)
        .order_by(WorkflowRun.created_at)
        .limit(1)
        .with_for_update(skip_locked=True)
    ).first()
    if run is None:
        return None
    body = _input(session, run)
    if body is None:
        _end(run, FAILED, "NotFound", "The finding is gone; nothing is left to do.")
        return run.execution_name
    with traces.continued("workflow started", getattr(body, "traceparent", ""), machine=run.machine):
        run.arn = machines.start(run.machine, run.execution_name, body.model_dump_json())
    run.state, run.started_at, run.attempts = RUNNING, datetime.now(UTC), run.attempts + 1
    log("workflow_started", execution=run.execution_name, finding_id=run.finding_id)
    return run.execution_name


def _input(session: Session, run: WorkflowRun) -> FindingCritical | SubjectDue | None:
    if run.subject is not None:
        return SubjectDue(subject=run.subject)
    finding = session.get(Finding, run.finding_id) if run.finding_id else None
    if finding is None:
        return None
    return FindingCritical(
        finding_id=finding.finding_id,
        asset_id=finding.asset_id,
        flight_id=finding.flight_id,
        detected_at=finding.detected_at,
        traceparent=_traceparent(session, finding.finding_id),
    )


def _traceparent(session: Session, finding_id: str) -> str:
    """Return the trace of the segment that a finding was first seen in."""
    first = select(EvidenceRow.segment_id).where(EvidenceRow.finding_id == finding_id)
    segment_id = session.scalar(first.order_by(EvidenceRow.captured_at, EvidenceRow.evidence_id).limit(1))
    return traces.trace_of(segment_id).parent() if segment_id else ""


def succeed(session: Session, execution_name: str) -> None:
    """Note that a run reached its end; again is harmless, and so is a run that is unknown."""
    run = session.get(WorkflowRun, execution_name, with_for_update=True)
    if run is not None and run.state != SUCCEEDED:
        _end(run, SUCCEEDED, "", "")
        log("workflow_succeeded", execution=execution_name, finding_id=run.finding_id)


def fail(session: Session, execution_name: str, error: str, hint: str, *, outage: str = "") -> None:
    """Note, for people to see and to resume, that a run failed; again is harmless. ``outage``: whose ended it."""
    run = session.get(WorkflowRun, execution_name, with_for_update=True)
    if run is not None and run.state not in (SUCCEEDED, FAILED):
        _end(run, FAILED, error, hint)
        run.outage = outage
        log("workflow_failed", execution=execution_name, finding_id=run.finding_id, error=error)


def _end(run: WorkflowRun, state: str, error: str, hint: str) -> None:
    run.state, run.error, run.hint, run.ended_at = state, error, hint, datetime.now(UTC)


def resume(session: Session, execution_name: str, *, by: str) -> WorkflowRun:
    """Ask for another run after a failed one. What is done already is not done twice.

    Raises:
        NotFound: No such run.
        Conflict: It has not failed, or a later run is under way or has succeeded.

    """
    run = session.get(WorkflowRun, execution_name, with_for_update=True)
    if run is None:
        raise NotFound(f"No workflow run {execution_name!r}.")
    if run.state != FAILED:
        raise Conflict(f"The run {execution_name} is {run.state}; only a failed one can be resumed.")
    others = session.scalars(
        select(WorkflowRun).where(
            _like(run),
            WorkflowRun.state.in_((WANTED, RUNNING))
            | ((WorkflowRun.state == SUCCEEDED) & (WorkflowRun.created_at > run.created_at)),
        )
    ).first()
    if others is not None:
        raise Conflict(
            f"The run {others.execution_name} for the same is {others.state}.", hint="Nothing needs resuming."
        )
    made = again(session, run)
    audit.record(session, by, "workflow_run.resume", execution_name, after={"execution_name": made.execution_name})
    return made


def mend(session: Session, machines: Workflows, run_name: str, *, older_than_s: float) -> str | None:
    """Look after one running run and return what was done: "lost", "gave_up", or None when all is well.

    A run that Step Functions no longer knows, or that ended without its record, is marked and run again.

    Raises:
        Unavailable: Step Functions does not answer.

    """
    run = session.get(WorkflowRun, run_name, with_for_update=True)
    if run is None or run.state != RUNNING or run.arn is None or run.started_at is None:
        return None
    if (datetime.now(UTC) - run.started_at).total_seconds() < older_than_s:
        return None
    status = machines.status(run.arn)
    if status == "RUNNING":
        return None
    made = runs_like(session, run)
    reason = "Step Functions does not know it any more" if status is None else f"It ended {status} without a record"
    if made >= MAX_RUNS:
        _end(run, FAILED, LOST, f"{reason}; after {made} runs a person must look, then resume it.")
        return "gave_up"
    _end(run, FAILED, LOST, f"{reason}; it was run again.")
    again(session, run)
    return "lost"
