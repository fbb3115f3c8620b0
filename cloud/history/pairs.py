"""Every pair of a known defect and a new finding that may be one, with what place, kind and size say of it. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
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
_ON_SURFACE = 2
_FARTHEST = 13.8
"""Squared distance in sigmas beyond which a pair is not looked at (chi-squared with two degrees, 0.1 %)."""
_SAME_KIND, _ALIKE_KIND, _UNLIKE_KIND = math.log(0.9 * 6), math.log(0.08 * 6), math.log(0.005 * 6)
_GROWTH_PER_YEAR, _GROWTH_SPREAD = 0.15, 0.25
"""Mean and deviation of the yearly growth of the logarithm of a length, for any kind."""
_OTHER_SPREAD = 0.7
"""Deviation between the logarithms of two unrelated defects' lengths."""
_YEAR_S = 365.25 * 86400
_SIZE_SAYS_AT_MOST = 4.0


class Shift(NamedTuple):
    """What the positions of all flights were off: metres east, north, up for each, stacked; and the covariance.

    Kept together, because what ties a new flight to an old one says something of every flight between them.
    """

    mean: Vector
    covariance: Vector


class Known(NamedTuple):
    """A defect as the earlier flights know it: its sightings, oldest first, on one surface."""

    link_group: str
    sightings: tuple[Sighting, ...]
    flights: tuple[int, ...]
    """Which of the shifts (0, 1, ...) moved each sighting."""
    decided: bool = False
    """A person said who it is: it is never joined to another one."""

    @property
    def latest(self) -> Sighting:
        """Return the newest sighting."""
        return self.sightings[-1]

    def mean(self, shifts: int) -> tuple[Vector, Vector, Vector]:
        """Return the mean place (d), its own covariance (d, d) and how all shifts move it (d, ``shifts``)."""
        place, own, lever = means([self], shifts)
        return place[0], own[0], lever[0]


