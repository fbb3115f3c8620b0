"""What a crew says at the blade, brought home once: to the finding's life, to the customer's ticket, to the counts.

A phone may send the same answer again, late, or after a newer one: each is kept once under the id the phone gave it,
and only the newest by the crew's own time changes the finding.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from types import MappingProxyType

from pydantic import Field
from sqlalchemy import select
from sqlalchemy.orm import Session

from cloud import audit, findings, grading, reviews, tickets
from cloud.db import notify
from cloud.logbook import log
from cloud.maintenance import FieldReport, MaintenanceSystem, Picture
from cloud.moments import Moment
from cloud.policy.versions import active_policy
from cloud.repairs import crew_links
from cloud.services import Objects, Services
from cloud.tables import CrewReport, Finding, RepairSlot, Ticket
from contracts.errors import Conflict, InvalidInput, NotFound
from contracts.geo import Frozen
from contracts.vocabulary import FindingStatus, Verdict

JPEG = b"\xff\xd8\xff"
PHOTO_TYPE = "image/jpeg"
AT_ONCE = 10
_SKEW = timedelta(minutes=10)
"""By how much a phone's clock may run ahead of ours."""
WORST_RANK = 5


class CrewAnswer(StrEnum):
    """What a crew found."""

    FOUND = "found"
    NOT_FOUND = "not_found"
    WORSE = "worse"
    REPAIRED = "repaired"


_SAID: Mapping[CrewAnswer, str] = MappingProxyType(
    {
        CrewAnswer.FOUND: "found it as reported",
        CrewAnswer.NOT_FOUND: "did not find it",
        CrewAnswer.WORSE: "found it worse than reported",
        CrewAnswer.REPAIRED: "repaired it",
    }
)


class Told(Frozen):
    """One answer, as a phone sends it."""

    answer: CrewAnswer
    answered_at: Moment
    measured_mm: float | None = Field(default=None, gt=0, le=100_000)
    others: int = Field(default=0, ge=0, le=99, description="further defects seen there that nobody had reported")
    note: str = Field(default="", max_length=1000)
    language: str = Field(default="en", pattern="^[a-z]{2}$")


def finding_of(services: Services, token: str) -> str:
    """Return the id of the finding a link is for.

    Raises:
        NotAuthenticated: The link is forged or expired.

    """
    return crew_links.read(services.session_key, token).finding_id


def link(services: Services, finding: Finding) -> str:
    """Return the address of a finding's crew page; the same for the same finding."""
    token = crew_links.issue(services.session_key, finding.finding_id, from_s=finding.first_recorded_at.timestamp())
    return f"{services.settings.address}/crew/{token}"


def record(services: Services, token: str, report_id: str, told: Told) -> str:
    """Keep an answer once and let it land; returns recorded, or known when it was here already.

    Raises:
        NotAuthenticated: The link is forged or expired.
        NotFound: The finding was merged away.
        InvalidInput: It is answered in the future.
        Conflict: The id was used for another answer.

    """
    finding_id = finding_of(services, token)
    if told.answered_at > datetime.now(UTC) + _SKEW:
        raise InvalidInput("This was answered in the future.", hint="Set the phone's clock.", field="answered_at")
    with services.database.session() as session:
        finding = findings.finding(session, finding_id, kept=True)
        known = session.get(CrewReport, report_id, with_for_update=True)
        if known is not None:
            if (known.finding_id, known.answer, known.answered_at) != (finding_id, told.answer, told.answered_at):
                raise Conflict(f"{report_id} is another answer's.", hint="Give each answer an id of its own.")
            return "known"
        newer = select(CrewReport).where(CrewReport.finding_id == finding_id, CrewReport.answered_at > told.answered_at)
        applies = session.scalars(newer).first() is None
        slot = session.scalars(select(RepairSlot).where(RepairSlot.finding_id == finding_id)).first()
        by = f"crew:{slot.crew_id}" if slot is not None and slot.crew_id else "crew"
        session.add(
            CrewReport(
                report_id=report_id, finding_id=finding_id, reported_by=by, applied=applies,
                **told.model_dump(mode="python") | {"answer": told.answer.value},
            )
        )  # fmt: skip
        session.flush()
        if applies:
            _land(session, finding, told, by)
        notify(session, "finding", finding_id)
        log("crew_reported", finding_id=finding_id, answer=told.answer.value, applied=applies)
    return "recorded"


def _land(session: Session, finding: Finding, told: Told, by: str) -> None:
    reason = sentence(told.answer, told.measured_mm, told.others, told.note)
    match told.answer:
        case CrewAnswer.FOUND:
            reviews.review(session, finding.finding_id, Verdict.CONFIRM, reason, by)
        case CrewAnswer.NOT_FOUND:
            reviews.review(session, finding.finding_id, Verdict.REJECT, reason, by)
        case CrewAnswer.WORSE:
            rank = min(WORST_RANK, finding.severity_rank + 1)
            reviews.review(session, finding.finding_id, Verdict.REGRADE, reason, by, rank=rank)
        case CrewAnswer.REPAIRED:
            before = {"status": finding.status}
            finding.status = FindingStatus.REPAIRED.value
            after = {"status": finding.status, "reason": reason}
            audit.record(session, by, "finding.repair", finding.finding_id, before=before, after=after)


