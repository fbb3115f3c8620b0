"""/v1/findings: what inspections found, with the evidence; reviews."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field, computed_field
from sqlalchemy import Select, select
from sqlalchemy.orm import Session
from starlette.convertors import StringConvertor, register_url_convertor

from cloud import bundles, merging, places, reviews, tickets
from cloud.api.media import CellOut, PartCellOut
from cloud.api.tickets import RunOut, TicketOut, shown
from cloud.moments import Moment
from cloud.paging import Page, decode_cursor, number, page_of
from cloud.problems import RESPONSES
from cloud.requests import Svc, UnitOfWork
from cloud.security import Reader
from cloud.tables import Coverage, EvidenceRow, Finding, PartCoverage, Summary, WorkflowRun
from contracts.errors import NotFound
from contracts.places import PartPlace
from contracts.vocabulary import Blade, BladeSide, DefectKind, FindingStatus


class _Picture(StringConvertor):
    regex = "crop|frame"


register_url_convertor("picture", _Picture())
"""So that other paths below a finding are not taken for a picture of it."""
router = APIRouter(prefix="/v1/findings", tags=["findings"], responses=RESPONSES)

_PICTURES = ("crops/", "frames/")


class FindingOut(BaseModel):
    """A defect as one inspection saw it. ``link_group`` is the same for one physical defect in all inspections."""

    model_config = ConfigDict(from_attributes=True)

    finding_id: str
    number: int
    link_group: str
    flight_id: str
    asset_id: str
    kind: DefectKind
    blade: Blade | None
    side: BladeSide | None
    distance_to_root_m: float | None
    offset_m: float | None
    place: PartPlace | None
    length_mm: float
    width_mm: float
    size_sigma_mm: float
    lat_deg: float | None
    lon_deg: float | None
    alt_m: float | None
    ce90_m: float | None
    le90_m: float | None
    confidence: float
    model_name: str
    model_sha256: str
    threshold: float
    severity_scheme: str
    severity_code: str
    severity_rank: int
    severity_source: str
    policy_version: str
    severity_reason: str
    action: str
    due_at: datetime | None
    status: FindingStatus
    detected_at: datetime
    first_recorded_at: datetime
    updated_at: datetime
    reviewed_by: str | None
    reviewed_at: datetime | None
    review_reason: str

    @computed_field(description="what a verdict is about: another once it is judged or repaired; `seen` of a review")
    def state(self) -> str:
        """Return it as the pages' verdicts have it."""
        return reviews.state_of(self)


class EvidenceOut(BaseModel):
    """One frame that shows the finding."""

    model_config = ConfigDict(from_attributes=True)

    evidence_id: str
    detection_id: str
    segment_id: str
    frame: int
    pts_ms: float
    captured_at: datetime
    box: dict[str, Any]
    confidence: float
    gsd_mm_px: float
    incidence_deg: float
    sharpness: float
    pose: dict[str, Any]
    crop_sha256: str | None
    frame_sha256: str | None


class SentenceOut(BaseModel):
    """One sentence of a summary and the findings it speaks of."""

    text: str
    citations: list[str]


class SummaryOut(BaseModel):
    """The drafted text; ``source`` says who worded it."""

    model_config = ConfigDict(from_attributes=True)

    source: str
    sentences: list[SentenceOut]
    created_at: datetime


class FindingDetail(FindingOut):
    """A finding with all that belongs to it; the best evidence first. ``seen``: its metre of blade or tower."""

    evidence: list[EvidenceOut]
    ticket: TicketOut | None
    summary: SummaryOut | None
    runs: list[RunOut]
    seen: CellOut | PartCellOut | None
    same_defect: list[str] = Field(description="this defect in other inspections, newest first")


