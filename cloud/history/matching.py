"""Which findings of a flight are which known defects, decided for all of them at once. Pure numbers.

Every pair on one surface has a log-likelihood ratio "the same defect" against "a new one here and that one missed",
from place, kind and size. The pairs are chosen jointly (linear_sum_assignment) under a common shift of the flight,
which is estimated with them: several starting pairs, each grown greedily and refined until it settles. The settled
hypotheses, weighed by their evidence, give every link its probability; one defect is never two findings of a flight.
A finding may be several records of one defect, where no flight saw two of them: what was not linked then is joined now.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cloud.history.assignment import Chosen, Records, assigned
from cloud.history.certainty import ALONE, BESIDE, Doubts, agree, certainty, doubts
from cloud.history.pairs import Known, Pairs, Shift, paired
from cloud.history.sightings import Sighting, Vector

_STARTS = 8
_LOOKED_AT = 200
"""Shifts that one or two pairs tell, likeliest first."""
_AT_ONCE = 2_000_000
"""Numbers that a table of shifts, pairs and levers may hold."""
_GREEDY_STEPS = 6
_SETTLING_STEPS = 4
_TOO_UNLIKELY = 1e-3
_APART_M = 0.2
"""Two starts that differ by less come to the same."""


class Link(NamedTuple):
    """A finding is a known defect. ``distance_m``: from where it was expected, the flight's shift taken off."""

    link_group: str
    probability: float
    distance_m: float


class Suggestion(NamedTuple):
    """What a finding may be, where it cannot be told. ``others``: known defects that it may be as well."""

    link_group: str
    probability: float
    reason: str
    """`certainty.ALONE`, `BESIDE` or `UNSURE`"""
    others: list[tuple[str, float]]


class Matching(NamedTuple):
    """Links by sighting, and the shifts they were found under. A sighting without a link is a new defect."""

    links: dict[str, Link]
    shift: Shift
    suggested: dict[str, Suggestion]
    """Of sightings without a link."""
    joined: dict[str, Link]
    """By group: this record is the defect of the link, as one sighting of this flight shows."""


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
        return Matching({}, prior, {}, {})
    nothing, records = Shift(np.zeros_like(prior.mean), prior.covariance), Records(known, pairs)
    hypotheses = _hypotheses(pairs, nothing, records)
    best = max(hypotheses, key=lambda h: h.score)
    weights = [math.exp(h.score - best.score) for h in hypotheses]
    whole = sum(weights)
    probability = np.zeros(pairs.size)
    for hypothesis, weight in zip(hypotheses, weights, strict=True):
        if weight / whole > _TOO_UNLIKELY:
            probability += weight / whole * certainty(pairs, hypothesis.chosen, hypothesis.shift, records)
    doubted = doubts(pairs, best.chosen, best.shift, (probability, records))
    # Only what others place may say where the flight was: a wrong pair would make itself look right later.
    placed = best.chosen & ~np.isin(doubted.reason, (ALONE, BESIDE))
    shift = _shift(pairs, placed, np.asarray(np.linalg.inv(prior.covariance), dtype=np.float64))
    links, joined = _links(pairs, known, sightings, (best, doubted, shift))
    suggested = _suggested(pairs, known, sightings, (best.chosen, doubted))
    suggested = {name: said for name, said in suggested.items() if name not in links}
    return Matching(links, Shift(prior.mean + shift.mean, shift.covariance), suggested, joined)


def _links(
    pairs: Pairs, known: Sequence[Known], sightings: Sequence[Sighting], found: tuple[_Hypothesis, Doubts, Shift]
) -> tuple[dict[str, Link], dict[str, Link]]:
    """Return the link of each sighting to its defect's oldest record, and the other records' links to that one.

    Records are of one defect only where they agree among themselves, not each with a sighting between them.
    """
    best, doubted, shift = found
    off = np.linalg.norm(pairs.residual - pairs.lever @ shift.mean, axis=1)
    surest: dict[int, int] = {}
    made = []
    for p in sorted(np.flatnonzero(best.chosen).tolist(), key=lambda p: -doubted.probability[p]):
        if not doubted.reason[p]:
            first = surest.setdefault(int(pairs.new[p]), p)
            if p == first or agree(pairs, best.shift, first, p):
                made.append(p)
    links: dict[str, Link] = {}
    joined: dict[str, Link] = {}
    for p in sorted(made, key=lambda p: known[int(pairs.known[p])].flights):
        name, group = sightings[pairs.new[p]].sighting_id, known[pairs.known[p]].link_group
        link = Link(group, float(doubted.probability[p]), float(off[p]))
        if links.setdefault(name, link) is not link:
            joined[group] = link._replace(link_group=links[name].link_group)
    return links, joined


