"""What a flight did not see of the blades: a finding's absence means something only where the surface was seen."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from cloud.tables import Asset, Coverage, Flight
from contracts.errors import NotFound
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


def cells(session: Session, flight_id: str) -> list[Coverage]:
    """Return what a flight saw, cell by cell.

    Raises:
        NotFound: No such flight.

    """
    if session.get(Flight, flight_id) is None:
        raise NotFound(f"No flight {flight_id!r}.")
    order = (Coverage.blade, Coverage.side, Coverage.cell)
    return list(session.scalars(select(Coverage).where(Coverage.flight_id == flight_id).order_by(*order)))


def gaps(session: Session, flight_id: str) -> list[Gap]:
    """Return what a flight did not see of its turbine's blades, blade by blade, from the root.

    Raises:
        NotFound: No such flight.

    """
    seen = {(c.blade, c.side, c.cell) for c in cells(session, flight_id) if c.seen_share >= SEEN_SHARE}
    turbine = session.get_one(Asset, session.get_one(Flight, flight_id).asset_id).turbine
    if turbine is None:
        return []
    length_m = turbine.blade_length_m
    return [gap for blade in Blade for side in BladeSide for gap in _of_side(blade, side, seen, length_m)]


def _of_side(blade: Blade, side: BladeSide, seen: set[tuple[str, str, int]], length_m: float) -> Iterator[Gap]:
    first: int | None = None
    count = math.ceil(length_m)
    for cell in range(count + 1):
        unseen = cell < count and (blade.value, side.value, cell) not in seen
        if unseen and first is None:
            first = cell
        if not unseen and first is not None:
            yield Gap(blade, side, float(first), min(float(cell), length_m))
            first = None
