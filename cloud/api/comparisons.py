"""/v1/defects/{link_group}/comparison: every sighting of a defect beside the newest, in pictures and in millimetres."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import Response
from pydantic import BaseModel, Field

from cloud.history import comparison, pictures
from cloud.history.comparison import Layer, View
from cloud.history.growth import INTERVAL_SIGMAS
from cloud.problems import RESPONSES
from cloud.requests import Svc, UnitOfWork
from cloud.security import Reader

router = APIRouter(prefix="/v1/defects", tags=["defects"], responses=RESPONSES)


class Change(BaseModel):
    """A change and the interval that holds the true one 95 times in 100."""

    value: float
    low: float
    high: float


class ViewOut(BaseModel):
    """One sighting. Its pictures lie at ``{evidence_id}/crop.jpg``, ``difference.jpg`` and ``overlay.jpg``."""

    finding_id: str
    flight_id: str
    detected_at: datetime
    length_mm: float
    width_mm: float
    grown_mm: Change = Field(description="length, from this sighting to the newest")
    grown_mm2: Change = Field(description="length times width, from this sighting to the newest")
    evidence_id: str | None = Field(description="null where no picture is stored that can be read")
    correlation: float | None = Field(description="of the edges of this picture and the newest, -1..1")
    aligned: bool = Field(description="false: the pictures could not be brought onto each other, only to one scale")
    changed_share: float | None = Field(description="of the aligned crop's pixels, those beyond the noise; 0..1")


class ComparisonOut(BaseModel):
    """A defect's sightings, newest first; every picture lies on the pixels of the first."""

    link_group: str
    views: list[ViewOut]


@router.get("/{link_group}/comparison")
def get_comparison(
    link_group: str, session: UnitOfWork, services: Svc, _: Reader, limit: Annotated[int, Query(ge=1, le=24)] = 12
) -> ComparisonOut:
    """Compare a defect's newest sighting with those before it."""
    found = comparison.comparison(session, services.objects, link_group, limit)
    return ComparisonOut(link_group=link_group, views=[_view(view) for view in found.views])


@router.get(
    "/{link_group}/comparison/{evidence_id}/{layer}.jpg",
    response_class=Response,
    responses={200: {"content": {"image/jpeg": {}}}},
)
def get_comparison_picture(
    link_group: str, evidence_id: str, layer: Layer, session: UnitOfWork, services: Svc, _: Reader
) -> Response:
    """Return a sighting's picture on the newest one's pixels; ``X-Kestrel-Alignment`` says whether that worked."""
    found = comparison.layer(session, services.objects, link_group, evidence_id, layer)
    headers = {"Cache-Control": "private, max-age=300", "X-Kestrel-Alignment": found.alignment}
    return Response(pictures.encode(found.image), media_type="image/jpeg", headers=headers)


def _view(view: View) -> ViewOut:
    finding, grown = view.finding, view.growth
    return ViewOut(
        finding_id=finding.finding_id,
        flight_id=finding.flight_id,
        detected_at=finding.detected_at,
        length_mm=finding.length_mm,
        width_mm=finding.width_mm,
        grown_mm=_change(grown.length_mm, grown.sigma_mm),
        grown_mm2=_change(grown.area_mm2, grown.area_sigma_mm2),
        evidence_id=view.evidence_id,
        correlation=view.correlation,
        aligned=view.trusted,
        changed_share=view.changed_share,
    )


def _change(value: float, sigma: float) -> Change:
    reach = INTERVAL_SIGMAS * sigma
    return Change(value=value, low=value - reach, high=value + reach)
