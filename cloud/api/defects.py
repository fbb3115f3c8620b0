"""/v1/defects: a defect through all inspections, and what people decide about who is who."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.orm import Session

from cloud.api.findings import FindingOut
from cloud.history import biography, edits
from cloud.history.growth import INTERVAL_SIGMAS
from cloud.history.identity import link_asset
from cloud.idempotency import Key, once
from cloud.paging import Cursor, Limit, Page, decode_cursor, page_of
from cloud.problems import RESPONSES
from cloud.requests import UnitOfWork
from cloud.security import Reader, Reviewer
from contracts.geo import Frozen

router = APIRouter(prefix="/v1", tags=["defects"], responses=RESPONSES)
State = Literal["new", "same", "grown", "repaired", "gone", "not_visible"]


class GrowthOut(BaseModel):
    """Change of length (and area) since an earlier finding; the interval holds the true change 95 times in 100."""

    grown_mm: float
    low_mm: float
    high_mm: float
    grown_mm2: float | None = None


class ChapterOut(BaseModel):
    """What one flight says of the defect."""

    flight_id: str
    flown_at: datetime
    state: State
    finding: FindingOut | None = Field(description="null where the flight did not find it")
    probability: float | None = Field(description="that the finding is this defect")
    source: Literal["computed", "person"] | None
    distance_m: float | None = Field(description="from where the earlier flights expect it")
    since_previous: GrowthOut | None
    since_first: GrowthOut | None
    seen_share: float | None = Field(description="where not found: of the metres it may lie on, the share seen")


class EditOut(BaseModel):
    """A person's merge, split, answer to a suggestion, or undoing of one."""

    model_config = ConfigDict(from_attributes=True)

    edit_id: int
    action: Literal["merge", "split", "keep_apart", "undo"]
    by: str
    at: datetime
    reason: str
    before: dict[str, Any]
    after: dict[str, Any]
    undoes: int | None


class DefectOut(BaseModel):
    """A defect as it stands."""

    link_group: str
    asset_id: str
    state: State = Field(description="at the latest flight that says something of it")
    first_seen_at: datetime
    sightings: int
    latest: FindingOut
    probability: float
    since_previous: GrowthOut | None
    since_first: GrowthOut | None


class DefectDetail(BaseModel):
    """A defect's biography, oldest first, and the decisions about it, newest first."""

    link_group: str
    chapters: list[ChapterOut]
    edits: list[EditOut]


class MergeIn(Frozen):
    """The other defect that is the same."""

    other: str = Field(min_length=1, max_length=80)
    reason: str = Field(min_length=1, max_length=400)


class SplitIn(Frozen):
    """The findings that are another defect."""

    finding_ids: tuple[str, ...] = Field(min_length=1, max_length=200)
    reason: str = Field(min_length=1, max_length=400)


class UndoIn(Frozen):
    """Why an edit is taken back."""

    reason: str = Field(min_length=1, max_length=400)


class RelinkOut(BaseModel):
    """How many findings changed their defect."""

    changed: int


@router.get("/defects")
def list_defects(
    session: UnitOfWork,
    _: Reader,
    asset_id: Annotated[str | None, Query(max_length=64)] = None,
    state: State | None = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[DefectOut]:
    """List defects by id."""
    after = decode_cursor(cursor, 1)
    rows = biography.defects(
        session, asset_id=asset_id, state=state, after=after[0] if after else None, limit=limit + 1
    )
    return page_of(rows, limit, _defect, lambda row: (row.latest.link_group,))


@router.get("/defects/{link_group}")
def get_defect(link_group: str, session: UnitOfWork, _: Reader) -> DefectDetail:
    """Return a defect's biography."""
    chapters = [_chapter(chapter) for chapter in biography.biography(session, link_group)]
    return DefectDetail(link_group=link_group, chapters=chapters, edits=_edits(session, link_group))


@router.post("/defects/{link_group}/merge", status_code=201, response_model=EditOut)
def merge_defects(
    link_group: str, body: MergeIn, request: Request, session: UnitOfWork, principal: Reviewer, key: Key = None
) -> JSONResponse:
    """Say that another defect is this one; this one's id goes on."""

    def make() -> EditOut:
        return EditOut.model_validate(
            edits.merge(session, link_group, body.other, by=principal.username, reason=body.reason)
        )

    return once(session, request, principal, key, body, make)


@router.post("/defects/{link_group}/split", status_code=201, response_model=EditOut)
def split_defect(
    link_group: str, body: SplitIn, request: Request, session: UnitOfWork, principal: Reviewer, key: Key = None
) -> JSONResponse:
    """Say that some findings of this defect are another one."""

    def make() -> EditOut:
        return EditOut.model_validate(
            edits.split(session, link_group, body.finding_ids, by=principal.username, reason=body.reason)
        )

    return once(session, request, principal, key, body, make)


@router.post("/link-edits/{edit_id}/undo", status_code=201, response_model=EditOut)
def undo_edit(
    edit_id: int, body: UndoIn, request: Request, session: UnitOfWork, principal: Reviewer, key: Key = None
) -> JSONResponse:
    """Take a decision back."""

    def make() -> EditOut:
        return EditOut.model_validate(edits.undo(session, edit_id, by=principal.username, reason=body.reason))

    return once(session, request, principal, key, body, make)


@router.post("/assets/{asset_id}/relink")
def relink(asset_id: str, session: UnitOfWork, _: Reviewer) -> RelinkOut:
    """Compute an asset's links anew, oldest flight first; what a person linked stays."""
    return RelinkOut(changed=link_asset(session, asset_id))


def _edits(session: Session, link_group: str) -> list[EditOut]:
    return [EditOut.model_validate(row) for row in edits.edits_of(session, link_group)]


def _defect(row: biography.Defect) -> DefectOut:
    link = row.link
    return DefectOut(
        link_group=row.latest.link_group,
        asset_id=row.latest.asset_id,
        state=row.state,
        first_seen_at=row.first_seen_at,
        sightings=row.sightings,
        latest=FindingOut.model_validate(row.latest),
        probability=link.probability,
        since_previous=_growth(link.grown_mm, link.grown_sigma_mm, link.grown_mm2),
        since_first=_growth(link.grown_since_first_mm, link.since_first_sigma_mm),
    )


def _chapter(chapter: biography.Chapter) -> ChapterOut:
    link, absence = chapter.link, chapter.absence
    return ChapterOut(
        flight_id=chapter.flight.flight_id,
        flown_at=chapter.flight.started_at or chapter.flight.created_at,
        state=chapter.state,
        finding=FindingOut.model_validate(chapter.finding) if chapter.finding else None,
        probability=link.probability if link else None,
        source=link.source if link else None,
        distance_m=link.distance_m if link else None,
        since_previous=_growth(link.grown_mm, link.grown_sigma_mm, link.grown_mm2) if link else None,
        since_first=_growth(link.grown_since_first_mm, link.since_first_sigma_mm) if link else None,
        seen_share=absence.seen_share if absence else None,
    )


def _growth(grown_mm: float | None, sigma_mm: float | None, grown_mm2: float | None = None) -> GrowthOut | None:
    if grown_mm is None or sigma_mm is None:
        return None
    reach = INTERVAL_SIGMAS * sigma_mm
    return GrowthOut(grown_mm=grown_mm, low_mm=grown_mm - reach, high_mm=grown_mm + reach, grown_mm2=grown_mm2)
