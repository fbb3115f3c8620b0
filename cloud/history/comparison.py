"""All pictures of one defect on the newest one's pixels, what differs in them, and how much it grew until then."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple, Protocol

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import Session

from cloud.history import biography, pictures
from cloud.history.growth import Growth, growth
from cloud.history.pictures import Image
from cloud.tables import EvidenceRow, Finding
from contracts.errors import CorruptMedia, NotFound


class Crops(Protocol):
    """Where crops are kept."""

    def get(self, key: str) -> bytes:
        """Return an object; NotFound when there is none."""


class Layer(StrEnum):
    """What is shown of an earlier picture on the newest one's pixels."""

    CROP = "crop"
    """The picture itself."""
    DIFFERENCE = "difference"
    """Black where both agree, whatever the light."""
    OVERLAY = "overlay"
    """The newest in red, the earlier in cyan: grey where they agree."""


class Fitted(NamedTuple):
    """An earlier crop on a later one's pixels; where it could not be brought there, only at its scale."""

    image: Image
    onto: Image
    correlation: float
    """Of their edges, -1..1."""
    trusted: bool

    @property
    def alignment(self) -> str:
        """Return it in words, for a header."""
        return f"{'aligned' if self.trusted else 'as-is'} {self.correlation:.2f}"


class View(NamedTuple):
    """One sighting beside the newest; ``fitted`` is None where its picture is not stored or cannot be read."""

    finding: Finding
    evidence_id: str | None
    growth: Growth
    """From this finding to the newest."""
    correlation: float | None
    trusted: bool
    changed_share: float | None
    """Of the crop's pixels, those that differ by more than the noise; only where both could be aligned."""


class Comparison(NamedTuple):
    """A defect's sightings, newest first; the first is what the others are brought onto."""

    link_group: str
    views: tuple[View, ...]


def best_evidence(session: Session, finding_ids: Iterable[str]) -> dict[str, str]:
    """Return, per finding, the evidence with a crop that the detector is surest of."""
    rows = session.execute(
        select(EvidenceRow.finding_id, EvidenceRow.evidence_id)
        .where(EvidenceRow.finding_id.in_(finding_ids), EvidenceRow.crop_key != "")
        .order_by(EvidenceRow.finding_id, EvidenceRow.confidence.desc(), EvidenceRow.evidence_id)
        .ext(distinct_on(EvidenceRow.finding_id))
    )
    return {finding_id: evidence_id for finding_id, evidence_id in rows}  # noqa: C416


def comparison(session: Session, crops: Crops, link_group: str, limit: int) -> Comparison:
    """Return the newest ``limit`` sightings of a defect beside the newest of them.

    Raises:
        NotFound: No such defect.

    """
    found = [c.finding for c in biography.biography(session, link_group) if c.finding][::-1][:limit]
    best = best_evidence(session, [finding.finding_id for finding in found])
    newest = best.get(found[0].finding_id)
    return Comparison(
        link_group, tuple(_view(session, crops, f, found[0], best.get(f.finding_id), newest) for f in found)
    )


def _view(
    session: Session, crops: Crops, finding: Finding, newest: Finding, evidence_id: str | None, onto: str | None
) -> View:
    grown = growth(finding, newest)
    if evidence_id is None or onto is None:
        return View(finding, evidence_id, grown, None, trusted=False, changed_share=None)
    try:
        fitted = fit(session, crops, evidence_id, onto)
    except (CorruptMedia, NotFound):  # the numbers are shown all the same; asked for, the picture says what it lacks
        return View(finding, None, grown, None, trusted=False, changed_share=None)
    changed = pictures.difference(fitted.image, fitted.onto).changed_share if fitted.trusted else None
    return View(finding, evidence_id, grown, fitted.correlation, fitted.trusted, changed)


def fit(session: Session, crops: Crops, earlier_id: str, later_id: str) -> Fitted:
    """Return an earlier crop at the scale and place of a later one of the same defect.

    Raises:
        NotFound: No such evidence, its crop is not stored, or the two are not of one defect.
        CorruptMedia: A crop cannot be decoded.

    """
    earlier, later = _evidence(session, earlier_id), _evidence(session, later_id)
    if _group(session, earlier) != _group(session, later):
        raise NotFound("The two pictures are not of one defect.", hint="Choose two sights of the same defect.")
    old, new = (pictures.decode(crops.get(row.crop_key)) for row in (earlier, later))
    scaled = pictures.scaled(old, earlier.gsd_mm_px, later.gsd_mm_px, (new.shape[0], new.shape[1]))
    if earlier_id == later_id:
        return Fitted(new, new, 1.0, trusted=True)
    found = pictures.aligned(scaled, new)
    return Fitted(found.image if found.trusted else scaled, new, found.correlation, found.trusted)


def layer(session: Session, crops: Crops, link_group: str, evidence_id: str, wanted: Layer) -> Fitted:
    """Return a picture of a defect's sighting on the newest sighting's pixels, as a layer.

    Raises:
        NotFound: No such defect, or the evidence is not its.
        CorruptMedia: A crop cannot be decoded.

    """
    newest = [c.finding for c in biography.biography(session, link_group) if c.finding][-1]
    onto = best_evidence(session, [newest.finding_id]).get(newest.finding_id)
    if onto is None:
        raise NotFound(
            f"The newest finding of {link_group!r} has no picture.", hint="Its segment can be analysed again."
        )
    return layered(fit(session, crops, evidence_id, onto), wanted)


def layered(fitted: Fitted, wanted: Layer) -> Fitted:
    """Return a fitted picture as a layer."""
    match wanted:
        case Layer.DIFFERENCE:
            return fitted._replace(image=pictures.difference(fitted.image, fitted.onto).map)
        case Layer.OVERLAY:
            return fitted._replace(image=pictures.overlay(fitted.image, fitted.onto))
        case Layer.CROP:
            return fitted


def _evidence(session: Session, evidence_id: str) -> EvidenceRow:
    row = session.get(EvidenceRow, evidence_id)
    if row is None or not row.crop_key:
        raise NotFound(f"There is no crop of evidence {evidence_id!r}.")
    return row


def _group(session: Session, row: EvidenceRow) -> str:
    return session.get_one(Finding, row.finding_id).link_group
