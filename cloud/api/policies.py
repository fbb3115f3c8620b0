"""/v1/policies: severity policies as data: stored, compared over all history, approved by a second person."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from cloud.grading import shipped_policy
from cloud.idempotency import Key, once
from cloud.policy import replay, versions
from cloud.policy.replay import PolicyDiff
from cloud.problems import RESPONSES
from cloud.requests import UnitOfWork
from cloud.security import Reader, Reviewer
from contracts.geo import Frozen
from contracts.vocabulary import AssetKind

router = APIRouter(prefix="/v1/policies", tags=["policies"], responses=RESPONSES)


class PolicyIn(Frozen):
    """A policy as YAML; compare `docs/policies.md`."""

    body: str = Field(min_length=1, max_length=100_000)


class PolicyOut(BaseModel):
    """A stored version."""

    model_config = ConfigDict(from_attributes=True)

    version: str
    scheme: str
    asset_kinds: list[AssetKind]
    customer: str
    state: Literal["draft", "active", "retired"]
    created_by: str
    created_at: datetime
    approved_by: str | None
    activated_at: datetime | None
    reason: str


class PolicyList(BaseModel):
    """Stored versions, newest first, and the versions that ship with the program."""

    data: list[PolicyOut]
    shipped: list[str]


class ActivateIn(Frozen):
    """Why a version becomes the active one."""

    reason: str = Field(min_length=1, max_length=400)


class Activated(BaseModel):
    """The active version, and how many findings changed rank by it."""

    version: str
    approved_by: str
    regraded: int


@router.get("")
def list_policies(session: UnitOfWork, _: Reader) -> PolicyList:
    """List the stored versions."""
    shipped = sorted({shipped_policy(kind).version for kind in AssetKind})
    return PolicyList(data=[PolicyOut.model_validate(row) for row in versions.versions(session)], shipped=shipped)


@router.post("", status_code=201, response_model=PolicyOut)
def add_policy(
    body: PolicyIn, request: Request, session: UnitOfWork, principal: Reviewer, key: Key = None
) -> JSONResponse:
    """Store a policy as a draft."""

    def make() -> PolicyOut:
        return PolicyOut.model_validate(versions.store(session, body.body, by=principal.username))

    return once(session, request, principal, key, body, make)


@router.get("/{before}/diff/{after}")
def diff_policies(before: str, after: str, session: UnitOfWork, _: Reader) -> PolicyDiff:
    """Replay all history under two versions: findings, tickets and stops that would change. Nothing is written."""
    return replay.diff(session, versions.policy_of(session, before), versions.policy_of(session, after))


@router.post("/{version}/activate", status_code=201, response_model=Activated)
def activate_policy(
    version: str, body: ActivateIn, request: Request, session: UnitOfWork, principal: Reviewer, key: Key = None
) -> JSONResponse:
    """Approve a version another person wrote; findings are graded by it, manual grades stay."""

    def make() -> Activated:
        row = versions.approve(session, version, by=principal.username, reason=body.reason)
        regraded = replay.regrade(session, versions.policy_of(session, version))
        return Activated(version=row.version, approved_by=principal.username, regraded=regraded)

    return once(session, request, principal, key, body, make)
