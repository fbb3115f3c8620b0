"""/settings: people, API keys, the audit log and dead letters; each asks for the role its API asks for."""

from __future__ import annotations

from datetime import datetime, time
from typing import Annotated, Any, NamedTuple
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends, Form, Query, Request
from fastapi.responses import HTMLResponse
from pydantic import BaseModel, Field
from sqlalchemy import select

from cloud import dead_letters, keys, scopes, users
from cloud.language import _, message
from cloud.requests import Svc, UnitOfWork
from cloud.security import Admin, Operator, Principal, Reader, authenticate
from cloud.tables import ApiKey, Audit, DeadLetter, Site, User
from cloud.web.shell import Address, room
from contracts.ids import SiteId
from contracts.resources import QUEUES
from contracts.vocabulary import Role

router = APIRouter(prefix="/settings", include_in_schema=False, dependencies=[Depends(authenticate)])
MOST = 100


class Section(NamedTuple):
    """A part of the settings; without a role anybody may read it."""

    key: str
    label: str
    says: str
    role: Role | None = None


SECTIONS = (
    Section("people", message("People"), message("Who may sign in, and what they may do."), Role.ADMIN),
    Section("keys", message("API keys"), message("Keys of other programs: scopes, last use, end."), Role.ADMIN),
    Section(
        "webhooks",
        message("Webhooks"),
        message("Addresses that are told of changes, their deliveries and replays."),
        Role.INTEGRATION,
    ),
    Section(
        "policies",
        message("Policies"),
        message("What is grave: versions, what a change would do, approval by a second person."),
    ),
    Section(
        "detectors",
        message("Detectors"),
        message("Versions trained on verdicts: their figures, which is in force, and the yes to a new one."),
    ),
    Section(
        "security",
        message("Security"),
        message("Who misuses the platform: events, and what each turned out to be."),
        Role.ADMIN,
    ),
    Section("audit", message("Audit"), message("Who changed what, before and after."), Role.ADMIN),
    Section("dead-letters", message("Dead letters"), message("What could not be handled, why, and sending it again.")),
)


def shown(request: Request, session: UnitOfWork, me: Principal, section: str, **more: Any) -> HTMLResponse:
    """Return a part of the settings in the shell."""
    template = f"settings_{section.replace('-', '_')}.html"
    label = next((known.label for known in SECTIONS if known.key == section), message("Settings"))
    also = {"note": None, "sections": SECTIONS, "section": section, "label": _(label)} | more
    return room(request, session, me, template, here="settings", **also)


@router.get("")
def overview(request: Request, me: Reader, session: UnitOfWork) -> HTMLResponse:
    """Return what can be set, and by whom."""
    return shown(request, session, me, "overview")


@router.get("/people")
def people(request: Request, me: Admin, session: UnitOfWork, note: str | None = None) -> HTMLResponse:
    """Return the users and their roles."""
    rows = tuple(session.scalars(select(User).order_by(User.username)))
    return shown(request, session, me, "people", people=rows, roles=tuple(Role), note=note)


class Changed(Address):
    """A user's roles, as the form sends them."""

    roles: list[Role] = Field(default_factory=list)
    disabled: bool = False


@router.post("/people/{username}")
def change_person(
    request: Request, username: str, me: Admin, session: UnitOfWork, given: Annotated[Changed, Form()]
) -> HTMLResponse:
    """Give a user other roles, or shut them out."""
    users.change(session, username, roles=given.roles, disabled=given.disabled, by=me.username)
    session.flush()
    return people(request, me, session, _("{0} is changed.", username))


@router.get("/keys")
def key_list(request: Request, me: Admin, session: UnitOfWork, made: str | None = None) -> HTMLResponse:
    """Return the API keys, newest first. ``made`` is a new key's text, shown this once."""
    rows = tuple(session.scalars(select(ApiKey).order_by(ApiKey.key_id.desc()).limit(MOST)))
    paths = request.app.openapi()["paths"]
    resources = sorted({scopes.resource_of(path) for path in paths if path.startswith("/v1/")} - scopes.NEVER - {""})
    sites = session.scalars(select(Site).order_by(Site.name)).all()
    return shown(request, session, me, "keys", keys=rows, resources=resources, sites=sites, made=made)


