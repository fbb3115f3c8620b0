"""What many inspections say together: trends, where it is worst, what was not looked at."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from datetime import date, datetime, time, timedelta
from typing import Any, Literal, NamedTuple
from zoneinfo import ZoneInfo

from pydantic import Field
from sqlalchemy import (
    ColumnElement,
    DateTime,
    Subquery,
    bindparam,
    case,
    func,
    literal_column,
    select,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import InstrumentedAttribute, Session

from cloud.history import standing
from cloud.language import _, message
from cloud.tables import Asset, Finding, Flight, Site
from cloud.web import plots
from cloud.web.labels import dated, inline, kind, severity
from cloud.web.plots import Tick
from cloud.web.shell import Address
from contracts.vocabulary import AssetKind, FindingStatus, FlightState

_FLOWN = (FlightState.LANDED.value, FlightState.COMPLETE.value)
_SHOWN = 10
_SERIES = 6
"""Kinds or sites with a colour of their own in a bar."""
_AGES = (
    (30, message("under 30 days")),
    (90, message("30 to 90 days")),
    (365, message("3 to 12 months")),
    (math.inf, message("over a year")),
)

_KNOWN = (
    (0, message("seen for the first time")),
    (90, message("known up to 3 months")),
    (365, message("known up to a year")),
    (math.inf, message("known for over a year")),
)
"""How many days before a finding its defect was seen first, at most."""


class Wanted(Address):
    """Of when, where and what: all of it is in the address."""

    days: Literal["30", "90", "365", "1095"] = "365"
    site: str | None = Field(default=None, max_length=80)
    kind: AssetKind | None = None
    by: Literal["severity", "kind", "site", "age"] = "severity"
    """What the bars of the months are made of."""

    def of_assets(self) -> list[ColumnElement[bool]]:
        """Return the terms that a query joined to assets is limited by."""
        terms = [Asset.site_id == self.site] if self.site else []
        return terms + ([Asset.kind == self.kind.value] if self.kind else [])

    def among(self, asset_id: ColumnElement[str] | InstrumentedAttribute[str]) -> list[ColumnElement[bool]]:
        """Return the terms that limit a query which is not joined to assets."""
        terms = self.of_assets()
        return [asset_id.in_(select(Asset.asset_id).where(*terms))] if terms else []


class Segment(NamedTuple):
    """A part of a bar, in percent."""

    at: float
    size: float
    style: str
    title: str


class Bar(NamedTuple):
    """One bar with its label."""

    label: str
    at: float
    width: float
    total: int
    parts: tuple[Segment, ...]


class Bars(NamedTuple):
    """Stacked bars and the axis they stand on; ``legend`` is (style, label) of what they are made of."""

    bars: tuple[Bar, ...]
    ticks: tuple[Tick, ...]
    legend: tuple[tuple[str, str], ...] = ()


class Live(NamedTuple):
    """How many live defects there are of a kind, a severity, a site and an age (a place in _AGES)."""

    kind: str
    rank: int
    site: str
    age: int
    defects: int


class Insights(NamedTuple):
    """What the page begins with: figures, months, live defects by kind, site and age."""

    wanted: Wanted
    sites: tuple[Site, ...]
    inspections: int
    inspected: int
    assets: int
    findings: int
    unreviewed: int
    rejected: int
    live: int
    defects: tuple[Live, ...]
    by_month: Bars
    by_kind: Bars
    by_site: Bars
    by_age: Bars


def build(session: Session, wanted: Wanted, now: datetime, zone: ZoneInfo, *, choices: bool = True) -> Insights:
    """Return what the inspections of a period say, of the sites and assets asked for.

    Without ``choices`` the sites to choose from are left out, where they stand on the page already.
    """
    since = now - timedelta(days=int(wanted.days))
    live = live_defects(session, wanted, now)
    months = _months(since.astimezone(zone).date(), now.astimezone(zone).date())
    rows = _counted(session, wanted, months, since, zone)
    kept = [row for row in rows if row.status != FindingStatus.REJECTED.value]
    flown = session.execute(
        select(func.count(), func.count(Flight.asset_id.distinct()))
        .join(Asset, Asset.asset_id == Flight.asset_id)
        .where(Flight.state.in_(_FLOWN), Flight.started_at >= since, *wanted.of_assets())
    ).one()
    return Insights(
        wanted=wanted,
        sites=tuple(session.scalars(select(Site).order_by(Site.name))) if choices else (),
        inspections=flown[0],
        inspected=flown[1],
        assets=session.scalar(select(func.count()).select_from(Asset).where(*wanted.of_assets())) or 0,
        findings=sum(row.findings for row in kept),
        unreviewed=sum(row.findings for row in kept if not row.reviewed),
        rejected=sum(row.findings for row in rows) - sum(row.findings for row in kept),
        live=sum(row.defects for row in live),
        defects=tuple(live),
        by_month=_stacked([(dated(m, "%b %y"), [r for r in kept if r.month == m]) for m in months], wanted.by),
        by_kind=_ranked(((row.kind, row) for row in live), kind),
        by_site=_ranked(((row.site, row) for row in live), str),
        by_age=_by_age(live),
    )


class _Count(NamedTuple):
    month: date
    part: str
    status: str
    reviewed: bool
    findings: int


def _counted(session: Session, wanted: Wanted, months: list[date], since: datetime, zone: ZoneInfo) -> list[_Count]:
    # A search in a few bounds takes a tenth of what cutting each finding's time in the reader's zone does.
    months = [*months, _following(months[-1])]  # for what is of a time yet to come
    bounds = [datetime.combine(month, time.min, zone) for month in months]
    month = func.width_bucket(Finding.detected_at, bindparam("bounds", bounds, ARRAY(DateTime(timezone=True))))
    reviewed = Finding.reviewed_at.is_not(None)
    parts: dict[str, ColumnElement[Any]] = {
        "severity": func.coalesce(Finding.severity_rank),
        "kind": func.coalesce(Finding.kind),
        "site": func.coalesce(Site.name),
    }
    known = standing.latest()
    part = _age(known) if wanted.by == "age" else parts[wanted.by]
    query = select(month, part, Finding.status, reviewed, func.count()).select_from(Finding)
    if wanted.by == "site":
        query = query.join(Asset, Asset.asset_id == Finding.asset_id).join(Site, Site.site_id == Asset.site_id)
    if wanted.by == "age":
        query = query.outerjoin(known, known.c.link_group == Finding.link_group)
    query = query.where(Finding.detected_at >= since, *wanted.among(Finding.asset_id))
    rows = session.execute(query.group_by(literal_column("1"), literal_column("2"), Finding.status, reviewed))
    return [_Count(months[at - 1], str(name), status, seen, n) for at, name, status, seen, n in rows]


def _age(known: Subquery) -> ColumnElement[str]:
    """Return a finding's place in _KNOWN, by when its defect was seen first."""
    waited = Finding.detected_at - func.coalesce(known.c.first_seen_at, Finding.detected_at)
    upto = [(waited <= timedelta(days=most), str(n)) for n, (most, _label) in enumerate(_KNOWN[:-1])]
    return case(*upto, else_=str(len(_KNOWN) - 1))


