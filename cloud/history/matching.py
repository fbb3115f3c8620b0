"""Which findings of a flight are which known defects, decided for all of them at once. Pure numbers.

Every pair on one surface has a log-likelihood ratio "the same defect" against "a new one here and that one missed",
from place, kind and size. The pairs are chosen jointly (linear_sum_assignment) under a common shift of the flight,
which is estimated with them: several starting pairs, each grown greedily and refined until it settles. The settled
hypotheses, weighed by their evidence, give every link its probability; one defect is never two findings of a flight.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cloud.history.pairs import Block, Known, Pairs, paired
from cloud.history.sightings import Sighting, Vector

_STARTS = 8
_GREEDY_STEPS = 6
_SETTLING_STEPS = 4
SURE_ENOUGH = 0.8
"""A link less probable than this is not made: the finding stands as new until a person merges it."""
FARTHEST = 9.2
"""Squared distance in sigmas of a link (chi-squared with two degrees, 1 %): a like defect half a metre further along is
another one, however well its size fits."""
_TOO_UNLIKELY = 1e-3
Chosen = NDArray[np.bool_]


class Link(NamedTuple):
    """A finding is a known defect. ``distance_m``: from where it was expected, the flight's shift taken off."""

    link_group: str
    probability: float
    distance_m: float


class Shift(NamedTuple):
    """What the positions of all flights were off: metres east, north, up for each, stacked; and the covariance.

    Kept together, because what ties a new flight to an old one says something of every flight between them.
    """

    mean: Vector
    covariance: Vector


class Matching(NamedTuple):
    """Links by sighting, and the shifts they were found under. A sighting without a link is a new defect."""

    links: dict[str, Link]
    shift: Shift


class _Hypothesis(NamedTuple):
    chosen: Chosen
    shift: Shift
    score: float


def match(known: Sequence[Known], sightings: Sequence[Sighting], prior: Shift) -> Matching:
    """Return which sightings of one flight show which known defects of the same asset.

    Args:
        known: Defects with their latest sightings.
        sightings: The flight's findings.
        prior: The shifts of the flights of ``known`` as found before, and last the present flight's, not yet known.

    """
    pairs = paired(known, sightings, prior.mean, prior.covariance)
    if pairs.size == 0:
        return Matching({}, prior)
    nothing = Shift(np.zeros_like(prior.mean), prior.covariance)
    hypotheses = _hypotheses(pairs, nothing)
    best = max(hypotheses, key=lambda h: h.score)
    weights = [math.exp(h.score - best.score) for h in hypotheses]
    whole = sum(weights)
    probability = np.zeros(pairs.size)
    for hypothesis, weight in zip(hypotheses, weights, strict=True):
        if weight / whole > _TOO_UNLIKELY:
            probability += weight / whole * _certainty(pairs, hypothesis)
    far = pairs.distance(*best.shift)
    off = pairs.residual - pairs.lever @ best.shift.mean
    links = {
        sightings[pairs.new[p]].sighting_id: Link(
            known[pairs.known[p]].link_group, float(probability[p]), float(np.linalg.norm(off[p]))
        )
        for p in np.flatnonzero(best.chosen & (far < FARTHEST))
        if probability[p] >= SURE_ENOUGH
    }
    return Matching(links, Shift(prior.mean + best.shift.mean, best.shift.covariance))


def _hypotheses(pairs: Pairs, nothing: Shift) -> list[_Hypothesis]:
    """Return distinct settled hypotheses: from no shift at all, and from the likeliest single pairs."""
    found: dict[bytes, _Hypothesis] = {}
    for start in (nothing, *_starts(pairs, nothing)):
        settled = _settle(pairs, _grow(pairs, start, nothing), nothing)
        found.setdefault(settled.chosen.tobytes(), settled)
    return list(found.values())


def _starts(pairs: Pairs, nothing: Shift) -> list[Shift]:
    ratio = pairs.ratio(*nothing)
    starts: list[Shift] = []
    for p in np.argsort(-ratio)[: 4 * _STARTS]:
        if ratio[p] <= 0 or len(starts) >= _STARTS:
            break
        one = np.zeros(pairs.size, bool)
        one[p] = True
        start = _shift(pairs, one, nothing)
        if all(np.linalg.norm(start.mean - s.mean) > 0.2 for s in starts):
            starts.append(start)
    return starts


