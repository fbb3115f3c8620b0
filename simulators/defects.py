"""Defects planted in surface coordinates, deterministic from seed, asset and inspection; the ground truth file."""

from __future__ import annotations

import json
import math
import random
from pathlib import Path
from typing import NamedTuple

from contracts.geo import Frozen
from contracts.turbine import SurfacePlace, TurbineGeometry
from contracts.vocabulary import BEYOND_BLADES, Blade, BladeSide, DefectKind
from simulators.world import Asset, Scene

PAINTED_KINDS = tuple(k for k in DefectKind if k is not DefectKind.DAMAGE and k not in BEYOND_BLADES)
_EDGE_MARGIN_M = 0.03
_ROOT_MARGIN_M = 3.5
_TIP_MARGIN_M = 0.7
_CLEARANCE_M = 1.0


class PlantedDefect(Frozen):
    """One defect as it is at one inspection. ``place`` is its centre."""

    defect_id: str
    asset_id: str
    kind: DefectKind
    place: SurfacePlace
    length_mm: float
    """Extent along the blade."""
    width_mm: float
    """Extent across the side."""
    severity: str
    """What the author meant: small, medium or critical. Never shown to the platform."""
    growth: float
    """Share by which it grows from one inspection to the next."""
    paint_seed: int

    def corners(self) -> tuple[float, float, float, float]:
        """Return (first, last distance to root, first, last offset), metres."""
        half_s, half_o = self.length_mm / 2000, self.width_mm / 2000
        place = self.place
        return (
            place.distance_to_root_m - half_s,
            place.distance_to_root_m + half_s,
            place.offset_m - half_o,
            place.offset_m + half_o,
        )


class Want(NamedTuple):
    """What to plant and where."""

    kind: DefectKind
    severity: str
    blade: Blade
    side: BladeSide


_DEMO = (
    Want(DefectKind.LEADING_EDGE_EROSION, "critical", Blade.A, BladeSide.LE),
    Want(DefectKind.CRACK, "critical", Blade.A, BladeSide.PS),
    Want(DefectKind.LIGHTNING_BURN, "medium", Blade.A, BladeSide.SS),
    Want(DefectKind.MISSING_COATING, "small", Blade.A, BladeSide.PS),
    Want(DefectKind.DELAMINATION, "critical", Blade.B, BladeSide.SS),
    Want(DefectKind.LEADING_EDGE_EROSION, "medium", Blade.B, BladeSide.LE),
    Want(DefectKind.CORROSION, "medium", Blade.B, BladeSide.PS),
    Want(DefectKind.LIGHTNING_BURN, "critical", Blade.C, BladeSide.PS),
    Want(DefectKind.CRACK, "small", Blade.C, BladeSide.SS),
    Want(DefectKind.MISSING_COATING, "medium", Blade.C, BladeSide.LE),
)
_SPARSE = (
    Want(DefectKind.MISSING_COATING, "small", Blade.A, BladeSide.SS),
    Want(DefectKind.CORROSION, "small", Blade.C, BladeSide.PS),
)
_LENGTHS_MM: dict[DefectKind, dict[str, tuple[float, float]]] = {
    DefectKind.CRACK: {"small": (170, 240), "medium": (280, 400), "critical": (480, 600)},
    DefectKind.LEADING_EDGE_EROSION: {"small": (300, 420), "medium": (480, 700), "critical": (900, 1200)},
    DefectKind.LIGHTNING_BURN: {"small": (150, 200), "medium": (220, 300), "critical": (340, 450)},
    DefectKind.CORROSION: {"small": (150, 220), "medium": (240, 340), "critical": (380, 520)},
    DefectKind.MISSING_COATING: {"small": (150, 210), "medium": (240, 350), "critical": (400, 500)},
    DefectKind.DELAMINATION: {"small": (200, 280), "medium": (300, 420), "critical": (480, 600)},
}
_ASPECT: dict[DefectKind, tuple[float, float]] = {
    DefectKind.LEADING_EDGE_EROSION: (0.12, 0.35),
    DefectKind.LIGHTNING_BURN: (0.6, 1.0),
    DefectKind.CORROSION: (0.5, 1.1),
    DefectKind.MISSING_COATING: (0.45, 1.0),
    DefectKind.DELAMINATION: (0.4, 0.75),
}


def planted_in(scene: Scene, inspection: int) -> list[PlantedDefect]:
    """Return every defect of a scene as it is at an inspection (from 1)."""
    return [d for number, asset in enumerate(scene.assets) for d in plant(scene.seed, asset, inspection, number)]


def plant(seed: int, asset: Asset, inspection: int, number: int = 0) -> list[PlantedDefect]:
    """Return an asset's defects: ten on the farm's first turbine (``number`` 0), two on each other."""
    rng = random.Random(f"{seed}/{asset.asset_id}")
    placed: list[PlantedDefect] = []
    for index, want in enumerate(_DEMO if number == 0 else _SPARSE, start=1):
        placed.append(_place(rng, asset, want, f"{asset.asset_id}-d{index:02d}", placed))
    return [grown(d, asset.geometry, inspection) for d in placed]