def _months(since: date, today: date) -> list[date]:
    months, at = [], since.replace(day=1)
    while at <= today:
        months.append(at)
        at = _following(at)
    return months


def _following(month: date) -> date:
    return (month + timedelta(days=32)).replace(day=1)


def live_defects(session: Session, wanted: Wanted, now: datetime) -> list[Live]:
    """Count the live defects, each as its latest finding says."""
    known = standing.latest()
    young = [(known.c.first_seen_at > now - timedelta(days=most), n) for n, (most, _) in enumerate(_AGES[:-1])]
    age = case(*young, else_=len(_AGES) - 1)
    by = (known.c.kind, known.c.severity_rank, Site.name, age)
    query = (
        select(*by, func.count())
        .select_from(known)
        .join(Asset, Asset.asset_id == known.c.asset_id)
        .join(Site, Site.site_id == Asset.site_id)
        .where(known.c.status.in_(standing.LIVE), *wanted.of_assets())
        .group_by(known.c.kind, known.c.severity_rank, Site.name, literal_column("4"))
    )
    return [Live(*row) for row in session.execute(query)]


def _by_age(live: Iterable[Live]) -> Bars:
    found: dict[str, Counter[int]] = {_(label): Counter() for _most, label in _AGES}
    labels = list(found)
    for row in live:
        found[labels[row.age]][row.rank] += row.defects
    return _across(found)


