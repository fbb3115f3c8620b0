"""How a defect lives: born, growing unevenly, perhaps repaired. The truth behind a simulated history; pure and seeded.

Growth is exponential with a rate of its own for every defect, drawn about the median of its kind (faster in the outer
third, where the blade moves more), and wanders from season to season. The medians are this simulator's own choice: no
public data set holds the growth of blade defects.
"""

from __future__ import annotations

import math
import random
from datetime import datetime, timedelta

from pydantic import AwareDatetime

from contracts.geo import Frozen
from contracts.turbine import SurfacePlace
from contracts.vocabulary import Blade, BladeSide, DefectKind
from simulators.defects import PAINTED_KINDS, Want, random_defect
from simulators.world import Asset

YEAR = timedelta(days=365.25)
YEARLY_GROWTH: dict[DefectKind, float] = {
    DefectKind.CRACK: 0.30,
    DefectKind.LEADING_EDGE_EROSION: 0.22,
    DefectKind.LIGHTNING_BURN: 0.04,
    DefectKind.CORROSION: 0.15,
    DefectKind.MISSING_COATING: 0.12,
    DefectKind.DELAMINATION: 0.26,
}
"""Median growth of the logarithm of the length, per year."""
GROWTH_SPREAD = 0.45
"""Standard deviation of the logarithm of a defect's own rate."""
OUTER_FACTOR = 1.3
OUTER_FROM = 2 / 3
WANDER = 0.06
"""Standard deviation of the logarithm of the length that a year's weather adds."""
_CLOSE_M = (1.0, 1.5)
_SPACING_M = 2.5


class Life(Frozen):
    """One true defect through all inspections. ``lengths_mm`` has one entry per inspection of its asset."""

    defect_id: str
    asset_id: str
    kind: DefectKind
    place: SurfacePlace
    born_at: AwareDatetime
    yearly_growth: float
    aspect: float
    """Width over length."""
    lengths_mm: tuple[float, ...]
    """0 where it does not exist: not born yet, or repaired."""
    repaired_at: AwareDatetime | None = None
    repair_recorded: bool = False
    """Whether the owner's system was told of the repair."""
    close_to: str | None = None
    """The defect it was planted beside, on the same strip."""


def lives_of(rng: random.Random, asset: Asset, dates: list[datetime], count: int) -> list[Life]:
    """Return the defects of one turbine: ``count`` apart from each other, and one close beside the first."""
    made: list[Life] = []
    while len(made) < count:
        if life := _apart(rng, asset, dates, f"{asset.asset_id}-l{len(made) + 1:02d}", made):
            made.append(life)
    return [*made, _beside(rng, asset, dates, made[0])]


def _apart(rng: random.Random, asset: Asset, dates: list[datetime], defect_id: str, others: list[Life]) -> Life | None:
    kind = rng.choice(PAINTED_KINDS)
    side = BladeSide.LE if kind is DefectKind.LEADING_EDGE_EROSION else rng.choice(tuple(BladeSide))
    want = Want(kind, rng.choice(("small", "small", "medium")), rng.choice(tuple(Blade)), side)
    planted = random_defect(rng, asset, want, defect_id)
    if planted is None or not all(_clear(planted.place, other.place) for other in others):
        return None
    aspect = planted.width_mm / planted.length_mm
    return _lived(rng, asset, dates, (defect_id, kind, planted.place, planted.length_mm, aspect))


def _clear(one: SurfacePlace, other: SurfacePlace) -> bool:
    same_strip = (one.blade, one.side) == (other.blade, other.side)
    return not same_strip or abs(one.distance_to_root_m - other.distance_to_root_m) >= _SPACING_M


def _beside(rng: random.Random, asset: Asset, dates: list[datetime], first: Life) -> Life:
    """Return a defect of the same kind on the same strip, within reach of a bad position."""
    gap = rng.uniform(*_CLOSE_M)
    length_m = asset.geometry.blade_length_m
    away = gap if first.place.distance_to_root_m + gap < length_m - 0.5 else -gap
    place = first.place.model_copy(update={"distance_to_root_m": round(first.place.distance_to_root_m + away, 3)})
    start = rng.uniform(150, 260)
    made = _lived(rng, asset, dates, (f"{asset.asset_id}-l99", first.kind, place, start, first.aspect))
    return made.model_copy(update={"close_to": first.defect_id})


def _lived(
    rng: random.Random, asset: Asset, dates: list[datetime], seed: tuple[str, DefectKind, SurfacePlace, float, float]
) -> Life:
    defect_id, kind, place, start_mm, aspect = seed
    span_share = place.distance_to_root_m / asset.geometry.blade_length_m
    rate = YEARLY_GROWTH[kind] * math.exp(rng.gauss(0, GROWTH_SPREAD))
    rate *= OUTER_FACTOR if span_share >= OUTER_FROM else 1.0
    # Two thirds are there at the first inspection, the others come later.
    whole = dates[-1] - dates[0]
    born = dates[0] - YEAR * rng.uniform(0, 0.8) if rng.random() < 2 / 3 else dates[0] + whole * rng.uniform(0, 0.8)
    repaired = born + whole * rng.uniform(0.35, 0.9) if rng.random() < 0.15 else None
    return Life(
        defect_id=defect_id,
        asset_id=asset.asset_id,
        kind=kind,
        place=place,
        born_at=born,
        yearly_growth=round(rate, 4),
        aspect=round(aspect, 4),
        lengths_mm=_lengths(rng, dates, born, repaired, (start_mm, rate)),
        repaired_at=repaired,
        repair_recorded=repaired is not None and rng.random() < 0.7,
    )


def _lengths(
    rng: random.Random, dates: list[datetime], born: datetime, repaired: datetime | None, growth: tuple[float, float]
) -> tuple[float, ...]:
    start_mm, rate = growth
    lengths, logarithm, last = [], math.log(start_mm), born
    for at in dates:
        if at < born or (repaired is not None and at >= repaired):
            lengths.append(0.0)
            continue
        years = (at - last) / YEAR
        logarithm += max(0.0, rate * years + rng.gauss(0, WANDER) * math.sqrt(years))
        last = at
        lengths.append(round(math.exp(logarithm), 1))
    return tuple(lengths)