class Filters(BaseModel):
    """Which findings to list, and which page of them."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    asset_id: str | None = Field(default=None, max_length=64)
    flight_id: str | None = Field(default=None, max_length=64)
    link_group: str | None = Field(default=None, max_length=64)
    kind: DefectKind | None = None
    blade: Blade | None = None
    side: BladeSide | None = None
    status: FindingStatus | None = None
    min_rank: int | None = Field(default=None, ge=1, le=5)
    since: Moment | None = Field(default=None, alias="from", description="detected at or after")
    until: Moment | None = Field(default=None, alias="to", description="detected before")
    limit: int = Field(default=50, ge=1, le=200, description="items per page")
    cursor: str | None = Field(default=None, max_length=400, description="`next_cursor` of the page before")

    def applied(self, query: Select[Finding]) -> Select[Finding]:
        """Return the query with the filters that were given."""
        equal = self.model_dump(include={"asset_id", "flight_id", "link_group", "kind", "blade", "side", "status"})
        for name, value in equal.items():
            if value is not None:
                query = query.where(getattr(Finding, name) == str(value))
        if self.min_rank is not None:
            query = query.where(Finding.severity_rank >= self.min_rank)
        if self.since is not None:
            query = query.where(Finding.detected_at >= self.since)
        if self.until is not None:
            query = query.where(Finding.detected_at < self.until)
        return query


@router.get("")
def list_findings(session: UnitOfWork, _: Reader, filters: Annotated[Filters, Query()]) -> Page[FindingOut]:
    """List findings, highest number first."""
    query = filters.applied(select(Finding)).order_by(Finding.number.desc()).limit(filters.limit + 1)
    after = decode_cursor(filters.cursor, 1)
    if after:
        query = query.where(Finding.number < number(after[0]))
    return page_of(session.scalars(query).all(), filters.limit, FindingOut.model_validate, lambda row: (row.number,))


@router.get("/{finding_id}")
def get_finding(finding_id: str, session: UnitOfWork, _: Reader) -> FindingDetail:
    """Return one finding with its evidence, ticket, summary and workflow runs."""
    finding = _finding(session, finding_id)
    ticket, summary = tickets.of_defect(session, finding), session.get(Summary, finding_id)
    runs = session.scalars(
        select(WorkflowRun).where(WorkflowRun.finding_id == finding_id).order_by(WorkflowRun.created_at)
    )
    return FindingDetail(
        **FindingOut.model_validate(finding).model_dump(),
        evidence=[EvidenceOut.model_validate(row) for row in _evidence(session, finding_id)],
        ticket=shown(ticket, finding_id) if ticket else None,
        summary=SummaryOut.model_validate(summary) if summary else None,
        runs=[RunOut.model_validate(run) for run in runs],
        seen=_seen(session, finding),
        same_defect=_same_defect(session, finding),
    )


@router.get("/{finding_id}/bundle", response_class=Response, responses={200: {"content": {"application/zip": {}}}})
def get_bundle(finding_id: str, session: UnitOfWork, services: Svc, principal: Reader) -> Response:
    """Return the signed evidence of a finding, from raw video to ticket; `kestrel verify` checks it offline."""
    body = bundles.finding_bundle(session, services, finding_id, principal.username)
    headers = {"Content-Disposition": f'attachment; filename="{finding_id}.zip"', "Cache-Control": "private, no-store"}
    return Response(body, media_type="application/zip", headers=headers)


@router.get("/{finding_id}/{part:picture}", response_class=Response, responses={200: {"content": {"image/jpeg": {}}}})
def get_picture(
    finding_id: str, part: Literal["crop", "frame"], session: UnitOfWork, services: Svc, _: Reader
) -> Response:
    """Return the best evidence as JPEG: the crop around the defect, or the whole frame."""
    for row in _evidence(session, _finding(session, finding_id).finding_id):
        key = row.crop_key if part == "crop" else row.frame_key
        if key.startswith(_PICTURES):
            headers = {"Cache-Control": "private, max-age=300"}
            return Response(services.objects.get(key), media_type="image/jpeg", headers=headers)
    raise NotFound(f"No {part} of finding {finding_id!r} is stored.")


def as_written(session: Session, finding: Finding) -> FindingOut:
    """Write what was changed of a finding and return it as the database has it."""
    session.flush()
    session.refresh(finding)
    return FindingOut.model_validate(finding)


def _finding(session: Session, finding_id: str) -> Finding:
    finding = session.get(Finding, finding_id)
    if finding is None:
        raise NotFound(f"No finding {finding_id!r}.", hint="List findings with GET /v1/findings.")
    return finding


def _evidence(session: Session, finding_id: str) -> list[EvidenceRow]:
    rows = session.scalars(select(EvidenceRow).where(EvidenceRow.finding_id == finding_id)).all()
    return sorted(rows, key=_worth, reverse=True)


def _worth(row: EvidenceRow) -> tuple[float, str]:
    worth = merging.quality(confidence=row.confidence, gsd_mm_px=row.gsd_mm_px, incidence_deg=row.incidence_deg)
    return worth, row.evidence_id


def _seen(session: Session, finding: Finding) -> CellOut | PartCellOut | None:
    part = places.cell_of(finding)
    if part is not None:
        on_part = session.get(PartCoverage, (finding.flight_id, *part))
        return PartCellOut.model_validate(on_part) if on_part is not None else None
    if finding.distance_to_root_m is None:
        return None
    cell = session.get(Coverage, (finding.flight_id, finding.blade, finding.side, int(finding.distance_to_root_m)))
    return CellOut.model_validate(cell) if cell is not None else None


def _same_defect(session: Session, finding: Finding) -> list[str]:
    others = select(Finding.finding_id).where(
        Finding.link_group == finding.link_group, Finding.finding_id != finding.finding_id
    )
    return list(session.scalars(others.order_by(Finding.detected_at.desc())))
