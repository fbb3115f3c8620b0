"""The published rates: their formula, their interval, their words."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom, binomtest

from cloud.miss_rate import CONFIDENCE, Quality, false_alarms_in_words, missed_in_words, quality, share
from contracts.vocabulary import AssetKind


def blades(*said: tuple[str, int]) -> Quality:
    return quality(AssetKind.WIND_TURBINE, said)


@pytest.mark.parametrize(("hits", "of"), [(0, 1), (0, 20), (1, 20), (7, 20), (19, 20), (20, 20), (3, 1000)])
def test_the_interval_is_the_exact_one_of_a_binomial_share(hits: int, of: int) -> None:
    exact = binomtest(hits, of).proportion_ci(confidence_level=0.95, method="exact")
    made = share(hits, of)
    assert (made.estimate, made.low, made.high) == pytest.approx((hits / of, exact.low, exact.high), abs=1e-9)


@pytest.mark.parametrize("of", [1, 2, 3, 5, 8, 12, 20, 35, 60, 150])
def test_whatever_the_true_rate_the_interval_holds_it_in_95_of_100_audits(of: int) -> None:
    """Exactly, not by chance: coverage over all outcomes is least just beside an interval's end."""
    made = [share(hits, of) for hits in range(of + 1)]
    low, high = (np.array([getattr(one, end) for one in made]) for end in ("low", "high"))
    rates = np.concatenate(
        [np.linspace(0, 1, 101), *(np.clip(end + e, 0, 1) for end in (low, high) for e in (-1e-9, 1e-9))]
    )
    chance = binom.pmf(np.arange(of + 1)[None], of, rates[:, None])
    covered = (chance * ((low <= rates[:, None]) & (rates[:, None] <= high))).sum(axis=1)
    assert covered.min() >= CONFIDENCE - 1e-6


@pytest.mark.parametrize(
    ("said", "missed", "false_alarms"),
    [
        pytest.param([("found", 0), ("repaired", 0)], (0, 2), (0, 2), id="all there and nothing else"),
        pytest.param([("found", 2), ("worse", 1)], (3, 5), (0, 2), id="found more"),
        pytest.param([("not_found", 0), ("found", 0)], (0, 1), (1, 2), id="a false alarm is no miss"),
        pytest.param([("not_found", 3)], (3, 3), (1, 1), id="not that, but three others"),
        pytest.param([], (0, 0), (0, 0), id="nobody went"),
    ],
)
def test_who_counts_where(said: list[tuple[str, int]], missed: tuple[int, int], false_alarms: tuple[int, int]) -> None:
    made = blades(*said)
    assert (made.missed.hits, made.missed.of) == missed
    assert (made.false_alarms.hits, made.false_alarms.of) == false_alarms


def test_what_nobody_looked_at_is_not_known() -> None:
    assert missed_in_words(None).startswith("Not known.")
    assert missed_in_words(blades(("not_found", 0))).startswith("Not known.")
    assert false_alarms_in_words(None).startswith("Not known")


def test_the_words_give_the_figures_they_rest_on() -> None:
    made = blades(*[("found", 0)] * 18, ("worse", 2), ("not_found", 0))
    assert missed_in_words(made).startswith("10% (95 % interval 1% to 30%). At 20 findings that crews went to")
    assert "21 defects, 2 of which" in missed_in_words(made)
    assert false_alarms_in_words(made).startswith("5% (95 % interval 0% to 25%). Of 20 findings")