def means(known: Sequence[Known], shifts: int) -> tuple[Vector, Vector, Vector]:
    """Return every defect's mean place (n, d), its own covariance (n, d, d) and its lever (n, d, ``shifts``)."""
    sightings = [s for defect in known for s in defect.sightings]
    places = [s.beside(defect.latest) for defect in known for s in defect.sightings]
    owner = np.repeat(np.arange(len(known)), [len(defect.sightings) for defect in known])
    flight = np.array([f for defect in known for f in defect.flights])
    precision = np.linalg.inv(np.array([s.own for s in sightings]))
    whole = np.zeros((len(known), *precision.shape[1:]))
    np.add.at(whole, owner, precision)
    own = np.linalg.inv(whole)
    weight = own[owner] @ precision
    place = np.zeros((len(known), precision.shape[1]))
    np.add.at(place, owner, np.einsum("sde,se->sd", weight, np.array(places)))
    lever = np.zeros((len(known), shifts // 3, precision.shape[1], 3))
    np.add.at(lever, (owner, flight), weight @ np.array([s.lever for s in sightings]))
    return place, own, lever.swapaxes(1, 2).reshape(len(known), -1, shifts)


@dataclass(frozen=True)
class Pairs:
    """Pairs as arrays of one length: indices, residual (p, d), errors (p, d, d), lever (p, d, 3 per flight)."""

    known: NDArray[np.intp]
    new: NDArray[np.intp]
    residual: Vector
    own: Vector
    weighted: Vector
    """The lever times the inverse of the own error: what a pair says of the shift (p, d, 3 per flight)."""
    lever: Vector
    says: Vector
    """What kind, size and the chances of missing and of new defects say: added to what the place says."""

    @property
    def size(self) -> int:
        """Return how many pairs there are."""
        return len(self.known)

    @property
    def on_surface(self) -> bool:
        """Return whether places are along and across a surface, not points."""
        return bool(self.residual.shape[1] == _ON_SURFACE)

    def only(self, pair: int) -> Pairs:
        """Return one of the pairs."""
        return Pairs(*(getattr(self, each.name)[pair : pair + 1] for each in fields(self)))

    def exact(self, shift: Vector) -> Vector:
        """Return the log-likelihood ratio of each pair under a known shift, however far off."""
        distance, volume = _spread(self.residual - self.lever @ shift, self.own)
        return np.asarray(self.says - (distance + volume) / 2, dtype=np.float64)

    def distance(self, shift: Vector, covariance: Vector) -> Vector:
        """Return each pair's squared distance in sigmas under a Gaussian shift."""
        return self._place(shift, covariance)[0]

    def ratio(self, shift: Vector, covariance: Vector) -> Vector:
        """Return the log-likelihood ratio of each pair under a Gaussian shift of the flight; out of reach: -inf.

        Several shifts (h, 3 per flight) with their covariances give (h, p).
        """
        distance, volume = self._place(shift, covariance)
        return np.where(distance < _FARTHEST, self.says - (distance + volume) / 2, -math.inf)

    def _place(self, shift: Vector, covariance: Vector) -> tuple[Vector, Vector]:
        pairs, dimensions, shifts = self.lever.shape
        flat = self.lever.reshape(-1, shifts)
        moved = (flat @ covariance).reshape(*covariance.shape[:-2], pairs, dimensions, shifts)
        spread = self.own + moved @ np.swapaxes(self.lever, 1, 2)
        off = self.residual - (shift @ flat.T).reshape(*shift.shape[:-1], pairs, dimensions)
        return _spread(off, spread)


def paired(known: Sequence[Known], sightings: Sequence[Sighting], mean: Vector, covariance: Vector) -> Pairs:
    """Return the pairs on common surfaces whose places are within reach of each other.

    ``mean`` and ``covariance`` are of all flights' shifts, three rows for each, the present flight's last; residuals
    are about that mean. Surfaces with two coordinates and points with three do not mix in one array: points are taken
    only where there is no surface.
    """
    flat = any(s.surface != OPEN for s in sightings)
    known_at = np.array([n for n, k in enumerate(known) if (k.latest.surface != OPEN) == flat], dtype=np.intp)
    if not len(known_at) or not sightings:
        return _none(2 if flat else 3, len(mean))
    one = _side(*means([known[n] for n in known_at], len(mean)), mean, covariance)
    levers = np.zeros((len(sightings), one.place.shape[1], len(mean)))
    levers[:, :, -3:] = [s.lever for s in sightings]
    places, owns = np.array([s.place for s in sightings]), np.array([s.own for s in sightings])
    other = _side(places, owns, levers, mean, covariance)
    i, j = _within_reach(one, other, [known[n].latest.surface for n in known_at], [s.surface for s in sightings])
    residual, own, lever = other.place[j] - one.place[i], other.own[j] + one.own[i], other.lever[j] - one.lever[i]
    residual = _short_way(residual, [sightings[n] for n in j])
    near = _spread(residual, own + lever @ covariance @ np.swapaxes(lever, 1, 2))[0] < _FARTHEST
    i, j, residual, own, lever = known_at[i[near]], j[near], residual[near], own[near], lever[near]
    says = np.array([_says(known[a], sightings[b]) for a, b in zip(i, j, strict=True)])
    return Pairs(i, j, residual, own, np.linalg.inv(own) @ lever, lever, says)


def _short_way(residual: Vector, sightings: Sequence[Sighting]) -> Vector:
    """Return residuals (p, d) that go round a tower the short way, where the sightings are on one."""
    for row, sighting in zip(residual, sightings, strict=True):
        if sighting.ring is not None:
            row[1] -= sighting.ring.girth_m * round(row[1] / sighting.ring.girth_m)
    return residual


class _Side(NamedTuple):
    """Defects or findings: place less the mean shift, own error, lever, and the whole sigma along the first axis."""

    place: Vector
    own: Vector
    lever: Vector
    sigma: Vector


def _side(place: Vector, own: Vector, lever: Vector, mean: Vector, covariance: Vector) -> _Side:
    along = lever[:, 0]
    sigma = np.sqrt(own[:, 0, 0] + np.einsum("nk,kl,nl->n", along, covariance, along))
    return _Side(place - lever @ mean, own, lever, sigma)


def _within_reach(
    one: _Side, other: _Side, one_surface: list[str], other_surface: list[str]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the indices of all pairs on one surface that the first axis alone does not rule out.

    A difference's sigma is at most the sum of both, and no distance in sigmas is less than that along one axis: what
    is left out here is farther than ``_FARTHEST`` for certain.
    """
    from_one, from_other = [np.zeros(0, dtype=np.intp)], [np.zeros(0, dtype=np.intp)]
    ones, others = np.array(one_surface), np.array(other_surface)
    for surface in np.unique(others):
        rows, columns = np.flatnonzero(ones == surface), np.flatnonzero(others == surface)
        if not len(rows):
            continue
        rows = rows[np.argsort(one.place[rows, 0])]
        reach = math.sqrt(_FARTHEST) * (one.sigma[rows].max() + other.sigma[columns])
        first = np.searchsorted(one.place[rows, 0], other.place[columns, 0] - reach)
        count = np.searchsorted(one.place[rows, 0], other.place[columns, 0] + reach, side="right") - first
        steps = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
        from_one.append(rows[np.repeat(first, count) + steps])
        from_other.append(np.repeat(columns, count))
    return np.concatenate(from_one), np.concatenate(from_other)


def _spread(off: Vector, spread: Vector) -> tuple[Vector, Vector]:
    """Return squared distances in sigmas and the logarithms of the Gaussians' normalisers, one per pair."""
    normaliser = off.shape[-1] * math.log(2 * math.pi)
    if off.shape[-1] == _ON_SURFACE:  # on a surface: written out, it is several times as fast as the general solution
        x, y = off[..., 0], off[..., 1]
        a, b, c = spread[..., 0, 0], spread[..., 0, 1], spread[..., 1, 1]
        volume = a * c - b * b
        return (c * x * x - 2 * b * x * y + a * y * y) / volume, np.log(volume) + normaliser
    distance = np.einsum("...d,...d->...", off, np.linalg.solve(spread, off[..., None])[..., 0])
    return distance, np.linalg.slogdet(spread)[1] + normaliser


def _none(dimensions: int, shifts: int) -> Pairs:
    empty = np.zeros(0, dtype=np.intp)
    square = np.zeros((0, dimensions, dimensions))
    lever = np.zeros((0, dimensions, shifts))
    return Pairs(empty, empty, np.zeros((0, dimensions)), square, lever, lever, np.zeros(0))


def _says(defect: Known, sighting: Sighting) -> float:
    density = NEW_PER_M3 if sighting.surface == OPEN else NEW_PER_M2
    chance = math.log(DETECTED / (1 - DETECTED)) - math.log(density)
    kinds = _of_kinds({s.kind for s in defect.sightings}, sighting.kind)
    return chance + kinds + _of_sizes(defect.latest, sighting)


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
