"""The review desk: an analyst judges findings one after the other, by keyboard, each beside its last sight."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Annotated, Any, NamedTuple, cast
from urllib.parse import urlencode

from fastapi import APIRouter, BackgroundTasks, Depends, Form, Query, Request
from fastapi.responses import HTMLResponse, Response
from pydantic import BaseModel, Field
from sqlalchemy import ColumnElement, Select, and_, false, func, or_, select
from sqlalchemy.orm import Session, load_only

from cloud import consume, grading, paging, reviews
from cloud.history import comparison
from cloud.idempotency import Key, answer_to, once
from cloud.requests import Svc, UnitOfWork
from cloud.security import Principal, Reader, Reviewer, authenticate
from cloud.tables import Asset, Finding
from cloud.training import teaching
from cloud.web import finding_view, shell
from cloud.web.finding_view import Sheet
from cloud.web.rendering import page, problem
from cloud.web.shell import Address, room
from contracts.errors import InvalidInput, PlatformError
from contracts.vocabulary import NEVER_ON, AssetKind, DefectKind, FindingStatus, Role, Verdict

router = APIRouter(include_in_schema=False, dependencies=[Depends(authenticate)])
AT_ONCE = 20
"""Findings in one part of the queue, more than a screen shows; the next part comes before its end is reached."""
_QUESTIONS = 40
"""Findings in the one part of what teaches."""
_IN_A_ROW = (
    *(Finding.finding_id, Finding.number, Finding.asset_id, Finding.kind, Finding.severity_rank, Finding.status),
    *(Finding.blade, Finding.side, Finding.distance_to_root_m, Finding.place),
    *(Finding.lat_deg, Finding.lon_deg, Finding.reviewed_at),
)
"""What a row of the queue shows and is ordered by: a third of a finding."""


class Wanted(Address):
    """Which findings are on the desk: every filter is in the address."""

    rank: int | None = Field(default=None, ge=1, le=5)
    asset: str | None = Field(default=None, max_length=80)
    flight: str | None = Field(default=None, max_length=80)
    kind: DefectKind | None = None
    all: bool = False
    """Judged ones too."""
    teach: bool = False
    """In the order in which verdicts teach a detector most, and only what teaches."""

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
        """Return the address of the desk with some filters changed; with ``after``, of the next part of its queue."""
        kept = {name: value for name, value in (self.model_dump(mode="json") | changes).items() if value}
        query = urlencode({name: "true" if value is True else value for name, value in kept.items()})
        page = "/fragments/queue" if "after" in kept else "/review"
        return f"{page}?{query}" if query else page


class Part(Wanted):
    """A part of the queue: behind a cursor, else the first."""

    after: str | None = Field(default=None, max_length=400)


class Queued(NamedTuple):
    """A finding in the queue."""

    finding: Finding
    asset_name: str
    evidence_id: str | None


class Queue(NamedTuple):
    """A part of the queue, worst first; ``after`` is the cursor of the next one, None on the last.

    What teaches has one part: each verdict changes what the next ones would teach.
    """

    rows: tuple[Queued, ...]
    after: str | None
    wanted: Wanted


class Choice(NamedTuple):
    """An asset to choose."""

    asset_id: str
    name: str


class Desk(NamedTuple):
    """The first part of the queue, how long it is in all, and how many are left of each severity."""

    queue: Queue
    total: int
    left: dict[int, int]
    assets: tuple[Choice, ...]
    kinds: tuple[DefectKind, ...]
    wanted: Wanted


class Card(NamedTuple):
    """The finding on the desk, and the same place as inspections before showed it: (finding, evidence) newest first."""

    sheet: Sheet
    before: tuple[tuple[Finding, str | None], ...]


def build(session: Session, wanted: Wanted, *, choices: bool = True) -> Desk:
    """Return the desk for some filters; without the assets to choose from where they stand on the page already."""
    every = wanted.of(select(Finding, Finding.kind), rank=False)
    counted = every.with_only_columns(Finding.severity_rank, func.count())
    rows = session.execute(counted.group_by(Finding.severity_rank)).all()
    left = {rank: count for rank, count in rows}  # noqa: C416 - rows are not tuples to mypy
    first = queue(session, wanted, None)
    if wanted.teach:
        left = Counter(queued.finding.severity_rank for queued in first.rows)
    return Desk(
        queue=first,
        total=left.get(wanted.rank, 0) if wanted.rank else sum(left.values()),
        left=left,
        assets=_choices(session) if choices else (),
        kinds=_kinds(session, wanted.kind),
        wanted=wanted,
    )


def _kinds(session: Session, chosen: DefectKind | None) -> tuple[DefectKind, ...]:
    """Return the kinds of defect that can be on the assets the asker sees, and the one that is chosen."""
    assets = session.scalars(select(Asset.kind).distinct())
    possible = {kind for asset in assets for kind in set(DefectKind) - NEVER_ON[AssetKind(asset)]} | {chosen}
    return tuple(kind for kind in DefectKind if kind in possible)


def _choices(session: Session) -> tuple[Choice, ...]:
    rows = session.execute(select(Asset.asset_id, Asset.name).order_by(Asset.name).limit(200))
    return tuple(Choice(*row) for row in rows)


def queue(session: Session, wanted: Wanted, after: str | None) -> Queue:
    """Return the part of the queue behind a cursor.

    Raises:
        InvalidInput: Not a cursor of this queue.

    """
    if wanted.teach:
        return _teaching(session, wanted)
    rows = select(Finding, Asset.name).join(Asset, Asset.asset_id == Finding.asset_id)
    rows = rows.options(load_only(*_IN_A_ROW, raiseload=True))
    worst_first = (Finding.severity_rank.desc(), Finding.asset_id, Finding.blade, Finding.distance_to_root_m)
    query = wanted.of(rows).where(*_behind(after)).order_by(*worst_first, Finding.number).limit(AT_ONCE + 1)
    found = session.execute(query).all()
    shown = [(finding, name) for finding, name in found[:AT_ONCE]]
    after = _cursor(shown[-1][0]) if len(found) > AT_ONCE else None
    return Queue(_queued(session, shown), after, wanted)


def _teaching(session: Session, wanted: Wanted) -> Queue:
    found = [q.finding for q in teaching.questions(session, wanted.of(select(Finding, Finding.kind)), _QUESTIONS)]
    named = select(Asset.asset_id, Asset.name).where(Asset.asset_id.in_([f.asset_id for f in found]))
    names = {asset_id: name for asset_id, name in session.execute(named)}  # noqa: C416 - rows are not tuples to mypy
    return Queue(_queued(session, [(f, names[f.asset_id]) for f in found]), None, wanted)


def _queued(session: Session, shown: Sequence[tuple[Finding, str]]) -> tuple[Queued, ...]:
    crops = comparison.best_evidence(session, [finding.finding_id for finding, _ in shown])
    return tuple(Queued(finding, name, crops.get(finding.finding_id)) for finding, name in shown)


def _cursor(f: Finding) -> str:
    """Return where a finding stands: a verdict may move it meanwhile, so its id alone does not say."""
    distance = "" if f.distance_to_root_m is None else repr(f.distance_to_root_m)
    return paging.encode_cursor(f.severity_rank, f.asset_id, f.blade or "", distance, f.number)


def _behind(cursor: str | None) -> list[ColumnElement[bool]]:
    """Return the terms for what stands behind a cursor in the order of the queue, places not known last."""
    position = paging.decode_cursor(cursor, 5)
    if position is None:
        return []
    rank, last = paging.number(position[0]), paging.number(position[4])
    try:
        distance = float(position[3]) if position[3] else None
    except ValueError as error:
        raise InvalidInput(
            "The cursor is not one of this queue.", hint="Load the desk again.", field="after"
        ) from error
    behind: ColumnElement[bool] = Finding.number > last
    places = ((Finding.distance_to_root_m, distance), (Finding.blade, position[2] or None))
    for column, value in cast("tuple[tuple[ColumnElement[Any], Any], ...]", places):
        later = false() if value is None else or_(column > value, column.is_(None))
        behind = or_(later, and_(column.is_not_distinct_from(value), behind))
    behind = or_(Finding.asset_id > position[1], and_(Finding.asset_id == position[1], behind))
    return [Finding.severity_rank <= rank, or_(Finding.severity_rank < rank, behind)]


def card(session: Session, finding_id: str) -> Card:
    """Return a finding for the desk.

    Raises:
        NotFound: No such finding.

    """
    sheet = finding_view.sheet(session, finding_id)
    before = finding_view.others(session, sheet.card.finding, earlier=True)
    crops = comparison.best_evidence(session, [f.finding_id for f in before])
    return Card(sheet, tuple((f, crops.get(f.finding_id)) for f in before))


@router.get("/review")
def desk(request: Request, principal: Reader, session: UnitOfWork, wanted: Annotated[Wanted, Query()]) -> HTMLResponse:
    """Return the review desk."""
    may_review = principal.may(Role.ANALYST, Role.REVIEWER)
    desk_ = build(session, wanted, choices=not shell.is_middle(request))
    return room(request, session, principal, "review.html", here="review", desk=desk_, may_review=may_review)


@router.get("/fragments/queue")
def more(session: UnitOfWork, part: Annotated[Part, Query()]) -> HTMLResponse:
    """Return the next part of the queue."""
    try:
        return page("_queue.html", {"queue": queue(session, part, part.after)})
    except PlatformError as error:
        return problem(error)


@router.get("/fragments/review/{finding_id}")
def on_the_desk(finding_id: str, principal: Reader, session: UnitOfWork) -> HTMLResponse:
    """Return one finding with its frames, its last sight and its facts."""
    try:
        may_review = principal.may(Role.ANALYST, Role.REVIEWER)
        return page("_desk.html", {"card": card(session, finding_id), "may_review": may_review})
    except PlatformError as error:
        return problem(error)


class TakenBack(BaseModel):
    """Findings whose last verdict is taken back; ``seen``: the state of each that the asker knew.

    ``after <key>`` is the state in which their own verdict of that key has left it: they had no answer to it yet.
    """

    finding_id: list[str] = Field(min_length=1, max_length=reviews.MOST_AT_ONCE)
    seen: list[str] = Field(default_factory=list, max_length=reviews.MOST_AT_ONCE)


class Judged(TakenBack):
    """A verdict on findings."""

    verdict: Verdict
    reason: str = Field(default="", max_length=400)
    rank: int | None = Field(default=None, ge=1, le=5)


class Taken(BaseModel):
    """A change was made; ``seen``: the state of each finding after it."""

    seen: dict[str, str]


@router.post("/fragments/review")
def judge(  # noqa: PLR0913, PLR0917 - FastAPI passes each part of the request by itself
    request: Request,
    principal: Reviewer,
    services: Svc,
    session: UnitOfWork,
    given: Annotated[Judged, Form()],
    after: BackgroundTasks,
    key: Key = None,
) -> Response:
    """Record a verdict on all that were named, or on none; once per key, and only on what was seen."""
    after.add_task(consume.follow_reviews, services)
    policy, by = grading.load_policy(services.settings.policy_file), principal.username
    told, seen = (given.verdict, given.reason, by), _seen(session, principal, given)

    def make() -> Taken:
        return _taken(reviews.review_all(session, given.finding_id, *told, rank=given.rank, policy=policy, seen=seen))

    return once(session, request, principal, key, given, make, status=200)


@router.post("/fragments/review/undo")
def take_back(
    request: Request,
    principal: Reviewer,
    services: Svc,
    session: UnitOfWork,
    given: Annotated[TakenBack, Form()],
    key: Key = None,
) -> Response:
    """Take back the last verdict on all that were named, or on none; once per key."""
    policy, seen = grading.load_policy(services.settings.policy_file), _seen(session, principal, given)

    def make() -> Taken:
        ids = sorted(given.finding_id)
        return _taken([reviews.undo(session, one, principal.username, policy, seen=seen.get(one)) for one in ids])

    return once(session, request, principal, key, given, make, status=200)


def _seen(session: Session, principal: Principal, given: TakenBack) -> dict[str, str]:
    if given.seen and len(given.seen) != len(given.finding_id):
        raise InvalidInput(
            "What was seen is told of each finding, or of none.", hint="Load the page again.", field="seen"
        )
    seen = dict(zip(given.finding_id, given.seen, strict=False))
    for finding_id, state in seen.items():
        after, _, key = state.partition(" ")
        left = answer_to(session, principal, key).get("seen", {}) if after == "after" else {}
        seen[finding_id] = left.get(finding_id, state)
    return seen


def _taken(made: list[Finding]) -> Taken:
    return Taken(seen={finding.finding_id: reviews.state_of(finding) for finding in made})
