"""How much of a wish one flight takes: as many sections as its battery and its message bear, found in few tries."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

BATTERY_PERCENT = 55.0
"""What a flight is planned to take at most: well clear of the reserve that warns."""
MAX_SOLIDS = 250
MAX_WAYPOINTS = 400

T = TypeVar("T")


def grown(first: int, sections: int, alone: T, draw: Callable[[int], T], fits: Callable[[T], bool]) -> tuple[int, T]:
    """Return the last section that one flight from ``first`` on takes, and that flight: steps grow, then are quartered.

    Args:
        first: Where the flight begins.
        sections: How many there are.
        alone: The flight over the first section only; it is taken as it is.
        draw: Gives the flight up to a section, that one included.
        fits: Whether a flight is not too much.

    """
    good, step, flight = first, 1, alone
    while good < sections - 1:
        tried = min(good + step, sections - 1)
        drawn = draw(tried)
        if fits(drawn):
            good, step, flight = tried, step * 2, drawn
        elif step == 1:
            break
        else:
            step = max(1, step // 4)
    return good, flight
