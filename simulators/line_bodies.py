"""Bodies of a power line as facets: plates, angle steel, bodies of revolution, and rods that face the camera."""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

import numpy as np

from simulators.noise import Image

_PIECE_M = 0.5
"""Longest plate: painted by the depth of their middles, longer ones would cover what is nearer."""
Bgr = tuple[float, float, float]
Colour = Bgr | Image | tuple[float, ...]
Profile = tuple[tuple[float, float], ...]
"""(distance along the axis, radius) from the first ring to the last, metres; the outside is on the radius's side."""


class Finish(IntEnum):
    """How a surface takes the light."""

    STEEL = 0
    CASTING = 1
    WIRE = 2
    GLASS = 3
    GLAZE = 4
    RUBBER = 5
    LEAF = 6
    WOOD = 7
    PAINT = 8


class Shape(IntEnum):
    """How a facet's surface is curved."""

    FLAT = 0
    ROUND = 1
    """Part of a body of revolution about ``axis``."""
    ROD = 2
    """Faces the camera; looks round across ``axis``."""


class Facets(NamedTuple):
    """Four-cornered faces, one row each."""

    corners: Image
    """(n, 4, 3), metres."""
    origin: Image
    axis: Image
    lean: Image
    """(n, 2): shares of the radius and of the axis in the normal of a round facet."""
    colour: Image
    finish: Image
    seed: Image
    shape: Image
    closed: Image
    """Whether its back is never seen."""
    bias_m: Image
    """By how much nearer than it is it counts: what is bolted on lies over what it is bolted to."""


class Rods(NamedTuple):
    """Thin round things, one row for each straight piece."""

    ends: Image
    """(n, 2, 3), metres."""
    radius: Image
    colour: Image
    finish: Image
    seed: Image
    """Distance along the whole rod at which a piece begins, metres: wires are twisted."""


class _Plate(NamedTuple):
    first: Image
    second: Image
    half: Image
    colour: Bgr
    finish: Finish
    bias_m: float


class Parts:
    """Collects facets and rods, and what hides something behind it as capsules."""

    def __init__(self) -> None:
        self._facets: list[Facets] = []
        self._plates: list[_Plate] = []
        self._rods: list[Rods] = []
        self._capsules: list[tuple[Image, Image, float]] = []

    def add(self, other: Parts) -> None:
        """Take over everything of another collection."""
        self._facets += other._facets
        self._plates += other._plates
        self._rods += other._rods
        self._capsules += other._capsules

    def facets(self) -> Facets:
        """Return all facets."""
        made = [*self._facets, _pieces(self._plates)] if self._plates else self._facets
        if not made:
            return _flat(np.zeros((0, 4, 3)), (0, 0, 0), Finish.STEEL)
        return Facets(*(np.concatenate(column) for column in zip(*made, strict=True)))

    def rods(self) -> Rods:
        """Return all rods."""
        if not self._rods:
            return Rods(np.zeros((0, 2, 3)), *(np.zeros(s) for s in ((0,), (0, 3), (0,), (0,))))
        return Rods(*(np.concatenate(column) for column in zip(*self._rods, strict=True)))

    def capsules(self) -> tuple[Image, Image, Image]:
        """Return what hides: first ends (n, 3), second ends (n, 3), radii (n,)."""
        first, second, radius = zip(*self._capsules, strict=True) if self._capsules else ((), (), ())
        return np.array(first).reshape(-1, 3), np.array(second).reshape(-1, 3), np.array(radius)

    def hides(self, first: Image, second: Image, radius_m: float) -> None:
        """Say that what lies behind a capsule cannot be seen."""
        self._capsules.append((first, second, radius_m))

    def quads(self, corners: Image, colour: Colour, finish: Finish) -> None:
        """Add flat faces (n, 4, 3) that are seen from both sides."""
        self._facets.append(_flat(np.asarray(corners, np.float64), colour, finish))

    def plate(self, ends: tuple[Image, Image], half: Image, look: tuple[Bgr, Finish], bias_m: float = 0.0) -> None:
        """Add a flat bar between two points, ``half`` its width to either side."""
        self._plates.append(_Plate(ends[0], ends[1], half, *look, bias_m))

    def angle(self, ends: tuple[Image, Image], flanges: tuple[Image, Image], width_m: float, colour: Bgr) -> None:
        """Add a member of angle steel; ``flanges`` say where its two flanges point, seen from its corner."""
        look = (colour, Finish.STEEL)
        thick = max(0.006, width_m * 0.1)
        for one, other in (flanges, flanges[::-1]):
            self.plate((ends[0] + one * width_m / 2, ends[1] + one * width_m / 2), one * width_m / 2, look)
            edge = one * width_m + other * thick / 2
            self.plate((ends[0] + edge, ends[1] + edge), other * thick / 2, look, 0.02)
        middle = (flanges[0] + flanges[1]) * width_m / 3
        self.hides(ends[0] + middle, ends[1] + middle, width_m * 0.45)

    def revolve(
        self, place: tuple[Image, Image], profile: Profile, colour: Colour, finish: Finish, strips: int = 18,
        keep: Image | None = None,
    ) -> None:  # fmt: skip
        """Add a body of revolution: ``place`` is a point and the direction of its axis.

        ``colour`` may be (rings, strips, 3), ``keep`` says (rings, strips) which facets there are.
        """
        base, axis = place
        u, v = across(axis)
        turn = np.linspace(0, 2 * np.pi, strips + 1)
        out = np.cos(turn)[:, None] * u + np.sin(turn)[:, None] * v
        along, radius = np.array(profile).T
        points = base + along[:, None, None] * axis + radius[:, None, None] * out
        corners = np.stack([points[:-1, :-1], points[:-1, 1:], points[1:, 1:], points[1:, :-1]], axis=2)
        steps = np.stack([np.diff(along), -np.diff(radius)], axis=1)
        lean = np.repeat(steps / np.linalg.norm(steps, axis=1)[:, None], strips, axis=0)
        rows = slice(None) if keep is None else keep.reshape(-1)
        flat = _flat(corners.reshape(-1, 4, 3)[rows], (0, 0, 0), finish)
        colours = np.broadcast_to(np.asarray(colour, np.float64), (*corners.shape[:2], 3)).reshape(-1, 3)[rows]
        count = len(flat.corners)
        self._facets.append(
            flat._replace(
                origin=np.tile(base, (count, 1)), axis=np.tile(axis, (count, 1)), lean=lean[rows], colour=colours,
                seed=np.full(count, base.sum() * 7.31 % 97), shape=np.full(count, Shape.ROUND),
                closed=np.full(count, keep is None),
            )
        )  # fmt: skip

    def rod(self, points: Image, radius_m: float | Image, colour: Colour, finish: Finish) -> None:
        """Add a thin round thing along points (n, 3)."""
        ends = np.stack([points[:-1], points[1:]], axis=1)
        length = np.linalg.norm(ends[:, 1] - ends[:, 0], axis=1)
        count = len(ends)
        colours = np.broadcast_to(np.asarray(colour, np.float64), (count, 3))
        start = np.concatenate([[0.0], np.cumsum(length)[:-1]])
        self._rods.append(Rods(ends, np.broadcast_to(radius_m, (count,)), colours, np.full(count, finish), start))