def _grow(pairs: Pairs, start: Shift, nothing: Shift) -> Shift:
    """Return the shift after taking the surest pairs one by one: each makes the next one clearer."""
    chosen = np.zeros(pairs.size, bool)
    free = np.ones(pairs.size, bool)
    shift = start
    for _ in range(_GREEDY_STEPS):
        ratio = np.where(free, pairs.ratio(*shift), -math.inf)
        p = int(np.argmax(ratio))
        if ratio[p] <= 0:
            break
        chosen[p] = True
        free &= (pairs.known != pairs.known[p]) & (pairs.new != pairs.new[p])
        shift = _shift(pairs, chosen, nothing)
    return shift


def _settle(pairs: Pairs, shift: Shift, nothing: Shift) -> _Hypothesis:
    chosen = _assigned(pairs, pairs.ratio(*shift))
    for _ in range(_SETTLING_STEPS):
        shift = _shift(pairs, chosen, nothing)
        again = _assigned(pairs, pairs.ratio(*shift))
        if np.array_equal(again, chosen):
            break
        chosen = again
    return _Hypothesis(chosen, shift, _score(pairs, chosen, shift, nothing))


def _shift(pairs: Pairs, chosen: Chosen, nothing: Shift) -> Shift:
    """Return the Gaussian posterior of the shift, given that the chosen pairs are right."""
    lever, weight = pairs.lever[chosen], pairs.own_inverse[chosen]
    information = _precision(nothing) + np.einsum("pdk,pde,pel->kl", lever, weight, lever)
    pull = np.einsum("pdk,pde,pe->k", lever, weight, pairs.residual[chosen])
    covariance = np.linalg.inv(information)
    return Shift(covariance @ pull, covariance)


@lru_cache(maxsize=4)
def _inverse(key: bytes, size: int) -> Vector:
    return np.asarray(np.linalg.inv(np.frombuffer(key).reshape(size, size)), dtype=np.float64)


def _precision(shift: Shift) -> Vector:
    return _inverse(shift.covariance.tobytes(), len(shift.mean))


def _score(pairs: Pairs, chosen: Chosen, shift: Shift, nothing: Shift) -> float:
    """Return the evidence of a hypothesis: its pairs at the best shift, and what that shift costs (Laplace)."""
    exact = pairs.exact(shift.mean)[chosen].sum()
    costs = shift.mean @ np.linalg.solve(nothing.covariance, shift.mean)
    volume = np.linalg.slogdet(shift.covariance)[1] - np.linalg.slogdet(nothing.covariance)[1]
    return float(exact - costs / 2 + volume / 2)


def _assigned(pairs: Pairs, ratio: Vector) -> Chosen:
    """Return the pairs of the best joint assignment, surface by surface; a pair below zero is never worth it."""
    chosen = np.zeros(pairs.size, bool)
    for block in pairs.blocks:
        chosen[block.pairs[_best_of(block, ratio[block.pairs])]] = True
    return chosen


def _best_of(block: Block, ratio: Vector) -> NDArray[np.intp]:
    """Return which pairs of a surface its best assignment takes."""
    if len(ratio) == 1:
        return np.flatnonzero(ratio > 0)
    from scipy.optimize import linear_sum_assignment  # noqa: PLC0415 - slow to load, and most programs never match

    table = np.zeros(block.shape)
    table[block.row, block.column] = np.maximum(ratio, 0.0)
    index = np.full(block.shape, -1, dtype=np.intp)
    index[block.row, block.column] = np.arange(len(ratio))
    taken = index[linear_sum_assignment(table, maximize=True)]
    taken = taken[taken >= 0]
    return np.asarray(taken[ratio[taken] > 0], dtype=np.intp)


def _certainty(pairs: Pairs, hypothesis: _Hypothesis) -> Vector:
    """Return for each chosen pair how sure it is: against the best assignment without it (0 for the others)."""
    ratio = pairs.ratio(*hypothesis.shift)
    sure = np.zeros(pairs.size)
    for block in pairs.blocks:
        own = ratio[block.pairs]
        for n in np.flatnonzero(hypothesis.chosen[block.pairs]):
            rivals = (own > 0) & ((block.row == block.row[n]) ^ (block.column == block.column[n]))
            lost = _lost_without(block, own, int(n)) if rivals.any() else own[n]
            sure[block.pairs[n]] = 1 / (1 + math.exp(-min(lost, 50.0)))
    return sure


def _lost_without(block: Block, ratio: Vector, n: int) -> float:
    without = ratio.copy()
    without[n] = -1.0
    best, other = _best_of(block, ratio), _best_of(block, without)
    return float(ratio[best].sum() - ratio[other].sum())
