"""/v1/detectors: versions trained on what people judged, and what to judge; a new one comes into force by a yes."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, BackgroundTasks, Path, Query, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import select

from cloud import consume
from cloud.api.findings import FindingOut
from cloud.idempotency import Key, once
from cloud.paging import Cursor, Limit, Page, newest_first, page_of
from cloud.problems import RESPONSES
from cloud.requests import Svc, UnitOfWork
from cloud.security import Reader, Reviewer
from cloud.tables import DetectorVersion, Finding
from cloud.training import teaching, versions
from contracts.geo import Frozen
from contracts.training import Evaluation

router = APIRouter(prefix="/v1/detectors", tags=["detectors"], responses=RESPONSES)


class TrainingIn(Frozen):
    """A wish for a new version; what it learns from is what people have judged until now."""

    reason: str = Field(min_length=1, max_length=400, examples=["Forty verdicts from the north park."])


class DetectorAnswerIn(Frozen):
    """A person's answer."""

    approve: bool
    reason: str = Field(min_length=1, max_length=400, examples=["Better on cracks; the figures are sound."])


class DetectorVersionOut(BaseModel):
    """One version of the detector."""

    model_config = ConfigDict(from_attributes=True)

    version: str
    state: str = Field(description="wanted, waiting, approved, rejected, expired, refused (by the gate) or promoted")
    wanted_by: str
    created_at: datetime
    labels: dict[str, dict[str, int]] | None = Field(description="judged findings by judgement and kind")
    evaluation: Evaluation | None
    objections: list[str] | None = Field(description="what the gate has against it")
    expires_at: datetime | None
    answered_by: str | None
    answered_at: datetime | None
    reason: str
    promoted_at: datetime | None


class QuestionOut(BaseModel):
    """A finding that nobody has judged, and why a verdict on it would teach; shares are 0 to 1."""

    model_config = ConfigDict(from_attributes=True)

    finding: FindingOut
    chance: float = Field(description="that it is a defect, by verdicts on its kind at this confidence")
    distance: float = Field(description="how unlike the nearest that is judged or comes before it in this list")
    worth: float = Field(description="doubt about it times that distance; the list is chosen by it")


class QuestionsOut(BaseModel):
    """What to judge, in this order."""

    data: list[QuestionOut]


@router.get("/questions")
def list_questions(
    session: UnitOfWork, _: Reader, limit: Annotated[int, Query(ge=1, le=200, description="at most so many")] = 40
) -> QuestionsOut:
    """List the findings whose verdict would teach the next version most: doubtful, and unlike each other."""
    asked = teaching.questions(session, select(Finding, Finding.kind), limit)
    return QuestionsOut(data=[QuestionOut.model_validate(one) for one in asked])


@router.get("")
def list_detectors(
    session: UnitOfWork, _: Reader, limit: Limit = 50, cursor: Cursor = None
) -> Page[DetectorVersionOut]:
    """List versions, newest first."""
    query = newest_first(select(DetectorVersion), DetectorVersion.created_at, DetectorVersion.version, cursor)
    rows = session.scalars(query.limit(limit + 1)).all()
    out = DetectorVersionOut.model_validate
    return page_of(rows, limit, out, lambda row: (row.created_at.isoformat(), row.version))


@router.post("", status_code=201, response_model=DetectorVersionOut)
def train_detector(  # noqa: PLR0913, PLR0917 - FastAPI passes each part of the request by itself
    body: TrainingIn,
    request: Request,
    session: UnitOfWork,
    services: Svc,
    principal: Reviewer,
    after: BackgroundTasks,
    key: Key = None,
) -> JSONResponse:
    """Train a new version on what people have judged; one at a time."""
    after.add_task(consume.start_wanted, services)

    def make() -> DetectorVersionOut:
        made = versions.want(session, principal.username, datetime.now(UTC), body.reason)
        session.refresh(made)
        return DetectorVersionOut.model_validate(made)

    return once(session, request, principal, key, body, make)


@router.post("/{version}/answer", status_code=201, response_model=DetectorVersionOut)
def answer_detector(  # noqa: PLR0913, PLR0917 - FastAPI passes each part of the request by itself
    version: Annotated[str, Path(max_length=64)],
    body: DetectorAnswerIn,
    request: Request,
    session: UnitOfWork,
    services: Svc,
    principal: Reviewer,
    after: BackgroundTasks,
    key: Key = None,
) -> JSONResponse:
    """Bring a version that passed the gate into force, or not; the first answer holds."""
    after.add_task(consume.pass_on_answers, services)

    def make() -> DetectorVersionOut:
        made = versions.answer(session, version, approve=body.approve, reason=body.reason, by=principal.username)
        session.flush()
        return DetectorVersionOut.model_validate(made)

    return once(session, request, principal, key, body, make)
