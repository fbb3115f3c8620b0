"""What to judge next: the doubtful before the clear, the unlike before the alike, each once."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.training.teaching import Traits, chosen, gower


def traits(*rows: tuple[str, str, float]) -> Traits:
    """Return traits of two words and a number each."""
    words = np.array([row[:2] for row in rows], np.str_).reshape(-1, 2)
    return Traits(words, np.array([row[2:] for row in rows], np.float64).reshape(-1, 1))


CRACK, BURN = ("crack", "LE", 1.0), ("burn", "TE", 9.0)
NEARLY = ("crack", "LE", 1.1)
NONE = traits()


@pytest.mark.parametrize(
    ("doubt", "asked", "judged", "order"),
    [
        ([0.2, 0.9, 0.5], [CRACK, CRACK, CRACK], NONE, [1, 0, 2]),
        ([0.9, 0.8, 0.5], [CRACK, NEARLY, BURN], NONE, [0, 2, 1]),
        ([0.9, 0.5], [CRACK, BURN], traits(NEARLY), [1, 0]),
        ([0.9, 0.5], [CRACK, BURN], traits(BURN, NEARLY), [0, 1]),
        ([0.0, 0.9], [BURN, CRACK], NONE, [1, 0]),
    ],
    ids=[
        "doubt decides between alike",
        "unlike before alike",
        "judged teaches little",
        "of known both",
        "clear",
    ],
)
def test_the_worthiest_beside_those_before_it_comes_next(
    doubt: list[float], asked: list[tuple[str, str, float]], judged: Traits, order: list[int]
) -> None:
    assert [n for n, _, _ in chosen(np.array(doubt), traits(*asked), judged, 9)] == order


ROWS = st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from("xyz"), st.floats(-5, 5)), min_size=1, max_size=8)


@given(ROWS, ROWS, st.integers(1, 9), st.randoms(use_true_random=False))
def test_each_is_asked_once_and_none_is_worth_more_than_one_before_it(
    asked: list[tuple[str, str, float]], judged: list[tuple[str, str, float]], limit: int, random: Random
) -> None:
    doubt = np.array([random.random() for _ in asked])
    made = chosen(doubt, traits(*asked), traits(*judged), limit)
    assert len({n for n, _, _ in made}) == len(made) == min(limit, len(asked))
    worths = [worth for _, _, worth in made]
    assert worths == sorted(worths, reverse=True)
    assert all(worth == pytest.approx(doubt[n] * far) for n, far, worth in made)


@given(ROWS)
def test_distances_are_gowers(rows: list[tuple[str, str, float]]) -> None:
    known = traits(*rows)
    spans = np.array([max(np.ptp(known.numbers), 1.0)])
    far = np.array([gower(known, known, n, spans) for n in range(len(rows))])
    assert (far == far.T).all()
    assert (far.diagonal() == 0).all()
    assert (far <= 1).all()
    for (a, b, c), (d, e, f), apart in ((rows[0], row, far[0, n]) for n, row in enumerate(rows)):
        assert apart == pytest.approx(((a != d) + (b != e) + abs(c - f) / spans[0]) / 3)
