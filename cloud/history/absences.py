"""What it means that a flight did not find a known defect: repaired, gone, or only not looked at. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from cloud.history.pairs import Known, Shift
from cloud.history.sightings import OPEN, Sighting
from cloud.parts_seen import SEEN_SHARE

REPAIRED, GONE, NOT_VISIBLE = "repaired", "gone", "not_visible"
_REACH_SIGMAS = 1.645
Seen = Mapping[tuple[str, int], float]
"""Share seen of each (side of a blade or another part, cell)."""


class Absence(NamedTuple):
    """A known defect that a flight did not report. ``seen_share``: of the metres it may lie on, those seen."""

    link_group: str
    state: str
    seen_share: float


def absence(defect: Known, shift: Shift, seen: Seen, *, repaired: bool) -> Absence:
    """Return what it means that a flight (the last of ``shift``) did not find a defect.

    "Gone" is only said where every metre the defect may lie on was seen: its extent and the error of its place.
    """
    share = _seen_share(defect, shift, seen)
    if share < 1.0:
        return Absence(defect.link_group, NOT_VISIBLE, share)
    return Absence(defect.link_group, REPAIRED if repaired else GONE, share)


def _seen_share(defect: Known, shift: Shift, seen: Seen) -> float:
    if defect.latest.surface == OPEN:
        return 0.0
    place, own, lever = defect.mean(len(shift.mean))
    lever = -lever
    lever[:, -3:] += defect.latest.lever
    expected = place + lever @ shift.mean
    sigma = np.sqrt(np.diag(own + lever @ shift.covariance @ lever.T))
    half_m = np.array([defect.latest.length_mm, defect.latest.width_mm]) / 2000
    (low, left), (high, right) = expected - _REACH_SIGMAS * sigma - half_m, expected + _REACH_SIGMAS * sigma + half_m
    cells = _cells(defect.latest, (low, high), (left, right))
    return float(np.mean([seen.get(cell, 0.0) >= SEEN_SHARE for cell in cells])) if cells else 0.0


def _cells(latest: Sighting, along: tuple[float, float], across: tuple[float, float]) -> list[tuple[str, int]]:
    """Return the cells of coverage between two places along a surface, and across it round a tower."""
    if latest.parts:
        return [(part.part, cell) for part in latest.parts for cell in part.between(*along)]
    parts = latest.ring.parts(*across) if latest.ring is not None else (latest.surface,)
    metres = range(math.floor(along[0]), math.floor(along[1]) + 1)
    return [(part, metre) for part in parts for metre in metres]