def _suggested(
    pairs: Pairs, known: Sequence[Known], sightings: Sequence[Sighting], found: tuple[Chosen, Doubts]
) -> dict[str, Suggestion]:
    """Return for each sighting its likeliest doubted defect, and the others that it may be."""
    chosen, doubted = found
    by_sighting: dict[int, list[int]] = {}
    for p in sorted(np.flatnonzero(chosen).tolist(), key=lambda p: -doubted.probability[p]):
        by_sighting.setdefault(int(pairs.new[p]), []).append(p)
    said = {}
    for n, (first, *more) in by_sighting.items():
        name = [known[pairs.known[p]].link_group for p in (first, *more)]
        chance = [round(float(doubted.probability[p]), 4) for p in (first, *more)]
        others = list(zip(name[1:], chance[1:], strict=True))
        said[sightings[n].sighting_id] = Suggestion(name[0], chance[0], doubted.reason[first], others)
    return said


def _hypotheses(pairs: Pairs, nothing: Shift, records: Records) -> list[_Hypothesis]:
    """Return distinct settled hypotheses: from no shift at all, from the likeliest single pairs and pairs of pairs."""
    precision = np.asarray(np.linalg.inv(nothing.covariance), dtype=np.float64)
    one, two = _starts(pairs, nothing)
    begun = _stacked(_grow(pairs, one, nothing), two)
    starts = {assigned(pairs, ratio).tobytes(): None for ratio in pairs.ratio(*begun)}
    found: dict[bytes, _Hypothesis] = {}
    for start in starts:
        settled = _settle(pairs, np.frombuffer(start, bool), nothing, (precision, records))
        found.setdefault(settled.chosen.tobytes(), settled)
    return list(found.values())


def _starts(pairs: Pairs, nothing: Shift) -> tuple[Shift, Shift]:
    """Return the shifts to grow from (none, and those that the likeliest single pairs tell), and to start from as is.

    One pair tells of a shift along one blade; two on different blades fix it in the rotor's plane. Grown from one, each
    next pair is final even where another is about as likely, and the rest is put where that leaves it. So of all that
    two pairs tell, those are taken as well under which most of what is seen fits.
    """
    none = Shift(nothing.mean[None], nothing.covariance[None])
    one, likely = _one_more(pairs, none, np.zeros(1), _STARTS)
    two, _ = _one_more(pairs, one, likely, _LOOKED_AT)
    best = np.argsort(-_fitting(pairs, two), kind="stable")[:_STARTS]
    return _stacked(none, one), Shift(two.mean[best], two.covariance[best])


def _stacked(one: Shift, other: Shift) -> Shift:
    return Shift(np.concatenate([one.mean, other.mean]), np.concatenate([one.covariance, other.covariance]))


def _one_more(pairs: Pairs, shifts: Shift, said: Vector, most: int) -> tuple[Shift, Vector]:
    """Return the likeliest shifts that one more pair makes of several, none twice; and what speaks for each."""
    ratio = pairs.ratio(*shifts)
    at, likely = np.nonzero(ratio > 0)
    whole = said[at] + ratio[at, likely]
    order = np.argsort(-whole, kind="stable")[:_LOOKED_AT]
    at, likely, whole = at[order], likely[order], whole[order]
    told = _told(pairs, Shift(shifts.mean[at], shifts.covariance[at]), likely)
    taken: list[int] = []
    free = np.ones(len(order), bool)
    while len(taken) < most and free.any():
        taken.append(int(np.argmax(free)))
        free &= np.linalg.norm(told.mean - told.mean[taken[-1]], axis=1) > _APART_M
    return Shift(told.mean[taken], told.covariance[taken]), whole[taken]


def _fitting(pairs: Pairs, shifts: Shift) -> Vector:
    """Return how much of what is seen fits under each of several shifts: each finding's best pair."""
    order = np.argsort(pairs.new, kind="stable")
    first = np.flatnonzero(np.diff(pairs.new[order], prepend=-1))
    step = max(1, _AT_ONCE // pairs.lever.size)
    fits = [np.zeros(0)]
    for n in range(0, len(shifts.mean), step):
        ratio = np.maximum(pairs.ratio(shifts.mean[n : n + step], shifts.covariance[n : n + step]), 0.0)
        fits.append(np.maximum.reduceat(ratio[:, order], first, axis=1).sum(axis=1))
    return np.concatenate(fits)


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


def _settle(pairs: Pairs, chosen: Chosen, nothing: Shift, given: tuple[Vector, Records]) -> _Hypothesis:
    precision, records = given
    shift = nothing
    for _ in range(_SETTLING_STEPS):
        shift = _shift(pairs, chosen, precision)
        again = assigned(pairs, pairs.ratio(*shift))
        if np.array_equal(again, chosen):
            break
        chosen = again
    # One by one: each further record ties the flights, and shows whether the next one fits.
    while (further := records.further(chosen, pairs.ratio(*shift))) is not None:
        chosen = chosen.copy()
        chosen[further] = True
        shift = _shift(pairs, chosen, precision)
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
