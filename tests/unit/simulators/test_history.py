"""A farm's history: the same for the same seed, measured as badly as it says, with the lives it claims."""

from __future__ import annotations

import statistics

import pytest

from simulators.history import History, HistoryPlan, history
from simulators.lives import Life


@pytest.fixture(scope="module")
def farm() -> History:
    return history(HistoryPlan(seed=3))


@pytest.fixture(scope="module")
def lives(farm: History) -> dict[str, Life]:
    return {life.defect_id: life for life in farm.lives}


def test_the_same_seed_gives_the_same_history() -> None:
    plan = HistoryPlan(seed=5, turbines=2, inspections=3)
    assert history(plan) == history(plan)
    assert history(plan) != history(plan.model_copy(update={"seed": 6}))


def test_it_has_the_inspections_it_was_asked_for(farm: History) -> None:
    assert len(farm.inspections) == 100
    assert sorted({i.number for i in farm.inspections}) == [1, 2, 3, 4, 5]
    span = max(i.flown_at for i in farm.inspections) - min(i.flown_at for i in farm.inspections)
    assert 2.9 < span.days / 365.25 < 3.1
    assert list(farm.inspections) == sorted(farm.inspections, key=lambda i: (i.flown_at, i.asset_id))


def test_places_are_off_as_measured_on_real_revisits(farm: History, lives: dict[str, Life]) -> None:
    """Median absolute error of one axis: 0.674 sigma of 2.8 m."""
    errors = [
        abs(s.place.distance_to_root_m - lives[s.defect_id].place.distance_to_root_m)
        for i in farm.inspections
        for s in i.sightings
    ]
    assert 1.6 < statistics.median(errors) < 2.2


def test_a_part_of_every_blade_is_not_seen(farm: History) -> None:
    shares = [len(i.coverage) / (25 * 12) for i in farm.inspections]
    assert 0.6 < statistics.mean(shares) < 0.9
    assert max(shares) < 0.95


def test_a_defect_never_shrinks_and_is_away_after_its_repair(farm: History) -> None:
    dates: dict[str, list[object]] = {}
    for inspection in farm.inspections:
        dates.setdefault(inspection.asset_id, []).append(inspection.flown_at)
    assert any(life.repaired_at for life in farm.lives)
    for life in farm.lives:
        present = [length for length in life.lengths_mm if length > 0]
        assert present == sorted(present)
        for at, length in zip(dates[life.asset_id], life.lengths_mm, strict=True):
            there = life.born_at <= at and (life.repaired_at is None or at < life.repaired_at)  # type: ignore[operator]
            assert (length > 0) == there


def test_every_turbine_has_two_defects_close_together(farm: History, lives: dict[str, Life]) -> None:
    pairs = [(life, lives[life.close_to]) for life in farm.lives if life.close_to]
    assert len(pairs) == 20
    for one, other in pairs:
        assert (one.kind, one.place.blade, one.place.side) == (other.kind, other.place.blade, other.place.side)
        assert abs(one.place.distance_to_root_m - other.place.distance_to_root_m) <= 1.5
