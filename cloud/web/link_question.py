"""Whether a finding is a defect known before, asked on the pages of the finding and of its asset."""

from __future__ import annotations

from typing import Annotated, NamedTuple

from fastapi import APIRouter, Depends, Form
from fastapi.responses import HTMLResponse
from sqlalchemy import select
from sqlalchemy.orm import Session

from cloud.history import edits, suggestions
from cloud.history.comparison import best_evidence
from cloud.history.suggestions import Asked
from cloud.requests import UnitOfWork
from cloud.security import Principal, Reader, authenticate
from cloud.tables import Finding, LinkEdit
from cloud.web.rendering import page, problem
from contracts.errors import Forbidden, NotFound, PlatformError
from contracts.vocabulary import Role

router = APIRouter(include_in_schema=False, dependencies=[Depends(authenticate)])
ANOTHER = "another"
_REASON = "Answered on the page."


class Question(NamedTuple):
    """A finding and what it may be, or what a person said of it; ``pictures``: a crop of each finding that has one."""

    finding: Finding
    asked: Asked | None
    said: LinkEdit | None
    pictures: dict[str, str]


def open_questions(session: Session, asset_id: str) -> list[Question]:
    """Return what is asked of an asset's findings."""
    rows = suggestions.asked(session, asset_id=asset_id, limit=20)
    findings = [f.finding_id for row in rows for f in (row.finding, *(c.latest for c in row.candidates))]
    pictures = best_evidence(session, findings)
    return [Question(row.finding, row, None, pictures) for row in rows]


def question(session: Session, finding: Finding) -> Question | None:
    """Return what is asked of a finding, or the answer that stands; None when it was clear."""
    rows = suggestions.asked(session, finding_id=finding.finding_id)
    if rows:
        shown = [finding.finding_id, *(c.latest.finding_id for c in rows[0].candidates)]
        return Question(finding, rows[0], None, best_evidence(session, shown))
    touching = select(LinkEdit).where(
        LinkEdit.asset_id == finding.asset_id, LinkEdit.before.has_key(finding.finding_id)
    )
    last = session.scalar(touching.order_by(LinkEdit.edit_id.desc()).limit(1))
    return Question(finding, None, last, {}) if last is not None and last.action != "undo" else None


@router.post("/fragments/link-question/{finding_id}")
def answer(
    finding_id: str, me: Reader, session: UnitOfWork, given: Annotated[str, Form(max_length=80)]
) -> HTMLResponse:
    """Record which defect a finding is: one of those suggested, or another."""
    try:
        finding = _finding(session, finding_id, me)
        if given == ANOTHER:
            edits.keep_apart(session, finding_id, by=me.username, reason=_REASON)
        else:
            edits.accept(session, finding_id, given, by=me.username, reason=_REASON)
        return _shown(session, finding)
    except PlatformError as error:
        session.rollback()
        return problem(error)


@router.post("/fragments/link-question/{finding_id}/undo")
def take_back(finding_id: str, me: Reader, session: UnitOfWork, edit_id: Annotated[int, Form(ge=0)]) -> HTMLResponse:
    """Take an answer back: the question is asked again."""
    try:
        finding = _finding(session, finding_id, me)
        edits.undo(session, edit_id, by=me.username, reason=_REASON)
        return _shown(session, finding)
    except PlatformError as error:
        session.rollback()
        return problem(error)


def _finding(session: Session, finding_id: str, me: Principal) -> Finding:
    if not me.may(Role.ANALYST, Role.REVIEWER):
        raise Forbidden(f"{me.username} may not decide this.", hint="It takes the role analyst or reviewer.")
    finding = session.get(Finding, finding_id)
    if finding is None:
        raise NotFound(f"There is no finding {finding_id!r}.", hint="It may have been merged into another one.")
    return finding


def _shown(session: Session, finding: Finding) -> HTMLResponse:
    session.flush()
    return page("_link_question.html", {"question": question(session, finding), "may_review": True})
