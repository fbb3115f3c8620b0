"""Distances and clear lines against brute force."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloud.planning.drawing import space_of
from cloud.planning.estimates import landing_s, leg_s
from cloud.planning.obstacles import Cone, cones_of
from cloud.planning.passages import Net
from cloud.planning.pattern import PlanInputs
from contracts.geo import UP, Enu, GeoPoint
from contracts.turbine import TurbineGeometry
from contracts.vocabulary import Blade, BladeSide

GEOMETRY = TurbineGeometry(foot=GeoPoint(lat_deg=54.9, lon_deg=8.3, alt_m=45.0))
SPACE = space_of(PlanInputs(asset_id="wt-01", geometry=GEOMETRY, home=GEOMETRY.foot))
PILLAR = Cone("pillar", Enu(0.0, 0.0, 0.0), UP, 10.0, 2.0, 1.0)
near = st.floats(-60.0, 60.0)
places = st.builds(Enu, near, near, st.floats(5.0, 100.0))


@pytest.mark.parametrize(
    ("point", "distance_m"),
    [
        (Enu(5.0, 0.0, 0.0), 3.0),
        (Enu(0.0, 4.0, 11.0), math.hypot(3.0, 1.0)),
        (Enu(0.0, 4.0, 5.0), 2.5 / math.hypot(1.0, 0.1)),
        (Enu(0.0, 0.0, 12.0), 2.0),
        (Enu(0.0, 0.0, -1.0), 1.0),
        (Enu(4.0, 0.0, 14.0), 5.0),
        (Enu(1.0, 0.0, 5.0), 0.0),
    ],
)
def test_distances_to_a_cone(point: Enu, distance_m: float) -> None:
    assert PILLAR.distance_m(point) == pytest.approx(distance_m)


def test_the_cones_enclose_the_real_blades() -> None:
    cones = {cone.name: cone for cone in cones_of(GEOMETRY)}
    for blade in Blade:
        for side in BladeSide:
            for step in range(11):
                for offset in (0.0, 0.5, 1.0):
                    point = GEOMETRY.facet(blade, side).at(step / 10, offset)
                    assert cones[f"blade {blade.value}"].distance_m(point) <= 1e-6


@settings(max_examples=200)
@given(places, places)
def test_a_clear_line_is_clear_everywhere(start: Enu, end: Enu) -> None:
    way = end.minus(start)
    samples = [SPACE.slack_m(start.plus(way, n / 400)) for n in range(401)]
    if SPACE.is_clear(start, end):
        assert min(samples) >= -1e-6, "a line that just touches the limit keeps it"
    else:
        assert min(samples) < 0.5, "refused only where it comes close"


@settings(max_examples=200)
@given(places, st.floats(-1.0, 1.0), st.floats(-1.0, 1.0), st.floats(-1.0, 1.0))
def test_nothing_within_the_slack_breaks_a_limit(place: Enu, east: float, north: float, up: float) -> None:
    slack_m = SPACE.slack_m(place)
    step = Enu(east, north, up)
    if slack_m > 0.0 and step.norm() > 1e-3:
        moved = place.plus(step.unit(), slack_m * 0.99)
        assert SPACE.slack_m(moved) >= -0.01 * slack_m


def test_a_way_leads_round_the_tower() -> None:
    here, there = Enu(20.0, 0.0, 20.0), Enu(-20.0, 0.0, 20.0)
    assert not SPACE.is_clear(here, there)
    assert Net(SPACE, []).shortest(here, there) is None
    way = Net(SPACE, [Enu(0.0, 60.0, 20.0), Enu(0.0, 12.0, 20.0), Enu(0.0, -30.0, 20.0)]).shortest(here, there)
    assert way == [Enu(0.0, 12.0, 20.0), there]


def test_a_clear_way_is_straight() -> None:
    here, there = Enu(20.0, 0.0, 20.0), Enu(20.0, 30.0, 20.0)
    assert Net(SPACE, [Enu(25.0, 15.0, 20.0)]).shortest(here, there) == [there]


@pytest.mark.parametrize(
    ("way", "speed_mps", "duration_s"),
    [
        (Enu(0.0, 0.0, 0.0), 5.0, 0.0),
        (Enu(40.0, 0.0, 0.0), 4.0, 10.0 + 4 / 6 + 1.0),
        (Enu(0.0, 0.0, 30.0), 6.0, 10.0 + 0.5 + 0.75),
        (Enu(1.0, 0.0, 0.0), 6.0, (2 * (1 / 3 + 1 / 2)) ** 0.5),
    ],
)
def test_leg_times(way: Enu, speed_mps: float, duration_s: float) -> None:
    assert leg_s(way, speed_mps) == pytest.approx(duration_s)


@given(places, st.floats(0.5, 12.0))
def test_a_faster_leg_takes_no_longer_unless_it_is_too_short_to_matter(way: Enu, speed_mps: float) -> None:
    assert leg_s(way, speed_mps + 1.0) <= leg_s(way, speed_mps) + 1.0


def test_landing_ends_slowly() -> None:
    assert landing_s(5.0) == pytest.approx(5.0)
    assert landing_s(35.0) == pytest.approx(15.0)
