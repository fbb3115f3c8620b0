"""The batch job of prediction: reads the fleet's defects, fits, writes what is expected of each and of each asset."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import delete, func, select, tuple_
from sqlalchemy.orm import Session

from cloud import places
from cloud.grading import Policy, shipped_policy
from cloud.parts_seen import SEEN_SHARE
from cloud.policy.versions import active_policy
from cloud.prediction.courses import OUTER_FROM_SHARE, Course, Size
from cloud.prediction.model import Forecast, GrowthModel
from cloud.tables import Asset, AssetRisk, Coverage, Finding, Flight, PartCoverage, Prediction
from contracts.errors import PlatformError
from contracts.vocabulary import DefectKind, FindingStatus

Fit = Callable[[Sequence[Course]], GrowthModel]
_YEAR = timedelta(days=365.25)
_TOLERATED = 0.1
"""An asset is looked at again before this chance of a new critical defect is passed."""
_SOONEST_DAYS, _LATEST_DAYS, _STEP_DAYS = 14, 365, 14
_SHOWN = 5


class Standing(NamedTuple):
    """A defect with its course and where it stands."""

    latest: Finding
    course: Course
    first_seen_at: datetime


def predict(session: Session, now: datetime, fit: Fit) -> dict[str, int]:
    """Write predictions of all open defects and the risk of every asset; return how many of each.

    ``fit`` is given, so that what serves and tests needs no statistics library. Where the fleet has too little data,
    every prediction says so and no risk is written.
    """
    defects = standings(session)
    session.execute(delete(Prediction))
    session.execute(delete(AssetRisk))
    try:
        model = fit([d.course for d in defects])
    except PlatformError as error:
        session.add_all(_unknown(d, now, error.message) for d in defects)
        return {"predictions": 0, "too_little": len(defects), "assets": 0}
    policies = {a: active_policy(session, a, shipped_policy()) for a in {d.latest.asset_id for d in defects}}
    by_asset: dict[str, list[tuple[Prediction, Standing, Forecast]]] = {}
    for defect in defects:
        forecast = Forecast(model, defect.course)
        row = _expected(defect, forecast, policies[defect.latest.asset_id], now)
        row.model = model.model_dump(mode="json")
        session.add(row)
        by_asset.setdefault(defect.latest.asset_id, []).append((row, defect, forecast))
    for asset_id, rows in by_asset.items():
        session.add(_risk(asset_id, rows, policies[asset_id], now))
    session.flush()
    return {"predictions": len(defects), "too_little": 0, "assets": len(by_asset)}


def standings(session: Session) -> list[Standing]:
    """Return the open defects of the fleet with their courses."""
    found = session.execute(
        select(Finding, Asset)
        .join(Asset, Asset.asset_id == Finding.asset_id)
        .where(Finding.status != FindingStatus.REJECTED.value)
        .order_by(Finding.detected_at, Finding.finding_id)
    ).all()
    groups: dict[str, list[tuple[Finding, Asset]]] = {}
    for finding, asset in found:
        groups.setdefault(finding.link_group, []).append((finding, asset))
    before = _not_seen(session, {g: rows[0][0] for g, rows in groups.items()})
    return [
        _standing(group, [f for f, _ in rows], rows[0][1], before.get(group, ()))
        for group, rows in groups.items()
        if rows[-1][0].status != FindingStatus.REPAIRED.value
    ]


def _not_seen(session: Session, first: dict[str, Finding]) -> dict[str, tuple[float, ...]]:
    """Return when flights before a defect's first sighting would have seen it: its metre was seen, nothing was found.

    Absences are only noted of known defects, so this asks coverage: the same metre, one flight of the asset earlier.
    """
    seen = session.execute(
        select(Finding.link_group, Flight.created_at, Finding.detected_at)
        .join(
            Coverage,
            (Coverage.blade == Finding.blade)
            & (Coverage.side == Finding.side)
            & (Coverage.cell == func.floor(Finding.distance_to_root_m))
            & (Coverage.seen_share >= SEEN_SHARE),
        )
        .join(Flight, (Flight.flight_id == Coverage.flight_id) & (Flight.asset_id == Finding.asset_id))
        .where(Finding.finding_id.in_([f.finding_id for f in first.values()]), Flight.created_at < Finding.detected_at)
    )
    times: dict[str, tuple[float, ...]] = {}
    for group, flown_at, detected_at in seen:
        times[group] = (*times.get(group, ()), (flown_at - detected_at) / _YEAR)
    return times | _not_seen_on_parts(session, first)


def _not_seen_on_parts(session: Session, first: dict[str, Finding]) -> dict[str, tuple[float, ...]]:
    """Return the same of what lies on no blade: the cell of the tower, the span or the pipe that it lies in."""
    cells: dict[tuple[str, str, int], list[Finding]] = {}
    for finding in first.values():
        if (cell := places.cell_of(finding)) is not None:
            cells.setdefault((finding.asset_id, *cell), []).append(finding)
    seen = session.execute(
        select(Flight.asset_id, PartCoverage.part, PartCoverage.cell, Flight.created_at)
        .join(Flight, Flight.flight_id == PartCoverage.flight_id)
        .where(
            tuple_(Flight.asset_id, PartCoverage.part, PartCoverage.cell).in_(list(cells)),
            PartCoverage.seen_share >= SEEN_SHARE,
        )
    )
    times: dict[str, tuple[float, ...]] = {}
    for asset_id, part, number, flown_at in seen:
        for finding in cells[asset_id, part, number]:
            if flown_at < finding.detected_at:
                before = (flown_at - finding.detected_at) / _YEAR
                times[finding.link_group] = (*times.get(finding.link_group, ()), before)
    return times


def _standing(group: str, findings: list[Finding], asset: Asset, not_seen: tuple[float, ...]) -> Standing:
    first = findings[0]
    return Standing(
        latest=findings[-1],
        course=Course(
            defect_id=group,
            kind=DefectKind(findings[-1].kind),
            outer=_is_outer(findings[-1], asset),
            sizes=tuple(
                Size((f.detected_at - first.detected_at) / _YEAR, f.length_mm, f.size_sigma_mm) for f in findings
            ),
            not_seen=not_seen,
        ),
        first_seen_at=first.detected_at,
    )


def _is_outer(finding: Finding, asset: Asset) -> bool:
    if finding.distance_to_root_m is None or asset.turbine is None:
        return False
    return finding.distance_to_root_m >= OUTER_FROM_SHARE * asset.turbine.blade_length_m


def _unknown(defect: Standing, now: datetime, why: str) -> Prediction:
    return Prediction(
        link_group=defect.course.defect_id,
        asset_id=defect.latest.asset_id,
        finding_id=defect.latest.finding_id,
        made_at=now,
        too_little=why,
        model={},
    )


def _expected(defect: Standing, forecast: Forecast, policy: Policy, now: datetime) -> Prediction:
    years = (now - defect.first_seen_at) / _YEAR
    steps = [g for g in policy.steps(defect.course.kind) if g.rank > defect.latest.severity_rank]
    limit_mm = critical_from_mm(policy, defect)
    row = _unknown(defect, now, "")
    row.length_mm = forecast.quantile_mm(years + 1, 0.5)
    row.length_low_mm, row.length_high_mm = (forecast.quantile_mm(years + 1, share) for share in (0.1, 0.9))
    if steps:
        row.next_rank, row.next_from_mm = steps[0].rank, steps[0].from_mm
        row.chance_180_days = forecast.probability(years + 0.493, steps[0].from_mm)
        row.chance_365_days = forecast.probability(years + 1.0, steps[0].from_mm)
    row.critical_365_days = 0.0 if limit_mm is None else _chance(forecast, years + 1, limit_mm)
    if limit_mm is not None and limit_mm > 0:
        until = [forecast.years_until(limit_mm, share, years) for share in (0.1, 0.5, 0.9)]
        row.life_low_days, row.life_days, row.life_high_days = (None if u is None else 365.25 * u for u in until)
    elif limit_mm == 0:
        row.life_low_days = row.life_days = row.life_high_days = 0.0
    return row


def critical_from_mm(policy: Policy, defect: Standing) -> float | None:
    """Return the length from which a defect is critical: 0 where it is now, None where its kind never is."""
    if defect.latest.severity_rank >= policy.critical_rank:
        return 0.0
    steps = [g.from_mm for g in policy.steps(defect.course.kind) if g.rank >= policy.critical_rank]
    return steps[0] if steps else None


def _chance(forecast: Forecast, years: float, limit_mm: float) -> float:
    return 1.0 if limit_mm == 0 else forecast.probability(years, limit_mm)


def _risk(
    asset_id: str, rows: Iterable[tuple[Prediction, Standing, Forecast]], policy: Policy, now: datetime
) -> AssetRisk:
    rows = list(rows)
    threatening = [
        (forecast, (now - defect.first_seen_at) / _YEAR, limit_mm)
        for _, defect, forecast in rows
        if (limit_mm := critical_from_mm(policy, defect))
    ]

    def chance(days: float) -> float:
        return 1 - math.prod(1 - f.probability(y + days / 365.25, limit) for f, y, limit in threatening)

    days = next((d for d in range(_SOONEST_DAYS, _LATEST_DAYS, _STEP_DAYS) if chance(d) > _TOLERATED), _LATEST_DAYS)
    worst = sorted((r for r, _, _ in rows), key=lambda r: (-(r.critical_365_days or 0.0), r.link_group))[:_SHOWN]
    return AssetRisk(
        asset_id=asset_id,
        made_at=now,
        chance_365_days=1 - math.prod(1 - (r.critical_365_days or 0.0) for r, _, _ in rows),
        inspect_by=now + timedelta(days=days),
        because=[{"link_group": r.link_group, "critical_365_days": r.critical_365_days} for r in worst],
    )
