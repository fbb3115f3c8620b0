"""How sure a link is, and what speaks against making it without a person. Pure numbers.

A link is weighed without its own say in the flight's shift. One that alone tells where the flight was along a blade
fits wherever it is put: a defect that vanished and a like one that appeared a metre along would look the same. It is
never made, only suggested; nor is one that lies where the next defect of the strip may lie as well.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from cloud.history.assignment import Chosen, Records, best_of, parts
from cloud.history.pairs import NEW_PER_M2, Pairs, Shift
from cloud.history.sightings import Vector

SURE_ENOUGH = 0.8
"""A link less probable than this is only suggested: another known defect or finding may be meant."""
PLACED_SIGMA_M = 0.4
"""Along a blade: a place that is known no better cannot tell two defects a metre apart."""
NEIGHBOUR_M = 0.5
"""Two defects of a strip are told apart from about a metre: a finding farther along than half of it may be the next."""
NEIGHBOURS_PER_M2 = 10 * NEW_PER_M2
"""New defects beside one of their kind: what made one often makes another."""
SURE_OF_NEIGHBOURS = 0.95
"""How probable a link must be against such a neighbour."""
ALONE, BESIDE, UNSURE = "alone", "beside", "unsure"


class Doubts(NamedTuple):
    """For each pair what speaks against making it ("" where nothing does, or it is not chosen); its probability."""

    reason: list[str]
    probability: Vector


def doubts(pairs: Pairs, chosen: Chosen, shift: Shift, given: tuple[Vector, Records]) -> Doubts:
    """Return what speaks against each chosen pair, given that the other chosen ones are right.

    ``given``: how probable each pair is, and which known defects may be records of one.
    """
    probability, records = given
    reason, least = [""] * pairs.size, probability.copy()
    for p in np.flatnonzero(chosen).tolist():
        mean, covariance = _without(pairs, shift, (p,))
        against = NEIGHBOURS_PER_M2 / NEW_PER_M2 * np.exp(-max(-50.0, pairs.only(p).ratio(mean, covariance)[0]))
        least[p] = min(probability[p], 1 / (1 + against))
        beside = pairs.on_surface and abs((pairs.residual[p] - pairs.lever[p] @ mean)[0]) > NEIGHBOUR_M
        if not _tied(pairs, p, covariance):
            reason[p] = ALONE
        elif beside or 1 / (1 + against) < SURE_OF_NEIGHBOURS or _parts(pairs, chosen, p, (mean, records)):
            reason[p] = BESIDE
        elif probability[p] < SURE_ENOUGH:
            reason[p] = UNSURE
    return Doubts(reason, least)


def agree(pairs: Pairs, shift: Shift, one: int, other: int) -> bool:
    """Return whether two records of one sighting lie where one defect may, when neither has a say in the shift."""
    mean, _ = _without(pairs, shift, (one, other))
    apart = (pairs.residual[one] - pairs.lever[one] @ mean) - (pairs.residual[other] - pairs.lever[other] @ mean)
    return not pairs.on_surface or bool(abs(apart[0]) <= NEIGHBOUR_M)


def _parts(pairs: Pairs, chosen: Chosen, p: int, given: tuple[Vector, Records]) -> bool:
    """Return whether a pair says of two records that they are two, which nobody has seen together nor a metre apart.

    One of them may be badly placed, on the side of the next defect of the strip: only a finding of both is of either.
    """
    mean, records = given
    off = (pairs.residual - pairs.lever @ mean)[:, 0]
    near = (pairs.new == pairs.new[p]) & (abs(off - off[p]) < 2 * NEIGHBOUR_M) & ~chosen
    one = int(pairs.known[p])
    return pairs.on_surface and any(records.not_told_apart(one, int(k)) for k in pairs.known[near])


def _without(pairs: Pairs, shift: Shift, left_out: tuple[int, ...]) -> Shift:
    """Return the shift as it is known when some of the chosen pairs have no say in it."""
    information = np.linalg.inv(shift.covariance)
    pull = information @ shift.mean
    for p in left_out:
        information = information - pairs.lever[p].T @ pairs.weighted[p]
        pull = pull - pairs.weighted[p].T @ pairs.residual[p]
    covariance = np.asarray(np.linalg.inv(information), dtype=np.float64)
    return Shift(covariance @ pull, covariance)


def _tied(pairs: Pairs, p: int, covariance: Vector) -> bool:
    """Return whether the flights' shifts are known well enough without this pair.

    Along a blade in metres; in the open as well as the two findings are placed themselves.
    """
    shared = pairs.lever[p] @ covariance @ pairs.lever[p].T
    if pairs.on_surface:
        return bool(shared[0, 0] < PLACED_SIGMA_M**2)
    return bool(np.linalg.eigvals(np.linalg.solve(pairs.own[p], shared)).real.max() < 1)


def certainty(pairs: Pairs, chosen: Chosen, shift: Shift, records: Records) -> Vector:
    """Return for each chosen pair how sure it is: against the best assignment without it (0 for the others).

    A second record of the same defect is no rival.
    """
    ratio = pairs.ratio(*shift)
    lost = ratio.copy()
    for part in parts(pairs, ratio)[1]:
        own = ratio[part]
        taken = best_of(pairs, part, own)
        best = own[taken].sum()
        for n in np.flatnonzero(chosen[part]):
            here, mine = pairs.new[part] == pairs.new[part[n]], pairs.known[part] == pairs.known[part[n]]
            if n not in taken:  # a further record: only another finding can claim it
                lost[part[n]] -= max(0.0, own[mine & ~here].max(initial=0.0))
                continue
            rival = np.array([not records.may_be_one(int(pairs.known[part[n]]), int(k)) for k in pairs.known[part]])
            without = np.where(here & (mine | ~rival), -1.0, own)
            lost[part[n]] = best - without[best_of(pairs, part, without)].sum()
    return np.where(chosen, 1 / (1 + np.exp(-np.clip(lost, -50.0, 50.0))), 0.0)
