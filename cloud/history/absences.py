"""What it means that a flight did not find a known defect: repaired, gone, or only not looked at. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from cloud.coverage import SEEN_SHARE
from cloud.history.pairs import Known, Shift
from cloud.history.sightings import OPEN

REPAIRED, GONE, NOT_VISIBLE = "repaired", "gone", "not_visible"
_REACH_SIGMAS = 1.645
Seen = Mapping[tuple[str, int], float]
"""Share seen of each (surface, metre)."""


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
    expected = float((place + lever @ shift.mean)[0])
    sigma = math.sqrt(float((own + lever @ shift.covariance @ lever.T)[0, 0]))
    reach = _REACH_SIGMAS * sigma + defect.latest.length_mm / 2000
    metres = range(math.floor(expected - reach), math.floor(expected + reach) + 1)
    return float(np.mean([seen.get((defect.latest.surface, metre), 0.0) >= SEEN_SHARE for metre in metres]))
