"""What the pages say of assets: the list by health; one asset's parts, years, defects, inspections and tickets."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Literal, NamedTuple
from urllib.parse import urlencode

from pydantic import Field
from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import Session

from cloud import health_index
from cloud.history import biography, standing
from cloud.history.biography import Defect
from cloud.planning import assets
from cloud.reporting import blades
from cloud.reporting.blades import Schematic
from cloud.schedules import due
from cloud.schedules.due import DueItem
from cloud.tables import Asset, AssetRisk, Coverage, Finding, Flight, HealthRow, Prediction, Site, Ticket
from cloud.web import plots, schematic
from cloud.web.language import _
from cloud.web.plots import Measured, Plot
from cloud.web.schematic import Strips
from cloud.web.shell import Address
from contracts.errors import NotFound
from contracts.vocabulary import AssetKind, FindingStatus, FlightState

MOST = 200
AT_ONCE = 40
"""Rows of the list that are drawn at once."""
_FLOWN = (FlightState.LANDED.value, FlightState.COMPLETE.value)
_MONTH = timedelta(days=30)


class Wanted(Address):
    """Which assets are listed, in which order: all of it is in the address."""

    site: str | None = Field(default=None, max_length=80)
    kind: AssetKind | None = None
    q: str | None = Field(default=None, max_length=80)
    sort: Literal["health", "risk", "name"] = "health"
    start: int = Field(default=0, ge=0, le=1_000_000)
    """How many are left out before the first: the rest of a long list comes as it is scrolled to."""

    @property
    def rest(self) -> str:
        """Return the address of what follows the rows shown."""
        kept = self.model_dump(mode="json", exclude_none=True) | {"start": self.start + AT_ONCE}
        return f"/assets?{urlencode(kept)}"


class Listed(NamedTuple):
    """One asset in the list. ``before`` is its health a month ago."""

    asset: Asset
    site: str
    score: float | None
    before: float | None
    ranks: dict[int, int]
    flown_at: datetime | None
    risk: AssetRisk | None


class AssetList(NamedTuple):
    """The list and what it can be filtered by."""

    rows: tuple[Listed, ...]
    total: int
    sites: tuple[Site, ...]
    wanted: Wanted


def listed(session: Session, wanted: Wanted, now: datetime) -> AssetList:
    """Return the assets asked for, the least healthy first unless told otherwise."""
    query = select(Asset, Site.name).join(Site, Site.site_id == Asset.site_id).order_by(Asset.name)
    query = query.where(Asset.site_id == wanted.site) if wanted.site else query
    query = query.where(Asset.kind == wanted.kind.value) if wanted.kind else query
    query = query.where(Asset.name.icontains(wanted.q, autoescape=True)) if wanted.q else query
    found = session.execute(query).all()
    today, before = _indexes(session, now.date()), _indexes(session, (now - _MONTH).date())
    ranks, flown = _ranks(session), _flown(session)
    risks = {risk.asset_id: risk for risk in session.scalars(select(AssetRisk))}
    rows = [
        Listed(
            asset,
            site,
            today.get(asset.asset_id),
            before.get(asset.asset_id),
            ranks.get(asset.asset_id, {}),
            flown.get(asset.asset_id),
            risks.get(asset.asset_id),
        )
        for asset, site in found
    ]
    if wanted.sort == "health":
        rows.sort(key=lambda row: (row.score is None, row.score or 0.0))
    elif wanted.sort == "risk":
        rows.sort(key=lambda row: -row.risk.chance_365_days if row.risk else 1.0)
    sites = tuple(session.scalars(select(Site).order_by(Site.name)))
    return AssetList(tuple(rows[wanted.start : wanted.start + AT_ONCE]), len(rows), sites, wanted)


def _indexes(session: Session, day: date) -> dict[str, float]:
    """Return every asset's newest index on or before a day."""
    query = (
        select(HealthRow.subject, HealthRow.index)
        .where(HealthRow.scope == "asset", HealthRow.day <= day.isoformat())
        .order_by(HealthRow.subject, HealthRow.day.desc())
        .ext(distinct_on(HealthRow.subject))
    )
    return {subject: index for subject, index in session.execute(query)}  # noqa: C416 - rows are not tuples to mypy


def _ranks(session: Session) -> dict[str, dict[int, int]]:
    """Return how many live defects of each severity rank an asset has, each as its latest finding grades it."""
    known = standing.latest()
    query = select(known.c.asset_id, known.c.severity_rank, func.count()).where(known.c.status.in_(standing.LIVE))
    ranks: dict[str, dict[int, int]] = {}
    for asset_id, rank, count in session.execute(query.group_by(known.c.asset_id, known.c.severity_rank)):
        ranks.setdefault(asset_id, {})[rank] = count
    return ranks


