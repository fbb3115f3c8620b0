"""Random worlds full of defects, to learn from: no farm looks like this."""

from __future__ import annotations

import math
import random

from contracts.geo import GeoPoint
from contracts.turbine import TurbineGeometry
from contracts.vocabulary import Blade, BladeSide, DefectKind
from simulators.defects import PAINTED_KINDS, PlantedDefect, Want, random_defect
from simulators.world import SITE_ORIGIN, Asset, Scene, Weather

_STEP_M = {BladeSide.LE: 1.5, BladeSide.TE: 1.6, BladeSide.PS: 1.1, BladeSide.SS: 1.1}
_SEVERITIES = ("small", "medium", "critical")
_SMALL_MM = (22.0, 260.0)
"""Longest sides of small defects: some 11 to 130 pixels at 10 m."""


def dense_scene(seed: int) -> Scene:
    """Return a one-turbine scene with random rotor position and weather."""
    rng = _rng("scene", seed)
    geometry = TurbineGeometry(
        foot=SITE_ORIGIN,
        yaw_deg=rng.uniform(0, 360),
        rotor_azimuth_deg=rng.uniform(0, 120),
        blade_pitch_deg=rng.choice((0.0, 0.0, rng.uniform(0, 90))),
    )
    home = GeoPoint(lat_deg=SITE_ORIGIN.lat_deg, lon_deg=SITE_ORIGIN.lon_deg, alt_m=SITE_ORIGIN.alt_m)
    asset = Asset(asset_id="wt-dense", name="dense", geometry=geometry, home=home)
    return Scene(seed=seed, assets=(asset,), weather=random_weather(rng))


def random_weather(rng: random.Random) -> Weather:
    """Return any daylight."""
    return Weather(
        sun_azimuth_deg=rng.uniform(0, 360),
        sun_elevation_deg=rng.uniform(12, 62),
        sun_share=rng.choice((rng.uniform(0, 0.3), rng.uniform(0.3, 0.8))),
        cloud_cover=rng.uniform(0.1, 0.9),
        haze=rng.uniform(0, 1),
    )


def dense_defects(scene: Scene) -> list[PlantedDefect]:
    """Return defects all over the scene's turbine, on each side about one per metre, none overlapping."""
    rng = _rng("defects", scene.seed)
    asset = scene.assets[0]
    made: list[PlantedDefect] = []
    for blade in Blade:
        for side in BladeSide:
            start = 0.6
            while start < asset.geometry.blade_length_m - 1.0:
                found = _try_here(rng, asset, blade, side, start, f"{asset.asset_id}-d{len(made):04d}")
                if found is not None:
                    made.append(found)
                    start = found.corners()[1]
                start += _STEP_M[side] * rng.uniform(0.15, 1.0)
    return made


def small_defects(scene: Scene) -> list[PlantedDefect]:
    """Return the same defects, none longer than can be small, their longest sides spread evenly over powers of two."""
    rng, (least, most) = _rng("small", scene.seed), (math.log(mm) for mm in _SMALL_MM)
    return [_shrunk(defect, math.exp(rng.uniform(least, most))) for defect in dense_defects(scene)]


def _shrunk(defect: PlantedDefect, longest_mm: float) -> PlantedDefect:
    scale = min(1.0, longest_mm / max(defect.length_mm, defect.width_mm))
    sides = {"length_mm": round(scale * defect.length_mm, 1), "width_mm": round(scale * defect.width_mm, 1)}
    return defect.model_copy(update=sides)


def _try_here(
    rng: random.Random, asset: Asset, blade: Blade, side: BladeSide, start_m: float, defect_id: str
) -> PlantedDefect | None:
    kind = _kind_for(rng, side)
    last = asset.geometry.blade_length_m - 0.15
    for _ in range(6):
        severity = rng.choice(_SEVERITIES)
        span = (start_m, min(last, start_m + 2.2))
        if span[1] - span[0] < 1.3:
            severity = "small"
        found = random_defect(rng, asset, Want(kind, severity, blade, side), defect_id, span)
        if found is not None and found.corners()[0] >= start_m and found.corners()[1] <= last:
            return found
        kind = _kind_for(rng, side)
    return None


def _kind_for(rng: random.Random, side: BladeSide) -> DefectKind:
    if side is BladeSide.LE and rng.random() < 0.6:
        return DefectKind.LEADING_EDGE_EROSION
    if side is BladeSide.TE:
        return rng.choice((DefectKind.CRACK, DefectKind.MISSING_COATING, DefectKind.CORROSION))
    return rng.choice([k for k in PAINTED_KINDS if k is not DefectKind.LEADING_EDGE_EROSION])


def _rng(what: str, seed: int) -> random.Random:
    return random.Random(f"{what}/{seed}")
