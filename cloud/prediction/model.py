"""What a fitted growth model says of one defect: its size, reaching a limit by a date, the time that remains. Pure.

The logarithm of the length is a line in time. Every defect has its own level and rate; the rate is drawn about that of
its kind and place (hierarchical), the level is its own. A flight that saw the place before without finding it says the
defect was small then (left-censored). Both together make a sample of lines; everything said is read off that sample.
"""

from __future__ import annotations

import math
import zlib

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy.special import ndtr

from cloud.prediction.courses import SEEN_SPREAD, SMALLEST_SEEN_MM, Course
from contracts.geo import Frozen
from contracts.vocabulary import DefectKind

_LINES = 600
_HORIZON_YEARS = 20.0
_STEP_YEARS = 0.05
Sample = NDArray[np.float64]


class GrowthModel(Frozen):
    """The fitted numbers: all that training hands to prediction. Rates are per year of the logarithm of the length."""

    rates: dict[DefectKind, float]
    any_rate: float
    """For kinds with too few defects of their own."""
    outer_rate: float
    """Added beyond two thirds of the blade."""
    rate_sigma: float = Field(gt=0)
    """Between defects of one kind and place."""
    noise_sigma: float = Field(gt=0)
    """Of one size about its line: measurement and season."""
    widen: float = Field(gt=0)
    """Factor on the spread of what is predicted, so that 80 % intervals held 80 % of the last sizes when tried."""
    defects: int
    sizes: int

    def rate(self, kind: DefectKind, *, outer: bool) -> float:
        """Return the expected rate of a kind at a place."""
        return self.rates.get(kind, self.any_rate) + (self.outer_rate if outer else 0.0)


class Forecast:
    """Lines that fit one defect, with weights; ``now`` is the years since its first sighting."""

    def __init__(self, model: GrowthModel, course: Course) -> None:
        rng = np.random.default_rng(zlib.crc32(course.defect_id.encode()))
        mean, covariance = _posterior(model, course)
        lines = rng.multivariate_normal(mean, covariance, size=_LINES)
        self._level, self._rate = lines[:, 0], np.maximum(lines[:, 1], 0.0)
        self._noise = rng.standard_normal(_LINES) * model.noise_sigma
        self._widen = model.widen
        limit = math.log(SMALLEST_SEEN_MM)
        weight = np.ones(_LINES)
        for years in course.not_seen:
            weight = weight * ndtr((limit - self._level - self._rate * years) / SEEN_SPREAD)
        self._weight = weight / weight.sum() if weight.sum() > 1e-9 else np.full(_LINES, 1 / _LINES)

    def logarithms(self, years: float) -> Sample:
        """Return the sample of log lengths at a time, spread as calibrated."""
        line = self._level + self._rate * years + self._noise
        middle = float(self._weight @ line)
        return middle + self._widen * (line - middle)

    def quantile_mm(self, years: float, share: float) -> float:
        """Return the length that a share of the sample stays below."""
        return math.exp(_quantile(self.logarithms(years), self._weight, share))

    def sample_mm(self, years: float) -> tuple[Sample, Sample]:
        """Return lengths and their weights."""
        return np.exp(self.logarithms(years)), self._weight

    def probability(self, years: float, limit_mm: float) -> float:
        """Return the probability that the length reaches a limit by a time."""
        return min(
            1.0, float(self._weight @ (self.logarithms(years) >= math.log(limit_mm)))
        )  # weights sum to 1 + 1e-16

    def years_until(self, limit_mm: float, share: float, since: float) -> float | None:
        """Return after how many years from ``since`` a share of the sample reaches a limit; None beyond 20 years."""
        for step in range(int(_HORIZON_YEARS / _STEP_YEARS) + 1):
            if self.probability(since + step * _STEP_YEARS, limit_mm) >= share:
                return step * _STEP_YEARS
        return None


def _posterior(model: GrowthModel, course: Course) -> tuple[Sample, Sample]:
    """Return mean and covariance of (level, rate): a wide prior on the level, the kind's on the rate."""
    first = course.logarithms[0]
    prior = np.array([first, model.rate(course.kind, outer=course.outer)])
    precision = np.diag([1 / 4.0, 1 / model.rate_sigma**2])
    pull = precision @ prior
    for size, logarithm in zip(course.sizes, course.logarithms, strict=True):
        row = np.array([1.0, size.years])
        variance = model.noise_sigma**2 + (size.sigma_mm / max(size.length_mm, 1.0)) ** 2
        precision = precision + np.outer(row, row) / variance
        pull = pull + row * logarithm / variance
    covariance = np.linalg.inv(precision)
    return covariance @ pull, covariance


def _quantile(values: Sample, weights: Sample, share: float) -> float:
    order = np.argsort(values)
    below = np.cumsum(weights[order])
    return float(values[order][min(len(values) - 1, int(np.searchsorted(below, share)))])
