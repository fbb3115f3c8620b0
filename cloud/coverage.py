"""What a flight did not see of its asset: a finding's absence means something only where the surface was seen."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from cloud.tables import Asset, Coverage, Flight, PartCoverage
from contracts.errors import NotFound
from contracts.faces import Face, faces_of
from contracts.tower import TelecomTower
from contracts.turbine import TurbineGeometry
from contracts.vocabulary import Blade, BladeSide

SEEN_SHARE = 0.8
"""A metre counts as seen when this share of its area was."""


class Gap(NamedTuple):
    """Metres of a blade side that were not seen; ``last_m`` is where the gap ends."""

    blade: Blade
    side: BladeSide
    first_m: float
    last_m: float

    def __str__(self) -> str:
        return f"blade {self.blade.value} {self.side.value} {self.first_m:.0f}-{self.last_m:.0f} m"


class PartGap(NamedTuple):
    """A stretch of a part that is no blade, or of all faces of a tower alike, that was not seen."""

    name: str
    first_m: float
    last_m: float

    def __str__(self) -> str:
        return f"{self.name} {self.first_m:.0f}-{self.last_m:.0f} m"


class Parts(NamedTuple):
    """What of an asset is no blade, and which cells of it a flight saw (name of the part, cell)."""

    faces: tuple[Face, ...]
    seen: frozenset[tuple[str, int]]
    is_known: bool
    """Whether the flight tells of any of them at all."""

    @property
    def whole(self) -> int:
        """Return how many cells there are."""
        return sum(face.cells for face in self.faces)


def cells(session: Session, flight_id: str) -> list[Coverage]:
    """Return what a flight saw, cell by cell.

    Raises:
        NotFound: No such flight.

    """
    _asset_of(session, flight_id)
    order = (Coverage.blade, Coverage.side, Coverage.cell)
    return list(session.scalars(select(Coverage).where(Coverage.flight_id == flight_id).order_by(*order)))


def part_cells(session: Session, flight_id: str) -> list[PartCoverage]:
    """Return what a flight saw of what is no blade, cell by cell."""
    order = (PartCoverage.part, PartCoverage.cell)
    return list(session.scalars(select(PartCoverage).where(PartCoverage.flight_id == flight_id).order_by(*order)))


def parts(session: Session, flight_id: str) -> Parts:
    """Return what of a flight's asset is no blade, and what the flight saw of it.

    Raises:
        NotFound: No such flight.

    """
    faces = _faces(_asset_of(session, flight_id))
    cells_of = {face.part: face.cells for face in faces}
    # Cells of a geometry that has changed since say nothing of the asset as it is.
    known = [c for c in part_cells(session, flight_id) if c.cell < cells_of.get(c.part, 0)]
    return Parts(faces, frozenset((c.part, c.cell) for c in known if c.seen_share >= SEEN_SHARE), bool(known))


def gaps(session: Session, flight_id: str) -> list[Gap | PartGap]:
    """Return what a flight did not see, blade by blade from the root, then of a tower face by face from its foot.

    A turbine's tower is told of where the flight saw any of it: most flights are of the blades and go nowhere near.

    Raises:
        NotFound: No such flight.

    """
    seen = {(c.blade, c.side, c.cell) for c in cells(session, flight_id) if c.seen_share >= SEEN_SHARE}
    turbine = _asset_of(session, flight_id).turbine
    rest = parts(session, flight_id)
    others: list[Gap | PartGap] = list(_of_parts(rest)) if turbine is None or rest.is_known else []
    if turbine is None:
        return others
    length_m = turbine.blade_length_m
    return [gap for blade in Blade for side in BladeSide for gap in _of_side(blade, side, seen, length_m)] + others


def _asset_of(session: Session, flight_id: str) -> Asset:
    flight = session.get(Flight, flight_id)
    if flight is None:
        raise NotFound(f"No flight {flight_id!r}.", hint="List flights with GET /v1/flights.")
    return session.get_one(Asset, flight.asset_id)


def _faces(asset: Asset) -> tuple[Face, ...]:
    """Return what coverage is counted of: of lines and pipelines nothing is yet."""
    shape = asset.shape
    return faces_of(shape) if isinstance(shape, TurbineGeometry | TelecomTower) else ()


def _of_parts(rest: Parts) -> Iterator[PartGap]:
    """Yield the gaps face by face; what is missing of all of them alike is said once."""
    by_face = [
        [
            (float(first), min(float(end), face.height_m))
            for first, end in _stretches([(face.part, cell) in rest.seen for cell in range(face.cells)])
        ]
        for face in rest.faces
    ]
    everywhere = set.intersection(*map(set, by_face)) if by_face else set()
    for face, found in zip(rest.faces, by_face, strict=True):
        yield from (PartGap(face.name, *stretch) for stretch in found if stretch not in everywhere)
    yield from (PartGap("tower, all faces", *stretch) for stretch in sorted(everywhere))


def _of_side(blade: Blade, side: BladeSide, seen: set[tuple[str, str, int]], length_m: float) -> Iterator[Gap]:
    known = [(blade.value, side.value, cell) in seen for cell in range(math.ceil(length_m))]
    for first, end in _stretches(known):
        yield Gap(blade, side, float(first), min(float(end), length_m))


def _stretches(seen: Sequence[bool]) -> Iterator[tuple[int, int]]:
    """Yield the runs of cells that were not seen: the first one, and the one after the last."""
    cell = 0
    for is_seen, run in groupby(seen):
        length = len(list(run))
        if not is_seen:
            yield cell, cell + length
        cell += length
