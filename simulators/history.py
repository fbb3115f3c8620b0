"""Years of inspections of a wind farm without a picture: what a detector would have reported, and the truth behind it.

The position error of a flight is drawn so that its horizontal part has the quartiles measured on real revisits
(2.2 / 3.3 / 4.9 m: within 6 % of a Rayleigh distribution of 2.8 m, which is what is drawn). It shifts everything a
flight places, along the blade; across the blade a finding is held by the edges that are in the same picture. What is
left between two findings of one flight (``own_sigma_m``) and the error of the scale are assumptions: no public data
tells.
"""

from __future__ import annotations

import json
import math
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

import typer
from pydantic import AwareDatetime, Field

from contracts.findings import CoverageCell
from contracts.geo import Enu, Frozen, LocalFrame
from contracts.turbine import SurfacePlace, TurbineGeometry
from contracts.vocabulary import Blade, BladeSide, DefectKind
from simulators.lives import YEAR, Life, lives_of
from simulators.world import SITE_ORIGIN, Asset

_CONFUSED = {
    DefectKind.CRACK: DefectKind.DELAMINATION,
    DefectKind.DELAMINATION: DefectKind.CRACK,
    DefectKind.LEADING_EDGE_EROSION: DefectKind.MISSING_COATING,
    DefectKind.MISSING_COATING: DefectKind.LEADING_EDGE_EROSION,
    DefectKind.CORROSION: DefectKind.MISSING_COATING,
    DefectKind.LIGHTNING_BURN: DefectKind.CORROSION,
}


class HistoryPlan(Frozen):
    """How much history to make, and how badly it is measured. The same plan gives the same history."""

    seed: int = Field(default=1, ge=0)
    turbines: int = Field(default=20, ge=1, le=500)
    inspections: int = Field(default=5, ge=1, le=60)
    years: float = Field(default=3.0, gt=0, le=30)
    ends_at: AwareDatetime = datetime(2026, 11, 1, 10, tzinfo=UTC)
    defects: int = Field(default=9, ge=1, le=40, description="per turbine, and one more close beside the first")
    pose_sigma_m: float = Field(default=2.8, ge=0, description="per axis, shared by all a flight sees")
    own_sigma_m: float = Field(default=0.12, ge=0, description="of one finding against the others of its flight")
    scale_sigma: float = Field(default=0.02, ge=0, description="of all sizes of a flight, relative")
    size_sigma_mm: float = Field(default=6.0, gt=0, description="of one size")
    unseen_share: float = Field(default=0.12, ge=0, le=1, description="of all metres of blade sides, per inspection")
    miss_share: float = Field(default=0.03, ge=0, le=1, description="of the defects that were in view")
    confused_share: float = Field(default=0.04, ge=0, le=1, description="reported as a kind they look like")


class Sighting(Frozen):
    """A defect as one inspection reports it. ``defect_id`` is the truth and never shown to the platform."""

    defect_id: str
    kind: DefectKind
    place: SurfacePlace
    length_mm: float
    width_mm: float
    size_sigma_mm: float
    ce90_m: float
    confidence: float
    seen_at: AwareDatetime


class Inspection(Frozen):
    """One flight round one turbine."""

    asset_id: str
    number: int
    """From 1, per asset."""
    flown_at: AwareDatetime
    coverage: tuple[CoverageCell, ...]
    sightings: tuple[Sighting, ...]


class History(Frozen):
    """A farm's inspections in the order they were flown, and its defects' true lives."""

    plan: HistoryPlan
    assets: tuple[Asset, ...]
    lives: tuple[Life, ...]
    inspections: tuple[Inspection, ...]


def history(plan: HistoryPlan) -> History:
    """Return the history of a plan."""
    assets = tuple(_asset(number) for number in range(plan.turbines))
    lives: list[Life] = []
    inspections: list[Inspection] = []
    for number, asset in enumerate(assets):
        rng = random.Random(f"{plan.seed}/history/{asset.asset_id}")
        dates = _dates(rng, plan, number)
        own = lives_of(rng, asset, dates, plan.defects)
        lives += own
        inspections += [_inspected(rng, plan, asset, own, (index, at)) for index, at in enumerate(dates)]
    inspections.sort(key=lambda i: (i.flown_at, i.asset_id))
    return History(plan=plan, assets=assets, lives=tuple(lives), inspections=tuple(inspections))


