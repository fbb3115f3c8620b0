"""/v1/candidates: what vision saw without being sure, until a person says what it is."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, BackgroundTasks, Query, Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, Field

from cloud import candidates, consume, grading
from cloud.api.findings import FindingOut, as_written
from cloud.api.reviews import VerdictIn
from cloud.candidates import Candidate
from cloud.idempotency import Key, once
from cloud.paging import Cursor, Limit, Page, decode_cursor, page_of
from cloud.problems import RESPONSES
from cloud.requests import Svc, UnitOfWork
from cloud.security import Reader, Reviewer
from contracts.findings import Detection

router = APIRouter(prefix="/v1/candidates", tags=["findings"], responses=RESPONSES)


class CandidateOut(BaseModel):
    """A detection that is in no finding: too weak alone, or between the two levels of the model card."""

    flight_id: str
    asset_id: str
    detection: Detection = Field(description="the best frame first; `for_review`: the model card leaves it to a person")


@router.get("")
def list_candidates(
    session: UnitOfWork,
    _: Reader,
    flight_id: Annotated[str | None, Query(max_length=64)] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[CandidateOut]:
    """List what waits for a person, the surest first."""
    rows = candidates.waiting(session, limit + 1, flight_id=flight_id, after=decode_cursor(cursor, 2))
    return page_of(rows, limit, _out, lambda row: (repr(row.seen.confidence), row.seen.detection_id))


@router.get("/{detection_id}/{part:picture}", response_class=Response, responses={200: {"content": {"image/jpeg": {}}}})
def get_candidate_picture(
    detection_id: str, part: Literal["crop", "frame"], session: UnitOfWork, services: Svc, _: Reader
) -> Response:
    """Return the crop around what was seen, or the whole frame (JPEG)."""
    body = services.objects.get(candidates.picture_key(session, detection_id, part))
    return Response(body, media_type="image/jpeg", headers={"Cache-Control": "private, max-age=300"})


@router.post("/{detection_id}/reviews", status_code=201, response_model=FindingOut)
def judge_candidate(  # noqa: PLR0913, PLR0917 - FastAPI passes each part of the request by itself
    detection_id: str,
    body: VerdictIn,
    request: Request,
    session: UnitOfWork,
    services: Svc,
    principal: Reviewer,
    after: BackgroundTasks,
    key: Key = None,
) -> JSONResponse:
    """Say what it is: it becomes a finding, confirmed, graded or rejected."""
    after.add_task(consume.follow_reviews, services)

    def make() -> FindingOut:
        policy = grading.load_policy(services.settings.policy_file)
        made = candidates.judge(
            session, detection_id, body.verdict, body.reason, principal.username, rank=body.rank, policy=policy
        )
        return as_written(session, made)

    return once(session, request, principal, key, body, make)


def _out(one: Candidate) -> CandidateOut:
    return CandidateOut(flight_id=one.flight_id, asset_id=one.asset_id, detection=one.seen)
