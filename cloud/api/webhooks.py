"""/v1/webhooks: addresses that are told of changes, signed; their deliveries, tests and replays."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict, Field, StrictInt
from sqlalchemy import select

from cloud import conditions
from cloud.conditions import IfMatch
from cloud.paging import Cursor, Limit, Page, decode_cursor, page_of
from cloud.problems import RESPONSES
from cloud.requests import Svc, UnitOfWork
from cloud.security import Connector
from cloud.tables import Delivery, Webhook
from cloud.webhooks import subscriptions
from cloud.webhooks.events import EventName
from contracts.geo import Frozen

router = APIRouter(prefix="/v1/webhooks", tags=["webhooks"], responses=RESPONSES)

DeliveryState = Literal["pending", "delivered", "failed"]


class WebhookIn(Frozen):
    """An https address on the public internet, and what it wants to hear of."""

    name: str = Field(min_length=1, max_length=120, examples=["Work orders"])
    url: str = Field(min_length=9, max_length=400, examples=["https://hooks.example.com/kestrel"])
    events: list[EventName] = Field(min_length=1, max_length=20, examples=[["finding.changed", "ticket.changed"]])
    min_rank: StrictInt | None = Field(
        default=None, ge=1, le=5, description="findings of this severity rank or above only"
    )


class WebhookOut(BaseModel):
    """A webhook. Switched off by itself, it says why in ``disabled_reason``."""

    model_config = ConfigDict(from_attributes=True)

    webhook_id: str
    name: str
    url: str
    events: list[str]
    min_rank: int | None
    enabled: bool
    disabled_reason: str
    failing_since: datetime | None
    old_secret_until: datetime | None
    created_by: str
    created_at: datetime


class WebhookSecret(WebhookOut):
    """A webhook with its secret, which is shown here and never again."""

    secret: str


class WebhookSwitch(Frozen):
    """Whether the address is told."""

    enabled: bool


class DeliveryOut(BaseModel):
    """A message to a webhook and what became of it."""

    model_config = ConfigDict(from_attributes=True)

    delivery_id: str
    webhook_id: str
    event: str
    body: str
    state: DeliveryState
    attempts: int
    next_at: datetime
    status: int | None
    error: str
    took_ms: int | None
    created_at: datetime
    delivered_at: datetime | None


@router.post("", status_code=201)
def add_webhook(body: WebhookIn, session: UnitOfWork, services: Svc, principal: Connector) -> WebhookSecret:
    """Add a webhook. There is no idempotency key here: its answer holds a secret, and secrets are not kept twice."""
    private = services.settings.webhook_private_targets
    sites = principal.sites
    row = subscriptions.create(session, principal.username, **body.model_dump(), private=private, sites=sites)
    return WebhookSecret.model_validate(row)


@router.get("")
def list_webhooks(session: UnitOfWork, _: Connector, limit: Limit = 50, cursor: Cursor = None) -> Page[WebhookOut]:
    """List webhooks, newest first."""
    query = select(Webhook).order_by(Webhook.webhook_id.desc()).limit(limit + 1)
    after = decode_cursor(cursor, 1)
    rows = session.scalars(query.where(Webhook.webhook_id < after[0]) if after else query).all()
    return page_of(rows, limit, WebhookOut.model_validate, lambda row: (row.webhook_id,))


@router.get("/{webhook_id}")
def get_webhook(webhook_id: str, session: UnitOfWork, response: Response, _: Connector) -> WebhookOut:
    """Return one webhook."""
    shown = WebhookOut.model_validate(subscriptions.webhook(session, webhook_id))
    response.headers["ETag"] = conditions.etag_of(shown)
    return shown


@router.patch("/{webhook_id}")
def switch_webhook(
    webhook_id: str, body: WebhookSwitch, session: UnitOfWork, principal: Connector, if_match: IfMatch = None
) -> WebhookOut:
    """Switch a webhook off or on; switched on, what waited is sent."""
    conditions.check(if_match, WebhookOut.model_validate(subscriptions.webhook(session, webhook_id, lock=True)))
    row = subscriptions.switch(session, webhook_id, principal.username, enabled=body.enabled)
    return WebhookOut.model_validate(row)


@router.delete("/{webhook_id}", status_code=204, response_class=Response)
def delete_webhook(webhook_id: str, session: UnitOfWork, principal: Connector) -> Response:
    """Forget a webhook and its deliveries."""
    subscriptions.remove(session, webhook_id, principal.username)
    return Response(status_code=204)


@router.post("/{webhook_id}/rotate")
def rotate_webhook_secret(webhook_id: str, session: UnitOfWork, principal: Connector) -> WebhookSecret:
    """Give a webhook a new secret; for 24 hours the old one signs too."""
    return WebhookSecret.model_validate(subscriptions.rotate(session, webhook_id, principal.username))


@router.post("/{webhook_id}/ping", status_code=202)
def ping_webhook(webhook_id: str, session: UnitOfWork, _: Connector) -> DeliveryOut:
    """Send a test message; its outcome is in the deliveries."""
    return DeliveryOut.model_validate(subscriptions.ping(session, webhook_id))


@router.get("/{webhook_id}/deliveries")
def list_deliveries(
    webhook_id: str,
    session: UnitOfWork,
    _: Connector,
    state: Annotated[DeliveryState | None, Query()] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[DeliveryOut]:
    """List a webhook's deliveries of the last 30 days, newest first."""
    subscriptions.webhook(session, webhook_id)
    query = select(Delivery).where(Delivery.webhook_id == webhook_id).order_by(Delivery.delivery_id.desc())
    if state is not None:
        query = query.where(Delivery.state == state)
    after = decode_cursor(cursor, 1)
    rows = session.scalars((query.where(Delivery.delivery_id < after[0]) if after else query).limit(limit + 1)).all()
    return page_of(rows, limit, DeliveryOut.model_validate, lambda row: (row.delivery_id,))


@router.post("/{webhook_id}/deliveries/{delivery_id}/replay", status_code=202)
def replay_delivery(webhook_id: str, delivery_id: str, session: UnitOfWork, principal: Connector) -> DeliveryOut:
    """Send a message again: the same bytes and event id, a new delivery."""
    return DeliveryOut.model_validate(subscriptions.replay(session, webhook_id, delivery_id, principal.username))
