"""Which findings of a flight are which known defects, decided for all of them at once. Pure numbers.

Every pair on one surface has a log-likelihood ratio "the same defect" against "a new one here and that one missed",
from place, kind and size. The pairs are chosen jointly (linear_sum_assignment) under a common shift of the flight,
which is estimated with them: several starting pairs, each grown greedily and refined until it settles. The settled
hypotheses, weighed by their evidence, give every link its probability; one defect is never two findings of a flight.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cloud.history.pairs import Known, Pairs, paired
from cloud.history.sightings import Sighting, Vector

_STARTS = 8
_GREEDY_STEPS = 6
_SETTLING_STEPS = 4
SURE_ENOUGH = 0.8
"""A link less probable than this is not made: the finding stands as new until a person merges it."""
FARTHEST = 9.2
"""Squared distance in sigmas of a link (chi-squared with two degrees, 1 %): a like defect half a metre further along is
another one, however well its size fits."""
VOUCHED_SIGMA_M = 0.4
"""Along a blade: a place that is known no better, without the link's own say, cannot tell two defects a metre apart."""
VOUCHED_BY_SIZE = 1.0
"""What the sizes must say (a log-likelihood ratio, some 1.6 at most) where no place vouches for a link."""
NEIGHBOUR_M = 0.6
"""A like defect farther along than this, and than its own length, may be a neighbour."""
_ON_SURFACE = 2
_TOO_UNLIKELY = 1e-3
_APART_M = 0.2
"""Two starts that differ by less come to the same."""
Chosen = NDArray[np.bool_]
Indices = NDArray[np.intp]


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
            probability += weight / whole * _certainty(pairs, hypothesis, known)
    fits = best.chosen & (pairs.distance(*best.shift) < FARTHEST) & _vouched(pairs, best, sightings)
    made = fits & (probability >= SURE_ENOUGH)
    # Only what is vouched for may say where the flight was: a wrong pair would make itself look right later.
    shift = _shift(pairs, fits, np.asarray(np.linalg.inv(prior.covariance), dtype=np.float64))
    off = pairs.residual - pairs.lever @ shift.mean
    links = {
        sightings[pairs.new[p]].sighting_id: Link(
            known[pairs.known[p]].link_group, float(probability[p]), float(np.linalg.norm(off[p]))
        )
        for p in np.flatnonzero(made)
    }
    return Matching(links, Shift(prior.mean + shift.mean, shift.covariance))


def _vouched(pairs: Pairs, best: _Hypothesis, sightings: Sequence[Sighting]) -> Chosen:
    """Return which chosen pairs still fit, and are placed well enough, when they have no say in the shift themselves.

    Where nothing else ties the flight to the earlier ones (neither a good position nor a second defect), a defect that
    vanished and a like one that appeared a metre along look the same as one that stayed.
    """
    vouched = best.chosen.copy()
    if pairs.residual.shape[1] != _ON_SURFACE:
        return vouched
    information = np.linalg.inv(best.shift.covariance)
    pull = information @ best.shift.mean
    for p in np.flatnonzero(best.chosen):
        covariance = np.linalg.inv(information - pairs.lever[p].T @ pairs.weighted[p])
        mean = covariance @ (pull - pairs.weighted[p].T @ pairs.residual[p])
        shared = pairs.lever[p] @ covariance @ pairs.lever[p].T
        off = pairs.residual[p] - pairs.lever[p] @ mean
        reach_m = max(NEIGHBOUR_M, sightings[pairs.new[p]].length_mm / 1000)
        placed = shared[0, 0] < VOUCHED_SIGMA_M**2 and abs(off[0]) < reach_m
        vouched[p] = placed or (shared[0, 0] >= VOUCHED_SIGMA_M**2 and pairs.sizes[p] > VOUCHED_BY_SIZE)
    return vouched


