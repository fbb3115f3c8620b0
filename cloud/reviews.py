"""What people say of findings: verdicts, regrades, taking them back; each change audited with before and after."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from sqlalchemy import select
from sqlalchemy.orm import Session

from cloud import audit, decisions, executions, grading, inspections
from cloud.alerts import book
from cloud.db import notify
from cloud.kept_verdicts import VERDICT
from cloud.policy.versions import active_policy
from cloud.tables import Audit, Finding
from contracts.errors import Conflict, InvalidInput, NotFound
from contracts.vocabulary import FindingStatus, Verdict

MOST_AT_ONCE = 200
_CLOSED = (FindingStatus.REJECTED.value, FindingStatus.REPAIRED.value)
_JUDGED = (
    "status",
    "severity_rank",
    "severity_code",
    "severity_source",
    "severity_reason",
    "action",
    "due_at",
    "reviewed_by",
    "reviewed_at",
    "review_reason",
)
"""What a review changes."""
_TIMES = ("due_at", "reviewed_at")
_ACTIONS = {verdict: f"finding.{verdict.value}" for verdict in Verdict}
_UNDONE = "finding.undo"


class Judged(Protocol):
    """A finding, or what is told of it."""

    @property
    def status(self) -> str:
        """Return where it stands."""

    @property
    def reviewed_at(self) -> datetime | None:
        """Return when it was judged last."""


def state_of(finding: Judged) -> str:
    """Return what a verdict on a finding is about; another one when it was judged, or repaired, since."""
    return f"{finding.status} {finding.reviewed_at.astimezone(UTC).isoformat() if finding.reviewed_at else ''}".strip()


def review(  # noqa: PLR0913 - a verdict has this many parts
    session: Session,
    finding_id: str,
    verdict: Verdict,
    reason: str,
    by: str,
    *,
    rank: int | None = None,
    policy: grading.Policy | None = None,
    seen: str | None = None,
) -> Finding:
    """Record what a person says of a finding. A regrade survives later evidence; the policy no longer grades it.

    ``seen`` is the finding's state that they judged by; what they said already, and say again, changes nothing.

    Raises:
        NotFound: No such finding.
        InvalidInput: A regrade without a rank, or a rank outside 1 to 5.
        Conflict: It is not as it was ``seen``.

    """
    finding = _locked(session, finding_id)
    if seen is not None and seen != state_of(finding):
        if _stands(finding, verdict, reason, by, rank):
            return finding
        raise _judged_since(finding)
    policy = active_policy(session, finding.asset_id, policy or grading.shipped_policy())
    before = _judged(finding)
    if verdict is Verdict.REGRADE:
        _regrade(finding, rank, reason, by, policy)
        if finding.status == FindingStatus.REJECTED.value:
            finding.status = FindingStatus.CONFIRMED.value  # who grades it says that it is there
    else:
        finding.status = (FindingStatus.CONFIRMED if verdict is Verdict.CONFIRM else FindingStatus.REJECTED).value
    finding.reviewed_by, finding.reviewed_at, finding.review_reason = by, datetime.now(UTC), reason
    _answer(session, finding, policy, reason, by)
    book.settle(session, finding_id, by)
    _settle(session, finding, policy)
    audit.record(session, by, _ACTIONS[verdict], finding_id, before=before, after=_judged(finding) | {"reason": reason})
    return finding


def review_all(  # noqa: PLR0913 - the same parts
    session: Session,
    finding_ids: Sequence[str],
    verdict: Verdict,
    reason: str,
    by: str,
    *,
    rank: int | None = None,
    policy: grading.Policy | None = None,
    seen: Mapping[str, str] | None = None,
) -> list[Finding]:
    """Record one verdict on several findings: on all of them or, where one is refused, on none.

    Raises:
        NotFound: One of them does not exist.
        InvalidInput: None or too many are named, or a regrade has no rank.
        Conflict: One of them is not as it was ``seen``.

    """
    ids = list(dict.fromkeys(finding_ids))
    if not 1 <= len(ids) <= MOST_AT_ONCE:
        raise InvalidInput(f"{len(ids)} findings were named.", hint=f"Name 1 to {MOST_AT_ONCE}.", field="finding_ids")
    # In one order whoever asks, so that two people who mark the same findings wait for each other and do not lock up.
    known = seen or {}
    return [
        review(session, one, verdict, reason, by, rank=rank, policy=policy, seen=known.get(one)) for one in sorted(ids)
    ]


def undo(
    session: Session, finding_id: str, by: str, policy: grading.Policy | None = None, *, seen: str | None = None
) -> Finding:
    """Take back the last review of a finding, by the person who made it; what that review changed is as it was before.

    Only a regrade's grade is taken back, and the policy's is what it says of all that was seen by now. A ticket that
    the review opened stays: closing it is for people in the customer's system.

    Raises:
        NotFound: No such finding.
        Conflict: There is no review to take back, or it is somebody else's; or the finding is not as it was ``seen``.

    """
    finding = _locked(session, finding_id)
    if seen is not None and seen != state_of(finding):
        raise _judged_since(finding)
    last = session.scalars(
        select(Audit)
        .where(Audit.object == finding_id, Audit.action.in_([*_ACTIONS.values(), _UNDONE]))
        .order_by(Audit.id.desc())
        .limit(1)
    ).first()
    if last is None or last.action == _UNDONE or last.before is None or set(_JUDGED) - last.before.keys():
        raise Conflict(f"Finding {finding_id} has no review to take back.", hint="Review it anew.")
    if last.actor != by:
        raise Conflict(f"The last review of {finding_id} is {last.actor}'s.", hint="Review it anew instead.")
    before, shipped = _judged(finding), policy or grading.shipped_policy()
    for name in _JUDGED if last.action == _ACTIONS[Verdict.REGRADE] else VERDICT:
        value = last.before[name]
        setattr(finding, name, datetime.fromisoformat(value) if name in _TIMES and value else value)
    inspections.grade_anew(session, finding, shipped)
    decisions.take_back(session, finding_id, by, since=last.at)
    _settle(session, finding, active_policy(session, finding.asset_id, shipped))
    audit.record(session, by, _UNDONE, finding_id, before=before, after=_judged(finding))
    return finding


def _locked(session: Session, finding_id: str) -> Finding:
    finding = session.get(Finding, finding_id, with_for_update=True)
    if finding is None:
        raise NotFound(f"No finding {finding_id!r}.", hint="List findings with GET /v1/findings.")
    return finding


def _stands(finding: Finding, verdict: Verdict, reason: str, by: str, rank: int | None) -> bool:
    """Return whether it is this person's verdict already: it was sent again after its key was forgotten."""
    if (finding.reviewed_by, finding.review_reason) != (by, reason):
        return False
    if verdict is Verdict.REGRADE:
        return (finding.severity_source, finding.severity_rank) == ("manual", rank)
    return finding.status == (FindingStatus.CONFIRMED if verdict is Verdict.CONFIRM else FindingStatus.REJECTED).value