class NewKey(BaseModel):
    """A key, as the form asks for it. It ends with its last day, UTC; without a site it sees all of them."""

    name: str = Field(min_length=1, max_length=120)
    scopes: list[str] = Field(min_length=1, max_length=60)
    sites: list[SiteId] = Field(default_factory=list, max_length=200)
    until: str = Field(default="", pattern=r"^(\d{4}-\d{2}-\d{2})?$")


@router.post("/keys")
def add_key(request: Request, me: Admin, session: UnitOfWork, given: Annotated[NewKey, Form()]) -> HTMLResponse:
    """Make a key and show it, once."""
    granted = scopes.validate(given.scopes, request.app.openapi()["paths"])
    if given.sites:
        scopes.refuse_platform_wide(granted)
    end = datetime.combine(datetime.fromisoformat(given.until), time.max, ZoneInfo("UTC")) if given.until else None
    sites = list(given.sites) or None
    _, text = keys.create(session, name=given.name, scopes=granted, expires_at=end, by=me.username, sites=sites)
    return key_list(request, me, session, text)


@router.post("/keys/{key_id}/revoke")
def revoke_key(request: Request, key_id: str, me: Admin, session: UnitOfWork) -> HTMLResponse:
    """End a key."""
    keys.revoke(session, key_id, me.username)
    return key_list(request, me, session)


class Sought(BaseModel):
    """Which changes the audit log shows."""

    actor: str | None = Field(default=None, max_length=120)
    action: str | None = Field(default=None, max_length=80)
    object: str | None = Field(default=None, max_length=120)
    before: int | None = Field(default=None, ge=1)


@router.get("/audit")
def audit_log(request: Request, me: Admin, session: UnitOfWork, sought: Annotated[Sought, Query()]) -> HTMLResponse:
    """Return what was changed, newest first."""
    query = select(Audit).order_by(Audit.id.desc()).limit(MOST + 1)
    query = query.where(Audit.actor == sought.actor) if sought.actor else query
    query = query.where(Audit.action.startswith(sought.action, autoescape=True)) if sought.action else query
    query = query.where(Audit.object == sought.object) if sought.object else query
    query = query.where(Audit.id < sought.before) if sought.before else query
    rows = session.scalars(query).all()
    lines = tuple((row, differing(row.before, row.after)) for row in rows[:MOST])
    return shown(request, session, me, "audit", lines=lines, more=len(rows) > MOST, sought=sought)


def differing(before: dict[str, Any] | None, after: dict[str, Any] | None) -> list[tuple[str, Any, Any]]:
    """Return (field, before, after) of each field that is not the same in both."""
    old, new = before or {}, after or {}
    return [
        (name, old.get(name), new.get(name))
        for name in [*new, *(n for n in old if n not in new)]
        if old.get(name) != new.get(name) or not (old and new)
    ]


@router.get("/dead-letters")
def letters(request: Request, me: Reader, session: UnitOfWork, note: str | None = None) -> HTMLResponse:
    """Return what could not be handled, newest first."""
    rows = tuple(session.scalars(select(DeadLetter).order_by(DeadLetter.id.desc()).limit(MOST)))
    may_replay = me.may(Role.OPERATOR)
    return shown(request, session, me, "dead-letters", letters=rows, may_replay=may_replay, queues=QUEUES, note=note)


@router.post("/dead-letters/{letter_id}/replay")
def replay_letter(request: Request, letter_id: int, me: Operator, session: UnitOfWork, services: Svc) -> HTMLResponse:
    """Send a dead letter to its queue again."""
    letter = dead_letters.replay(session, services.queues, letter_id, by=me.username)
    session.flush()
    return letters(request, me, session, _("{0} was sent to {1} again.", letter.key, letter.source))