def _flown(session: Session) -> dict[str, datetime]:
    query = select(Flight.asset_id, func.max(Flight.started_at)).where(Flight.state.in_(_FLOWN))
    return {asset_id: at for asset_id, at in session.execute(query.group_by(Flight.asset_id)) if at}


class Shown(Address):
    """Which inspection and which defect of an asset are looked at."""

    flight: str | None = Field(default=None, max_length=80)
    defect: str | None = Field(default=None, max_length=80)


class Grown(NamedTuple):
    """A defect in the table, with what is expected of it."""

    defect: Defect
    prediction: Prediction | None


class Inspection(NamedTuple):
    """A flight of the asset that has seen something."""

    flight: Flight
    findings: int
    cells: int


class AssetView(NamedTuple):
    """Everything on the page of an asset."""

    asset: Asset
    site: Site
    score: float | None
    parts: tuple[dict[str, object], ...]
    risk: AssetRisk | None
    due: tuple[DueItem, ...]
    inspections: tuple[Inspection, ...]
    shown: Flight | None
    blades: Schematic | None
    strips: Strips | None
    health: Plot | None
    defects: tuple[Grown, ...]
    tickets: tuple[tuple[Ticket, Finding], ...]
    open_defect: str | None


def build(session: Session, asset_id: str, shown: Shown) -> AssetView:
    """Return the page of an asset, with the coverage of one inspection (else the newest that has any).

    Raises:
        NotFound: No such asset, or no such flight of it.

    """
    asset = assets.asset(session, asset_id)
    inspections = _inspections(session, asset_id)
    flight = _chosen(inspections, shown.flight)
    defects = biography.defects(session, asset_id=asset_id, state=None, after=None, limit=MOST)
    expected = {p.link_group: p for p in session.scalars(select(Prediction).where(Prediction.asset_id == asset_id))}
    live = [d.latest for d in defects if d.latest.status in standing.LIVE]
    days = health_index.history(session, "asset", asset_id)
    turbine = asset.turbine
    return AssetView(
        asset=asset,
        site=session.get_one(Site, asset.site_id),
        score=days[-1].index if days else None,
        parts=tuple(days[-1].derivation.get("parts", ())) if days else (),
        risk=session.get(AssetRisk, asset_id),
        due=tuple(item for item in due.due_list(session) if item.asset.asset_id == asset_id),
        inspections=inspections,
        shown=flight,
        blades=blades.unrolled(turbine, blades.seen_by(session, flight.flight_id) if flight else {}, live)
        if turbine
        else None,
        strips=None if turbine else schematic.strips(asset, live),
        health=plots.plot([_health(day) for day in days], span=(0.0, 100.0)),
        defects=tuple(sorted((Grown(d, expected.get(d.latest.link_group)) for d in defects), key=_gravest)),
        tickets=_tickets(session, asset_id),
        open_defect=shown.defect or (None if not defects else min(defects, key=_first).latest.link_group),
    )


def _inspections(session: Session, asset_id: str) -> tuple[Inspection, ...]:
    findings = select(func.count()).where(
        Finding.flight_id == Flight.flight_id, Finding.status != FindingStatus.REJECTED.value
    )
    cells = select(func.count()).where(Coverage.flight_id == Flight.flight_id)
    query = select(Flight, findings.scalar_subquery(), cells.scalar_subquery()).where(Flight.asset_id == asset_id)
    rows = session.execute(query.order_by(Flight.created_at.desc(), Flight.flight_id.desc()).limit(40))
    return tuple(Inspection(*row) for row in rows)


def _chosen(inspections: Sequence[Inspection], wanted: str | None) -> Flight | None:
    if wanted is None:
        return next((i.flight for i in inspections if i.cells), None)
    found = next((i.flight for i in inspections if i.flight.flight_id == wanted), None)
    if found is None:
        raise NotFound(f"There is no flight {wanted!r} of this asset.", hint="Choose one of its inspections.")
    return found


def _gravest(row: Grown) -> tuple[bool, int, float]:
    return row.defect.latest.status not in standing.LIVE, -row.defect.latest.severity_rank, -row.defect.latest.length_mm


def _first(defect: Defect) -> tuple[bool, int, int]:
    """Order by what a person wants to see first: alive, grave, often seen."""
    return defect.latest.status not in standing.LIVE, -defect.sightings, -defect.latest.severity_rank


def _health(row: HealthRow) -> Measured:
    at = datetime.fromisoformat(row.day).replace(tzinfo=UTC)
    return Measured(at, row.index, row.index, row.index, _("{0}: {1:.0f} of 100", row.day, row.index))


def _tickets(session: Session, asset_id: str) -> tuple[tuple[Ticket, Finding], ...]:
    query = select(Ticket, Finding).join(Finding, Finding.finding_id == Ticket.finding_id)
    rows = session.execute(query.where(Finding.asset_id == asset_id).order_by(Ticket.created_at.desc()).limit(50))
    return tuple((ticket, finding) for ticket, finding in rows)
