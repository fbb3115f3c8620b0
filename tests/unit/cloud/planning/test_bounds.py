"""Bounds on how near lines come to solid things, against looking at many points of each line."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from cloud.planning.bounds import clearness, nearness
from cloud.planning.drawing import space_of
from cloud.planning.obstacles import Cone, distances_m
from cloud.planning.pattern import PlanInputs
from contracts.geo import UP, Enu, GeoPoint
from contracts.turbine import TurbineGeometry

GEOMETRY = TurbineGeometry(foot=GeoPoint(lat_deg=54.9, lon_deg=8.3, alt_m=45.0), rotor_azimuth_deg=17.0)
SPACE = space_of(PlanInputs(asset_id="wt-01", geometry=GEOMETRY, home=GEOMETRY.foot))
near = st.floats(-60.0, 60.0)
places = st.builds(Enu, near, near, st.floats(5.0, 100.0))
lines = st.lists(st.tuples(places, places), min_size=1, max_size=12)


def ends(chosen: list[tuple[Enu, Enu]]) -> tuple[np.ndarray, np.ndarray]:
    return np.array([line[0] for line in chosen]), np.array([line[1] for line in chosen])


@settings(max_examples=60)
@given(lines)
def test_no_place_of_a_line_is_nearer_than_the_lower_bound_and_some_place_is_as_near_as_the_upper(
    chosen: list[tuple[Enu, Enu]],
) -> None:
    starts, stops = ends(chosen)
    bounds = nearness(SPACE.cones, starts, stops)
    for row in range(len(chosen)):
        points = starts[row] + np.linspace(0.0, 1.0, 300)[:, None] * (stops[row] - starts[row])
        nearest_m = distances_m(SPACE.cones, points).min(axis=0)
        apart_m = np.linalg.norm(stops[row] - starts[row]) / 299 / 2
        assert (bounds.least_m[row] <= nearest_m + 1e-6).all()
        assert (bounds.seen_m[row] >= nearest_m - apart_m - 1e-6).all()


@settings(max_examples=100)
@given(lines)
def test_what_is_surely_clear_or_surely_not_is_what_walking_along_the_line_finds(
    chosen: list[tuple[Enu, Enu]],
) -> None:
    for sure, (start, end) in zip(clearness(SPACE, *ends(chosen)).tolist(), chosen, strict=True):
        assert sure == 0 or SPACE.is_clear(start, end) == (sure > 0)


def test_a_line_along_a_pillar_and_a_line_without_length_are_measured_too() -> None:
    pillar = Cone("pillar", Enu(0.0, 0.0, 0.0), UP, 10.0, 2.0, 2.0)
    beside, above = Enu(5.0, 0.0, 1.0), Enu(5.0, 0.0, 9.0)
    bounds = nearness((pillar,), *ends([(beside, above), (beside, beside)]))
    assert np.allclose(bounds.least_m, 3.0)
    assert np.allclose(bounds.seen_m, 3.0)
