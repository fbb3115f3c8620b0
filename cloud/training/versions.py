"""Versions of the detector: wanted, measured, answered by a person, promoted; each step safe to repeat.

As with :mod:`cloud.decisions` the row is the truth and the task's token only how an answer travels.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from pydantic import ValidationError
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from cloud import audit, executions
from cloud.executions import Workflows
from cloud.logbook import log
from cloud.tables import DetectorVersion, WorkflowRun
from cloud.training import labels
from contracts import promotion, training
from contracts.errors import Conflict, ModelRefused, NotFound
from contracts.resources import RETRAIN_MACHINE
from contracts.training import Current, Evaluation, Judgement, LabelSet

WANTED, WAITING, APPROVED, REJECTED, EXPIRED, REFUSED, PROMOTED = (
    "wanted", "waiting", "approved", "rejected", "expired", "refused", "promoted",
)  # fmt: skip
DECIDE_WITHIN = timedelta(days=7)
_JSON = "application/json"
_ONE_AT_A_TIME = text("SELECT pg_advisory_xact_lock(hashtext('kestrel.detector_versions'))")
"""Two people who ask at once: the second sees that the first one's is under way."""


class Shelf(Protocol):
    """Where versions lie."""

    def get(self, key: str) -> bytes:
        """Return a whole object."""

    def put(self, key: str, body: bytes, content_type: str) -> Any:
        """Store an object."""


def want(session: Session, by: str, now: datetime, reason: str) -> DetectorVersion:
    """Ask for a new version.

    Raises:
        Conflict: One is being made.

    """
    session.execute(_ONE_AT_A_TIME)
    busy = session.scalars(
        select(WorkflowRun.subject)
        .where(
            WorkflowRun.machine == RETRAIN_MACHINE,
            WorkflowRun.state.in_((executions.WANTED, executions.RUNNING)),
        )
        .limit(1)
    ).first()
    if busy is not None:
        raise Conflict(f"The version {busy} is under way.", hint="Answer it, or see its workflow run.")
    version = f"mdl-{now:%Y%m%d-%H%M%S}-{now.microsecond // 1000:03}"
    row = DetectorVersion(version=version, state=WANTED, wanted_by=by)
    session.add(row)
    session.flush()
    executions.want_for(session, version, RETRAIN_MACHINE)
    audit.record(session, by, "detector.train", version, after={"reason": reason})
    return row


def collect(session: Session, shelf: Shelf, version: str, now: datetime, least: int = labels.LEAST_JUDGED) -> int:
    """Store the labels of a version and return of how many frames; again finds them: a resumed run trains on the same.

    Raises:
        NotFound: No such version.
        TooFewLabels: People have judged too little.

    """
    row = _row(session, version)
    if row.labels is not None:
        return len(LabelSet.model_validate_json(shelf.get(training.labels_key(version))).frames)
    found = labels.gather(session, version, now, least)
    shelf.put(training.labels_key(version), found.model_dump_json().encode(), _JSON)
    row.labels = {j.value: {kind.value: n for kind, n in found.counts(j).items()} for j in Judgement}
    return len(found.frames)


def judge(session: Session, shelf: Shelf, version: str) -> None:
    """Read what was measured and keep what the gate says of it.

    Raises:
        NotFound: No such version, or it was not measured.
        ModelRefused: What was measured cannot be read.

    """
    row = _row(session, version)
    try:
        measured = Evaluation.model_validate_json(shelf.get(training.evaluation_key(version)))
    except ValidationError as error:
        raise ModelRefused(f"What was measured of {version} cannot be read: {error.errors()[0]['msg']}.") from error
    row.evaluation = measured.model_dump(mode="json")
    row.objections = promotion.objections(measured)
    if row.objections:
        row.state = REFUSED


def refuse_objectionable(session: Session, version: str) -> None:
    """Stop a version that the gate has objections to.

    Raises:
        ModelRefused: It has some.

    """
    row = _row(session, version)
    if row.objections:
        raise ModelRefused(" ".join(row.objections), hint="Review more findings, or train with other data.")


