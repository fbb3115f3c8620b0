"""Whoever fetched a final report is told that it is not true any more: once for all that changed together.

Triggers note which flights with final reports changed: in findings, in coverage, in what waits for a person. Once such
a flight has been left alone for a while, what its reports say now is compared with what they said, and with what was
told last. What is new goes out as one event ``report.changed``, and as a message to each reader whose name the on-call
rota knows, in the language in which they fetched it. Both are rows of the transaction that takes the notes; a message
sent again after a crash has the same key.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta

from sqlalchemy import delete, func, or_, select
from sqlalchemy.orm import Session

from cloud.alerts import rota as rotas
from cloud.alerts.rota import Rota
from cloud.alerts.rounds import Channel, channel_of
from cloud.db import notify_all
from cloud.language import _, speaking
from cloud.logbook import log
from cloud.reporting import signed
from cloud.reporting.signed import Since
from cloud.services import Services
from cloud.tables import Asset, FinalReport, Flight, ReportChange, ReportMessage, User
from contracts.errors import PlatformError, Unavailable
from contracts.ids import mint

LEFT_ALONE = timedelta(minutes=10)
"""Since the last change: who judges a flight anew makes many."""
AT_THE_LATEST = timedelta(hours=1)
_RANK = 1
"""In quiet hours these wait as the least of alerts do."""
_AGAIN = timedelta(minutes=5)
_AT_ONCE = 50
_LISTED = 50
KEPT_DAYS = 90


def tell(services: Services, now: datetime) -> Counter[str]:
    """Tell readers what changed; returns what was done.

    Raises:
        InvalidInput: The on-call rota cannot be read.

    """
    rota = rotas.load(services.settings.oncall_file)
    with services.database.session() as session:
        done = Counter(reports_changed=compose(session, services.channels, rota, services.settings.address, now))
    with services.database.session() as session:
        done["report_messages_forgotten"] = forget(session, now)
        return done + send_due(session, services.channels, rota, now)


def compose(session: Session, channels: Mapping[str, Channel], rota: Rota, platform: str, now: datetime) -> int:
    """Write down who is to be told of what changed; returns of how many flights.

    ``platform`` is the address where people reach it.
    """
    flights = _left_alone(session, now)
    standing = signed.standing(session, flights)
    news: set[str] = set()
    for report in session.scalars(select(FinalReport).where(FinalReport.flight_id.in_(flights)).with_for_update()):
        since = signed.compared(report, standing[report.flight_id])
        heard = signed.heard(since, standing[report.flight_id])
        if heard != report.heard:
            report.heard = heard
            news.add(report.flight_id)
            session.add_all(_messages(session, channels, rota, report, since, platform, now))
    notify_all(session, "report", sorted(news))
    return len(news)


def send_due(session: Session, channels: Mapping[str, Channel], rota: Rota, now: datetime) -> Counter[str]:
    """Send what is due outside of quiet hours; what does not go now goes later, for as long as alerts are tried."""
    done: Counter[str] = Counter()
    if rota.quiet_until(_RANK, now) is not None:
        return done
    due = select(ReportMessage).where(ReportMessage.next_at <= now).order_by(ReportMessage.next_at).limit(_AT_ONCE)
    for message in session.scalars(due.with_for_update(skip_locked=True)).all():
        message.next_at = None
        try:
            channel = channel_of(channels, message.channel)
            channel.send(message.address, message.subject, message.body, message.message_id)
            message.sent_at, message.error = now, ""
            done["report_messages_sent"] += 1
        except Unavailable as error:
            tried_long = now > message.created_at + timedelta(hours=rota.give_up_h)
            message.error, message.next_at = str(error)[:400], None if tried_long else now + _AGAIN
        except PlatformError as error:
            message.error = str(error)[:400]
        if message.error:
            log("report_message_failed", person=message.fetched_by, channel=message.channel, error=message.error)
    return done


def forget(session: Session, now: datetime) -> int:
    """Delete messages older than ``KEPT_DAYS`` that went out or never will; return how many."""
    old = ReportMessage.next_at.is_(None), ReportMessage.created_at < now - timedelta(days=KEPT_DAYS)
    return len(session.scalars(delete(ReportMessage).where(*old).returning(ReportMessage.message_id)).all())


def _left_alone(session: Session, now: datetime) -> frozenset[str]:
    """Take the notes of flights in which nothing has changed for a while, or that waited long enough."""
    ready = (
        select(ReportChange.flight_id)
        .group_by(ReportChange.flight_id)
        .having(or_(func.max(ReportChange.at) <= now - LEFT_ALONE, func.min(ReportChange.at) <= now - AT_THE_LATEST))
    )
    taken = delete(ReportChange).where(ReportChange.flight_id.in_(ready)).returning(ReportChange.flight_id)
    return frozenset(session.scalars(taken))


def _messages(  # noqa: PLR0913, PLR0917 - one report's whole state
    session: Session,
    channels: Mapping[str, Channel],
    rota: Rota,
    report: FinalReport,
    since: Since,
    platform: str,
    now: datetime,
) -> Iterator[ReportMessage]:
    flight = session.get_one(Flight, report.flight_id)
    asset = session.get_one(Asset, flight.asset_id)
    if not _may_see(session, report.fetched_by, asset.site_id):
        return
    with speaking(report.language):
        subject, text = wording(since, flight, asset, platform)
    for recipient in rota.addresses_of(report.fetched_by):
        if recipient.channel in channels:
            yield ReportMessage(
                message_id=mint("rpm"),
                flight_id=report.flight_id,
                fetched_by=report.fetched_by,
                channel=recipient.channel,
                address=recipient.address,
                subject=subject,
                body=text,
                created_at=now,
                next_at=now,
            )


def _may_see(session: Session, username: str, site_id: str) -> bool:
    """Return whether somebody may still see a site; of who is no user here, an issuer elsewhere decides at sign-in."""
    user = session.get(User, username)
    return user is None or (not user.disabled and (user.sites is None or site_id in user.sites))


def wording(since: Since, flight: Flight, asset: Asset, platform: str) -> tuple[str, str]:
    """Return subject and text of a message about one report; without changes it says that it is true again."""
    day, changed = f"{flight.started_at or flight.created_at:%Y-%m-%d}", since.lines
    about = asset.name, asset.asset_id, day, f"{since.fetched_at:%Y-%m-%d %H:%M}"
    untrue = _(
        "The final report of the inspection of {0} ({1}) on {2}, which you fetched at {3} UTC, is not true any more.",
        *about,
    )
    true = _(
        "The final report of the inspection of {0} ({1}) on {2}, which you fetched at {3} UTC, is true again.", *about
    )
    lines = [
        untrue if changed else true,
        *(f"- {one}" for one in changed[:_LISTED]),
        *([_("and {0} more.", len(changed) - _LISTED)] if len(changed) > _LISTED else []),
        *([_("Fetch it again to have it as it is now.")] if changed else []),
        f"{platform}/flights/{flight.flight_id}",
    ]
    count = _("1 change") if len(changed) == 1 else _("{0} changes", len(changed))
    subject = _("Report of {0}, {1}: {2}", asset.name, day, count if changed else _("true again"))
    return subject, "\n".join(lines) + "\n"
