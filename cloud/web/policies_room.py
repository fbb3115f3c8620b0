"""/settings/policies: versions, what one would change over all history, storing drafts, a second person's approval."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Form, Query, Request
from fastapi.responses import HTMLResponse
from pydantic import BaseModel, Field

from cloud.grading import shipped_policy
from cloud.language import _
from cloud.policy import replay, versions
from cloud.requests import UnitOfWork
from cloud.security import Reader, Reviewer, authenticate
from cloud.web.rendering import page
from cloud.web.settings_room import shown
from cloud.web.shell import Address
from contracts.vocabulary import AssetKind, Role

router = APIRouter(prefix="/settings/policies", include_in_schema=False, dependencies=[Depends(authenticate)])


class Compared(Address):
    """Two versions whose effects are compared."""

    before: str | None = Field(default=None, max_length=60)
    after: str | None = Field(default=None, max_length=60)


@router.get("")
def policies(request: Request, me: Reader, session: UnitOfWork, wanted: Annotated[Compared, Query()]) -> HTMLResponse:
    """Return the versions and, for two of them, what would change."""
    return _shown(request, session, me, wanted)


def _shown(
    request: Request, session: UnitOfWork, me: Reader, wanted: Compared, note: str | None = None
) -> HTMLResponse:
    shipped = sorted({shipped_policy(kind).version for kind in AssetKind})
    may = me.may(Role.ANALYST, Role.REVIEWER)
    rows = tuple(versions.versions(session))
    return shown(request, session, me, "policies", rows=rows, shipped=shipped, wanted=wanted, may=may, note=note)


class Pair(Address):
    """Two versions."""

    before: str = Field(max_length=60)
    after: str = Field(max_length=60)


@router.get("/effect")
def effect(_me: Reader, session: UnitOfWork, wanted: Annotated[Pair, Query()]) -> HTMLResponse:
    """Return what the later version would change over all findings; the page asks for it once it stands."""
    pair = (versions.policy_of(session, wanted.before), versions.policy_of(session, wanted.after))
    return page("_policy_effect.html", {"diff": replay.diff(session, *pair)})


class Draft(BaseModel):
    """A policy's YAML."""

    body: str = Field(min_length=1, max_length=100_000)


@router.post("")
def store(request: Request, me: Reviewer, session: UnitOfWork, given: Annotated[Draft, Form()]) -> HTMLResponse:
    """Keep a policy as a draft."""
    row = versions.store(session, given.body, by=me.username)
    return _shown(
        request,
        session,
        me,
        Compared(),
        _("{0} is stored as a draft. Compare it before you ask for approval.", row.version),
    )


class Approval(BaseModel):
    """Why a version becomes the active one."""

    reason: str = Field(min_length=1, max_length=400)


@router.post("/{version}/activate")
def activate(
    request: Request, version: str, me: Reviewer, session: UnitOfWork, given: Annotated[Approval, Form()]
) -> HTMLResponse:
    """Approve a version that another person wrote; findings are graded by it."""
    versions.approve(session, version, by=me.username, reason=given.reason)
    regraded = replay.regrade(session, versions.policy_of(session, version))
    return _shown(
        request, session, me, Compared(), _("{0} is active; {1} findings changed their grade.", version, regraded)
    )
