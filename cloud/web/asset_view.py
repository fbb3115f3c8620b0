"""What the pages say of assets: the list by health; one asset's parts, years, defects, inspections and tickets."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, Literal, NamedTuple
from urllib.parse import urlencode

from pydantic import Field
from sqlalchemy import ColumnElement, ScalarSelect, func, select
from sqlalchemy.orm import Session

from cloud import coverage, health_index
from cloud.history import biography, standing
from cloud.history.biography import Defect
from cloud.language import _
from cloud.planning import assets
from cloud.reporting import blades
from cloud.reporting.blades import Schematic
from cloud.schedules import due
from cloud.schedules.due import DueItem
from cloud.tables import Asset, AssetRisk, Coverage, Finding, Flight, HealthRow, PartCoverage, Prediction, Site, Ticket
from cloud.web import labels, plots, schematic
from cloud.web.plots import Measured, Plot
from cloud.web.schematic import Strips
from cloud.web.shell import Address
from contracts.errors import NotFound
from contracts.vocabulary import AssetKind, FindingStatus, FlightState

MOST = 200
"""Defects in the table of an asset, the gravest."""
_ALL = 100_000
_COMPONENTS = 8
_SOUND = 100.0
AT_ONCE = 20
"""Rows of the list that are drawn at once, more than a screen shows."""
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

    def terms(self) -> list[ColumnElement[bool]]:
        """Return what a query of assets is limited by."""
        terms = [Asset.site_id == self.site] if self.site else []
        terms += [Asset.kind == self.kind.value] if self.kind else []
        return terms + ([Asset.name.icontains(self.q, autoescape=True)] if self.q else [])

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


def listed(session: Session, wanted: Wanted, now: datetime, *, choices: bool = True) -> AssetList:
    """Return the assets asked for, the least healthy first unless told otherwise.

    All but what they are ordered by is asked of the few rows that are shown, not of every asset there is. Without
    ``choices`` the sites to choose from are left out, where they stand on the page already.
    """
    terms = wanted.terms()
    score, chance = _index_on(now.date()).label("score"), AssetRisk.chance_365_days
    first: dict[str, ColumnElement[Any]] = {
        "health": score.asc().nulls_last(),
        "risk": chance.desc().nulls_last(),
        "name": Asset.name.asc(),
    }
    query = (
        select(Asset, Site.name, score, _index_on((now - _MONTH).date()), _flown(), AssetRisk)
        .join(Site, Site.site_id == Asset.site_id)
        .outerjoin(AssetRisk, AssetRisk.asset_id == Asset.asset_id)
        .where(*terms)
        .order_by(first[wanted.sort], Asset.name, Asset.asset_id)
        .offset(wanted.start)
        .limit(AT_ONCE)
    )
    found = session.execute(query).all()
    ranks = _ranks(session, [asset.asset_id for asset, *_rest in found])
    rows = tuple(
        Listed(asset, site, today, before, ranks.get(asset.asset_id, {}), flown, risk)
        for asset, site, today, before, flown, risk in found
    )
    total = session.scalar(select(func.count()).select_from(Asset).where(*terms)) or 0
    sites = tuple(session.scalars(select(Site).order_by(Site.name))) if choices else ()
    return AssetList(rows, total, sites, wanted)


def _index_on(day: date) -> ScalarSelect[float]:
    """Return an asset's newest index on or before a day."""
    of_asset = (HealthRow.scope == "asset", HealthRow.subject == Asset.asset_id, HealthRow.day <= day.isoformat())
    return select(HealthRow.index).where(*of_asset).order_by(HealthRow.day.desc()).limit(1).scalar_subquery()


def _flown() -> ScalarSelect[datetime | None]:
    """Return when an asset's last flight began that came to its end."""
    flown = (Flight.asset_id == Asset.asset_id, Flight.state.in_(_FLOWN))
    return select(func.max(Flight.started_at)).where(*flown).scalar_subquery()


def _ranks(session: Session, asset_ids: Sequence[str]) -> dict[str, dict[int, int]]:
    """Return how many live defects of each severity rank assets have, each as its latest finding grades it."""
    known = standing.latest()
    live = (known.c.status.in_(standing.LIVE), known.c.asset_id.in_(asset_ids))
    query = select(known.c.asset_id, known.c.severity_rank, func.count()).where(*live)
    ranks: dict[str, dict[int, int]] = {}
    for asset_id, rank, count in session.execute(query.group_by(known.c.asset_id, known.c.severity_rank)):
        ranks.setdefault(asset_id, {})[rank] = count
    return ranks


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


