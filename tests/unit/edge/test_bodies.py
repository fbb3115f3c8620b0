"""Distances of paths to solid parts, against brute force."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.geo import Enu
from edge.bodies import Body
from edge.geometry import Circle, Leg

NEAR = st.floats(-40.0, 40.0)
PLACES = st.builds(Enu, NEAR, NEAR, NEAR)
RADII = st.floats(0.1, 8.0)
PILLAR = Body("pillar", Leg(Enu(0, 0, 0), Enu(0, 0, 10)), 2.0, 1.0, 4.0, 0.2)


@pytest.mark.parametrize(
    ("piece", "apart_m"),
    [
        (Leg(Enu(5, 0, 0), Enu(5, 0, 0)), 3.0),
        (Leg(Enu(9, -9, 12), Enu(-9, 9, 12)), 2.0),
        (Leg(Enu(0, 0, -5), Enu(0, 0, -1)), 1.0),
        (Leg(Enu(-9, 0, 5), Enu(9, 0, 5)), 0.0),
        (Leg(Enu(-900, 4, 14), Enu(900, 4, 14)), 5.0),
        (Circle(Enu(0, 0, 0), 5.0), 3.0),
    ],
)
def test_distances_to_a_cone(piece: Leg | Circle, apart_m: float) -> None:
    assert PILLAR.apart_m(piece) == pytest.approx(apart_m, abs=0.11)


@settings(max_examples=60, deadline=None)
@given(PLACES, PLACES, RADII, RADII, PLACES, PLACES)
def test_a_leg_is_as_far_from_a_cone_as_its_nearest_place(
    foot: Enu, top: Enu, first_m: float, last_m: float, start: Enu, end: Enu
) -> None:
    if top.minus(foot).norm() < 1.0:
        return
    body = Body("cone", Leg(foot, top), first_m, last_m, 4.0, 0.2)
    places = [start.plus(end.minus(start), share / 200) for share in range(201)]
    sampled_m = min(body.apart_m(Leg(place, place)) for place in places)
    found_m = body.apart_m(Leg(start, end))
    assert found_m <= sampled_m + 0.002
    assert found_m >= sampled_m - start.minus(end).norm() / 400 - 0.002


@settings(max_examples=60, deadline=None)
@given(PLACES, PLACES, RADII, RADII, PLACES)
def test_a_place_is_as_far_from_a_cone_as_the_nearest_of_its_discs(
    foot: Enu, top: Enu, first_m: float, last_m: float, place: Enu
) -> None:
    way = top.minus(foot)
    if way.norm() < 1.0:
        return
    axis, discs = way.unit(), []
    for step in range(401):
        centre, radius_m = foot.plus(way, step / 400), first_m + (last_m - first_m) * step / 400
        off = place.minus(centre)
        along = off.dot(axis)
        radial = math.sqrt(max(0.0, off.dot(off) - along * along))
        discs.append(math.hypot(along, max(0.0, radial - radius_m)))
    found_m = Body("cone", Leg(foot, top), first_m, last_m, 4.0, 0.2).apart_m(Leg(place, place))
    assert found_m == pytest.approx(min(discs), abs=way.norm() / 400 + 0.002)


@given(PLACES, PLACES, st.floats(0.0, 30.0))
def test_less_work_never_calls_a_path_farther_than_it_is(start: Enu, end: Enu, enough_m: float) -> None:
    whole_m, quick_m = PILLAR.apart_m(Leg(start, end)), PILLAR.apart_m(Leg(start, end), enough_m)
    assert quick_m <= whole_m + 0.001
    assert (quick_m < enough_m) == (whole_m < enough_m) or abs(whole_m - enough_m) < 0.002
