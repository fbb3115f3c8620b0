"""Every pair of a known defect and a new finding that may be one, with what place, kind and size say of it. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cloud.history.sightings import OPEN, Sighting, Vector
from cloud.merging import alike
from contracts.vocabulary import DefectKind

DETECTED = 0.8
"""How often a defect that is there is found again; the rest is missed or not covered."""
NEW_PER_M2 = 0.02
"""New defects that an inspection finds per square metre of surface: about one in two blade sides."""
NEW_PER_M3 = 1e-4
"""The same for findings without a surface, per cubic metre round the asset."""
_FARTHEST = 13.8
"""Squared distance in sigmas beyond which a pair is not looked at (chi-squared with two degrees, 0.1 %)."""
_SAME_KIND, _ALIKE_KIND, _UNLIKE_KIND = math.log(0.9 * 6), math.log(0.08 * 6), math.log(0.005 * 6)
_GROWTH_PER_YEAR, _GROWTH_SPREAD = 0.15, 0.25
"""Mean and deviation of the yearly growth of the logarithm of a length, for any kind."""
_OTHER_SPREAD = 0.7
"""Deviation between the logarithms of two unrelated defects' lengths."""
_YEAR_S = 365.25 * 86400
_SIZE_SAYS_AT_MOST = 4.0


class Known(NamedTuple):
    """A defect as the earlier flights know it: its sightings, oldest first, on one surface."""

    link_group: str
    sightings: tuple[Sighting, ...]
    flights: tuple[int, ...]
    """Which of the shifts (0, 1, ...) moved each sighting."""

    @property
    def latest(self) -> Sighting:
        """Return the newest sighting."""
        return self.sightings[-1]

    def mean(self, shifts: int) -> tuple[Vector, Vector, Vector]:
        """Return the mean place (d), its own covariance (d, d) and how all shifts move it (d, ``shifts``)."""
        precisions = [np.linalg.inv(s.own) for s in self.sightings]
        own = np.linalg.inv(np.sum(precisions, axis=0))
        lever = np.zeros((len(own), shifts))
        place = np.zeros(len(own))
        for sighting, precision, flight in zip(self.sightings, precisions, self.flights, strict=True):
            place += own @ precision @ sighting.place
            lever[:, 3 * flight : 3 * flight + 3] += own @ precision @ sighting.lever
        return place, own, lever


class Block(NamedTuple):
    """The pairs of one surface as a table of known defects by new findings."""

    pairs: NDArray[np.intp]
    row: NDArray[np.intp]
    column: NDArray[np.intp]
    shape: tuple[int, int]

    @classmethod
    def of(cls, pairs: NDArray[np.intp], known: NDArray[np.intp], new: NDArray[np.intp]) -> Block:
        """Return the table of some pairs."""
        rows, row = np.unique(known[pairs], return_inverse=True)
        columns, column = np.unique(new[pairs], return_inverse=True)
        return cls(pairs, row, column, (len(rows), len(columns)))


@dataclass(frozen=True)
class Pairs:
    """Pairs as arrays of one length: indices, residual (p, d), errors (p, d, d), lever (p, d, 3 per flight)."""

    known: NDArray[np.intp]
    new: NDArray[np.intp]
    residual: Vector
    own: Vector
    own_inverse: Vector
    lever: Vector
    says: Vector
    """What kind, size and the chances of missing and of new defects say: added to what the place says."""
    blocks: list[Block]
    """The pairs of each surface."""

    @property
    def size(self) -> int:
        """Return how many pairs there are."""
        return len(self.known)

    def exact(self, shift: Vector) -> Vector:
        """Return the log-likelihood ratio of each pair under a known shift, however far off."""
        distance, volume = _spread(self.residual - self.lever @ shift, self.own)
        return np.asarray(self.says - (distance + volume) / 2, dtype=np.float64)

    def distance(self, shift: Vector, covariance: Vector) -> Vector:
        """Return each pair's squared distance in sigmas under a Gaussian shift."""
        spread = self.own + self.lever @ covariance @ np.swapaxes(self.lever, 1, 2)
        return _spread(self.residual - self.lever @ shift, spread)[0]

    def ratio(self, shift: Vector, covariance: Vector) -> Vector:
        """Return the log-likelihood ratio of each pair under a Gaussian shift of the flight; out of reach: -inf."""
        spread = self.own + self.lever @ covariance @ np.swapaxes(self.lever, 1, 2)
        distance, volume = _spread(self.residual - self.lever @ shift, spread)
        return np.where(distance < _FARTHEST, self.says - (distance + volume) / 2, -math.inf)