def across(axis: Image) -> tuple[Image, Image]:
    """Return two unit vectors square to an axis and to each other."""
    other = np.array([1.0, 0.0, 0.0]) if abs(axis[0]) < 0.8 else np.array([0.0, 1.0, 0.0])
    u = np.cross(axis, other)
    u /= np.linalg.norm(u)
    return u, np.cross(axis, u)


def _flat(corners: Image, colour: Colour, finish: Finish) -> Facets:
    count = len(corners)
    along = corners[:, 1] - corners[:, 0]
    axis = along / np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-9)
    seed = (corners.sum(axis=(1, 2)) * 7.31) % 97.0
    colours = np.broadcast_to(np.asarray(colour, np.float64), (count, 3))
    plain = (np.full(count, finish), seed, np.full(count, Shape.FLAT), np.zeros(count, bool), np.zeros(count))
    return Facets(corners, corners[:, 0], axis, np.zeros((count, 2)), colours, *plain)


def _pieces(plates: list[_Plate]) -> Facets:
    """Return plates cut into pieces, each with its plate's grain."""
    first, second, half, colour, finish, bias_m = (np.array(column, np.float64) for column in zip(*plates, strict=True))
    long = np.linalg.norm(second - first, axis=1)
    counts = np.maximum(1, np.ceil(long / _PIECE_M)).astype(int)
    of = np.repeat(np.arange(len(plates)), counts)
    number = np.arange(len(of)) - np.repeat(np.cumsum(counts) - counts, counts)
    start, end = (first[of] + (second - first)[of] * ((number + step) / counts[of])[:, None] for step in (0, 1))
    corners = np.stack([start - half[of], end - half[of], end + half[of], start + half[of]], axis=1)
    axis = (second - first) / np.maximum(long, 1e-9)[:, None]
    seed = ((first + second).sum(axis=1) * 7.31) % 97.0
    made = _flat(corners, colour[of], Finish.STEEL)
    return made._replace(
        origin=first[of], axis=axis[of], finish=finish[of].astype(int), seed=seed[of], bias_m=bias_m[of]
    )
