"""May a notification be opened: by policy at once, or only when a person said so. Asked once, answered once.

The row is the truth; the token of the waiting task is only how the answer travels. A run that was lost asks the same
question again and finds it open, or answered.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Literal

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from cloud import audit, findings
from cloud.executions import Workflows
from cloud.grading import Policy
from cloud.logbook import log
from cloud.policy.versions import active_policy
from cloud.tables import Finding, TicketDecision
from contracts.errors import Conflict, NotFound
from contracts.ids import mint
from contracts.vocabulary import FindingStatus

WAITING, APPROVED, REJECTED, EXPIRED, WITHDRAWN = "waiting", "approved", "rejected", "expired", "withdrawn"
EXPIRED_ERROR = "DecisionExpired"
"""Error name in the state machine; nothing retries it, a person resumes the run."""
_BY_POLICY = "policy"
_ONE_REVIEW = timedelta(seconds=5)
"""A review and the answer it gives are one transaction: their times differ by no more."""

Way = Literal["open", "ask", "leave"]


def way(session: Session, finding: Finding, policy: Policy) -> Way:
    """Return how a critical finding comes to its notification: at once, by asking a person, or not at all."""
    last = _last(session, finding.finding_id)
    reviewed_at = finding.reviewed_at
    judged = finding.status == FindingStatus.CONFIRMED.value and reviewed_at is not None
    if last is not None and last.answered_at is not None and last.state in (APPROVED, REJECTED):
        newer = reviewed_at is not None and reviewed_at > last.answered_at
        if not (judged and newer):
            return "open" if last.state == APPROVED else "leave"
    if judged or policy.reactions[finding.severity_rank].ticket == "auto":
        return "open"
    return "ask"


def ask(
    session: Session, finding_id: str, shipped: Policy, *, execution: str, token: str, now: datetime | None = None
) -> TicketDecision:
    """Put the question, or find it put already; a waiting one is answered through the newest token.

    Raises:
        NotFound: No such finding (any more).

    """
    _lock(session, finding_id)
    finding = findings.finding(session, finding_id)
    last = _last(session, finding_id)
    if last is not None and last.state == WAITING:
        last.token, last.execution_name = token, execution
        return last
    if last is not None and last.execution_name == execution and last.state != EXPIRED:
        last.token, last.told_at = token, None
        return last
    now = now or datetime.now(UTC)
    policy = active_policy(session, finding.asset_id, shipped)
    made = TicketDecision(
        decision_id=mint("dcn"),
        finding_id=finding_id,
        execution_name=execution,
        token=token,
        because=f"{policy.version} asks a person at rank {finding.severity_rank}.",
        state=WAITING,
        asked_at=now,
        expires_at=now + timedelta(hours=policy.decide_within_h),
        on_silence=policy.on_silence,
    )
    session.add(made)
    session.flush()
    log("decision_asked", finding_id=finding_id, decision_id=made.decision_id)
    return made


def answer(session: Session, decision_id: str, *, approve: bool, reason: str, by: str) -> TicketDecision:
    """Record a person's answer; it holds for the finding until a later review says otherwise.

    Raises:
        NotFound: No such question.
        Conflict: It was answered, is too late, or is no longer asked.

    """
    row = session.get(TicketDecision, decision_id, with_for_update=True)
    if row is None:
        raise NotFound(f"No decision {decision_id!r}.", hint="List them with GET /v1/decisions?state=waiting.")
    if row.state != WAITING:
        raise Conflict(_told(row), hint="Review the finding to decide anew; see GET /v1/workflow-runs for its run.")
    _close(session, row, APPROVED if approve else REJECTED, by, reason)
    return row


def settle(session: Session, finding_id: str, *, approve: bool, reason: str, by: str) -> None:
    """Let a review of the finding answer the question that may be waiting for it."""
    row = session.scalars(_waiting(finding_id).with_for_update()).first()
    if row is not None:
        _close(session, row, APPROVED if approve else REJECTED, by, reason)


def take_back(session: Session, finding_id: str, by: str, *, since: datetime) -> None:
    """Forget the answer a review gave that its author takes back: the question is open again."""
    last = _last(session, finding_id)
    if last is None or last.answered_by != by or last.answered_at is None or last.answered_at < since - _ONE_REVIEW:
        return
    before, last.state = last.state, WITHDRAWN
    audit.record(session, by, "decision.undo", last.decision_id, before={"state": before}, after={"state": WITHDRAWN})


def withdraw(session: Session, finding_id: str, reason: str) -> None:
    """Take a waiting question back: nobody needs to answer it any more."""
    row = session.scalars(_waiting(finding_id).with_for_update()).first()
    if row is not None:
        _close(session, row, WITHDRAWN, _BY_POLICY, reason)


def expire(session: Session, now: datetime) -> int:
    """Close the questions nobody answered in time, as their policy says; returns how many."""
    late = session.scalars(
        select(TicketDecision)
        .where(TicketDecision.state == WAITING, TicketDecision.expires_at < now)
        .with_for_update(skip_locked=True)
    ).all()
    for row in late:
        state = APPROVED if row.on_silence == "open" else EXPIRED
        _close(session, row, state, _BY_POLICY, f"Nobody answered by {row.expires_at:%Y-%m-%d %H:%M} UTC.")
    return len(late)


def pass_on(session: Session, machines: Workflows) -> str | None:
    """Give one answer to the task that waits for it and return the decision's id; None when all are given.

    A task that nobody knows any more is done with: its run is found lost and asks again.

    Raises:
        Unavailable: Step Functions does not answer; the answer is passed on later.

    """
    row = session.scalars(
        select(TicketDecision)
        .where(TicketDecision.state != WAITING, TicketDecision.told_at.is_(None))
        .order_by(TicketDecision.answered_at)
        .limit(1)
        .with_for_update(skip_locked=True)
    ).first()
    if row is None:
        return None
    if row.state == EXPIRED:
        cause = '{"message": "Nobody decided in time.", "hint": "Decide by reviewing the finding."}'
        waited = machines.fail(row.token, EXPIRED_ERROR, cause)
    else:
        waited = machines.succeed(row.token, f'{{"decision": "{row.state}"}}')
    row.told_at = datetime.now(UTC)
    log("decision_passed_on", decision_id=row.decision_id, state=row.state, waited=waited)
    return row.decision_id


def _close(session: Session, row: TicketDecision, state: str, by: str, reason: str) -> None:
    row.state, row.answered_by, row.answered_at, row.reason = state, by, datetime.now(UTC), reason
    after = {"state": state, "finding_id": row.finding_id, "reason": reason}
    audit.record(session, by, f"decision.{state}", row.decision_id, before={"state": WAITING}, after=after)
    log("decision_closed", decision_id=row.decision_id, finding_id=row.finding_id, state=state)


def _told(row: TicketDecision) -> str:
    if row.answered_at is None or not row.answered_by:
        return f"The decision {row.decision_id} was {row.state} already."
    when = f"{row.answered_at:%Y-%m-%d %H:%M} UTC"
    return f"The decision {row.decision_id} was {row.state} by {row.answered_by} at {when} already."


def _last(session: Session, finding_id: str) -> TicketDecision | None:
    query = select(TicketDecision).where(TicketDecision.finding_id == finding_id)
    return session.scalars(query.order_by(TicketDecision.asked_at.desc(), TicketDecision.decision_id.desc())).first()


def _waiting(finding_id: str) -> Select[TicketDecision]:
    return select(TicketDecision).where(TicketDecision.finding_id == finding_id, TicketDecision.state == WAITING)


def _lock(session: Session, finding_id: str) -> None:
    session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(f"decision/{finding_id}", 0))))
