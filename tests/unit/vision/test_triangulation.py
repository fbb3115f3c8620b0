from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.geo import Enu
from vision.triangulation import Bearing, Crossing, Reals, cross, meet_ground

TARGET = np.array([12.0, -7.0, 41.0])
DATA = Path(__file__).parents[4] / "shared/data"
SIGMA_M, SIGMA_DEG = 1.0, 1.0


def bearing(eye: Reals, at: Reals, sigma: tuple[float, float] = (SIGMA_M, SIGMA_DEG)) -> Bearing:
    return Bearing(Enu(*map(float, eye)), Enu(*map(float, at - eye)).unit(), *sigma)


def ring(count: int, radius_m: float = 25.0, arc_deg: float = 150.0) -> Reals:
    """Return places round the target, over an arc, at several heights."""
    turn = np.radians(np.linspace(0.0, arc_deg, count))
    rise = np.linspace(-8.0, 8.0, count)
    return np.asarray(TARGET + np.stack([radius_m * np.cos(turn), radius_m * np.sin(turn), rise], axis=1))


def shaken(eyes: Reals, rng: np.random.Generator) -> list[Bearing]:
    """Return bearings as a drone would state them: place and direction off by their 1-sigma errors."""
    made = []
    for eye in eyes:
        ray = (TARGET - eye) / np.linalg.norm(TARGET - eye)
        aside = rng.normal(0.0, math.radians(SIGMA_DEG), 3)
        ray = ray + aside - ray * (aside @ ray)
        stated = eye + rng.normal(0.0, SIGMA_M, 3)
        made.append(bearing(stated, stated + ray))
    return made


def off(found: Crossing) -> Reals:
    return np.asarray(np.array(found.point) - TARGET, np.float64)


@given(st.integers(2, 9), st.floats(5.0, 200.0), st.floats(20.0, 300.0))
def test_exact_bearings_cross_where_the_thing_is(count: int, radius_m: float, arc_deg: float) -> None:
    found = cross([bearing(eye, TARGET) for eye in ring(count, radius_m, arc_deg)])
    if math.sin(math.radians(arc_deg)) ** 2 < 0.02 and count == 2:
        return  # two that face one another
    assert found is not None
    assert np.linalg.norm(off(found)) < 1e-3
    assert all(found.agreeing)


def test_the_stated_errors_hold_nine_places_of_ten() -> None:
    rng = np.random.default_rng(7)
    found = [f for _ in range(300) if (f := cross(shaken(ring(6), rng))) is not None]
    flat = np.mean([np.hypot(*off(f)[:2]) <= f.ce90_m for f in found])
    high = np.mean([abs(off(f)[2]) <= f.le90_m for f in found])
    assert len(found) == 300
    assert 0.87 <= flat <= 0.98
    assert 0.86 <= high <= 0.97


def test_more_views_make_the_place_surer() -> None:
    few, many = (cross([bearing(eye, TARGET) for eye in ring(n)]) for n in (3, 12))
    assert few is not None
    assert many is not None
    assert many.ce90_m < 0.6 * few.ce90_m


@pytest.mark.parametrize("strangers", [1, 2, 3])
def test_bearings_of_something_else_take_no_part(strangers: int) -> None:
    eyes = ring(6)
    others = [bearing(eye, TARGET + np.array([18.0, 22.0, 5.0])) for eye in eyes[:strangers]]
    found = cross([bearing(eye, TARGET) for eye in eyes] + others)
    assert found is not None
    assert np.linalg.norm(off(found)) < 0.01
    assert found.agreeing == (True,) * 6 + (False,) * strangers


def test_a_thing_behind_a_camera_is_not_what_it_sees() -> None:
    eyes = ring(5)
    backwards = bearing(eyes[0], 2 * eyes[0] - TARGET)
    found = cross([*(bearing(eye, TARGET) for eye in eyes[1:]), backwards])
    assert found is not None
    assert found.agreeing[-1] is False


@pytest.mark.parametrize(
    "bearings",
    [
        pytest.param([], id="none"),
        pytest.param([bearing(ring(1)[0], TARGET)], id="one"),
        pytest.param([bearing(np.array([0.0, y, 0.0]), np.array([9.0, y, 0.0])) for y in (0.0, 2.0)], id="parallel"),
        pytest.param(
            [bearing(np.array([0.0, 0.0, 0.0]), np.array([9.0, 0.0, 0.0])),
             bearing(np.array([0.0, 0.0, 60.0]), np.array([0.0, 9.0, 60.0]))],
            id="far past one another",
        ),
    ],
)  # fmt: skip
def test_what_does_not_cross_is_no_place(bearings: list[Bearing]) -> None:
    assert cross(bearings) is None


def test_straight_down_meets_flat_ground_below() -> None:
    found = meet_ground(bearing(np.array([3.0, 4.0, 30.0]), np.array([3.0, 4.0, 0.0])), lambda _e, _n: 5.0)
    assert found is not None
    assert found.point == pytest.approx((3.0, 4.0, 5.0), abs=1e-3)
    assert found.ce90_m == pytest.approx(2.146 * math.hypot(1.0, 25.0 * math.radians(1.0)), rel=0.01)


def test_the_first_hill_in_the_way_is_met() -> None:
    def hill(east: float, _north: float) -> float:
        return 20.0 if 40.0 <= east <= 60.0 else 0.0

    looking = bearing(np.array([0.0, 0.0, 30.0]), np.array([100.0, 0.0, 0.0]))
    found = meet_ground(looking, hill)
    assert found is not None
    assert found.point.east == pytest.approx(40.0, abs=0.01)


def test_a_grazing_look_says_little_of_how_far() -> None:
    steep, grazing = (
        meet_ground(bearing(np.array([0.0, 0.0, 30.0]), np.array([away, 0.0, 0.0])), lambda _e, _n: 0.0)
        for away in (10.0, 200.0)
    )
    assert steep is not None
    assert grazing is not None
    assert grazing.ce90_m > 15 * steep.ce90_m
    assert grazing.covariance_m2[0, 0] > 20 * grazing.covariance_m2[1, 1]


@pytest.mark.parametrize("up", [0.0, 0.3])
def test_a_look_at_the_sky_meets_no_ground(up: float) -> None:
    level = bearing(np.array([0.0, 0.0, 30.0]), np.array([100.0, 0.0, 30.0 + 100.0 * up]))
    assert meet_ground(level, lambda _e, _n: 0.0) is None


@pytest.mark.skipif(not DATA.is_dir(), reason="the public data is not beside the checkout")
def test_bearings_of_real_towers_cross_closer_than_plain_least_squares() -> None:
    """The bar: a median of 3.3 m over site-days, as published for plain least squares on the whole set."""
    from benchmarks.georeference import cplid  # noqa: PLC0415 - it reads pictures too

    told = json.loads(json.dumps(cplid(DATA)))
    assert told["residual_m"]["p50"] <= 3.3
    assert told["residual_m"]["p50"] < told["plain_residual_m"]["p50"]
    assert told["bearings_agreeing"] > 0.6
    assert told["crossed"] >= 0.9 * told["site_days"]
