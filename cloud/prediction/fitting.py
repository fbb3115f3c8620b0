"""Fits the growth model on a fleet's defects: a mixed linear model (statsmodels), calibrated on held-out sizes.

Needs the extra ``prediction``; nothing that serves the API imports it.
"""

from __future__ import annotations

import math
import warnings
from collections import Counter
from collections.abc import Sequence

import numpy as np
from statsmodels.regression.mixed_linear_model import MixedLM

from cloud.prediction.courses import Course, grown
from cloud.prediction.model import Forecast, GrowthModel
from contracts.errors import PlatformError
from contracts.vocabulary import DefectKind

ENOUGH_DEFECTS = 12
"""Fewer defects with two sizes, in the whole fleet, say nothing."""
ENOUGH_OF_A_KIND = 6
_WIDE, _NARROW = 3.0, 0.5
_Z80 = 1.2816


class TooLittleData(PlatformError):
    """Too few defects were seen twice to say how defects grow."""

    code = "too_little_data"
    http_status = 409


def fit(courses: Sequence[Course]) -> GrowthModel:
    """Return the model of a fleet.

    Raises:
        TooLittleData: Fewer than twelve defects have two sizes.

    """
    usable = grown(courses)
    if len(usable) < ENOUGH_DEFECTS:
        raise TooLittleData(
            f"Only {len(usable)} defects were measured twice; {ENOUGH_DEFECTS} are needed.", hint="Inspect again."
        )
    # Calibrated out of sample: fitted without the last sizes, which it then predicts. Too few left: in sample.
    shortened = grown([course.without_last() for course in usable])
    tried = _mixed(shortened) if len(shortened) >= ENOUGH_DEFECTS else _mixed(usable)
    return _mixed(usable).model_copy(update={"widen": _widening(tried, usable)})


def _mixed(courses: Sequence[Course]) -> GrowthModel:
    """Fit level and rate per defect about the rates of kinds and places (restricted maximum likelihood)."""
    counts = Counter(course.kind for course in courses)
    kinds = [kind for kind in DefectKind if counts[kind] >= ENOUGH_OF_A_KIND]
    rows, logarithms, names, slopes = [], [], [], []
    for course in courses:
        for size, logarithm in zip(course.sizes, course.logarithms, strict=True):
            of_kind = [size.years * (course.kind is kind) for kind in kinds]
            other = size.years * (course.kind not in kinds)
            rows.append([1.0, *of_kind, other, size.years * course.outer])
            logarithms.append(logarithm - course.logarithms[0])
            names.append(course.defect_id)
            slopes.append([1.0, size.years])
    design = np.array(rows)
    kept = np.asarray(design.any(axis=0), dtype=bool)
    with warnings.catch_warnings():
        # A variance at the edge of what is possible is no failure: it is bounded below.
        warnings.simplefilter("ignore")
        fitted = MixedLM(np.array(logarithms), design[:, kept], groups=names, exog_re=np.array(slopes)).fit()
    numbers = np.zeros(len(kept))
    numbers[kept] = fitted.fe_params
    rates = {kind: float(numbers[1 + n]) for n, kind in enumerate(kinds)}
    pooled = (
        float(np.average(list(rates.values()), weights=[counts[k] for k in kinds])) if kinds else float(numbers[-2])
    )
    return GrowthModel(
        rates=rates,
        any_rate=float(numbers[-2]) if kept[-2] else pooled,
        outer_rate=float(numbers[-1]),
        rate_sigma=max(0.03, math.sqrt(max(0.0, float(np.asarray(fitted.cov_re)[1, 1])))),
        noise_sigma=max(0.02, math.sqrt(float(fitted.scale))),
        widen=1.0,
        defects=len(courses),
        sizes=len(rows),
    )


def _widening(model: GrowthModel, courses: Sequence[Course]) -> float:
    """Return the factor that makes 80 % intervals hold 80 % of the last sizes, predicted from the earlier ones."""
    off = []
    for course in courses:
        earlier, last = course.without_last(), course.sizes[-1]
        sample = Forecast(model, earlier).logarithms(last.years)
        spread = math.hypot(float(np.std(sample)), last.sigma_mm / last.length_mm)
        off.append(abs(course.logarithms[-1] - float(np.mean(sample))) / spread)
    return float(np.clip(np.quantile(off, 0.8) / _Z80, _NARROW, _WIDE))