class Component(NamedTuple):
    """A component that lost points: its name, what is left, what was seen of it, and why."""

    name: str
    score: float
    seen_share: float | None
    parts: tuple[dict[str, object], ...]


class AssetView(NamedTuple):
    """Everything on the page of an asset."""

    asset: Asset
    site: Site
    score: float | None
    seen_share: float | None
    """Of all that is counted of it, what any flight saw; None where the index does not say."""
    components: tuple[Component, ...]
    """The least healthy, those without points off left out."""
    risk: AssetRisk | None
    due: tuple[DueItem, ...]
    inspections: tuple[Inspection, ...]
    shown: Flight | None
    blades: Schematic | None
    strips: Strips | None
    health: Plot | None
    defects: tuple[Grown, ...]
    """The gravest."""
    ever: int
    live: int
    """How many defects there are in all, and how many of them are there now."""
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
    defects = biography.defects(session, asset_id=asset_id, state=None, after=None, limit=_ALL)
    expected = {p.link_group: p for p in session.scalars(select(Prediction).where(Prediction.asset_id == asset_id))}
    live = [d.latest for d in defects if d.latest.status in standing.LIVE]
    days = health_index.history(session, "asset", asset_id)
    turbine = asset.turbine
    return AssetView(
        asset=asset,
        site=session.get_one(Site, asset.site_id),
        score=days[-1].index if days else None,
        seen_share=days[-1].derivation.get("seen_share") if days else None,
        components=_worst(session, asset),
        risk=session.get(AssetRisk, asset_id),
        due=tuple(item for item in due.due_list(session) if item.asset.asset_id == asset_id),
        inspections=inspections,
        shown=flight,
        blades=blades.unrolled(turbine, blades.seen_by(session, flight.flight_id) if flight else {}, live)
        if turbine
        else None,
        strips=None if turbine else _strips(session, asset, live, flight),
        health=plots.plot([_health(day) for day in days], span=(0.0, 100.0)),
        defects=tuple(sorted((Grown(d, expected.get(d.latest.link_group)) for d in defects), key=_gravest)[:MOST]),
        ever=len(defects),
        live=len(live),
        tickets=_tickets(session, asset_id),
        open_defect=shown.defect or (None if not defects else min(defects, key=_first).latest.link_group),
    )


def _strips(session: Session, asset: Asset, live: Sequence[Finding], flight: Flight | None) -> Strips | None:
    """Return what has no blades with its live defects, and what a flight saw of it."""
    if flight is None:
        return schematic.strips(asset, live)
    told, towers = coverage.parts(session, flight.flight_id), coverage.towers(session, flight.flight_id)
    return schematic.strips(asset, live, told, towers)


def _inspections(session: Session, asset_id: str) -> tuple[Inspection, ...]:
    findings = select(func.count()).where(
        Finding.flight_id == Flight.flight_id, Finding.status != FindingStatus.REJECTED.value
    )
    cells, others = (select(func.count()).where(t.flight_id == Flight.flight_id) for t in (Coverage, PartCoverage))
    seen = cells.scalar_subquery() + others.scalar_subquery()
    query = select(Flight, findings.scalar_subquery(), seen).where(Flight.asset_id == asset_id)
    rows = session.execute(query.order_by(Flight.created_at.desc(), Flight.flight_id.desc()).limit(40))
    return tuple(Inspection(*row) for row in rows)


def _chosen(inspections: Sequence[Inspection], wanted: str | None) -> Flight | None:
    if wanted is None:
        return next((i.flight for i in inspections if i.cells), None)
    found = next((i.flight for i in inspections if i.flight.flight_id == wanted), None)
    if found is None:
        raise NotFound(f"There is no flight {wanted!r} of this asset.", hint="Choose one of its inspections.")
    return found


def _worst(session: Session, asset: Asset) -> tuple[Component, ...]:
    found = [row for row in health_index.components(session, asset.asset_id) if row.index < _SOUND][:_COMPONENTS]
    keys = [row.subject.removeprefix(f"{asset.asset_id}/") for row in found]
    return tuple(
        Component(labels.component(key, asset.shape), row.index, said.get("seen_share"), tuple(said.get("parts", ())))
        for key, row in zip(keys, found, strict=True)
        for said in (row.derivation,)
    )


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
