"""The review desk: an analyst judges findings one after the other, by keyboard, each beside its last sight."""

from __future__ import annotations

from typing import Annotated, NamedTuple
from urllib.parse import urlencode

from fastapi import APIRouter, BackgroundTasks, Depends, Form, Query, Request
from fastapi.responses import HTMLResponse, Response
from pydantic import BaseModel, Field
from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from cloud import consume, grading, reviews
from cloud.history import comparison
from cloud.requests import Svc, UnitOfWork
from cloud.security import Principal, Reader, authenticate
from cloud.tables import Asset, Finding
from cloud.web import finding_view
from cloud.web.finding_view import Sheet
from cloud.web.rendering import page, problem
from cloud.web.shell import Address, room
from contracts.errors import Forbidden, PlatformError
from contracts.vocabulary import DefectKind, FindingStatus, Role, Verdict

router = APIRouter(include_in_schema=False, dependencies=[Depends(authenticate)])
MOST = 250
"""Findings in one queue; what is left comes when it is loaded again."""


class Wanted(Address):
    """Which findings are on the desk: every filter is in the address."""

    rank: int | None = Field(default=None, ge=1, le=5)
    asset: str | None = Field(default=None, max_length=80)
    flight: str | None = Field(default=None, max_length=80)
    kind: DefectKind | None = None
    all: bool = False
    """Judged ones too."""

    def of(self, query: Select[Finding, str], *, rank: bool = True) -> Select[Finding, str]:
        """Return the query with the filters that were given."""
        terms = [Finding.status != FindingStatus.REPAIRED.value]
        terms += [Finding.asset_id == self.asset] if self.asset else []
        terms += [Finding.flight_id == self.flight] if self.flight else []
        terms += [Finding.kind == self.kind.value] if self.kind else []
        terms += [Finding.severity_rank == self.rank] if self.rank and rank else []
        terms += [] if self.all else [Finding.reviewed_at.is_(None)]
        return query.where(*terms)

    def address(self, **changes: object) -> str:
        """Return the address of the desk with some filters changed."""
        kept = {name: value for name, value in (self.model_dump(mode="json") | changes).items() if value}
        query = urlencode({name: "true" if value is True else value for name, value in kept.items()})
        return f"/review?{query}" if query else "/review"


class Queued(NamedTuple):
    """A finding in the queue."""

    finding: Finding
    asset_name: str
    evidence_id: str | None


class Desk(NamedTuple):
    """The queue, worst first, with how many are left of each severity."""

    queue: tuple[Queued, ...]
    left: dict[int, int]
    assets: tuple[Asset, ...]
    kinds: tuple[DefectKind, ...]
    wanted: Wanted


class Card(NamedTuple):
    """The finding on the desk, and the same place as inspections before showed it: (finding, evidence) newest first."""

    sheet: Sheet
    before: tuple[tuple[Finding, str | None], ...]


def build(session: Session, wanted: Wanted) -> Desk:
    """Return the desk for some filters."""
    rows = select(Finding, Asset.name).join(Asset, Asset.asset_id == Finding.asset_id)
    worst_first = (Finding.severity_rank.desc(), Finding.asset_id, Finding.blade, Finding.distance_to_root_m)
    found = session.execute(wanted.of(rows).order_by(*worst_first, Finding.number).limit(MOST)).all()
    crops = comparison.best_evidence(session, [finding.finding_id for finding, _ in found])
    every = wanted.of(select(Finding, Finding.kind), rank=False)
    counted = every.with_only_columns(Finding.severity_rank, func.count())
    left = session.execute(counted.group_by(Finding.severity_rank)).all()
    return Desk(
        queue=tuple(Queued(finding, name, crops.get(finding.finding_id)) for finding, name in found),
        left={rank: count for rank, count in left},  # noqa: C416 - rows are not tuples to mypy
        assets=tuple(session.scalars(select(Asset).order_by(Asset.name).limit(200))),
        kinds=tuple(DefectKind),
        wanted=wanted,
    )


def card(session: Session, finding_id: str) -> Card:
    """Return a finding for the desk.

    Raises:
        NotFound: No such finding.

    """
    sheet = finding_view.sheet(session, finding_id)
    crops = comparison.best_evidence(session, [f.finding_id for f in sheet.earlier])
    return Card(sheet, tuple((f, crops.get(f.finding_id)) for f in sheet.earlier))


@router.get("/review")
def desk(request: Request, principal: Reader, session: UnitOfWork, wanted: Annotated[Wanted, Query()]) -> HTMLResponse:
    """Return the review desk."""
    may_review = principal.may(Role.ANALYST, Role.REVIEWER)
    desk_ = build(session, wanted)
    return room(request, session, principal, "review.html", here="review", desk=desk_, may_review=may_review)


@router.get("/fragments/review/{finding_id}")
def on_the_desk(finding_id: str, session: UnitOfWork) -> HTMLResponse:
    """Return one finding with its frames, its last sight and its facts."""
    try:
        return page("_desk.html", {"card": card(session, finding_id)})
    except PlatformError as error:
        return problem(error)


class Judged(BaseModel):
    """A verdict on one finding or several, as the desk sends it."""

    finding_id: list[str] = Field(min_length=1, max_length=reviews.MOST_AT_ONCE)
    verdict: Verdict
    reason: str = Field(default="", max_length=400)
    rank: int | None = Field(default=None, ge=1, le=5)


@router.post("/fragments/review")
def judge(
    principal: Reader, services: Svc, session: UnitOfWork, given: Annotated[Judged, Form()], after: BackgroundTasks
) -> Response:
    """Record a verdict on all that were marked, or on none."""
    after.add_task(consume.follow_reviews, services)
    try:
        _allow(principal)
        policy = grading.load_policy(services.settings.policy_file)
        reviews.review_all(
            session, given.finding_id, given.verdict, given.reason, principal.username, rank=given.rank, policy=policy
        )
        session.flush()
    except PlatformError as error:
        session.rollback()
        return problem(error)
    return Response(status_code=204)


@router.post("/fragments/review/{finding_id}/undo")
def take_back(finding_id: str, principal: Reader, services: Svc, session: UnitOfWork) -> Response:
    """Take back the last verdict on a finding."""
    try:
        _allow(principal)
        reviews.undo(session, finding_id, principal.username, grading.load_policy(services.settings.policy_file))
        session.flush()
    except PlatformError as error:
        session.rollback()
        return problem(error)
    return Response(status_code=204)


def _allow(principal: Principal) -> None:
    if not principal.may(Role.ANALYST, Role.REVIEWER):
        raise Forbidden(f"{principal.username} may not review.", hint="It takes the role analyst or reviewer.")