def sentence(answer: str, measured_mm: float | None, others: int, note: str) -> str:
    """Return what a crew said, in one line."""
    measured = f", {measured_mm:g} mm" if measured_mm else ""
    more = f" It saw {others} more there that nobody had reported." if others else ""
    return f"The crew {_SAID[CrewAnswer(answer)]}{measured}.{more} {note}".strip()


def keep_photo(services: Services, token: str, report_id: str, body: bytes, taken_at: datetime, taken_by: str) -> str:
    """Keep the photo of an answer that is here; again is harmless. Returns its key.

    Raises:
        NotAuthenticated: The link is forged or expired.
        NotFound: The answer has not arrived (send it first).
        InvalidInput: It is no JPEG.
        Conflict: The answer has another photo.

    """
    finding_id = finding_of(services, token)
    if not body.startswith(JPEG):
        raise InvalidInput("This is no JPEG picture.", hint="Send the photo as JPEG.", field="photo")
    sha256 = hashlib.sha256(body).hexdigest()
    with services.database.session() as session:
        row = session.get(CrewReport, report_id, with_for_update=True)
        if row is None or row.finding_id != finding_id:
            raise NotFound(f"No answer {report_id!r}.", hint="Send the answer, then its photo.")
        if row.photo_sha256 not in {None, sha256}:
            raise Conflict(f"{report_id} has another photo.", hint="Send another answer.")
        key = f"crew/{finding_id}/{report_id}.jpg"
        services.objects.put(key, body, PHOTO_TYPE)
        row.photo_key, row.photo_sha256, row.photo_taken_at, row.photo_time_from = key, sha256, taken_at, taken_by
        row.attached_at = None
    return key


def due(session: Session, system: str, most: int = AT_ONCE) -> Sequence[str]:
    """Return the answers that the customer's ticket has not got, the oldest first."""
    return session.scalars(
        select(CrewReport.report_id)
        .join(Ticket, Ticket.finding_id == CrewReport.finding_id)
        .where(CrewReport.attached_at.is_(None), Ticket.system == system, Ticket.number.is_not(None))
        .order_by(CrewReport.received_at)
        .limit(most)
    ).all()


def attach(session: Session, system: MaintenanceSystem, objects: Objects, report_id: str) -> bool:
    """Write an answer into its notification and put its photo beside it; returns whether anything was missing there.

    Only an answer that holds changes the notification's priority or ends its malfunction.

    Raises:
        Unavailable: The system or the store does not answer; nothing is recorded, ask again.
        MaintenanceRejected: It refuses the attachment.

    """
    row = session.get_one(CrewReport, report_id, with_for_update=True)
    finding = session.get_one(Finding, row.finding_id)
    ticket = tickets.of_defect(session, finding)
    if ticket is None or ticket.number is None:
        return False
    name = f"crew-F-{finding.number}-{row.report_id[:8]}"
    there = set(system.pictures(ticket.number))
    wanted = [Picture(f"{name}.txt", "text/plain", _text(row).encode())]
    if row.photo_key:
        wanted.append(Picture(f"{name}.jpg", PHOTO_TYPE, objects.get(row.photo_key)))
    missing = [picture for picture in wanted if picture.name not in there]
    for picture in missing:
        system.attach(ticket.number, picture)
    written = system.report(ticket.number, _field_report(session, row, finding))
    row.attached_at = datetime.now(UTC)
    return bool(missing) or written


def _field_report(session: Session, row: CrewReport, finding: Finding) -> FieldReport:
    policy = active_policy(session, finding.asset_id, grading.shipped_policy())
    worse = row.applied and row.answer == CrewAnswer.WORSE
    repaired = row.applied and row.answer == CrewAnswer.REPAIRED
    return FieldReport(
        key=f"crew-{row.report_id[:8]}",
        text=_text(row),
        priority=tickets.priority(finding.severity_rank, policy) if worse else "",
        ended_at=row.answered_at if repaired else None,
    )


def _text(row: CrewReport) -> str:
    lines = [
        sentence(row.answer, row.measured_mm, row.others, row.note),
        f"Said {row.answered_at:%Y-%m-%d %H:%M:%S} UTC by {row.reported_by}, received {row.received_at:%H:%M:%S} UTC.",
    ]
    if row.photo_taken_at:
        lines.append(
            f"Photo taken {row.photo_taken_at:%Y-%m-%d %H:%M:%S} UTC by its {row.photo_time_from},"
            f" SHA-256 {row.photo_sha256}."
        )
    return "\n".join(lines)