def _hypotheses(pairs: Pairs, nothing: Shift) -> list[_Hypothesis]:
    """Return distinct settled hypotheses: from no shift at all, and from the likeliest single pairs."""
    precision = np.asarray(np.linalg.inv(nothing.covariance), dtype=np.float64)
    grown = _grow(pairs, _starts(pairs, nothing), nothing)
    assigned = {_assigned(pairs, ratio).tobytes(): None for ratio in pairs.ratio(*grown)}
    found: dict[bytes, _Hypothesis] = {}
    for start in assigned:
        settled = _settle(pairs, np.frombuffer(start, bool), nothing, precision)
        found.setdefault(settled.chosen.tobytes(), settled)
    return list(found.values())


def _starts(pairs: Pairs, nothing: Shift) -> Shift:
    """Return the shifts to start from, stacked: none at all, and those that the likeliest single pairs tell."""
    ratio = pairs.ratio(*nothing)
    likely = np.argsort(-ratio, kind="stable")[: 4 * _STARTS]
    likely = likely[ratio[likely] > 0]
    several = Shift(
        np.repeat(nothing.mean[None], len(likely), axis=0), np.repeat(nothing.covariance[None], len(likely), axis=0)
    )
    told = _told(pairs, several, likely)
    taken: list[int] = []
    for n in range(len(likely)):
        if len(taken) < _STARTS and all(np.linalg.norm(told.mean[n] - told.mean[m]) > _APART_M for m in taken):
            taken.append(n)
    return Shift(
        np.concatenate([nothing.mean[None], told.mean[taken]]),
        np.concatenate([nothing.covariance[None], told.covariance[taken]]),
    )


def _told(pairs: Pairs, shift: Shift, right: NDArray[np.intp]) -> Shift:
    """Return several shifts, each after one more pair is taken to be right (a Kalman update for each)."""
    lever = pairs.lever[right]
    reach = shift.covariance @ np.swapaxes(lever, 1, 2)
    gain = np.swapaxes(np.linalg.solve(pairs.own[right] + lever @ reach, np.swapaxes(reach, 1, 2)), 1, 2)
    off = pairs.residual[right] - np.einsum("hdk,hk->hd", lever, shift.mean)
    return Shift(shift.mean + np.einsum("hkd,hd->hk", gain, off), shift.covariance - gain @ np.swapaxes(reach, 1, 2))


def _grow(pairs: Pairs, starts: Shift, nothing: Shift) -> Shift:
    """Return each shift after taking the surest pairs one by one: each makes the next one clearer."""
    shift = starts
    built = Shift(
        np.repeat(nothing.mean[None], len(starts.mean), axis=0),
        np.repeat(nothing.covariance[None], len(starts.mean), axis=0),
    )
    free = np.ones((len(starts.mean), pairs.size), bool)
    growing = np.arange(len(starts.mean))
    for _ in range(_GREEDY_STEPS):
        ratio = np.where(free[growing], pairs.ratio(shift.mean[growing], shift.covariance[growing]), -math.inf)
        surest = np.argmax(ratio, axis=1)
        worth = ratio[np.arange(len(growing)), surest] > 0
        growing, surest = growing[worth], surest[worth]
        if not len(growing):
            break
        free[growing] &= (pairs.known != pairs.known[surest, None]) & (pairs.new != pairs.new[surest, None])
        told = _told(pairs, Shift(built.mean[growing], built.covariance[growing]), surest)
        for whole, part in zip((*built, *shift), (*told, *told), strict=True):
            whole[growing] = part
    return shift


def _settle(pairs: Pairs, chosen: Chosen, nothing: Shift, precision: Vector) -> _Hypothesis:
    shift = nothing
    for _ in range(_SETTLING_STEPS):
        shift = _shift(pairs, chosen, precision)
        again = _assigned(pairs, pairs.ratio(*shift))
        if np.array_equal(again, chosen):
            break
        chosen = again
    return _Hypothesis(chosen, shift, _score(pairs, chosen, shift, nothing))


def _shift(pairs: Pairs, chosen: Chosen, precision: Vector) -> Shift:
    """Return the Gaussian posterior of the shift, given that the chosen pairs are right."""
    size = len(precision)
    lever, weighted = pairs.lever[chosen].reshape(-1, size), pairs.weighted[chosen].reshape(-1, size)
    covariance = np.asarray(np.linalg.inv(precision + lever.T @ weighted), dtype=np.float64)
    return Shift(covariance @ (weighted.T @ pairs.residual[chosen].ravel()), covariance)


