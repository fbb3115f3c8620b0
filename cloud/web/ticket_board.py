"""Tickets as a board by what the customer's system says of them, and what is due as a month."""

from __future__ import annotations

import calendar
from collections import defaultdict
from datetime import date, datetime, time, timedelta
from typing import Literal, NamedTuple
from zoneinfo import ZoneInfo

from pydantic import Field
from sqlalchemy import CompoundSelect, select, union_all
from sqlalchemy.orm import Session, aliased

from cloud import ticket_life
from cloud.language import _, message
from cloud.schedules import due, timetable
from cloud.tables import Asset, CrewRow, Finding, RepairSlot, Schedule, Ticket, WorkflowRun
from cloud.web import finding_view
from cloud.web.labels import dated, inline, kind
from cloud.web.shell import Address
from contracts.vocabulary import FindingStatus

MOST = 300
_LIVE = (FindingStatus.OPEN.value, FindingStatus.CONFIRMED.value)
_CLOSED_SHOWN = timedelta(days=60)


class Wanted(Address):
    """Board or calendar, and of what: all of it is in the address."""

    view: Literal["board", "calendar"] = "board"
    asset: str | None = Field(default=None, max_length=80)
    rank: int | None = Field(default=None, ge=1, le=5)
    month: str | None = Field(default=None, pattern=r"^\d{4}-(0[1-9]|1[0-2])$")


class Card(NamedTuple):
    """A ticket, or a finding whose ticket is on its way or failed."""

    finding: Finding
    asset_name: str
    ticket: Ticket | None
    run: WorkflowRun | None

    @property
    def waited_s(self) -> float | None:
        """Return the seconds from the frame to the ticket's number."""
        return finding_view.waited_s(self.finding, self.ticket)


class Column(NamedTuple):
    """A column of the board."""

    key: str
    title: str
    says: str
    cards: tuple[Card, ...]


def board(session: Session, wanted: Wanted, now: datetime) -> tuple[Column, ...]:
    """Return the columns; cards with the nearest due date first."""
    under_way = select(WorkflowRun.finding_id).where(WorkflowRun.state.in_(("wanted", "running", "failed")))
    on_the_board: CompoundSelect[str | None] = union_all(select(Ticket.finding_id), under_way)
    query = (
        select(Finding, Asset.name, Ticket, WorkflowRun)
        .join(Asset, Asset.asset_id == Finding.asset_id)
        .outerjoin(Ticket, Ticket.finding_id == Finding.finding_id)
        .outerjoin(WorkflowRun, WorkflowRun.finding_id == Finding.finding_id)
        .where(Finding.finding_id.in_(on_the_board))
        .order_by(Finding.due_at.nulls_last(), Finding.severity_rank.desc(), Finding.number)
    )
    query = query.where(Finding.asset_id == wanted.asset) if wanted.asset else query
    query = query.where(Finding.severity_rank == wanted.rank) if wanted.rank else query
    cards: defaultdict[str, list[Card]] = defaultdict(list)
    for row in session.execute(query.limit(MOST)):
        card = Card(*row)
        cards[_column(card, now)].append(card)
    return tuple(Column(key, _(title), _(says), tuple(cards[key])) for key, title, says in _COLUMNS)


_COLUMNS = (
    ("way", message("On its way"), message("no number yet")),
    ("open", message("Notified"), message("open, no order")),
    ("order", message("Ordered"), message("an order was made")),
    ("closed", message("Closed"), message("within 60 days")),
    ("trouble", message("To look at"), message("failed, cancelled or missing")),
)


def _column(card: Card, now: datetime) -> str:
    if card.ticket is None or card.ticket.number is None:
        return "trouble" if card.run is not None and card.run.state == "failed" else "way"
    if card.ticket.status == ticket_life.CLOSED:
        done = card.ticket.completed_at or card.ticket.checked_at or now
        return "closed" if done > now - _CLOSED_SHOWN else "past"
    if card.ticket.status != ticket_life.OPEN:
        return "trouble"
    return "order" if card.ticket.order_number else "open"


class Entry(NamedTuple):
    """Something on a day, at a moment. ``finding_id`` opens its sheet."""

    at: datetime
    kind: str
    text: str
    href: str
    finding_id: str
    late: bool


class Day(NamedTuple):
    """A day of the month's weeks, in the reader's time zone."""

    day: date
    inside: bool
    today: bool
    entries: tuple[Entry, ...]


class Month(NamedTuple):
    """A month of what is due, with its neighbours' addresses."""

    title: str
    before: str
    after: str
    days: tuple[Day, ...]
    entries: int
    zone: str