def _asset(number: int) -> Asset:
    foot = LocalFrame(SITE_ORIGIN).to_geo(Enu(310.0 * (number % 5), 340.0 * (number // 5), 0.0))
    foot = foot.model_copy(update={"alt_m": SITE_ORIGIN.alt_m})
    name = f"wt-{number + 1:02d}"
    turned = TurbineGeometry(foot=foot, rotor_azimuth_deg=20.0)
    return Asset(asset_id=name, name=name.upper(), geometry=turned, home=foot)


def _dates(rng: random.Random, plan: HistoryPlan, number: int) -> list[datetime]:
    """Return when a turbine is inspected: evenly, give or take ten days, one turbine after the other."""
    step = YEAR * plan.years / max(1, plan.inspections - 1)
    last = plan.ends_at + timedelta(hours=number)
    return [
        last - step * (plan.inspections - 1 - n) + timedelta(days=rng.uniform(-10, 10)) * (n < plan.inspections - 1)
        for n in range(plan.inspections)
    ]


def _inspected(
    rng: random.Random, plan: HistoryPlan, asset: Asset, lives: list[Life], visit: tuple[int, datetime]
) -> Inspection:
    index, at = visit
    unseen = _unseen(rng, plan, asset)
    shift = Enu(*(rng.gauss(0, plan.pose_sigma_m) for _ in range(3)))
    scale = 1 + rng.gauss(0, plan.scale_sigma)
    sightings: list[Sighting] = []
    for life in lives:
        cell = (life.place.blade, life.place.side, int(life.place.distance_to_root_m))
        if life.lengths_mm[index] > 0 and cell not in unseen and rng.random() >= plan.miss_share:
            later = at + timedelta(seconds=10 * len(sightings))
            sightings.append(_sighted(rng, plan, asset, life, (life.lengths_mm[index], shift, scale, later)))
    coverage = tuple(_cells(rng, asset, unseen, shift))
    return Inspection(
        asset_id=asset.asset_id, number=index + 1, flown_at=at, coverage=coverage, sightings=tuple(sightings)
    )


def _unseen(rng: random.Random, plan: HistoryPlan, asset: Asset) -> set[tuple[Blade, BladeSide, int]]:
    """Return the metres that a flight does not see: runs of a few metres on some sides."""
    metres = math.ceil(asset.geometry.blade_length_m)
    missing: set[tuple[Blade, BladeSide, int]] = set()
    while len(missing) < plan.unseen_share * metres * len(Blade) * len(BladeSide):
        blade, side = rng.choice(tuple(Blade)), rng.choice(tuple(BladeSide))
        first, run = rng.randrange(metres), rng.randint(3, 9)
        missing |= {(blade, side, cell) for cell in range(first, min(metres, first + run))}
    return missing


def _cells(
    rng: random.Random, asset: Asset, unseen: set[tuple[Blade, BladeSide, int]], shift: Enu
) -> list[CoverageCell]:
    """Return what was seen, in the flight's own coordinates: as far along the blade as all it places is off."""
    gsd, metres = rng.uniform(1.2, 1.8), math.ceil(asset.geometry.blade_length_m)
    off = {blade: round(shift.dot(asset.geometry.blade_axes(blade)[0])) for blade in Blade}
    return [
        CoverageCell(
            blade=blade,
            side=side,
            cell=cell + off[blade],
            seen_share=1.0,
            best_gsd_mm_px=round(gsd, 3),
            best_incidence_deg=20.0,
            best_sharpness=300.0,
        )
        for blade in Blade
        for side in BladeSide
        for cell in range(metres)
        if (blade, side, cell) not in unseen and 0 <= cell + off[blade] < metres
    ]


def _sighted(
    rng: random.Random,
    plan: HistoryPlan,
    asset: Asset,
    life: Life,
    seen: tuple[float, Enu, float, datetime],
) -> Sighting:
    length_mm, shift, scale, at = seen
    span, _, _ = asset.geometry.blade_axes(life.place.blade)
    moved_m = shift.dot(span) + rng.gauss(0, plan.own_sigma_m)
    width_m = asset.geometry.side_width_m(life.place.side, life.place.distance_to_root_m)
    across_m = life.place.offset_m + rng.gauss(0, plan.own_sigma_m / 2)
    place = life.place.model_copy(
        update={
            "distance_to_root_m": round(life.place.distance_to_root_m + moved_m, 3),
            "offset_m": round(min(max(across_m, 0.0), width_m), 3),
        }
    )
    sigma_mm = math.hypot(plan.size_sigma_mm, plan.scale_sigma * length_mm)
    kind = _CONFUSED[life.kind] if rng.random() < plan.confused_share else life.kind
    return Sighting(
        defect_id=life.defect_id,
        kind=kind,
        place=place,
        length_mm=round(max(5.0, length_mm * scale + rng.gauss(0, plan.size_sigma_mm)), 1),
        width_mm=round(max(5.0, length_mm * life.aspect * scale + rng.gauss(0, plan.size_sigma_mm)), 1),
        size_sigma_mm=round(sigma_mm, 2),
        # 90 % of a plane Gaussian of this sigma lies within 2.146 sigma.
        ce90_m=round(2.146 * math.hypot(plan.pose_sigma_m, plan.own_sigma_m), 3),
        confidence=round(rng.uniform(0.55, 0.97), 3),
        seen_at=at,
    )


def history_verb(out: Path, plan: HistoryPlan, *, as_json: bool) -> None:
    """Write a history as one JSON file and say what it holds."""
    made = history(plan)
    out.write_text(made.model_dump_json(indent=1) + "\n", encoding="utf-8")
    sightings = sum(len(i.sightings) for i in made.inspections)
    said = {
        "history": str(out),
        "turbines": len(made.assets),
        "inspections": len(made.inspections),
        "defects": len(made.lives),
        "sightings": sightings,
    }
    typer.echo(json.dumps(said) if as_json else "\n".join(f"{name}: {value}" for name, value in said.items()))
