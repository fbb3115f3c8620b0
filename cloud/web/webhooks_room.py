"""/settings/webhooks: addresses that are told of changes, what became of each message, and sending it again."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Form, Query, Request
from fastapi.responses import HTMLResponse
from pydantic import BaseModel, Field
from sqlalchemy import select

from cloud.language import _
from cloud.requests import Svc, UnitOfWork
from cloud.security import Connector, Principal, authenticate
from cloud.tables import Delivery, Webhook
from cloud.web.settings_room import MOST, shown
from cloud.web.shell import Address
from cloud.webhooks import events, subscriptions
from cloud.webhooks.events import EventName

router = APIRouter(prefix="/settings/webhooks", include_in_schema=False, dependencies=[Depends(authenticate)])


class Looked(Address):
    """Which webhook's deliveries are shown, and which of them."""

    webhook: str | None = Field(default=None, max_length=80)
    state: Literal["pending", "delivered", "failed"] | None = None


@router.get("")
def hooks(request: Request, me: Connector, session: UnitOfWork, looked: Annotated[Looked, Query()]) -> HTMLResponse:
    """Return the webhooks and the deliveries of one of them."""
    return _shown(request, session, me, looked)


def _shown(
    request: Request,
    session: UnitOfWork,
    me: Principal,
    looked: Looked,
    *,
    secret: str | None = None,
    note: str | None = None,
) -> HTMLResponse:
    rows = tuple(session.scalars(select(Webhook).order_by(Webhook.webhook_id.desc()).limit(MOST)))
    chosen = subscriptions.webhook(session, looked.webhook) if looked.webhook else next(iter(rows), None)
    query = select(Delivery).order_by(Delivery.delivery_id.desc()).limit(MOST)
    query = query.where(Delivery.webhook_id == chosen.webhook_id) if chosen else query.where(Delivery.state == "")
    query = query.where(Delivery.state == looked.state) if looked.state else query
    deliveries = tuple(session.scalars(query))
    return shown(
        request,
        session,
        me,
        "webhooks",
        hooks=rows,
        chosen=chosen,
        deliveries=deliveries,
        looked=looked,
        events=events.KINDS,
        secret=secret,
        note=note,
    )


class NewHook(BaseModel):
    """A webhook, as the form asks for it."""

    name: str = Field(min_length=1, max_length=120)
    url: str = Field(min_length=9, max_length=400)
    events: list[EventName] = Field(min_length=1, max_length=20)
    min_rank: int | Literal[""] = ""


@router.post("")
def add(
    request: Request, me: Connector, session: UnitOfWork, services: Svc, given: Annotated[NewHook, Form()]
) -> HTMLResponse:
    """Add a webhook and show its secret, once."""
    row = subscriptions.create(
        session,
        me.username,
        name=given.name,
        url=given.url,
        events=list(given.events),
        min_rank=given.min_rank or None,
        private=services.settings.webhook_private_targets,
    )
    return _shown(request, session, me, Looked(webhook=row.webhook_id), secret=row.secret)


class Act(BaseModel):
    """What to do with a webhook."""

    act: Literal["on", "off", "rotate", "ping", "forget"]


@router.post("/{webhook_id}")
def act(
    request: Request, webhook_id: str, me: Connector, session: UnitOfWork, given: Annotated[Act, Form()]
) -> HTMLResponse:
    """Switch a webhook, give it a new secret, send it a test message, or forget it."""
    looked, secret, note = Looked(webhook=webhook_id), None, None
    if given.act == "rotate":
        secret = subscriptions.rotate(session, webhook_id, me.username).secret
    elif given.act == "ping":
        subscriptions.ping(session, webhook_id)
        note = _("A test message is on its way.")
    elif given.act == "forget":
        subscriptions.remove(session, webhook_id, me.username)
        session.flush()
        looked, note = Looked(), _("The webhook and its deliveries are forgotten.")
    else:
        subscriptions.switch(session, webhook_id, me.username, enabled=given.act == "on")
    session.flush()
    return _shown(request, session, me, looked, secret=secret, note=note)


@router.post("/{webhook_id}/deliveries/{delivery_id}/replay")
def replay(request: Request, webhook_id: str, delivery_id: str, me: Connector, session: UnitOfWork) -> HTMLResponse:
    """Send a message again."""
    subscriptions.replay(session, webhook_id, delivery_id, me.username)
    return _shown(request, session, me, Looked(webhook=webhook_id), note=_("{0} is sent again.", delivery_id))