def ask(session: Session, version: str, *, execution: str, token: str, now: datetime) -> DetectorVersion:
    """Put the version before a person, or find it put or answered already: the newest token carries the answer."""
    row = _row(session, version)
    row.token, row.execution_name, row.told_at = token, execution, None
    if row.state not in (WAITING, APPROVED, REJECTED):
        row.state, row.expires_at = WAITING, now + DECIDE_WITHIN
        log("detector_waits", version=version)
    return row


def answer(session: Session, version: str, *, approve: bool, reason: str, by: str) -> DetectorVersion:
    """Record a person's answer; the first holds.

    Raises:
        NotFound: No such version.
        Conflict: It does not wait for one.

    """
    row = _row(session, version)
    if row.state != WAITING:
        raise Conflict(f"The version {version} is {row.state}.", hint="Only one that waits can be answered.")
    _close(session, row, APPROVED if approve else REJECTED, by, reason)
    return row


def expire(session: Session, now: datetime) -> int:
    """Close the versions nobody answered in time; returns how many."""
    late = session.scalars(
        select(DetectorVersion)
        .where(DetectorVersion.state == WAITING, DetectorVersion.expires_at < now)
        .with_for_update(skip_locked=True)
    ).all()
    for row in late:
        _close(session, row, EXPIRED, "policy", "Nobody answered in time.")
    return len(late)


def pass_on(session: Session, machines: Workflows) -> str | None:
    """Give one answer to the task that waits for it and return the version; None when all are given.

    Raises:
        Unavailable: Step Functions does not answer; the answer is passed on later.

    """
    row = session.scalars(
        select(DetectorVersion)
        .where(DetectorVersion.state.in_((APPROVED, REJECTED, EXPIRED)), DetectorVersion.told_at.is_(None),
               DetectorVersion.token != "")
        .order_by(DetectorVersion.answered_at)
        .limit(1)
        .with_for_update(skip_locked=True)
    ).first()  # fmt: skip
    if row is None:
        return None
    if row.state == EXPIRED:
        cause = {"message": f"Nobody answered for {row.version} in time.", "hint": "Resume the run to be asked again."}
        machines.fail(row.token, "DecisionExpired", json.dumps(cause))
    else:
        machines.succeed(row.token, json.dumps({"decision": row.state}))
    row.told_at = datetime.now(UTC)
    return row.version


def promote(session: Session, shelf: Shelf, version: str, now: datetime) -> Current:
    """Put a version in force that a person approved; again is harmless.

    Raises:
        NotFound: No such version.
        ModelRefused: Nobody approved it.

    """
    row = _row(session, version)
    if row.state not in (APPROVED, PROMOTED) or row.evaluation is None:
        raise ModelRefused(f"The version {version} is {row.state}: nobody approved it.", hint="Answer it first.")
    current = Current(
        version=version,
        sha256=row.evaluation["candidate"]["sha256"],
        promoted_at=row.promoted_at or now,
        promoted_by=row.answered_by or "",
    )
    shelf.put(training.CURRENT_KEY, current.model_dump_json().encode(), _JSON)
    if row.state != PROMOTED:
        row.state, row.promoted_at = PROMOTED, now
        audit.record(session, current.promoted_by, "detector.promote", version, after={"sha256": current.sha256})
        log("detector_promoted", version=version, sha256=current.sha256)
    return current


def in_force(session: Session) -> DetectorVersion | None:
    """Return the version that was promoted last; None where the shipped one works."""
    promoted = select(DetectorVersion).where(DetectorVersion.state == PROMOTED)
    return session.scalars(promoted.order_by(DetectorVersion.promoted_at.desc()).limit(1)).first()


def _close(session: Session, row: DetectorVersion, state: str, by: str, reason: str) -> None:
    row.state, row.answered_by, row.answered_at, row.reason = state, by, datetime.now(UTC), reason
    after = {"state": state, "reason": reason}
    audit.record(session, by, f"detector.{state}", row.version, before={"state": WAITING}, after=after)


def _row(session: Session, version: str) -> DetectorVersion:
    row = session.get(DetectorVersion, version, with_for_update=True)
    if row is None:
        raise NotFound(f"No detector version {version!r}.", hint="List them with GET /v1/detectors.")
    return row
