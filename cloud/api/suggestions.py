"""/v1/link-suggestions: findings that may be a known defect, where a flight cannot tell; a person says which."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from cloud.api.defects import EditOut
from cloud.api.findings import FindingOut
from cloud.history import edits, suggestions
from cloud.idempotency import Key, once
from cloud.paging import Cursor, Limit, Page, decode_cursor, page_of
from cloud.problems import RESPONSES
from cloud.requests import UnitOfWork
from cloud.security import Reader, Reviewer
from contracts.geo import Frozen

router = APIRouter(prefix="/v1/link-suggestions", tags=["defects"], responses=RESPONSES)


class CandidateOut(BaseModel):
    """A known defect that the finding may be."""

    link_group: str
    probability: float = Field(ge=0, le=1)
    latest: FindingOut


class SuggestionOut(BaseModel):
    """A finding that stands as new, and the defects that it may be, the likeliest first."""

    finding: FindingOut
    candidates: list[CandidateOut]
    reason: Literal["alone", "beside", "unsure"]
    why: str = Field(description="the reason in words")


class AcceptIn(Frozen):
    """Which of the candidates it is; null: the likeliest."""

    link_group: str | None = Field(default=None, min_length=1, max_length=80)
    reason: str = Field(min_length=1, max_length=400)


class DeclineIn(Frozen):
    """Why it is another defect."""

    reason: str = Field(min_length=1, max_length=400)


@router.get("")
def list_suggestions(
    session: UnitOfWork,
    _: Reader,
    asset_id: Annotated[str | None, Query(max_length=64)] = None,
    flight_id: Annotated[str | None, Query(max_length=80)] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[SuggestionOut]:
    """List open suggestions by finding id."""
    after = decode_cursor(cursor, 1)
    rows = suggestions.asked(
        session, asset_id=asset_id, flight_id=flight_id, after=after[0] if after else None, limit=limit + 1
    )
    return page_of(rows, limit, _suggestion, lambda row: (row.finding.finding_id,))


@router.post("/{finding_id}/accept", status_code=201, response_model=EditOut)
def accept_suggestion(
    finding_id: str, body: AcceptIn, request: Request, session: UnitOfWork, principal: Reviewer, key: Key = None
) -> JSONResponse:
    """Say that the finding is the defect: the two are merged, as a person's decision."""

    def make() -> EditOut:
        edit = edits.accept(session, finding_id, body.link_group, by=principal.username, reason=body.reason)
        return EditOut.model_validate(edit)

    return once(session, request, principal, key, body, make)


@router.post("/{finding_id}/decline", status_code=201, response_model=EditOut)
def decline_suggestion(
    finding_id: str, body: DeclineIn, request: Request, session: UnitOfWork, principal: Reviewer, key: Key = None
) -> JSONResponse:
    """Say that the finding is another defect: it is not asked again."""

    def make() -> EditOut:
        edit = edits.keep_apart(session, finding_id, by=principal.username, reason=body.reason)
        return EditOut.model_validate(edit)

    return once(session, request, principal, key, body, make)


def _suggestion(row: suggestions.Asked) -> SuggestionOut:
    candidates = [
        CandidateOut(link_group=c.link_group, probability=c.probability, latest=FindingOut.model_validate(c.latest))
        for c in row.candidates
    ]
    said = row.suggestion
    return SuggestionOut(
        finding=FindingOut.model_validate(row.finding), candidates=candidates, reason=said.reason, why=row.why
    )
