"""What every page stands in: who is asking, the rooms they can go to, and how much waits for them."""

from __future__ import annotations

from typing import Any, NamedTuple

from fastapi import Request
from fastapi.responses import HTMLResponse
from pydantic import BaseModel, ConfigDict, model_validator
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from cloud.alerts import book
from cloud.decisions import WAITING
from cloud.language import message
from cloud.security import Principal, csrf_token
from cloud.tables import Alert, TicketDecision
from cloud.web.rendering import page
from contracts.errors import Forbidden
from contracts.vocabulary import Role


class Room(NamedTuple):
    """A place in the navigation; ``icon`` is a symbol of _symbols.html."""

    key: str
    href: str
    label: str


ROOMS = (
    Room("operations", "/", message("Operations")),
    Room("review", "/review", message("Review")),
    Room("work", "/waiting", message("Waiting")),
    Room("assets", "/assets", message("Assets")),
    Room("plan", "/plan", message("Plan")),
    Room("tickets", "/tickets", message("Tickets")),
    Room("insights", "/insights", message("Insights")),
    Room("assistant", "/assistant", message("Assistant")),
    Room("fleet", "/fleet", message("Fleet")),
    Room("settings", "/settings", message("Settings")),
)
"""In this order; a phone shows the first four and the others behind "More"."""


class Address(BaseModel):
    """What an address asks of a page: unknown names are refused, a filter that was left empty is not there."""

    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _without_what_is_empty(cls, values: Any) -> Any:
        return {k: v for k, v in values.items() if v != ""} if isinstance(values, dict) else values


def context(request: Request, session: Session, me: Principal, here: str) -> dict[str, Any]:
    """Return what shell.html needs."""
    middle = is_middle(request)
    frame = {"csrf": csrf_token(request), "here": here, "rooms": ROOMS, "waiting": 0 if middle else waiting(session)}
    return {"me": me, "middle": middle} | frame


def is_middle(request: Request) -> bool:
    """Return whether a filter of the page asks (htmx, boosted): what stands round the middle is there already."""
    return request.headers.get("hx-boosted") == "true"


def room(request: Request, session: Session, me: Principal, template: str, **shown: Any) -> HTMLResponse:
    """Return a page in the shell; ``shown`` names the room (``here``) and what its template needs."""
    return page(template, context(request, session, me, shown.pop("here")) | shown)


def waiting(session: Session) -> int:
    """Return how many decisions and alerts wait for a person."""
    asked = select(func.count()).select_from(TicketDecision).where(TicketDecision.state == WAITING)
    alerts = select(func.count()).select_from(Alert).where(Alert.state.in_((book.OPEN, book.UNANSWERED)))
    return (session.scalar(asked) or 0) + (session.scalar(alerts) or 0)


def allow(me: Principal, *roles: Role) -> None:
    """Let who holds one of the roles go on; Forbidden, with what it takes, otherwise."""
    if not me.may(*roles):
        wanted = " or ".join(role.value for role in roles) or "admin"
        raise Forbidden(f"{me.username} may not do this.", hint=f"It takes the role {wanted}.")
