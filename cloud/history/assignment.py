"""Which pairs are taken together: at most one finding for a defect, and one defect for a finding. Pure numbers.

One finding may be several records of one defect, where no flight saw two of them: records of what was not linked.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cloud.history.pairs import Known, Pairs
from cloud.history.sightings import Vector
from cloud.merging import alike

_SURE_RECORD = 2.0
"""What must speak for another record of a finding's defect (a log-likelihood ratio)."""
_FEW = 64
"""Contested pairs that are solved faster together than their parts are found."""
Chosen = NDArray[np.bool_]
Indices = NDArray[np.intp]


class Records:
    """Which known defects may be records of one: those that no flight saw together and no person decided about."""

    def __init__(self, known: Sequence[Known], pairs: Pairs) -> None:
        """Keep what is asked of them, by index of the defect."""
        self._flights = [frozenset(k.flights) for k in known]
        self._decided = [k.decided for k in known]
        self._kinds = [frozenset(s.kind for s in k.sightings) for k in known]
        self._pairs = pairs

    def may_be_one(self, one: int, other: int) -> bool:
        """Return whether two known defects may be one."""
        decided = self._decided[one] or self._decided[other]
        return not decided and self._flights[one].isdisjoint(self._flights[other])

    def not_told_apart(self, one: int, other: int) -> bool:
        """Return whether two known defects may be one, and look alike."""
        pairs = ((a, b) for a in self._kinds[one] for b in self._kinds[other])
        return one != other and self.may_be_one(one, other) and any(alike(a, b) for a, b in pairs)

    def further(self, chosen: Chosen, ratio: Vector) -> int | None:
        """Return the likeliest pair that makes a chosen finding a further record, None when there is none."""
        pairs = self._pairs
        taken = np.isin(pairs.known, pairs.known[chosen])
        open_ = np.flatnonzero(~taken & np.isin(pairs.new, pairs.new[chosen]) & (ratio > _SURE_RECORD))
        for p in open_[np.argsort(-ratio[open_], kind="stable")]:
            mates = pairs.known[chosen & (pairs.new == pairs.new[p])]
            if all(self.may_be_one(int(pairs.known[p]), int(mate)) for mate in mates):
                return int(p)
        return None


def assigned(pairs: Pairs, ratio: Vector) -> Chosen:
    """Return the pairs of the best joint assignment; a pair below zero is never worth it."""
    alone, contested = parts(pairs, ratio)
    chosen = np.zeros(pairs.size, bool)
    chosen[alone] = True
    for part in contested:
        chosen[part[best_of(pairs, part, ratio[part])]] = True
    return chosen


def parts(pairs: Pairs, ratio: Vector) -> tuple[Indices, list[Indices]]:
    """Return the pairs worth making that nothing contests, and the rest in parts that have nothing in common.

    A few stay in one part, whose best assignment is that of its parts.
    """
    worth = np.flatnonzero(ratio > 0)
    known, new = pairs.known[worth], pairs.new[worth]
    rivals = (np.bincount(known)[known] > 1) | (np.bincount(new)[new] > 1) if len(worth) else worth > 0
    alone, worth, known, new = worth[~rivals], worth[rivals], known[rivals], new[rivals]
    if len(worth) <= _FEW:
        return alone, [worth] if len(worth) else []
    from scipy.sparse import coo_array  # noqa: PLC0415 - slow to load, and most programs never match
    from scipy.sparse.csgraph import connected_components  # noqa: PLC0415

    nodes = int(known.max() + new.max()) + 2
    graph = coo_array((np.ones(len(worth)), (known, known.max() + 1 + new)), shape=(nodes, nodes))
    label = connected_components(graph, directed=False)[1][known]
    order = np.argsort(label, kind="stable")
    return alone, np.split(worth[order], np.flatnonzero(np.diff(label[order])) + 1)


def best_of(pairs: Pairs, part: Indices, ratio: Vector) -> Indices:
    """Return which of a part's pairs its best assignment takes, as indices into ``part``."""
    from scipy.optimize import linear_sum_assignment  # noqa: PLC0415

    rows, row = np.unique(pairs.known[part], return_inverse=True)
    columns, column = np.unique(pairs.new[part], return_inverse=True)
    table, index = np.zeros((len(rows), len(columns))), np.full((len(rows), len(columns)), -1, dtype=np.intp)
    table[row, column], index[row, column] = np.maximum(ratio, 0.0), np.arange(len(part))
    taken = index[linear_sum_assignment(table, maximize=True)]
    taken = taken[taken >= 0]
    return np.asarray(taken[ratio[taken] > 0], dtype=np.intp)
