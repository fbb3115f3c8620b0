"""/settings/detectors: versions trained on verdicts, beside the one in force; training one, and the yes or no to it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, BackgroundTasks, Depends, Form, Request
from fastapi.responses import HTMLResponse
from pydantic import BaseModel, Field
from sqlalchemy import select
from sqlalchemy.orm import Session

from cloud import consume, executions
from cloud.language import _
from cloud.requests import Svc, UnitOfWork
from cloud.security import Reader, Reviewer, authenticate
from cloud.tables import DetectorVersion, WorkflowRun
from cloud.training import versions
from cloud.web.answer import Answer
from cloud.web.settings_room import MOST, shown
from contracts.training import Evaluation
from contracts.vocabulary import Role

router = APIRouter(prefix="/settings/detectors", include_in_schema=False, dependencies=[Depends(authenticate)])


@router.get("")
def detectors(request: Request, me: Reader, session: UnitOfWork, note: str | None = None) -> HTMLResponse:
    """Return the versions, newest first, and which is in force."""
    rows = session.scalars(select(DetectorVersion).order_by(DetectorVersion.created_at.desc()).limit(MOST)).all()
    more = {
        "lines": tuple((row, Evaluation.model_validate(row.evaluation) if row.evaluation else None) for row in rows),
        "current": versions.in_force(session),
        "broken": _broken(session, rows),
        "may": me.may(Role.ANALYST, Role.REVIEWER),
    }
    return shown(request, session, me, "detectors", note=note, **more)


def _broken(session: Session, rows: Sequence[DetectorVersion]) -> dict[str, WorkflowRun]:
    """Return the newest run of each version where it failed."""
    asked = select(WorkflowRun).where(WorkflowRun.subject.in_([row.version for row in rows]))
    newest = {run.subject: run for run in session.scalars(asked.order_by(WorkflowRun.created_at))}
    return {subject: run for subject, run in newest.items() if subject and run.state == executions.FAILED}


class Wish(BaseModel):
    """Why a version is trained."""

    reason: str = Field(min_length=1, max_length=400)


@router.post("")
def train(
    request: Request,
    me: Reviewer,
    session: UnitOfWork,
    services: Svc,
    given: Annotated[Wish, Form()],
    after: BackgroundTasks,
) -> HTMLResponse:
    """Train a version on what people have judged until now."""
    after.add_task(consume.start_wanted, services)
    row = versions.want(session, me.username, datetime.now(UTC), given.reason)
    return detectors(request, me, session, _("{0} is trained.", row.version))


@router.post("/{version}/answer")
def answer(  # noqa: PLR0913, PLR0917 - FastAPI passes each part of the request by itself
    request: Request,
    version: str,
    me: Reviewer,
    session: UnitOfWork,
    services: Svc,
    given: Annotated[Answer, Form()],
    after: BackgroundTasks,
) -> HTMLResponse:
    """Bring a version into force, or not; the first answer holds."""
    after.add_task(consume.pass_on_answers, services)
    approve = given.answer == "approve"
    versions.answer(session, version, approve=approve, reason=given.reason, by=me.username)
    session.flush()
    said = _("{0} comes into force within a minute.", version) if approve else _("{0} stays out of force.", version)
    return detectors(request, me, session, said)
