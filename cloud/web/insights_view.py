"""What many inspections say together: trends, where it is worst, what was not looked at."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, timedelta
from typing import Literal, NamedTuple

from pydantic import Field
from sqlalchemy import ColumnElement, func, select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import InstrumentedAttribute, Session

from cloud.coverage import SEEN_SHARE
from cloud.tables import Asset, AssetRisk, Coverage, DefectLink, Finding, Flight, Site
from cloud.web import plots
from cloud.web.labels import dated, inline, kind, severity
from cloud.web.language import _, message
from cloud.web.plots import Tick
from cloud.web.shell import Address
from contracts.vocabulary import AssetKind, Blade, BladeSide, FindingStatus, FlightState

_LIVE = (FindingStatus.OPEN.value, FindingStatus.CONFIRMED.value)
_FLOWN = (FlightState.LANDED.value, FlightState.COMPLETE.value)
_SHOWN = 10
_AGES = (
    (30, message("under 30 days")),
    (90, message("30 to 90 days")),
    (365, message("3 to 12 months")),
    (math.inf, message("over a year")),
)


class Wanted(Address):
    """Of when, where and what: all of it is in the address."""

    days: Literal["30", "90", "365", "1095"] = "365"
    site: str | None = Field(default=None, max_length=80)
    kind: AssetKind | None = None

    def of_assets(self) -> list[ColumnElement[bool]]:
        """Return the terms that a query joined to assets is limited by."""
        terms = [Asset.site_id == self.site] if self.site else []
        return terms + ([Asset.kind == self.kind.value] if self.kind else [])

    def among(self, asset_id: InstrumentedAttribute[str]) -> list[ColumnElement[bool]]:
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
    """Stacked bars and the axis they stand on."""

    bars: tuple[Bar, ...]
    ticks: tuple[Tick, ...]


class Worst(NamedTuple):
    """A live defect among the worst: its latest finding, how it grows."""

    finding: Finding
    asset: Asset
    grown_mm: float | None
    sigma_mm: float | None
    first_seen_at: datetime


class Unseen(NamedTuple):
    """An asset that was not wholly looked at: when last, and how many metres of its blades were not seen then."""

    asset: Asset
    flown_at: datetime | None
    unseen_m: int | None
    whole_m: int


class Insights(NamedTuple):
    """The whole page."""

    wanted: Wanted
    sites: tuple[Site, ...]
    inspections: int
    inspected: int
    assets: int
    findings: int
    unreviewed: int
    rejected: int
    live: int
    by_month: Bars
    by_kind: Bars
    by_site: Bars
    by_age: Bars
    worst: tuple[Worst, ...]
    risks: tuple[tuple[Asset, AssetRisk], ...]
    unseen: tuple[Unseen, ...]


def build(session: Session, wanted: Wanted, now: datetime) -> Insights:
    """Return what the inspections of a period say, of the sites and assets asked for."""
    since = now - timedelta(days=int(wanted.days))
    live = _live(session, wanted)
    rows = _counted(session, wanted, since)
    kept = [row for row in rows if row.status != FindingStatus.REJECTED.value]
    flown = session.execute(
        select(func.count(), func.count(Flight.asset_id.distinct()))
        .join(Asset, Asset.asset_id == Flight.asset_id)
        .where(Flight.state.in_(_FLOWN), Flight.started_at >= since, *wanted.of_assets())
    ).one()
    months = _months(since, now)
    return Insights(
        wanted=wanted,
        sites=tuple(session.scalars(select(Site).order_by(Site.name))),
        inspections=flown[0],
        inspected=flown[1],
        assets=session.scalar(select(func.count()).select_from(Asset).where(*wanted.of_assets())) or 0,
        findings=sum(row.findings for row in kept),
        unreviewed=sum(row.findings for row in kept if not row.reviewed),
        rejected=sum(row.findings for row in rows) - sum(row.findings for row in kept),
        live=len(live),
        by_month=_stacked([(dated(m, "%b %y"), [r for r in kept if r.month == m]) for m in months]),
        by_kind=_ranked(((defect.kind, defect.rank) for defect in live), kind),
        by_site=_ranked(((defect.site, defect.rank) for defect in live), str),
        by_age=_by_age(live, now),
        worst=_worst(session, live),
        risks=_risks(session, wanted),
        unseen=_unseen(session, wanted),
    )


class _Count(NamedTuple):
    month: date
    rank: int
    status: str
    reviewed: bool
    findings: int


def _counted(session: Session, wanted: Wanted, since: datetime) -> list[_Count]:
    month = func.date_trunc("month", Finding.detected_at, "UTC")
    reviewed = Finding.reviewed_at.is_not(None)
    query = (
        select(month, Finding.severity_rank, Finding.status, reviewed, func.count())
        .join(Asset, Asset.asset_id == Finding.asset_id)
        .where(Finding.detected_at >= since, *wanted.of_assets())
        .group_by(month, Finding.severity_rank, Finding.status, reviewed)
    )
    return [_Count(at.date(), rank, status, seen, n) for at, rank, status, seen, n in session.execute(query)]


def _months(since: datetime, now: datetime) -> list[date]:
    months, at = [], since.date().replace(day=1)
    while at <= now.date():
        months.append(at)
        at = (at + timedelta(days=32)).replace(day=1)
    return months


class _Live(NamedTuple):
    """A live defect, no more of it than is counted: there are many."""

    finding_id: str
    kind: str
    rank: int
    length_mm: float
    site: str
    grown_mm: float | None
    sigma_mm: float | None
    first_seen_at: datetime


def _live(session: Session, wanted: Wanted) -> list[_Live]:
    """Return every live defect as its latest finding says."""
    first = (
        select(Finding.link_group, func.min(Finding.detected_at).label("at"))
        .where(Finding.status != FindingStatus.REJECTED.value, *wanted.among(Finding.asset_id))
        .group_by(Finding.link_group)
        .subquery()
    )
    said = (Finding.finding_id, Finding.link_group, Finding.asset_id, Finding.kind, Finding.severity_rank)
    latest = (
        select(*said, Finding.length_mm, Finding.status)  # no more than the index findings_latest holds
        .where(Finding.status != FindingStatus.REJECTED.value, *wanted.among(Finding.asset_id))
        .order_by(Finding.link_group, Finding.detected_at.desc(), Finding.finding_id)
        .ext(distinct_on(Finding.link_group))
        .subquery()
    )
    shown = (latest.c.finding_id, latest.c.kind, latest.c.severity_rank, latest.c.length_mm, Site.name)
    query = (
        select(*shown, DefectLink.grown_since_first_mm, DefectLink.since_first_sigma_mm, first.c.at)
        .join(first, first.c.link_group == latest.c.link_group)
        .join(Asset, Asset.asset_id == latest.c.asset_id)
        .join(Site, Site.site_id == Asset.site_id)
        .outerjoin(DefectLink, DefectLink.finding_id == latest.c.finding_id)
        .where(latest.c.status.in_(_LIVE), *wanted.of_assets())
    )
    return [_Live(*row) for row in session.execute(query)]


def _worst(session: Session, live: Iterable[_Live]) -> tuple[Worst, ...]:
    gravest = sorted(live, key=lambda row: (-row.rank, -(row.grown_mm or 0.0), -row.length_mm))[:_SHOWN]
    query = select(Finding, Asset).join(Asset, Asset.asset_id == Finding.asset_id)
    rows = session.execute(query.where(Finding.finding_id.in_([row.finding_id for row in gravest])))
    known = {finding.finding_id: (finding, asset) for finding, asset in rows}
    return tuple(Worst(*known[row.finding_id], row.grown_mm, row.sigma_mm, row.first_seen_at) for row in gravest)


def _by_age(live: Iterable[_Live], now: datetime) -> Bars:
    def age(row: _Live) -> str:
        days = (now - row.first_seen_at).total_seconds() / 86_400
        return next(label for most, label in _AGES if days < most)

    found: dict[str, Counter[int]] = {label: Counter() for _, label in _AGES}
    for row in live:
        found[age(row)][row.rank] += 1
    return _across({_(label): ranks for label, ranks in found.items()})


def _ranked(pairs: Iterable[tuple[str, int]], label: Callable[[str], str]) -> Bars:
    counts: defaultdict[str, Counter[int]] = defaultdict(Counter)
    for (name, rank), many in Counter(pairs).items():
        counts[label(name)][rank] += many
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


def _stacked(columns: list[tuple[str, list[_Count]]]) -> Bars:
    """Return standing bars, the gravest part at the foot."""
    ranks = [
        Counter({rank: sum(r.findings for r in rows if r.rank == rank) for rank in range(1, 6)}) for _, rows in columns
    ]
    most = max((r.total() for r in ranks), default=0)
    marks = [t for t in plots.ticks(0.0, float(max(most, 1))) if t == int(t)]
    top = max(most, marks[-1] if marks else 1.0, 1.0)
    step = 100 / max(len(columns), 1)
    bars = []
    for number, ((label, _rows), counted) in enumerate(zip(columns, ranks, strict=True)):
        parts, foot = [], 100.0
        for rank in (5, 4, 3, 2, 1):
            if counted[rank]:
                size = 100 * counted[rank] / top
                foot -= size
                title = f"{label}: {counted[rank]} {inline(severity(rank))}"
                parts.append(Segment(round(foot, 2), round(size, 2), f"s{rank}", title))
        bars.append(
            Bar(label, round(step * number + step * 0.12, 2), round(step * 0.76, 2), counted.total(), tuple(parts))
        )
    return Bars(tuple(bars), tuple(Tick(round(100 - 100 * t / top, 2), f"{t:g}") for t in marks))


def _by_rank(rows: Iterable[_Count]) -> Counter[int]:
    counts: Counter[int] = Counter()
    for row in rows:
        counts[row.rank] += row.findings
    return counts


def _risks(session: Session, wanted: Wanted) -> tuple[tuple[Asset, AssetRisk], ...]:
    query = select(Asset, AssetRisk).join(AssetRisk, AssetRisk.asset_id == Asset.asset_id).where(*wanted.of_assets())
    rows = session.execute(query.order_by(AssetRisk.chance_365_days.desc(), Asset.name).limit(_SHOWN))
    return tuple((asset, risk) for asset, risk in rows)


def _unseen(session: Session, wanted: Wanted) -> tuple[Unseen, ...]:
    """Return assets never inspected, and those of whose blades the last inspection with coverage missed something."""
    when = func.max(Flight.started_at)
    flown = (
        select(Flight.asset_id, when.label("at")).where(Flight.state.in_(_FLOWN)).group_by(Flight.asset_id).subquery()
    )
    looked = select(Coverage.flight_id).where(Coverage.flight_id == Flight.flight_id).exists()
    last = (
        select(Flight.asset_id, Flight.flight_id)
        .where(looked, *wanted.among(Flight.asset_id))
        .order_by(Flight.asset_id, Flight.created_at.desc())
        .ext(distinct_on(Flight.asset_id))
        .subquery()
    )
    seen = (
        select(last.c.asset_id, func.count().label("metres"))
        .join(Coverage, Coverage.flight_id == last.c.flight_id)
        .where(Coverage.seen_share >= SEEN_SHARE)
        .group_by(last.c.asset_id)
        .subquery()
    )
    query = (
        select(Asset, flown.c.at, last.c.flight_id, seen.c.metres)
        .outerjoin(flown, flown.c.asset_id == Asset.asset_id)
        .outerjoin(last, last.c.asset_id == Asset.asset_id)
        .outerjoin(seen, seen.c.asset_id == Asset.asset_id)
        .where(*wanted.of_assets())
        .order_by(flown.c.at.nulls_first(), Asset.name)
    )
    found = []
    for asset, at, looked_by, metres in session.execute(query):
        whole_m = math.ceil(asset.turbine.blade_length_m) * len(Blade) * len(BladeSide) if asset.turbine else 0
        unseen_m = whole_m - (metres or 0) if asset.turbine and looked_by else None
        if at is None or unseen_m:
            found.append(Unseen(asset, at.astimezone(UTC) if at else None, unseen_m, whole_m))
    return tuple(sorted(found, key=lambda u: (u.flown_at is not None, -(u.unseen_m or 0)))[:20])
