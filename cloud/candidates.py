"""What vision saw without being sure: in no finding until another look agrees or a person says what it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

from sqlalchemy import Select, and_, func, or_, select
from sqlalchemy.orm import Session

from cloud import audit, grading, inspections, paging, reviews
from cloud.tables import Asset, DetectionRow, Finding, Media
from contracts.errors import NotFound
from contracts.findings import Detection
from contracts.vocabulary import Verdict


class Candidate(NamedTuple):
    """A detection that waits for a person."""

    seen: Detection
    flight_id: str
    asset_id: str
    asset_name: str


def waiting(
    session: Session, limit: int, *, flight_id: str | None = None, after: Sequence[str] | None = None
) -> list[Candidate]:
    """Return what waits, the surest first, from behind ``after``: the confidence and the id of one of them.

    Raises:
        InvalidInput: ``after`` is none of this list.

    """
    query = _held().order_by(DetectionRow.confidence.desc(), DetectionRow.detection_id).limit(limit)
    if flight_id is not None:
        query = query.where(Media.flight_id == flight_id)
    if after is not None:
        sure = paging.real(after[0])
        equal = and_(DetectionRow.confidence == sure, DetectionRow.detection_id > after[1])
        query = query.where(or_(DetectionRow.confidence < sure, equal))
    return [_candidate(*row) for row in session.execute(query).all()]


def count(session: Session, flight_id: str | None = None) -> int:
    """Return how many wait, of one flight or of all."""
    held = _held().with_only_columns(func.count())
    return session.scalar(held if flight_id is None else held.where(Media.flight_id == flight_id)) or 0


def picture_key(session: Session, detection_id: str, part: Literal["crop", "frame"]) -> str:
    """Return where the best picture of one that waits is stored: around what was seen, or the whole frame.

    Raises:
        NotFound: No such detection waits, or it has no such picture.

    """
    row = session.execute(_held().where(DetectionRow.detection_id == detection_id)).one_or_none()
    if row is None:
        raise NotFound(f"No detection {detection_id!r} waits.", hint="GET /v1/candidates lists those that do.")
    best = _candidate(*row).seen.evidence[0]
    key = best.crop_key if part == "crop" else best.frame_key
    if not key:
        raise NotFound(f"No {part} of detection {detection_id!r} is stored.", hint="Ask for its other picture.")
    return key


def judge(  # noqa: PLR0913 - a verdict has this many parts
    session: Session,
    detection_id: str,
    verdict: Verdict,
    reason: str,
    by: str,
    *,
    rank: int | None = None,
    policy: grading.Policy,
) -> Finding:
    """Make a detection a finding and record what a person says of it.

    What is rejected is a finding that was rejected: it can be looked up, taken back, and teaches the next detector.

    Raises:
        NotFound: No such detection.
        Conflict: It is in a finding by now.
        InvalidInput: A regrade without a rank.

    """
    finding = inspections.tell(session, detection_id, policy)
    audit.record(session, by, "candidate.tell", finding.finding_id, after={"detection_id": detection_id})
    return reviews.review(session, finding.finding_id, verdict, reason, by, rank=rank, policy=policy)


def _held() -> Select[DetectionRow, str, str, str]:
    held = select(DetectionRow, Media.flight_id, Media.asset_id, Asset.name)
    held = held.join(Media, Media.segment_id == DetectionRow.segment_id).join(Asset, Asset.asset_id == Media.asset_id)
    return held.where(DetectionRow.finding_id.is_(None))


def _candidate(row: DetectionRow, flight_id: str, asset_id: str, asset_name: str) -> Candidate:
    return Candidate(Detection.model_validate(row.body), flight_id, asset_id, asset_name)