def grown(defect: PlantedDefect, geometry: TurbineGeometry, inspection: int) -> PlantedDefect:
    """Return a defect as it is at a later inspection; it never grows over the edge of its side."""
    scale = (1.0 + defect.growth) ** (inspection - 1)
    room_mm = 2000 * _half_room_m(defect, geometry)
    return defect.model_copy(
        update={
            "length_mm": round(defect.length_mm * scale, 1),
            "width_mm": round(min(defect.width_mm * scale, room_mm), 1),
        }
    )


def _half_room_m(defect: PlantedDefect, geometry: TurbineGeometry) -> float:
    tipward = defect.place.distance_to_root_m + defect.length_mm / 2000
    width = geometry.side_width_m(defect.place.side, min(tipward, geometry.blade_length_m))
    return max(defect.width_mm / 2000, min(defect.place.offset_m, width - defect.place.offset_m) - _EDGE_MARGIN_M / 2)


def _place(rng: random.Random, asset: Asset, want: Want, defect_id: str, others: list[PlantedDefect]) -> PlantedDefect:
    while True:
        made = random_defect(rng, asset, want, defect_id)
        if made is not None and all(_clear(made, other) for other in others):
            return made


def _clear(one: PlantedDefect, other: PlantedDefect) -> bool:
    if one.place.blade is not other.place.blade:
        return True
    gap = abs(one.place.distance_to_root_m - other.place.distance_to_root_m)
    return gap - (one.length_mm + other.length_mm) / 2000 >= _CLEARANCE_M


def random_defect(
    rng: random.Random, asset: Asset, want: Want, defect_id: str, span_m: tuple[float, float] | None = None
) -> PlantedDefect | None:
    """Return a random defect as wanted, or None where the drawn size does not fit the drawn place."""
    kind, severity, blade, side = want
    geometry = asset.geometry
    length, width = _size_mm(rng, kind, severity)
    low, high = span_m or _habitat_m(kind, geometry)
    distance = rng.uniform(low + length / 2000, high - length / 2000)
    room = geometry.side_width_m(side, distance + length / 2000) - 2 * _EDGE_MARGIN_M
    if kind is DefectKind.LEADING_EDGE_EROSION or side is BladeSide.LE:
        width = min(width, 1000 * room * 0.92)
    if width / 1000 > room or width < 0.1 * min(length, 300):
        return None
    free = room - width / 1000
    centred = geometry.side_width_m(side, distance) / 2
    offset = _EDGE_MARGIN_M + width / 2000 + free * rng.random()
    if kind is DefectKind.LEADING_EDGE_EROSION:
        offset = centred
    return PlantedDefect(
        defect_id=defect_id,
        asset_id=asset.asset_id,
        kind=kind,
        place=SurfacePlace(blade=blade, side=side, distance_to_root_m=round(distance, 3), offset_m=round(offset, 3)),
        length_mm=round(length, 1),
        width_mm=round(width, 1),
        severity=severity,
        growth=round(rng.uniform(0.06, 0.18), 3),
        paint_seed=rng.getrandbits(32),
    )


def _size_mm(rng: random.Random, kind: DefectKind, severity: str) -> tuple[float, float]:
    length = rng.uniform(*_LENGTHS_MM[kind][severity])
    if kind is DefectKind.CRACK:
        turn = math.radians(rng.choice((rng.uniform(5, 30), rng.uniform(35, 65), rng.uniform(60, 80))))
        return max(40.0, length * math.cos(turn)), max(35.0, length * math.sin(turn))
    return length, length * rng.uniform(*_ASPECT[kind])


def _habitat_m(kind: DefectKind, geometry: TurbineGeometry) -> tuple[float, float]:
    """Return where along the blade a kind is at home: burns near the tip, rust near the root."""
    last = geometry.blade_length_m - _TIP_MARGIN_M
    if kind is DefectKind.LIGHTNING_BURN:
        return last - 6.0, last
    if kind is DefectKind.CORROSION:
        return _ROOT_MARGIN_M, _ROOT_MARGIN_M + 5.0
    return _ROOT_MARGIN_M, last


def truth_rows(defects: list[PlantedDefect], inspection: int) -> list[dict[str, object]]:
    """Return ground truth as plain rows."""
    return [
        {
            "defect_id": d.defect_id,
            "asset_id": d.asset_id,
            "kind": d.kind.value,
            "blade": d.place.blade.value,
            "side": d.place.side.value,
            "distance_to_root_m": d.place.distance_to_root_m,
            "offset_m": d.place.offset_m,
            "length_mm": d.length_mm,
            "width_mm": d.width_mm,
            "severity": d.severity,
            "inspection": inspection,
        }
        for d in defects
    ]


def write_truth(defects: list[PlantedDefect], inspection: int, path: Path) -> None:
    """Write the ground truth file."""
    path.write_text(json.dumps(truth_rows(defects, inspection), indent=2) + "\n", encoding="utf-8")