def _score(pairs: Pairs, chosen: Chosen, shift: Shift, nothing: Shift) -> float:
    """Return the evidence of a hypothesis: its pairs at the best shift, and what that shift costs (Laplace)."""
    exact = pairs.exact(shift.mean)[chosen].sum()
    costs = shift.mean @ np.linalg.solve(nothing.covariance, shift.mean)
    volume = np.linalg.slogdet(shift.covariance)[1] - np.linalg.slogdet(nothing.covariance)[1]
    return float(exact - costs / 2 + volume / 2)


def _assigned(pairs: Pairs, ratio: Vector) -> Chosen:
    """Return the pairs of the best joint assignment; a pair below zero is never worth it."""
    alone, contested = _parts(pairs, ratio)
    chosen = np.zeros(pairs.size, bool)
    chosen[alone] = True
    for part in contested:
        chosen[part[_best_of(pairs, part, ratio[part])]] = True
    return chosen


def _parts(pairs: Pairs, ratio: Vector) -> tuple[Indices, list[Indices]]:
    """Return the pairs worth making that nothing contests, and the rest in parts that have nothing in common."""
    worth = np.flatnonzero(ratio > 0)
    known, new = pairs.known[worth], pairs.new[worth]
    rivals = (np.bincount(known)[known] > 1) | (np.bincount(new)[new] > 1) if len(worth) else worth > 0
    alone, worth, known, new = worth[~rivals], worth[rivals], known[rivals], new[rivals]
    if not len(worth):
        return alone, []
    from scipy.sparse import coo_array  # noqa: PLC0415 - slow to load, and most programs never match
    from scipy.sparse.csgraph import connected_components  # noqa: PLC0415

    nodes = int(known.max() + new.max()) + 2
    graph = coo_array((np.ones(len(worth)), (known, known.max() + 1 + new)), shape=(nodes, nodes))
    label = connected_components(graph, directed=False)[1][known]
    order = np.argsort(label, kind="stable")
    return alone, np.split(worth[order], np.flatnonzero(np.diff(label[order])) + 1)


def _best_of(pairs: Pairs, part: Indices, ratio: Vector) -> Indices:
    """Return which of a part's pairs its best assignment takes, as indices into ``part``."""
    from scipy.optimize import linear_sum_assignment  # noqa: PLC0415

    rows, row = np.unique(pairs.known[part], return_inverse=True)
    columns, column = np.unique(pairs.new[part], return_inverse=True)
    table, index = np.zeros((len(rows), len(columns))), np.full((len(rows), len(columns)), -1, dtype=np.intp)
    table[row, column], index[row, column] = np.maximum(ratio, 0.0), np.arange(len(part))
    taken = index[linear_sum_assignment(table, maximize=True)]
    taken = taken[taken >= 0]
    return np.asarray(taken[ratio[taken] > 0], dtype=np.intp)


def _certainty(pairs: Pairs, hypothesis: _Hypothesis, known: Sequence[Known]) -> Vector:
    """Return for each chosen pair how sure it is: against the best assignment without it (0 for the others).

    A second record of the same defect is no rival: two that no flight saw together may be one that was not linked.
    """
    ratio = pairs.ratio(*hypothesis.shift)
    lost = ratio.copy()
    for part in _parts(pairs, ratio)[1]:
        own = ratio[part]
        best = own[_best_of(pairs, part, own)].sum()
        for n in np.flatnonzero(hypothesis.chosen[part]):
            flights = known[pairs.known[part[n]]].flights
            apart = np.array([set(flights).isdisjoint(known[k].flights) for k in pairs.known[part]])
            apart[n] = True
            without = np.where(apart & (pairs.new[part] == pairs.new[part[n]]), -1.0, own)
            lost[part[n]] = best - without[_best_of(pairs, part, without)].sum()
    return np.where(hypothesis.chosen, 1 / (1 + np.exp(-np.clip(lost, -50.0, 50.0))), 0.0)
