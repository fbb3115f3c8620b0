"""The way an aircraft came, as ArduCopter's SmartRTL keeps it (libraries/AP_SmartRTL): corners, loops cut out."""

from __future__ import annotations

from itertools import pairwise

from contracts.geo import Enu

_TIDY_EVERY = 50
_LOOP_SHARE, _CORNER_SHARE = 0.99, 0.5
"""SMARTRTL_PRUNING_DELTA and SMARTRTL_SIMPLIFY_EPSILON, of the accuracy."""


def noted(track: list[Enu], here: Enu, accuracy_m: float, most: int) -> bool:
    """Add a place where it is far enough from the last; False when the track is full."""
    if track and here.minus(track[-1]).norm() < accuracy_m:
        return True
    if len(track) >= most or (track and len(track) % _TIDY_EVERY == 0):
        track[:] = corners(track, _CORNER_SHARE * accuracy_m)
    if len(track) >= most:
        return False
    track.append(here)
    return True


def way_back(track: list[Enu], accuracy_m: float) -> list[Enu]:
    """Return the places to fly to in turn, the last where it was armed."""
    return without_loops(corners(track, _CORNER_SHARE * accuracy_m), _LOOP_SHARE * accuracy_m)[::-1]


def corners(track: list[Enu], apart_m: float) -> list[Enu]:
    """Leave out what is nearer than this to the line without it (Ramer-Douglas-Peucker)."""
    if len(track) < 3:
        return list(track)
    away = [_distance(place, track[0], track[-1]) for place in track[1:-1]]
    farthest = max(range(len(away)), key=away.__getitem__)
    if away[farthest] <= apart_m:
        return [track[0], track[-1]]
    return corners(track[: farthest + 2], apart_m)[:-1] + corners(track[farthest + 1 :], apart_m)


def without_loops(track: list[Enu], apart_m: float) -> list[Enu]:
    """Cut out what lies between two legs that come this near to each other, the outermost loops first."""
    legs = list(pairwise(track))
    for first in range(len(legs)):
        for last in range(len(legs) - 1, first + 1, -1):
            one, other = _closest(*legs[first], *legs[last])
            if one.minus(other).norm() <= apart_m:
                middle = one.plus(other.minus(one), 0.5)
                return [*track[: first + 1], middle, *without_loops(track[last + 1 :], apart_m)]
    return track


def _distance(place: Enu, start: Enu, end: Enu) -> float:
    return place.minus(_nearest(place, start, end)).norm()


def _nearest(place: Enu, start: Enu, end: Enu) -> Enu:
    along = end.minus(start)
    length2 = along.dot(along)
    share = place.minus(start).dot(along) / length2 if length2 > 0.0 else 0.0
    return start.plus(along, min(1.0, max(0.0, share)))


def _closest(start: Enu, end: Enu, other_start: Enu, other_end: Enu) -> tuple[Enu, Enu]:
    """Return where two legs are nearest to each other: alternate projections, which converge for two segments."""
    one = start.plus(end.minus(start), 0.5)
    other = other_start
    for _ in range(40):
        other = _nearest(one, other_start, other_end)
        one = _nearest(other, start, end)
    return one, other
