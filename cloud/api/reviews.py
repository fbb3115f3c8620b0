"""/v1/findings reviews: a person's verdict on one finding or many, and taking it back."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, BackgroundTasks, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field, StrictInt

from cloud import consume, grading, reviews
from cloud.api.findings import FindingOut, as_written
from cloud.idempotency import Key, once
from cloud.problems import RESPONSES
from cloud.requests import Svc, UnitOfWork
from cloud.security import Reviewer
from contracts.errors import InvalidInput
from contracts.geo import Frozen
from contracts.ids import FindingId
from contracts.vocabulary import Verdict

router = APIRouter(prefix="/v1/findings", tags=["findings"], responses=RESPONSES)


class VerdictIn(Frozen):
    """A person's verdict."""

    verdict: Verdict
    reason: str = Field(min_length=1, max_length=400, examples=["Shadow of the lightning receptor."])
    rank: StrictInt | None = Field(default=None, ge=1, le=5, description="regrade: 1 least to 5 most serious")


State = Annotated[str, Field(max_length=80, examples=["open"])]


def _untold(seen: object) -> bool:
    """Return whether it is left out of what an idempotency key stands for, which then is as without the field."""
    return seen is None


class ReviewIn(VerdictIn):
    """A person's verdict on a finding."""

    seen: State | None = Field(
        default=None,
        exclude_if=_untold,
        description="`state` of the finding when it was judged: refused with 409 where it is another by now",
    )


class ReviewsIn(VerdictIn):
    """One verdict on several findings."""

    finding_ids: tuple[FindingId, ...] = Field(min_length=1, max_length=reviews.MOST_AT_ONCE)
    seen: dict[FindingId, State] | None = Field(
        default=None,
        exclude_if=_untold,
        description="`state` of each finding when it was judged: all are refused with 409 where one is another by now",
    )


class FindingsOut(BaseModel):
    """The findings as they are after it."""

    data: list[FindingOut]


@router.post("/reviews", status_code=201, response_model=FindingsOut)
def add_reviews(  # noqa: PLR0913, PLR0917 - FastAPI passes each part of the request by itself
    body: ReviewsIn,
    request: Request,
    session: UnitOfWork,
    services: Svc,
    principal: Reviewer,
    after: BackgroundTasks,
    key: Key = None,
) -> JSONResponse:
    """Confirm, reject or regrade several findings: all of them, or none where one is refused."""
    after.add_task(consume.follow_reviews, services)
    policy = grading.load_policy(services.settings.policy_file)
    if body.seen is not None and body.seen.keys() != set(body.finding_ids):
        hint = "Name the state of each of `finding_ids`, or leave it out."
        raise InvalidInput("What was seen is told of each finding, or of none.", hint=hint, field="seen")

    def make() -> FindingsOut:
        made = reviews.review_all(
            session, body.finding_ids, body.verdict, body.reason, principal.username,
            rank=body.rank, policy=policy, seen=body.seen,
        )  # fmt: skip
        return FindingsOut(data=[as_written(session, finding) for finding in made])

    return once(session, request, principal, key, body, make)


@router.post("/{finding_id}/reviews", status_code=201, response_model=FindingOut)
def add_review(  # noqa: PLR0913, PLR0917 - FastAPI passes each part of the request by itself
    finding_id: str,
    body: ReviewIn,
    request: Request,
    session: UnitOfWork,
    services: Svc,
    principal: Reviewer,
    after: BackgroundTasks,
    key: Key = None,
) -> JSONResponse:
    """Confirm, reject or regrade a finding."""
    after.add_task(consume.follow_reviews, services)
    policy = grading.load_policy(services.settings.policy_file)

    def make() -> FindingOut:
        made = reviews.review(
            session, finding_id, body.verdict, body.reason, principal.username,
            rank=body.rank, policy=policy, seen=body.seen,
        )  # fmt: skip
        return as_written(session, made)

    return once(session, request, principal, key, body, make)


@router.post("/{finding_id}/reviews/undo")
def undo_review(finding_id: str, session: UnitOfWork, services: Svc, principal: Reviewer) -> FindingOut:
    """Take back your own last review: the finding is as it was before. A ticket that was opened stays."""
    policy = grading.load_policy(services.settings.policy_file)
    return as_written(session, reviews.undo(session, finding_id, principal.username, policy))
