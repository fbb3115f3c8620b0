"""Tells the people on call of a new security event, at any hour. A crash between may tell twice; never not at all."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import select

from cloud.alerts.rota import Rota
from cloud.alerts.rounds import Channel
from cloud.db import Database
from cloud.intrusion.book import OPEN
from cloud.logbook import log
from cloud.tables import SecurityEvent
from contracts.errors import PlatformError

_AT_ONCE = 20


def tell(database: Database, channels: Mapping[str, Channel], rota: Rota, now: datetime) -> int:
    """Tell of every open event nobody was told of; returns how many. What no channel takes now waits."""
    untold = select(SecurityEvent).where(SecurityEvent.told_at.is_(None), SecurityEvent.state == OPEN)
    with database.session() as session:
        events = list(session.scalars(untold.order_by(SecurityEvent.first_at).limit(_AT_ONCE).with_for_update()))
        for event in events:
            if _told(channels, rota, event, now):
                event.told_at = now
        return sum(event.told_at is not None for event in events)


def _told(channels: Mapping[str, Channel], rota: Rota, event: SecurityEvent, now: datetime) -> bool:
    """Return whether at least one recipient could be told."""
    subject = f"Security: {event.rule.replace('_', ' ')}, {event.subject}"
    text = f"{event.summary}\nEvent {event.event_id}; see GET /v1/security/events.\n"
    told = False
    for recipient in rota.recipients(0, now):
        channel = channels.get(recipient.channel)
        if channel is None:
            continue
        try:
            channel.send(recipient.address, subject, text, event.event_id)
            told = True
        except PlatformError as error:
            log("security_event_not_told", event_id=event.event_id, channel=recipient.channel, reason=str(error))
    return told
