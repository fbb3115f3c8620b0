"""A finding's evidence as one signed file: from the raw video's object version to the number in SAP."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, NamedTuple

from pydantic import JsonValue, TypeAdapter
from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from cloud import audit, grading, places, tickets
from cloud.policy.versions import active_policy
from cloud.services import Services
from cloud.tables import Audit, Coverage, EvidenceRow, Finding, Media, PartCoverage, Summary
from cloud.tables.columns import Base
from contracts.errors import Conflict, CorruptMedia, InvalidInput, NotFound
from evidence.bundle import packed
from evidence.chain import Link, Manifest, Step, chained

_FACTS = TypeAdapter(dict[str, Any])
_GRADE = ("severity_scheme", "severity_code", "severity_rank", "severity_source", "severity_reason", "policy_version")
_REVIEW = ("reviewed_by", "reviewed_at", "review_reason", "status", "updated_at")
_TAKEN = "finding.bundle"
_PICTURES = (("crop_key", "crop_sha256", "crops"), ("frame_key", "frame_sha256", "frames"))


class _Part(NamedTuple):
    """A link not yet chained, and its files' bytes by path."""

    link: Link
    files: dict[str, bytes]


def finding_bundle(session: Session, services: Services, finding_id: str, actor: str) -> bytes:
    """Return the signed bundle of a finding and everything it stands on, and record who took it.

    The same rows and objects give the same bytes.

    Raises:
        NotFound: No such finding, or a stored object it stands on is gone.
        Conflict: The finding has no evidence yet.
        CorruptMedia: A stored picture is not the one vision recorded.
        InvalidInput: No signing key is configured.
        Unavailable: The store or the key service does not answer.

    """
    if services.evidence_signer is None:
        raise InvalidInput("No key signs evidence.", hint="Set CLOUD_EVIDENCE_SIGNING_KEY_FILE or _KMS_KEY_ID.")
    finding = session.get(Finding, finding_id)
    if finding is None:
        raise NotFound(f"No finding {finding_id!r}.", hint="List findings with GET /v1/findings.")
    parts = list(_parts(session, services, finding))
    links = chained([part.link for part in parts])
    files = {path: body for part in parts for path, body in part.files.items()}
    made = packed(
        Manifest(subject=finding_id, as_of=_as_of(session, finding), links=links), files, services.evidence_signer
    )
    audit.record(session, actor, _TAKEN, finding_id, after={"sha256": hashlib.sha256(made).hexdigest()})
    return made


def _parts(session: Session, services: Services, finding: Finding) -> Iterator[_Part]:
    rows = session.scalars(
        select(EvidenceRow)
        .where(EvidenceRow.finding_id == finding.finding_id)
        .order_by(EvidenceRow.captured_at, EvidenceRow.detection_id, EvidenceRow.position)
    ).all()
    if not rows:
        raise Conflict(f"Finding {finding.finding_id} has no evidence yet.", hint="Ask again when it was analysed.")
    for segment_id in dict.fromkeys(row.segment_id for row in rows):
        yield _segment(session.get_one(Media, segment_id), services)
    for row in rows:
        yield _detection(row, services)
    yield _Part(Link(step=Step.FINDING, id=finding.finding_id, facts=_facts(finding, leave_out=_GRADE + _REVIEW)), {})
    if finding.distance_to_root_m is not None:
        cell = session.get(Coverage, (finding.flight_id, finding.blade, finding.side, int(finding.distance_to_root_m)))
        if cell is not None:
            yield _Part(Link(step=Step.COVERAGE, id=f"{cell.blade}-{cell.side}-{cell.cell}", facts=_facts(cell)), {})
    part = places.cell_of(finding)
    if part is not None and (seen := session.get(PartCoverage, (finding.flight_id, *part))) is not None:
        yield _Part(Link(step=Step.COVERAGE, id=f"{seen.part}-{seen.cell}", facts=_facts(seen)), {})
    yield _grade(session, finding, services)
    yield from _aftermath(session, finding)


def _aftermath(session: Session, finding: Finding) -> Iterator[_Part]:
    """Yield what people and systems did about a finding: reviews, summary, ticket."""
    for row in session.scalars(_changes_of(finding.finding_id)):
        yield _Part(Link(step=Step.REVIEW, id=f"{row.action} {row.id}", facts=_facts(row)), {})
    summary = session.get(Summary, finding.finding_id)
    if summary is not None:
        yield _Part(Link(step=Step.SUMMARY, id=summary.source, facts=_facts(summary)), {})
    ticket = tickets.of_defect(session, finding)
    if ticket is not None:
        yield _Part(Link(step=Step.TICKET, id=ticket.number or ticket.ticket_id, facts=_facts(ticket)), {})


def _segment(media: Media, services: Services) -> _Part:
    """Return the link of a raw video: its object version and hash; the video itself stays in the store."""
    path = f"segments/{media.segment_id}.json"
    body = services.objects.get(media.manifest_key)
    facts = _facts(media) | {"bucket": services.settings.bucket}
    return _Part(Link(step=Step.SEGMENT, id=media.segment_id, facts=facts, files={path: _sha(body)}), {path: body})


def _detection(row: EvidenceRow, services: Services) -> _Part:
    name = f"{row.detection_id}-{row.position}.jpg"
    files: dict[str, bytes] = {}
    for key_name, sha_name, folder in _PICTURES:
        key, recorded = getattr(row, key_name), getattr(row, sha_name)
        if not key or recorded is None:
            continue
        body = services.objects.get(key)
        if _sha(body) != recorded:
            raise CorruptMedia(
                f"{key} is not the picture that detection {row.detection_id} recorded.",
                hint="Restore the recorded version of the object; the evidence is broken until then.",
            )
        files[f"{folder}/{name}"] = body
    hashes = {path: _sha(body) for path, body in files.items()}
    return _Part(Link(step=Step.DETECTION, id=row.evidence_id, facts=_facts(row), files=hashes), files)


def _grade(session: Session, finding: Finding, services: Services) -> _Part:
    """Return the link of the severity, with the policy's own text where that version is at hand."""
    facts = {name: getattr(finding, name) for name in _GRADE}
    policy = active_policy(session, finding.asset_id, grading.load_policy(services.settings.policy_file))
    if policy.version != finding.policy_version:
        return _Part(Link(step=Step.GRADE, id=finding.policy_version, facts=facts), {})
    path = f"policies/{policy.version}.json"
    body = policy.model_dump_json(indent=1).encode()
    return _Part(Link(step=Step.GRADE, id=policy.version, facts=facts, files={path: _sha(body)}), {path: body})


def _changes_of(finding_id: str) -> Select[Audit]:
    """Return the audit rows of a finding's changes; taking a bundle changes nothing."""
    return select(Audit).where(Audit.object == finding_id, Audit.action != _TAKEN).order_by(Audit.id)


def _as_of(session: Session, finding: Finding) -> datetime:
    times = [finding.updated_at, *(row.at for row in session.scalars(_changes_of(finding.finding_id)))]
    ticket = tickets.of_defect(session, finding)
    times += [ticket.opened_at] if ticket is not None and ticket.opened_at else []
    return max(times).astimezone(UTC)


def _facts(row: Base, leave_out: tuple[str, ...] = ()) -> dict[str, JsonValue]:
    """Return a row's columns as JSON has them."""
    columns = {c.key: getattr(row, c.key) for c in type(row).__mapper__.column_attrs if c.key not in leave_out}
    plain: dict[str, JsonValue] = _FACTS.dump_python(columns, mode="json")
    return plain


def _sha(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()
