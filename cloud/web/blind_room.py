"""/blind-audits: an analyst marks what she sees on a frame of the random sample; what was found is told afterwards."""

from __future__ import annotations

from typing import Any, NamedTuple

from fastapi import APIRouter, BackgroundTasks, Depends, Request
from fastapi.responses import HTMLResponse
from sqlalchemy.orm import Session

from cloud import consume, grading
from cloud.blind import answers, told
from cloud.blind.answers import AuditAnswerIn, MarkIn
from cloud.requests import Svc, UnitOfWork
from cloud.security import Principal, Reader, Reviewer, authenticate
from cloud.tables import Asset, AuditAnswer, AuditFrameRow, DetectionRow, Finding
from cloud.web.rendering import page
from cloud.web.shell import room
from contracts.findings import AuditFrame
from contracts.vocabulary import NEVER_ON, AssetKind, DefectKind, Role

router = APIRouter(prefix="/blind-audits", include_in_schema=False, dependencies=[Depends(authenticate)])


class ToMark(NamedTuple):
    """A frame to look at, what its class of asset can have, and what stands marked on it already."""

    row: AuditFrameRow
    asset: Asset
    width_px: int
    height_px: int
    kinds: tuple[DefectKind, ...]
    marks: tuple[MarkIn, ...]


class Told(NamedTuple):
    """A mark that was sent: whether the platform had told it, and the finding it is by now."""

    mark_id: str
    kind: DefectKind
    found: bool
    finding: Finding | None


class Last(NamedTuple):
    """What the asker said last."""

    answer: AuditAnswer
    asset_name: str
    marks: tuple[Told, ...]


@router.get("")
def blind_audits(request: Request, me: Reader, session: UnitOfWork) -> HTMLResponse:
    """Return the next frame for the asker, and what she said last."""
    may = me.may(Role.ANALYST, Role.REVIEWER)
    shown: dict[str, Any] = _shown(session, me) if may else {}
    return room(request, session, me, "blind.html", here="review", may_review=may, **shown)


@router.post("/{frame_id}")
def add_answer(frame_id: str, me: Reviewer, session: UnitOfWork, said: AuditAnswerIn) -> HTMLResponse:
    """Record what the asker says of a frame; return the next one, and what had been found on this."""
    answers.answer(session, frame_id, said, me.username)
    return page("_blind.html", _shown(session, me))


@router.post("/{frame_id}/undo")
def take_back(frame_id: str, me: Reviewer, session: UnitOfWork) -> HTMLResponse:
    """Take an answer back and return its frame, with the marks that were on it."""
    said = answers.undo(session, frame_id, me.username)
    again = _to_mark(session, session.get_one(AuditFrameRow, frame_id), said.marks)
    return page("_blind.html", _shown(session, me) | {"frame": again})


@router.post("/marks/{mark_id}/finding")
def add_finding(mark_id: str, me: Reviewer, session: UnitOfWork, services: Svc, after: BackgroundTasks) -> HTMLResponse:
    """Make a mark a finding that waits for review; return what was said last."""
    after.add_task(consume.follow_reviews, services)
    answers.add_finding(session, mark_id, me.username, grading.load_policy(services.settings.policy_file))
    session.flush()
    return page("_blind_last.html", {"last": _last(session, me)})


def _shown(session: Session, me: Principal) -> dict[str, Any]:
    offered = answers.offer(session, me.username)
    frame = _to_mark(session, offered.frame, ()) if offered.frame else None
    return {"frame": frame, "left": offered.left, "last": _last(session, me)}


def _to_mark(session: Session, row: AuditFrameRow, marks: tuple[MarkIn, ...]) -> ToMark:
    asset = session.get_one(Asset, row.asset_id)
    camera = AuditFrame.model_validate(row.record).camera
    kinds = tuple(kind for kind in DefectKind if kind not in NEVER_ON[AssetKind(asset.kind)])
    return ToMark(row, asset, camera.width_px, camera.height_px, kinds, marks)


def _last(session: Session, me: Principal) -> Last | None:
    given = answers.latest(session, me.username)
    if given is None:
        return None
    asset = session.get_one(Asset, session.get_one(AuditFrameRow, given.frame_id).asset_id)
    marks = (
        Told(d.detection_id, d.kind, found, _made(session, d.detection_id)) for d, found in told.judged(session, given)
    )
    return Last(given, asset.name, tuple(marks))


def _made(session: Session, mark_id: str) -> Finding | None:
    row = session.get(DetectionRow, mark_id)
    return session.get(Finding, row.finding_id) if row and row.finding_id else None