def month(session: Session, wanted: Wanted, now: datetime, zone: ZoneInfo) -> Month:
    """Return a month of a zone's days: defects to be repaired by, inspections due, flights on schedule."""
    today = now.astimezone(zone).date()
    first = date.fromisoformat(f"{wanted.month}-01") if wanted.month else today.replace(day=1)
    weeks = calendar.Calendar().monthdatescalendar(first.year, first.month)
    start, end = (datetime.combine(d, time.min, zone) for d in (weeks[0][0], weeks[-1][-1] + timedelta(days=1)))
    found: defaultdict[date, list[Entry]] = defaultdict(list)
    repairs = _repairs(session, wanted, now, start, end)
    for entry in [*_crews(session, wanted), *repairs, *_inspections(session, wanted, now),
                  *_flights(session, wanted, start, end)]:  # fmt: skip
        if start <= entry.at < end:
            found[entry.at.astimezone(zone).date()].append(entry)
    days = tuple(Day(day, day.month == first.month, day == today, tuple(found[day])) for week in weeks for day in week)
    before, after = first - timedelta(days=1), first + timedelta(days=31)
    return Month(
        dated(first, "%B %Y"), f"{before:%Y-%m}", f"{after:%Y-%m}", days, sum(len(d.entries) for d in days), zone.key
    )


def _repairs(session: Session, wanted: Wanted, now: datetime, start: datetime, end: datetime) -> list[Entry]:
    """Return the defects to be repaired within a span of days, each as its latest finding says."""
    newer = aliased(Finding)
    asked_again = select(newer.finding_id).where(
        newer.link_group == Finding.link_group,
        newer.detected_at > Finding.detected_at,
        newer.due_at.is_not(None),
        newer.status.in_(_LIVE),
    )
    query = select(Finding, Asset.name).join(Asset, Asset.asset_id == Finding.asset_id)
    query = query.where(Finding.due_at >= start, Finding.due_at < end, Finding.status.in_(_LIVE), ~asked_again.exists())
    query = query.where(Finding.asset_id == wanted.asset) if wanted.asset else query
    query = query.where(Finding.severity_rank == wanted.rank) if wanted.rank else query
    entries: list[Entry] = []
    for f, name in session.execute(query.order_by(Finding.due_at, Finding.number)):
        if f.due_at is not None:
            text = f"F-{f.number} {inline(kind(f.kind))}, {name}"
            href = f"/?finding={f.finding_id}"
            entries.append(Entry(f.due_at, f"s{f.severity_rank}", text, href, f.finding_id, f.due_at < now))
    return entries


def _crews(session: Session, wanted: Wanted) -> list[Entry]:
    """Return when crews come."""
    query = (
        select(RepairSlot, Finding, CrewRow.name)
        .join(Finding, Finding.finding_id == RepairSlot.finding_id)
        .join(CrewRow, CrewRow.crew_id == RepairSlot.crew_id)
        .where(RepairSlot.state.in_(("proposed", "accepted")), RepairSlot.starts_at.is_not(None))
    )
    query = query.where(Finding.asset_id == wanted.asset) if wanted.asset else query
    query = query.where(Finding.severity_rank == wanted.rank) if wanted.rank else query
    entries: list[Entry] = []
    for slot, finding, crew in session.execute(query):
        said = _("{0} repairs F-{1} {2}") if slot.state == "accepted" else _("{0} repairs F-{1} {2}, proposed")
        text = said.format(crew, finding.number, inline(kind(finding.kind)))
        if slot.starts_at is not None:
            entries.append(Entry(slot.starts_at, "repair", text, "/tickets/repairs", "", slot.late))
    return entries


def _inspections(session: Session, wanted: Wanted, now: datetime) -> list[Entry]:
    entries: list[Entry] = []
    for item in due.due_list(session):
        if wanted.asset in {None, item.asset.asset_id}:
            text = _("Inspect {0}: {1}", item.asset.name, item.rule.title)
            href = f"/assets/{item.asset.asset_id}"
            entries.append(Entry(item.due_at, "inspect", text, href, "", item.due_at < now))
    return entries


def _flights(session: Session, wanted: Wanted, start: datetime, end: datetime) -> list[Entry]:
    query = select(Schedule).where(Schedule.enabled)
    query = query.where(Schedule.asset_id == wanted.asset) if wanted.asset else query
    return [
        Entry(at, "scheduled", _("Fly {0}", row.name), f"/assets/{row.asset_id}", "", late=False)
        for row in session.scalars(query)
        for at in timetable.upcoming(row, start, end)
    ]
