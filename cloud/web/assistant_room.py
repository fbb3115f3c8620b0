"""/assistant: what a person asked and was answered, each sentence with what it stands on, and how to begin."""

from __future__ import annotations

from typing import Annotated, NamedTuple

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse
from pydantic import Field
from sqlalchemy import select
from sqlalchemy.orm import Session

from cloud.language import message
from cloud.requests import UnitOfWork
from cloud.security import Reader, authenticate
from cloud.tables import Asset, Finding, Transcript
from cloud.web.shell import Address, room

router = APIRouter(prefix="/assistant", include_in_schema=False, dependencies=[Depends(authenticate)])
MOST = 50
STARTS = (
    message("What were the most critical defects detected last week?"),
    message("What did we not see?"),
    message("Which tickets are open?"),
)
"""The built-in planner answers each."""


class Wanted(Address):
    """Which questions are shown: all of it is in the address."""

    q: str | None = Field(default=None, max_length=80)


class Chip(NamedTuple):
    """A thing that a sentence stands on, and where it opens."""

    label: str
    href: str
    finding_id: str


class Asked(NamedTuple):
    """A question with its sentences, each with its chips."""

    row: Transcript
    sentences: tuple[tuple[str, tuple[Chip, ...]], ...]


def build(session: Session, username: str, wanted: Wanted) -> tuple[Asked, ...]:
    """Return what a person asked, newest first; nobody sees the questions of another."""
    query = select(Transcript).where(Transcript.asked_by == username)
    query = query.where(Transcript.question.icontains(wanted.q, autoescape=True)) if wanted.q else query
    rows = session.scalars(query.order_by(Transcript.asked_at.desc()).limit(MOST)).all()
    chips = _chips(session, {cited for row in rows for said in row.sentences for cited in said["citations"]})
    return tuple(
        Asked(row, tuple((s["text"], tuple(chips[c] for c in s["citations"] if c in chips)) for s in row.sentences))
        for row in rows
    )


def _chips(session: Session, cited: set[str]) -> dict[str, Chip]:
    """Return how findings and assets are named; what is cited beside them has no page of its own."""
    findings = session.execute(select(Finding.finding_id, Finding.number).where(Finding.finding_id.in_(cited)))
    assets = session.execute(select(Asset.asset_id, Asset.name).where(Asset.asset_id.in_(cited)))
    return {key: Chip(f"F-{number}", f"/?finding={key}", key) for key, number in findings} | {
        key: Chip(name, f"/assets/{key}", "") for key, name in assets
    }


@router.get("")
def assistant(request: Request, me: Reader, session: UnitOfWork, wanted: Annotated[Wanted, Query()]) -> HTMLResponse:
    """Return the page of the assistant."""
    asked = build(session, me.username, wanted)
    return room(
        request, session, me, "assistant.html", here="assistant", asked=asked, starts=STARTS, wanted=wanted, most=MOST
    )