def _ranked(counted: Iterable[tuple[str, Live]], label: Callable[[str], str]) -> Bars:
    counts: defaultdict[str, Counter[int]] = defaultdict(Counter)
    for name, row in counted:
        counts[label(name)][row.rank] += row.defects
    largest = sorted(counts.items(), key=lambda item: (-item[1].total(), item[0]))[:_SHOWN]
    return _across(dict(largest))


def _across(counts: dict[str, Counter[int]]) -> Bars:
    """Return lying bars, the gravest part first."""
    most = max((ranks.total() for ranks in counts.values()), default=0) or 1
    bars = []
    for number, (label, ranks) in enumerate(counts.items()):
        parts, at = [], 0.0
        for rank in (5, 4, 3, 2, 1):
            if ranks[rank]:
                size = 100 * ranks[rank] / most
                parts.append(
                    Segment(round(at, 2), round(size, 2), f"s{rank}", f"{ranks[rank]} {inline(severity(rank))}")
                )
                at += size
        bars.append(Bar(label[:1].upper() + label[1:], float(number), 0.0, ranks.total(), tuple(parts)))
    return Bars(tuple(bars), ())


def _stacked(columns: list[tuple[str, list[_Count]]], by: str) -> Bars:
    """Return standing bars, the gravest, oldest or most frequent part at the foot."""
    counted = [_by_part(rows) for _label, rows in columns]
    totals: Counter[str] = sum(counted, Counter())
    series = _series(totals, by)
    most = max((c.total() for c in counted), default=0)
    marks = [t for t in plots.ticks(0.0, float(max(most, 1))) if t == int(t)]
    top = max(most, marks[-1] if marks else 1.0, 1.0)
    step = 100 / max(len(columns), 1)
    bars = []
    for number, ((label, _rows), counts) in enumerate(zip(columns, counted, strict=True)):
        parts, foot = [], 100.0
        for style, said, names in series:
            within = said if by == "site" else inline(said)
            if many := sum(counts[name] for name in names):
                size = 100 * many / top
                foot -= size
                title = f"{label}: {many} {within}"
                parts.append(Segment(round(foot, 2), round(size, 2), style, title))
        at, width = round(step * number + step * 0.12, 2), round(step * 0.76, 2)
        bars.append(Bar(label, at, width, counts.total(), tuple(parts)))
    legend = tuple((style, said) for style, said, _names in series)
    return Bars(tuple(bars), tuple(Tick(round(100 - 100 * t / top, 2), f"{t:g}") for t in marks), legend)


def _series(totals: Counter[str], by: str) -> list[tuple[str, str, list[str]]]:
    """Return (style, label, parts) of what the bars are made of; the rare ones share the last style."""
    if by == "severity":
        return [(f"s{rank}", severity(rank), [str(rank)]) for rank in (5, 4, 3, 2, 1)]
    if by == "age":
        return [(f"c{n}", _(label), [str(n)]) for n, (_most, label) in reversed(list(enumerate(_KNOWN)))]
    label = kind if by == "kind" else str
    often = sorted(totals, key=lambda name: (-totals[name], name))
    series = [(f"c{n}", label(name), [name]) for n, name in enumerate(often[:_SERIES])]
    return [*series, (f"c{_SERIES}", _("Others"), often[_SERIES:])] if often[_SERIES:] else series


def _by_part(rows: Iterable[_Count]) -> Counter[str]:
    counts: Counter[str] = Counter()
    for row in rows:
        counts[row.part] += row.findings
    return counts
