"""One defect, many looks: boxes of several key frames become tracks by their place on the asset."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from contracts.places import across_between_m, mean_place
from contracts.turbine import SurfacePlace
from contracts.vocabulary import BladeSide, DefectKind
from vision.boxes import KINDS
from vision.georef import Placed

_TOLERANCE_M = 0.15
"""Looks whose extents come this close (and within their errors) are of one defect."""
_SIGMAS = 2.0
_EROSION_REACH_M = 0.15
"""How far from the leading edge erosion may begin on the pressure and suction sides."""
_OPPOSITE = ({BladeSide.PS, BladeSide.SS}, {BladeSide.LE, BladeSide.TE})


class Look(NamedTuple):
    """One box in one key frame."""

    frame: int
    kind: DefectKind
    confidence: float
    xyxy: tuple[float, float, float, float]
    placed: Placed | None
    clipped: bool
    """The picture's border cuts the box: its size is a lower bound."""


@dataclass
class Track:
    """Looks at one defect."""

    looks: list[Look] = field(default_factory=list)

    @property
    def kind(self) -> DefectKind:
        """Return the kind with the most confidence in sum."""
        sums = {k: sum(x.confidence for x in self.looks if x.kind is k) for k in {x.kind for x in self.looks}}
        return max(sums, key=lambda k: (sums[k], -KINDS.index(k)))

    @property
    def best(self) -> Look:
        """Return the look to show: confident, whole, square on."""
        return self.by_quality()[0]

    @property
    def confidence(self) -> float:
        """Return the highest confidence of one look."""
        return max(x.confidence for x in self.looks)

    @property
    def frames(self) -> set[int]:
        """Return the key frames that show it."""
        return {x.frame for x in self.looks}

    def by_quality(self) -> list[Look]:
        """Return the looks, best first."""
        return sorted(self.looks, key=lambda x: (-_quality(x), x.frame, x.xyxy))


def _quality(look: Look) -> float:
    square_on = math.cos(math.radians(look.placed.incidence_deg)) if look.placed else 1.0
    return look.confidence * (0.5 if look.clipped else 1.0) * (0.3 + 0.7 * square_on)


class Estimate(NamedTuple):
    """Where a track's defect is and how large, from all its looks."""

    placed: Placed
    sigma_m: float


def group_by_place(looks: Sequence[Look]) -> list[Track]:
    """Group placed looks of any kind that lie on one another, most confident first; a track is one defect."""
    left = sorted((_called(x) for x in looks if x.placed), key=lambda x: (-x.confidence, x.frame, x.xyxy))
    tracks: list[Track] = []
    for look in left:
        near = [t for t in tracks if any(_same_defect(look, other) for other in t.looks)]
        if not near:
            tracks.append(Track([look]))
            continue
        near[0].looks.append(look)
        for other in near[1:]:
            near[0].looks += other.looks
            tracks.remove(other)
    return tracks


def apart(looks: Iterable[Look], tracks: Sequence[Track]) -> list[Look]:
    """Return the looks that lie on no track."""
    return [x for x in looks if not any(_same_defect(x, other) for track in tracks for other in track.looks)]


def _called(look: Look) -> Look:
    """Return a look whose kind cannot occur where it is seen as damage of a kind not told: something is there."""
    if look.placed is None or _plausible(look.kind, look.placed):
        return look
    return look._replace(kind=DefectKind.DAMAGE)


def _plausible(kind: DefectKind, placed: Placed) -> bool:
    """Return whether a kind can occur where it is seen: rain and sand erode the leading edge and nothing else."""
    place = placed.place
    if kind is not DefectKind.LEADING_EDGE_EROSION:
        return True
    if not isinstance(place, SurfacePlace):
        return False
    near = place.offset_m - placed.width_mm / 2000 <= _EROSION_REACH_M
    return place.side is BladeSide.LE or (place.side is not BladeSide.TE and near)


def _same_defect(one: Look, other: Look) -> bool:
    a, b = one.placed, other.placed
    if a is None or b is None:
        return False
    on_blades = isinstance(a.place, SurfacePlace) and isinstance(b.place, SurfacePlace)
    if a.place.surface != b.place.surface and not (on_blades and a.place.surface[0] == b.place.surface[0]):
        return False
    slack = _TOLERANCE_M + min(_SIGMAS * math.hypot(a.sigma_m, b.sigma_m), _TOLERANCE_M)
    along = abs(a.place.along_m - b.place.along_m)
    if along > slack + (a.length_mm + b.length_mm) / 2000:
        return False
    if a.place.surface == b.place.surface:
        return abs(across_between_m(a.place, b.place)) <= slack + (a.width_mm + b.width_mm) / 2000
    if (
        isinstance(a.place, SurfacePlace)
        and isinstance(b.place, SurfacePlace)
        and ({a.place.side, b.place.side} in _OPPOSITE)
    ):
        return False
    apart = a.point.minus(b.point).norm()
    return apart <= slack + (math.hypot(a.length_mm, a.width_mm) + math.hypot(b.length_mm, b.width_mm)) / 4000


def estimate(track: Track) -> Estimate | None:
    """Return a placed track's best place and size: looks on its main side, weighted by confidence over error."""
    placed = [(x, x.placed) for x in track.looks if x.placed]
    if not placed:
        return None
    main = max({p.place.surface for _, p in placed}, key=lambda s: (_side_weight(track, s), s))
    on_side = [(x, p) for x, p in placed if p.place.surface == main]
    whole = [(x, p) for x, p in on_side if not x.clipped]
    if not whole:
        return _hull([p for _, p in on_side])
    weight = np.array([x.confidence / p.sigma_m**2 for x, p in whole])
    weight /= weight.sum()

    def mean(values: Sequence[float]) -> float:
        return float(np.dot(weight, values))

    first = whole[int(np.argmax(weight))][1]
    place = mean_place([p.place for _, p in whole], weight.tolist())
    sigma_m = float(np.sqrt(np.dot(weight, [p.sigma_m**2 for _, p in whole])))
    best = first._replace(
        place=place,
        length_mm=mean([p.length_mm for _, p in whole]),
        width_mm=mean([p.width_mm for _, p in whole]),
        size_sigma_mm=mean([p.size_sigma_mm for _, p in whole]),
        sigma_m=sigma_m,
    )
    return Estimate(best, sigma_m)


def _side_weight(track: Track, surface: str) -> float:
    return sum(
        x.confidence * math.cos(math.radians(x.placed.incidence_deg)) ** 2
        for x in track.looks
        if x.placed and x.placed.place.surface == surface
    )


def _hull(parts: Sequence[Placed]) -> Estimate:
    """Return the hull along the surface of looks that the picture's border all cut."""
    low = min(p.place.along_m - p.length_mm / 2000 for p in parts)
    high = max(p.place.along_m + p.length_mm / 2000 for p in parts)
    widest = max(parts, key=lambda p: p.width_mm)
    place = widest.place.moved((low + high) / 2, widest.place.across_m)
    size_sigma_mm = max(widest.size_sigma_mm, 0.25 * 1000 * (high - low))
    sigma_m = math.hypot(widest.sigma_m, size_sigma_mm / 2000)
    hull = widest._replace(place=place, length_mm=1000 * (high - low), size_sigma_mm=size_sigma_mm, sigma_m=sigma_m)
    return Estimate(hull, sigma_m)
