"""Tries the growth model on what happened: the last size of every defect, predicted from the ones before. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from scipy.stats import norm

from cloud.prediction.courses import Course, Size
from cloud.prediction.model import Forecast, GrowthModel

_Z80 = 1.2816


class Guess(NamedTuple):
    """A predicted length as a weighted sample, millimetres."""

    values: np.ndarray
    weights: np.ndarray


class Score(NamedTuple):
    """How a method did. ``crps_mm``: mean continuous ranked probability score; ``covered``: of 80 % intervals."""

    method: str
    crps_mm: float
    covered: float
    width_mm: float
    cases: int


Method = Callable[[Course, Size], Guess]


def scored(name: str, method: Method, courses: Sequence[Course]) -> Score:
    """Return how a method predicts the last size of each course from the sizes before it."""
    crps, inside, widths = [], [], []
    for course in courses:
        last = course.sizes[-1]
        guess = method(course.without_last(), last)
        low, high = _quantile(guess, 0.1), _quantile(guess, 0.9)
        crps.append(_crps(guess, last.length_mm))
        inside.append(low <= last.length_mm <= high)
        widths.append(high - low)
    return Score(name, float(np.mean(crps)), float(np.mean(inside)), float(np.mean(widths)), len(crps))


def by_model(model: GrowthModel) -> Method:
    """Return the growth model as a method, with the error of the measurement to come."""

    def guess(course: Course, target: Size) -> Guess:
        values, weights = Forecast(model, course).sample_mm(target.years)
        return Guess(values + _normal(len(values)) * target.sigma_mm, weights)

    return guess


def as_now(course: Course, target: Size) -> Guess:
    """Return "severity now": the last size, with the errors of both measurements."""
    last = course.sizes[-1]
    return _gaussian(last.length_mm, math.hypot(last.sigma_mm, target.sigma_mm))


def linear(course: Course, target: Size) -> Guess:
    """Return "linear from two points": the line through the last two sizes, their errors carried along."""
    if len(course.sizes) < 2:
        return as_now(course, target)
    one, two = course.sizes[-2:]
    share = (target.years - two.years) / (two.years - one.years)
    middle = two.length_mm + share * (two.length_mm - one.length_mm)
    sigma = math.sqrt((share * one.sigma_mm) ** 2 + ((1 + share) * two.sigma_mm) ** 2 + target.sigma_mm**2)
    return _gaussian(middle, sigma)


def table(scores: Sequence[Score]) -> str:
    """Return the scores as a table for people."""
    lines = [f"{'method':<26} {'CRPS mm':>8} {'80 % covers':>12} {'width mm':>9} {'cases':>6}"]
    lines += [
        f"{s.method:<26} {s.crps_mm:>8.1f} {100 * s.covered:>10.1f} % {s.width_mm:>9.1f} {s.cases:>6}" for s in scores
    ]
    return "\n".join(lines)


def _gaussian(mean: float, sigma: float) -> Guess:
    values = mean + sigma * _normal(400)
    return Guess(values, np.full(len(values), 1 / len(values)))


def _normal(count: int) -> np.ndarray:
    """Return evenly spread standard normal values: no chance in a comparison."""
    values: np.ndarray = norm.ppf((np.arange(count) + 0.5) / count)
    return values[np.random.default_rng(count).permutation(count)]


def _quantile(guess: Guess, share: float) -> float:
    order = np.argsort(guess.values)
    below = np.cumsum(guess.weights[order])
    return float(guess.values[order][min(len(order) - 1, int(np.searchsorted(below, share)))])


def _crps(guess: Guess, truth: float) -> float:
    """Return E|X - y| - E|X - X'| / 2 of a weighted sample (Gneiting and Raftery 2007)."""
    order = np.argsort(guess.values)
    values, weights = guess.values[order], guess.weights[order]
    below = np.cumsum(weights) - weights
    spread = 2 * float(np.sum(weights * values * (2 * below + weights - 1)))
    return float(np.sum(weights * np.abs(values - truth))) - spread / 2