def paired(known: Sequence[Known], sightings: Sequence[Sighting], mean: Vector, covariance: Vector) -> Pairs:
    """Return the pairs on common surfaces whose places are within reach of each other.

    ``mean`` and ``covariance`` are of all flights' shifts, three rows for each, the present flight's last; residuals
    are about that mean. Surfaces with two coordinates and points with three do not mix in one array: points are taken
    only where there is no surface.
    """
    flat = any(s.surface != OPEN for s in sightings)
    by_surface: dict[str, list[int]] = {}
    for index, defect in enumerate(known):
        if (defect.latest.surface != OPEN) == flat:
            by_surface.setdefault(defect.latest.surface, []).append(index)
    candidates = [(i, j) for j, s in enumerate(sightings) for i in by_surface.get(s.surface, ())]
    if not candidates:
        return _none(2 if flat else 3, len(mean))
    i, j = (np.array(column, dtype=np.intp) for column in zip(*candidates, strict=True))
    means = [k.mean(len(mean)) for k in known]
    now = [sightings[n] for n in j]
    residual = np.array([s.place - means[n][0] for n, s in zip(i, now, strict=True)])
    own = np.array([s.own + means[n][1] for n, s in zip(i, now, strict=True)])
    lever = np.array([-means[n][2] for n in i])
    lever[:, :, -3:] += np.array([s.lever for s in now])
    residual = residual - lever @ mean
    near = _spread(residual, own + lever @ covariance @ np.swapaxes(lever, 1, 2))[0] < _FARTHEST
    i, j, residual, own, lever = i[near], j[near], residual[near], own[near], lever[near]
    says = np.array([_says(known[a], sightings[b]) for a, b in zip(i, j, strict=True)])
    surfaces = np.array([sightings[n].surface for n in j])
    blocks = [Block.of(np.flatnonzero(surfaces == name), i, j) for name in np.unique(surfaces)]
    return Pairs(i, j, residual, own, np.linalg.inv(own) if len(own) else own, lever, says, blocks)


def _spread(off: Vector, spread: Vector) -> tuple[Vector, Vector]:
    """Return squared distances in sigmas and the logarithms of the Gaussians' normalisers, one per pair."""
    distance = np.einsum("pd,pd->p", off, np.linalg.solve(spread, off[..., None])[..., 0])
    return distance, np.linalg.slogdet(spread)[1] + off.shape[1] * math.log(2 * math.pi)


def _none(dimensions: int, shifts: int) -> Pairs:
    empty = np.zeros(0, dtype=np.intp)
    square = np.zeros((0, dimensions, dimensions))
    lever = np.zeros((0, dimensions, shifts))
    return Pairs(empty, empty, np.zeros((0, dimensions)), square, square, lever, np.zeros(0), [])


def _says(defect: Known, sighting: Sighting) -> float:
    density = NEW_PER_M3 if sighting.surface == OPEN else NEW_PER_M2
    chance = math.log(DETECTED / (1 - DETECTED)) - math.log(density)
    return chance + _of_kinds({s.kind for s in defect.sightings}, sighting.kind) + _of_sizes(defect.latest, sighting)


def _of_kinds(kinds: set[DefectKind], kind: DefectKind) -> float:
    if kind in kinds:
        return 0.0 if kind is DefectKind.DAMAGE else _SAME_KIND
    if DefectKind.DAMAGE in kinds or kind is DefectKind.DAMAGE:
        return 0.0
    return _ALIKE_KIND if any(alike(kind, other) for other in kinds) else _UNLIKE_KIND


def _of_sizes(before: Sighting, now: Sighting) -> float:
    """Return what two lengths say: grown as defects grow, against two unrelated lengths."""
    one, other = max(before.length_mm, 1.0), max(now.length_mm, 1.0)
    grown = math.log(other / one)
    years = max(0.0, (now.seen_at - before.seen_at).total_seconds() / _YEAR_S)
    measured = (before.size_sigma_mm / one) ** 2 + (now.size_sigma_mm / other) ** 2
    same = _log_normal(grown, _GROWTH_PER_YEAR * years, (_GROWTH_SPREAD * years) ** 2 + measured + 0.05**2)
    says = same - _log_normal(grown, 0.0, 2 * _OTHER_SPREAD**2)
    return max(-_SIZE_SAYS_AT_MOST, min(_SIZE_SAYS_AT_MOST, says))


def _log_normal(value: float, mean: float, variance: float) -> float:
    return -((value - mean) ** 2 / variance + math.log(2 * math.pi * variance)) / 2
