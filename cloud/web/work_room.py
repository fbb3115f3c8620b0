"""/waiting: what waits for a person: decisions before a notification, alerts, what the detector was not sure of."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, NamedTuple

from fastapi import APIRouter, BackgroundTasks, Depends, Form, Request
from fastapi.responses import HTMLResponse
from pydantic import Field
from sqlalchemy import select
from sqlalchemy.orm import Session

from cloud import candidates, consume, decisions, grading
from cloud.alerts import book
from cloud.candidates import Candidate
from cloud.history import comparison
from cloud.language import _
from cloud.requests import Svc, UnitOfWork
from cloud.security import OnCall, Principal, Reader, Reviewer, authenticate
from cloud.tables import Alert, Asset, Finding, TicketDecision
from cloud.web.answer import Answer
from cloud.web.shell import room
from contracts.vocabulary import Role, Verdict

router = APIRouter(prefix="/waiting", include_in_schema=False, dependencies=[Depends(authenticate)])
MOST = 100
_DONE_SHOWN = 10
_UNSURE_SHOWN = 24


class Subject(NamedTuple):
    """The finding something is about; None where it was merged into another."""

    finding: Finding | None
    asset_name: str
    evidence_id: str | None


class Waiting(NamedTuple):
    """What waits, the most pressing first, and what was answered lately."""

    decisions: tuple[tuple[TicketDecision, Subject], ...]
    alerts: tuple[tuple[Alert, Subject], ...]
    answered: tuple[tuple[TicketDecision, Subject], ...]
    acknowledged: tuple[tuple[Alert, Subject], ...]
    unsure: tuple[Candidate, ...]
    """The surest of them."""
    unsure_count: int


def build(session: Session) -> Waiting:
    """Return what waits for a person."""
    asked = select(TicketDecision).where(TicketDecision.state == decisions.WAITING)
    told = select(TicketDecision).where(TicketDecision.state != decisions.WAITING)
    ringing = select(Alert).where(Alert.state.in_((book.OPEN, book.UNANSWERED)))
    quiet = select(Alert).where(Alert.state == book.ACKNOWLEDGED)
    pending = session.scalars(asked.order_by(TicketDecision.expires_at).limit(MOST)).all()
    done = session.scalars(told.order_by(TicketDecision.answered_at.desc()).limit(_DONE_SHOWN)).all()
    loud = session.scalars(ringing.order_by(Alert.rank.desc(), Alert.created_at).limit(MOST)).all()
    heard = session.scalars(quiet.order_by(Alert.acknowledged_at.desc()).limit(_DONE_SHOWN)).all()
    subjects = _subjects(session, {row.finding_id for rows in (pending, done, loud, heard) for row in rows})
    gone = Subject(None, "", None)
    return Waiting(
        tuple((row, subjects.get(row.finding_id, gone)) for row in pending),
        tuple((row, subjects.get(row.finding_id, gone)) for row in loud),
        tuple((row, subjects.get(row.finding_id, gone)) for row in done),
        tuple((row, subjects.get(row.finding_id, gone)) for row in heard),
        tuple(candidates.waiting(session, _UNSURE_SHOWN)),
        candidates.count(session),
    )


def _subjects(session: Session, ids: set[str]) -> dict[str, Subject]:
    query = select(Finding, Asset.name).join(Asset, Asset.asset_id == Finding.asset_id)
    rows = session.execute(query.where(Finding.finding_id.in_(ids))).all()
    crops = comparison.best_evidence(session, sorted(ids))
    return {f.finding_id: Subject(f, name, crops.get(f.finding_id)) for f, name in rows}


class Said(Answer):
    """Whether something is there; nobody need say why."""

    reason: str = Field(default="", max_length=400)


@router.get("")
def work(request: Request, me: Reader, session: UnitOfWork) -> HTMLResponse:
    """Return what waits for a person."""
    return _shown(request, session, me)


def _shown(request: Request, session: Session, me: Principal, note: str | None = None) -> HTMLResponse:
    may_decide = me.may(Role.ANALYST, Role.REVIEWER)
    may_answer = me.may(Role.OPERATOR, Role.ANALYST, Role.REVIEWER)
    return room(
        request,
        session,
        me,
        "work.html",
        here="work",
        view=build(session),
        may_decide=may_decide,
        may_answer=may_answer,
        note=note,
        now=datetime.now(UTC),
    )


@router.post("/decisions/{decision_id}")
def decide(  # noqa: PLR0913, PLR0917 - FastAPI passes each part of the request by itself
    request: Request,
    decision_id: str,
    me: Reviewer,
    session: UnitOfWork,
    services: Svc,
    given: Annotated[Answer, Form()],
    after: BackgroundTasks,
) -> HTMLResponse:
    """Let a notification be opened, or not; the first answer holds."""
    approve = given.answer == "approve"
    said = _("The notification is opened: {0}") if approve else _("The notification is not opened: {0}")
    row = decisions.answer(session, decision_id, approve=approve, reason=given.reason, by=me.username)
    session.flush()
    after.add_task(consume.pass_on_answers, services)
    return _shown(request, session, me, said.format(row.reason))


@router.post("/candidates/{detection_id}")
def judge(  # noqa: PLR0913, PLR0917 - FastAPI passes each part of the request by itself
    request: Request,
    detection_id: str,
    me: Reviewer,
    session: UnitOfWork,
    services: Svc,
    given: Annotated[Said, Form()],
    after: BackgroundTasks,
) -> HTMLResponse:
    """Say whether something is there: it becomes a finding, confirmed or rejected."""
    after.add_task(consume.follow_reviews, services)
    policy = grading.load_policy(services.settings.policy_file)
    verdict = Verdict.CONFIRM if given.answer == "approve" else Verdict.REJECT
    made = candidates.judge(session, detection_id, verdict, given.reason, me.username, policy=policy)
    session.flush()
    session.refresh(made)
    said = _("F-{0} is a finding, confirmed.") if verdict is Verdict.CONFIRM else _("F-{0} is kept as rejected.")
    return _shown(request, session, me, said.format(made.number))


@router.post("/alerts/{alert_id}")
def acknowledge(request: Request, alert_id: str, me: OnCall, session: UnitOfWork) -> HTMLResponse:
    """Say that you know and look after it: nobody else is woken."""
    row = book.acknowledge(session, alert_id, me.username)
    session.flush()
    return _shown(request, session, me, _("You look after “{0}”; nobody else is called.", row.subject))
