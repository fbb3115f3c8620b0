"""Back-test of the growth model on simulated farms, beside "severity now" and "linear from two points".

    python -m benchmarks.prediction --seeds 5

Per seed: 20 turbines, 5 inspections in 3 years. The model is fitted on the first four and predicts the fifth.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from cloud.prediction import backtest
from cloud.prediction.courses import OUTER_FROM_SHARE, Course, Size
from cloud.prediction.fitting import fit
from simulators.history import History, HistoryPlan, history

YEAR_S = 365.25 * 86400


def courses_of(made: History) -> list[Course]:
    """Return the courses of a history's defects, by their true identity."""
    lives = {life.defect_id: life for life in made.lives}
    length_m = {asset.asset_id: asset.geometry.blade_length_m for asset in made.assets}
    seen: dict[str, list[tuple[float, float, float]]] = {}
    for inspection in made.inspections:
        for s in inspection.sightings:
            seen.setdefault(s.defect_id, []).append((s.seen_at.timestamp() / YEAR_S, s.length_mm, s.size_sigma_mm))
    return [
        Course(
            defect_id=name,
            kind=lives[name].kind,
            outer=lives[name].place.distance_to_root_m >= OUTER_FROM_SHARE * length_m[lives[name].asset_id],
            sizes=tuple(Size(at - sizes[0][0], length, sigma) for at, length, sigma in sizes),
        )
        for name, sizes in seen.items()
    ]


def scores(seed: int, turbines: int = 20) -> Sequence[backtest.Score]:
    """Fit on what was known before the last inspection, predict it, score every method."""
    made = history(HistoryPlan(seed=seed, turbines=turbines))
    last = max(i.number for i in made.inspections)
    before = made.model_copy(update={"inspections": tuple(i for i in made.inspections if i.number < last)})
    at_last = {s.defect_id for i in made.inspections if i.number == last for s in i.sightings}
    cases = [c for c in courses_of(made) if c.defect_id in at_last and len(c.sizes) >= 2]
    model = fit(courses_of(before))
    return [
        backtest.scored("growth model", backtest.by_model(model), cases),
        backtest.scored("severity now", backtest.as_now, cases),
        backtest.scored("linear from two points", backtest.linear, cases),
    ]


def main() -> None:
    """Print the table over all seeds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    options = parser.parse_args()
    per_seed = [scores(seed) for seed in range(1, options.seeds + 1)]
    totals = []
    for method in zip(*per_seed, strict=True):
        cases = sum(s.cases for s in method)
        crps, covered, width = (
            sum(getattr(s, name) * s.cases for s in method) / cases for name in ("crps_mm", "covered", "width_mm")
        )
        totals.append(backtest.Score(method[0].method, crps, covered, width, cases))
    print(backtest.table(totals))
    print("80 % coverage of the growth model per seed:", ", ".join(f"{100 * s[0].covered:.1f} %" for s in per_seed))


if __name__ == "__main__":
    main()