def _judged_since(finding: Finding) -> Conflict:
    number, status = finding.number, finding.status
    if finding.reviewed_at is None or status == FindingStatus.REPAIRED.value:
        return Conflict(f"F-{number} is {status} by now.", hint="Look at it again and judge it anew.", field="seen")
    return Conflict(
        f"{finding.reviewed_by} has judged F-{number} meanwhile: {status}, rank {finding.severity_rank}.",
        hint="Look at it again and judge it anew.",
        field="seen",
    )


def _answer(session: Session, finding: Finding, policy: grading.Policy, reason: str, by: str) -> None:
    """A verdict answers the question whether to open a notification, where one waits."""
    if finding.status in _CLOSED:
        decisions.settle(session, finding.finding_id, approve=False, reason=reason, by=by)
    elif finding.severity_rank >= policy.critical_rank:
        decisions.settle(session, finding.finding_id, approve=True, reason=reason, by=by)
    else:
        decisions.withdraw(
            session, finding.finding_id, f"{by} set rank {finding.severity_rank}, which is not critical."
        )


def _settle(session: Session, finding: Finding, policy: grading.Policy) -> None:
    """Start what a critical finding needs, and tell the pages."""
    if finding.severity_rank >= policy.critical_rank and finding.status not in _CLOSED:
        executions.want(session, finding.finding_id, renew=True)
    notify(session, "finding", finding.finding_id)


def _judged(finding: Finding) -> dict[str, Any]:
    values = {name: getattr(finding, name) for name in _JUDGED}
    return {name: v.isoformat() if isinstance(v, datetime) else v for name, v in values.items()}


def _regrade(finding: Finding, rank: int | None, reason: str, by: str, policy: grading.Policy) -> None:
    if rank is None or rank not in policy.reactions:
        raise InvalidInput("A regrade needs a rank.", hint="Send rank 1 to 5.", field="rank")
    reaction = policy.reactions[rank]
    finding.severity_rank, finding.severity_source = rank, "manual"
    finding.severity_code = reaction.code or str(rank)
    finding.severity_reason = f"Set to rank {rank} by {by}: {reason}" if reason else f"Set to rank {rank} by {by}."
    finding.action = reaction.action
    finding.due_at = None if reaction.due_days is None else finding.detected_at + timedelta(days=reaction.due_days)
