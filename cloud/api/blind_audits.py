"""/v1/blind-audits: random frames that people look at without knowing what the platform found, and its miss rate."""

from __future__ import annotations

from datetime import datetime

from fastapi import APIRouter, BackgroundTasks, Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, Field
from sqlalchemy.orm import Session

from cloud import consume, grading
from cloud.api.findings import FindingOut, as_written
from cloud.blind import answers, rate, told
from cloud.blind.answers import AuditAnswerIn, AuditVerdict
from cloud.blind.rate import BlindRate
from cloud.idempotency import Key, once
from cloud.problems import RESPONSES
from cloud.requests import Svc, UnitOfWork
from cloud.security import Reader, Reviewer
from cloud.tables import Asset, AuditAnswer, AuditFrameRow
from contracts.errors import NotFound
from contracts.findings import AuditFrame
from contracts.geo import BoxNorm, Frozen
from contracts.vocabulary import DefectKind

router = APIRouter(prefix="/v1/blind-audits", tags=["findings"], responses=RESPONSES)


class AuditFrameOut(BaseModel):
    """A frame to look at. What the platform found on it is not said before the answer."""

    frame_id: str
    asset_id: str
    asset_kind: str
    captured_at: datetime
    width_px: int
    height_px: int
    picture: str = Field(description="where the picture is: GET it with the same credentials")


class NextOut(BaseModel):
    """The next frame, none where there is none left for the asker."""

    frame: AuditFrameOut | None
    left: int = Field(description="frames that the asker has not answered")


class MarkOut(BaseModel):
    """A mark, and whether the platform had told it."""

    mark_id: str
    kind: DefectKind
    box: BoxNorm
    found: bool
    placed: bool = Field(description="false: the rectangle meets no side of the asset, so only this frame can match")


class AuditAnswerOut(BaseModel):
    """What was said of a frame."""

    answer_id: str
    frame_id: str
    answered_by: str
    answered_at: datetime
    verdict: AuditVerdict
    marks: list[MarkOut]


class Nothing(Frozen):
    """A body that says nothing."""


@router.get("/next")
def next_frame(session: UnitOfWork, principal: Reviewer) -> NextOut:
    """Return the next frame of the random samples that the asker has not answered; she cannot choose it."""
    offered = answers.offer(session, principal.username)
    return NextOut(frame=frame_out(session, offered.frame) if offered.frame else None, left=offered.left)


@router.get("/frames/{frame_id}/picture", response_class=Response)
def picture(frame_id: str, session: UnitOfWork, services: Svc, _: Reviewer) -> Response:
    """Return a sampled frame as it was recorded, at full resolution (JPEG)."""
    return picture_of(session, services, frame_id)


@router.post("/frames/{frame_id}/answers", status_code=201, response_model=AuditAnswerOut)
def add_answer(
    frame_id: str,
    body: AuditAnswerIn,
    request: Request,
    session: UnitOfWork,
    principal: Reviewer,
    key: Key = None,
) -> JSONResponse:
    """Say what is on a frame: marks, nothing, or that it cannot be judged. The answer tells what had been found."""

    def make() -> AuditAnswerOut:
        return answer_out(session, answers.answer(session, frame_id, body, principal.username))

    return once(session, request, principal, key, body, make)


@router.post("/frames/{frame_id}/answers/undo", status_code=204)
def undo_answer(frame_id: str, session: UnitOfWork, principal: Reviewer) -> None:
    """Take back your own answer to a frame."""
    answers.undo(session, frame_id, principal.username)


@router.post("/marks/{mark_id}/finding", status_code=201, response_model=FindingOut)
def make_finding(  # noqa: PLR0913, PLR0917 - FastAPI passes each part of the request by itself
    mark_id: str,
    request: Request,
    session: UnitOfWork,
    services: Svc,
    principal: Reviewer,
    after: BackgroundTasks,
    key: Key = None,
) -> JSONResponse:
    """Make your own mark a finding that waits for review, or evidence of the one that is there by now."""
    after.add_task(consume.follow_reviews, services)

    def make() -> FindingOut:
        policy = grading.load_policy(services.settings.policy_file)
        return as_written(session, answers.add_finding(session, mark_id, principal.username, policy))

    return once(session, request, principal, key, Nothing(), make)


@router.get("/miss-rate")
def blind_miss_rate(session: UnitOfWork, _: Reader) -> list[BlindRate]:
    """Return, per class of asset, which share of what people saw on random frames no finding tells."""
    return rate.of_classes(session)


def frame_out(session: Session, row: AuditFrameRow) -> AuditFrameOut:
    """Return what may be said of a frame before it is answered."""
    record = AuditFrame.model_validate(row.record)
    return AuditFrameOut(
        frame_id=row.frame_id,
        asset_id=row.asset_id,
        asset_kind=session.get_one(Asset, row.asset_id).kind,
        captured_at=row.captured_at,
        width_px=record.camera.width_px,
        height_px=record.camera.height_px,
        picture=f"/v1/blind-audits/frames/{row.frame_id}/picture",
    )


def answer_out(session: Session, given: AuditAnswer) -> AuditAnswerOut:
    """Return an answer, with what the platform had told of each mark."""
    return AuditAnswerOut(
        answer_id=given.answer_id,
        frame_id=given.frame_id,
        answered_by=given.answered_by,
        answered_at=given.answered_at,
        verdict=AuditVerdict(given.verdict),
        marks=[
            MarkOut(
                mark_id=one.detection_id,
                kind=one.kind,
                box=one.evidence[0].box,
                found=found,
                placed=one.place is not None,
            )
            for one, found in told.judged(session, given)
        ],
    )


def picture_of(session: Session, services: Svc, frame_id: str) -> Response:
    """Return the picture of a sampled frame.

    Raises:
        NotFound: No such frame.

    """
    row = session.get(AuditFrameRow, frame_id)
    if row is None:
        raise NotFound(f"No sampled frame {frame_id!r}.", hint="GET /v1/blind-audits/next says which is yours.")
    body = services.objects.get(AuditFrame.model_validate(row.record).picture_key)
    headers = {"Cache-Control": "private, max-age=86400, immutable"}
    return Response(body, media_type="image/jpeg", headers=headers)
