"""Distances against shapely: the drone's own arithmetic agrees with a library it does not carry."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import shapely
from hypothesis import assume, given
from hypothesis import strategies as st

from contracts.geo import Enu
from edge.geometry import (
    Circle,
    Leg,
    Point,
    crosses,
    farthest_m,
    heights_m,
    inside,
    legs_apart_m,
    nearest_m,
    starts_inside,
    to_axis_m,
)

metres = st.floats(-200, 200).map(lambda v: round(v, 3))
points = st.tuples(metres, metres)
places = st.builds(Enu, metres, metres, st.floats(0, 120).map(lambda v: round(v, 3)))
legs = st.builds(Leg, places, places)
circles = st.builds(Circle, places, st.floats(2, 120).map(lambda v: round(v, 2)))
pieces = legs | circles
CLOSE_M = 1e-6
ROUND_SIDES = 720


@st.composite
def polygons(draw: st.DrawFn) -> list[Point]:
    """A simple polygon: corners at growing bearings about a centre, not convex in general."""
    east, north = draw(points)
    count = draw(st.integers(3, 9))
    radii = draw(st.lists(st.floats(5, 150), min_size=count, max_size=count))
    turn = draw(st.floats(0, 360))
    return [
        (
            east + r * math.sin(math.radians(turn + 360 * i / count)),
            north + r * math.cos(math.radians(turn + 360 * i / count)),
        )
        for i, r in enumerate(radii)
    ]


def line(leg: Leg) -> shapely.LineString:
    return shapely.LineString([leg.start[:2], leg.end[:2]])


def ring(circle: Circle) -> shapely.LinearRing:
    around = (circle.at(2 * math.pi * i / ROUND_SIDES) for i in range(ROUND_SIDES))
    return shapely.LinearRing([place[:2] for place in around])


@given(piece=pieces, place=points)
def test_the_nearest_and_farthest_of_a_piece(piece: Leg | Circle, place: Point) -> None:
    there = shapely.Point(place)
    drawn, slack = (line(piece), CLOSE_M) if isinstance(piece, Leg) else (ring(piece), 0.005)
    assert nearest_m(piece, place) == pytest.approx(there.distance(drawn), abs=slack)
    assert farthest_m(piece, place) == pytest.approx(shapely.hausdorff_distance(there, drawn), abs=slack)


@given(leg=legs, corners=polygons())
def test_a_leg_keeps_to_its_side_of_an_outline_exactly_when_shapely_says_so(leg: Leg, corners: list[Point]) -> None:
    zone, drawn = shapely.Polygon(corners), line(leg)
    assume((zone.is_valid and zone.exterior.distance(drawn) != pytest.approx(0, abs=CLOSE_M)) or drawn.crosses(zone))
    assert (not crosses(leg, corners) and starts_inside(leg, corners)) == zone.contains(drawn)
    assert (not crosses(leg, corners) and not starts_inside(leg, corners)) == zone.disjoint(drawn)


@given(circle=circles, corners=polygons())
def test_an_orbit_keeps_to_its_side_of_an_outline_exactly_when_shapely_says_so(
    circle: Circle, corners: list[Point]
) -> None:
    zone, drawn = shapely.Polygon(corners), ring(circle)
    # The drawn ring is a polygon of 720 sides; where it all but touches, it decides nothing.
    assume(zone.is_valid and not 0 < zone.exterior.distance(drawn) < 0.01)
    assume(abs(shapely.Point(circle.centre[:2]).distance(zone.exterior) - circle.radius_m) > 0.01)
    assume(all(abs(math.dist(circle.centre[:2], corner) - circle.radius_m) > 0.01 for corner in corners))
    assert (not crosses(circle, corners) and starts_inside(circle, corners)) == zone.contains(drawn)
    assert (not crosses(circle, corners) and not starts_inside(circle, corners)) == zone.disjoint(drawn)


@given(place=points, corners=polygons())
def test_a_place_is_inside_when_shapely_says_so(place: Point, corners: list[Point]) -> None:
    zone, there = shapely.Polygon(corners), shapely.Point(place)
    assume(zone.is_valid and zone.exterior.distance(there) > CLOSE_M)
    assert inside(place, corners) == zone.contains(there)


@given(a=legs, b=legs)
def test_two_legs_are_as_far_apart_as_their_nearest_points(a: Leg, b: Leg) -> None:
    """Against a plain search: no pair of sampled places is nearer, and one is nearly as near."""
    steps = [i / 24 for i in range(25)]

    def along(leg: Leg) -> list[Enu]:
        return [leg.start.plus(leg.end.minus(leg.start), s) for s in steps]

    apart = legs_apart_m(a, b)
    sampled = min(p.minus(q).norm() for p in along(a) for q in along(b))
    step_m = (a.end.minus(a.start).norm() + b.end.minus(b.start).norm()) / 24
    assert apart <= sampled + CLOSE_M
    assert sampled <= apart + step_m


@given(a=legs, b=legs)
def test_distance_is_the_same_both_ways(a: Leg, b: Leg) -> None:
    assert legs_apart_m(a, b) == pytest.approx(legs_apart_m(b, a), abs=1e-5)
    level = Leg(a.start._replace(up=0), a.end._replace(up=0)), Leg(b.start._replace(up=0), b.end._replace(up=0))
    assert legs_apart_m(*level) == pytest.approx(line(a).distance(line(b)), abs=1e-5)


@given(circle=circles, axis=legs)
def test_an_orbit_is_never_thought_farther_from_a_solid_than_it_is(circle: Circle, axis: Leg) -> None:
    fine = [circle.at(2 * math.pi * i / ROUND_SIDES) for i in range(ROUND_SIDES + 1)]
    true_m = min(legs_apart_m(Leg(p, q), axis) for p, q in pairwise(fine))
    assert to_axis_m(circle, axis) <= true_m + CLOSE_M
    assert to_axis_m(circle, axis) >= true_m - 0.2


def test_a_leg_along_an_edge_touches_it_and_a_level_orbit_has_one_height() -> None:
    square = [(0.0, 0.0), (10.0, 0.0), (10.0, 10.0), (0.0, 10.0)]
    assert crosses(Leg(Enu(2, 0, 5), Enu(8, 0, 5)), square)
    assert crosses(Leg(Enu(-5, 0, 5), Enu(0, 0, 5)), square)
    assert heights_m(Circle(Enu(0, 0, 40), 10)) == (40, 40)
    assert legs_apart_m(Leg(Enu(0, 0, 0), Enu(0, 0, 0)), Leg(Enu(3, 4, 0), Enu(3, 4, 0))) == 5.0
