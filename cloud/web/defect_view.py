"""A defect through its years: its sightings, how it grew and will."""

from __future__ import annotations

from datetime import timedelta
from typing import NamedTuple

from sqlalchemy.orm import Session

from cloud import places
from cloud.history import biography, comparison
from cloud.history.biography import Chapter
from cloud.history.growth import INTERVAL_SIGMAS
from cloud.language import _
from cloud.tables import Asset, Finding, Prediction
from cloud.web import plots
from cloud.web.labels import dated
from cloud.web.plots import Measured, Plot

_YEAR = timedelta(days=365)


class Sight(NamedTuple):
    """One inspection's word on the defect, with its best picture where there is one."""

    chapter: Chapter
    evidence_id: str | None


class DefectView(NamedTuple):
    """A defect on the page of its asset; sights oldest first."""

    link_group: str
    latest: Finding
    asset: Asset
    sights: tuple[Sight, ...]
    growth: Plot | None
    prediction: Prediction | None

    @property
    def counted(self) -> bool:
        """Return whether coverage counts what it lies on."""
        return places.is_counted(self.latest)

    @property
    def pictured(self) -> tuple[Sight, ...]:
        """Return the sights with a picture, newest first."""
        return tuple(s for s in reversed(self.sights) if s.evidence_id)


def build(session: Session, link_group: str) -> DefectView:
    """Return a defect's years; NotFound when there is none."""
    chapters = biography.biography(session, link_group)
    found = [c.finding for c in chapters if c.finding]
    crops = comparison.best_evidence(session, [f.finding_id for f in found])
    prediction = session.get(Prediction, link_group)
    sights = tuple(Sight(c, crops.get(c.finding.finding_id) if c.finding else None) for c in chapters)
    return DefectView(
        link_group=link_group,
        latest=found[-1],
        asset=session.get_one(Asset, found[-1].asset_id),
        sights=sights,
        growth=plots.plot([_size(f) for f in found], ahead=_expected(prediction)) if len(found) > 1 else None,
        prediction=prediction,
    )


def _size(finding: Finding) -> Measured:
    reach = INTERVAL_SIGMAS * finding.size_sigma_mm
    low, high = max(0.0, finding.length_mm - reach), finding.length_mm + reach
    title = _(
        "{0}: {1:.0f} mm, 95 % within {2:.0f} to {3:.0f} mm",
        dated(finding.detected_at, "%d %b %Y"),
        finding.length_mm,
        low,
        high,
    )
    return Measured(finding.detected_at, finding.length_mm, low, high, title, f"s{finding.severity_rank}")


def _expected(prediction: Prediction | None) -> Measured | None:
    if prediction is None or prediction.length_mm is None:
        return None
    low, high = prediction.length_low_mm or prediction.length_mm, prediction.length_high_mm or prediction.length_mm
    at = prediction.made_at + _YEAR
    title = _(
        "Expected {0}: {1:.0f} mm, 80 % within {2:.0f} to {3:.0f} mm",
        dated(at, "%b %Y"),
        prediction.length_mm,
        low,
        high,
    )
    return Measured(at, prediction.length_mm, low, high, title, "expected")
