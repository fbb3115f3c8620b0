"""What insights list below the figures: the worst defects, assets at risk, what was not inspected."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import NamedTuple

from sqlalchemy import Double, Integer, Select, and_, case, cast, func, literal, or_, select, true
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Session

from cloud import coverage
from cloud.history import standing
from cloud.line_towers import TowersSeen
from cloud.parts_seen import SEEN_SHARE
from cloud.tables import Asset, AssetRisk, Coverage, DefectLink, Finding, Flight, PartCoverage
from cloud.web.insights_view import Wanted
from contracts.parts import LINE_TOWER_BEGINS, parts_of
from contracts.powerline import PowerLine
from contracts.turbine import TurbineGeometry
from contracts.vocabulary import AssetKind, Blade, BladeSide, FlightState

_FLOWN = (FlightState.LANDED.value, FlightState.COMPLETE.value)
_SHOWN = 10
_UNSEEN = 20
_BLADE_M = TurbineGeometry.model_fields["blade_length_m"].default


class Worst(NamedTuple):
    """A live defect among the worst: its latest finding, how it grows."""

    finding: Finding
    asset: Asset
    grown_mm: float | None
    sigma_mm: float | None
    first_seen_at: datetime


class Unseen(NamedTuple):
    """An asset that was not wholly seen: when flown last, and how many metres of what is counted were not seen then.

    ``unseen_m`` is None where nothing is recorded of what was seen.
    ``towers``: of a line, where that flight tells of them.
    """

    asset: Asset
    flown_at: datetime | None
    unseen_m: int | None
    whole_m: int
    towers: TowersSeen | None = None

    @property
    def is_whole(self) -> bool:
        """Return whether nothing is left that was not seen."""
        towers_seen = self.towers is None or self.towers.whole == self.towers.of
        return self.flown_at is not None and self.unseen_m == 0 and towers_seen


class Rest(NamedTuple):
    """All that is listed."""

    worst: tuple[Worst, ...]
    risks: tuple[tuple[Asset, AssetRisk], ...]
    unseen: tuple[Unseen, ...]
    assets: int


def build(session: Session, wanted: Wanted) -> Rest:
    """Return what is listed of the sites and assets asked for."""
    return Rest(
        worst=_worst(session, wanted),
        risks=_risks(session, wanted),
        unseen=_unseen(session, wanted),
        assets=session.scalar(select(func.count()).select_from(Asset).where(*wanted.of_assets())) or 0,
    )


def _worst(session: Session, wanted: Wanted) -> tuple[Worst, ...]:
    """Return the gravest live defects, the fastest growing first among equals."""
    known = standing.latest()
    terms = (known.c.status.in_(standing.LIVE), *wanted.among(known.c.asset_id))
    said = (known.c.finding_id, known.c.severity_rank, known.c.length_mm, known.c.first_seen_at)
    live = select(*said).where(*terms).cte("live").prefix_with("MATERIALIZED")
    ranks = select(live.c.severity_rank).order_by(live.c.severity_rank.desc())
    least = ranks.offset(_SHOWN - 1).limit(1).scalar_subquery()  # growth is asked of those that can be shown only
    growth = (DefectLink.grown_since_first_mm, DefectLink.since_first_sigma_mm)
    grown = func.coalesce(growth[0], 0.0).label("grown")
    shown = (
        select(*live.c, *growth, grown)
        .outerjoin(DefectLink, DefectLink.finding_id == live.c.finding_id)
        .where(live.c.severity_rank >= func.coalesce(least, 0))
        .order_by(live.c.severity_rank.desc(), grown.desc(), live.c.length_mm.desc())
        .limit(_SHOWN)
        .subquery()
    )
    query = (
        select(Finding, Asset, shown.c.grown_since_first_mm, shown.c.since_first_sigma_mm, shown.c.first_seen_at)
        .join(shown, shown.c.finding_id == Finding.finding_id)
        .join(Asset, Asset.asset_id == Finding.asset_id)
        .order_by(shown.c.severity_rank.desc(), shown.c.grown.desc(), shown.c.length_mm.desc())
    )
    return tuple(Worst(*row) for row in session.execute(query))


def _risks(session: Session, wanted: Wanted) -> tuple[tuple[Asset, AssetRisk], ...]:
    query = select(Asset, AssetRisk).join(AssetRisk, AssetRisk.asset_id == Asset.asset_id).where(*wanted.of_assets())
    rows = session.execute(query.order_by(AssetRisk.chance_365_days.desc(), Asset.name).limit(_SHOWN))
    return tuple((asset, risk) for asset, risk in rows)


def _unseen(session: Session, wanted: Wanted) -> tuple[Unseen, ...]:
    """Return assets never inspected, and those of which the last inspection with coverage missed something.

    What was flown and tells of nothing seen is among them. Those never inspected come first.
    """
    found = [*_of_turbines(session, wanted), *_of_others(session, wanted)]
    missed = [u for u in found if not u.is_whole]
    return tuple(sorted(missed, key=_most_first)[:_UNSEEN])


def _most_first(unseen: Unseen) -> tuple[bool, int, float, str]:
    at = unseen.flown_at
    return at is not None, -(unseen.unseen_m or 0), at.timestamp() if at else 0.0, unseen.asset.name


def _of_turbines(session: Session, wanted: Wanted) -> Iterator[Unseen]:
    seen = _last_looks(wanted, Coverage).subquery()
    unseen_m = case((and_(seen.c.whole_m > 0, seen.c.flight_id.is_not(None)), seen.c.whole_m - seen.c.cells))
    query = (
        select(Asset, seen.c.at, unseen_m, seen.c.whole_m)
        .join(seen, seen.c.asset_id == Asset.asset_id)
        .where(Asset.kind == AssetKind.WIND_TURBINE.value, or_(seen.c.at.is_(None), unseen_m.is_(None), unseen_m != 0))
        .order_by(seen.c.at.is_not(None), func.coalesce(unseen_m, 0).desc(), seen.c.at.nulls_first(), Asset.name)
        .limit(_UNSEEN)
    )
    for asset, at, missed, whole in session.execute(query):
        yield Unseen(asset, at.astimezone(UTC) if at else None, missed, whole)


def _of_others(session: Session, wanted: Wanted) -> Iterator[Unseen]:
    """Yield every asset without blades; how long its parts are its geometry says, and no column."""
    seen = _last_looks(wanted, PartCoverage).subquery()
    query = (
        select(Asset, seen.c.at, seen.c.flight_id, seen.c.cells)
        .join(seen, seen.c.asset_id == Asset.asset_id)
        .where(Asset.kind != AssetKind.WIND_TURBINE.value)
    )
    rows = session.execute(query).all()
    lines = {flight_id: asset.shape for asset, _, flight_id, _ in rows if isinstance(asset.shape, PowerLine)}
    towers = coverage.tallies(session, {flight: line for flight, line in lines.items() if flight is not None})
    for asset, at, flight_id, cells in rows:
        parts = () if asset.shape is None else parts_of(asset.shape)
        whole_m = round(sum(part.step_m * len(part.cells) for part in parts))
        seen_m = round(cells * parts[0].step_m) if parts else 0
        known = flight_id is not None and whole_m > 0
        unseen_m = max(0, whole_m - seen_m) if known else None
        yield Unseen(asset, at.astimezone(UTC) if at else None, unseen_m, whole_m, towers.get(flight_id or ""))


def _last_looks(
    wanted: Wanted, table: type[Coverage | PartCoverage]
) -> Select[str, datetime | None, str | None, int, int]:
    """Return a query of when each asset was flown last, how many cells its last flight with coverage saw; blades, m."""
    of_asset = Flight.asset_id == Asset.asset_id
    flown = select(func.max(Flight.started_at).label("at")).where(of_asset, Flight.state.in_(_FLOWN)).lateral("flown")
    covered = select(table.flight_id).where(table.flight_id == Flight.flight_id).exists()
    newest_first = (Flight.created_at.desc(), Flight.flight_id)
    looked = select(Flight.flight_id).where(of_asset, covered).order_by(*newest_first).limit(1).lateral("looked")
    seen = [table.flight_id == looked.c.flight_id, table.seen_share >= SEEN_SHARE]
    if table is PartCoverage:  # a line's towers are told of apart
        seen.append(~PartCoverage.part.startswith(LINE_TOWER_BEGINS))
    cells = select(func.count().label("cells")).where(*seen).lateral("cells")
    length_m = func.coalesce(cast(Asset.geometry["blade_length_m"].astext, Double), _BLADE_M)
    turbine = and_(Asset.kind == AssetKind.WIND_TURBINE.value, Asset.geometry != literal({}, JSONB))
    whole_m = case((turbine, cast(func.ceil(length_m), Integer) * len(Blade) * len(BladeSide)), else_=0)
    return (
        select(Asset.asset_id, flown.c.at, looked.c.flight_id, cells.c.cells, whole_m.label("whole_m"))
        .select_from(Asset)
        .outerjoin(flown, true())
        .outerjoin(looked, true())
        .outerjoin(cells, true())
        .where(*wanted.of_assets())
    )
