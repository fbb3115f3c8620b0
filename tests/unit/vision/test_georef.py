from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from contracts.geo import Enu, Pose
from contracts.optics import CameraIntrinsics
from contracts.turbine import SurfacePlace
from contracts.vocabulary import Blade, BladeSide
from tests.vision_views import FOOT, TURBINE, corners_of, looking, pixel_of, place_at, square_on
from vision.georef import CE90_PER_SIGMA, Accuracy, Georeferencer, ellipse_axes
from vision.turbine_grid import Turbine

CAMERA = CameraIntrinsics(width_px=3840, height_px=2160, focal_px=5120.0)
GEOREF = Georeferencer(Turbine(TURBINE), CAMERA, Accuracy(0.03, 0.1))


def box_of(pose: Pose, places: list[SurfacePlace]) -> tuple[float, float, float, float]:
    pixels = np.array([pixel_of(TURBINE, pose, CAMERA, p) for p in places])
    low, high = pixels.min(axis=0), pixels.max(axis=0)
    return float(low[0]), float(low[1]), float(high[0]), float(high[1])


@given(
    blade=st.sampled_from(list(Blade)),
    side=st.sampled_from([BladeSide.PS, BladeSide.SS, BladeSide.LE]),
    metres=st.floats(2.0, 23.0),
    share=st.floats(0.15, 0.85),
    along=st.floats(-3.0, 3.0),
    lateral=st.floats(-0.6, 0.6),
)
@settings(max_examples=150, deadline=None)
def test_a_place_comes_back_from_its_pixel(
    blade: Blade, side: BladeSide, metres: float, share: float, along: float, lateral: float
) -> None:
    place = place_at(side, metres, share, blade)
    target = TURBINE.surface_point(place)
    facet = TURBINE.facet(blade, side)
    span = TURBINE.blade_axes(blade)[0]
    eye = target.plus(facet.normal, 10.0).plus(span, along).plus(facet.normal.cross(span), lateral)
    pose = looking(TURBINE, eye, target.plus(span, along * 0.4))
    x, y = pixel_of(TURBINE, pose, CAMERA, place)
    assume(0 <= x < CAMERA.width_px and 0 <= y < CAMERA.height_px)
    placed = GEOREF.place(pose, (x - 10, y - 10, x + 10, y + 10))
    assert placed is not None
    assert placed.place.surface == place.surface
    assert placed.place.along_m == pytest.approx(metres, abs=0.002)
    assert placed.place.across_m == pytest.approx(place.offset_m, abs=0.002)


def test_hand_computed_place_and_scale() -> None:
    """Blade A points up from the hub; its pressure side faces 240 degrees; 10 m off, a pixel is 10/5120 m."""
    place = place_at(BladeSide.PS, 10.0)
    pose = square_on(TURBINE, place)
    placed = GEOREF.place(pose, (1900, 1060, 1940, 1100))
    assert placed is not None
    assert placed.gsd_mm_px == pytest.approx(1000 * 10.0 / 5120, rel=1e-6)
    assert placed.incidence_deg == pytest.approx(0.0, abs=0.01)
    hub_up = TURBINE.hub_height_m + TURBINE.root_radius_m
    assert placed.point.up == pytest.approx(hub_up + 10.0, abs=0.01)
    geo = GEOREF.to_geo(placed.point)
    assert geo.alt_m == pytest.approx(FOOT.alt_m + hub_up + 10.0, abs=0.01)


@pytest.mark.parametrize("blade", list(Blade))
@pytest.mark.parametrize(("length_m", "width_m"), [(0.4, 0.4), (0.6, 0.2), (0.3, 0.5)])
def test_size_of_an_ellipse_on_the_blade(blade: Blade, length_m: float, width_m: float) -> None:
    place = place_at(BladeSide.PS, 8.0, 0.5, blade)
    pose = square_on(TURBINE, place)
    turns = np.linspace(0, 2 * math.pi, 90, endpoint=False)
    outline = [
        place.model_copy(
            update={
                "distance_to_root_m": 8.0 + length_m / 2 * math.cos(t),
                "offset_m": place.offset_m + width_m / 2 * math.sin(t),
            }
        )
        for t in turns
    ]
    placed = GEOREF.place(pose, box_of(pose, outline))
    assert placed is not None
    assert placed.length_mm == pytest.approx(1000 * length_m, rel=0.05)
    assert placed.width_mm == pytest.approx(1000 * width_m, rel=0.05)


def test_size_seen_aslant_is_not_foreshortened() -> None:
    place = place_at(BladeSide.PS, 12.0)
    target = TURBINE.surface_point(place)
    facet, span = TURBINE.facet(Blade.A, BladeSide.PS), TURBINE.blade_axes(Blade.A)[0]
    eye = target.plus(facet.normal, 8.0).plus(span, -6.0)
    pose = looking(TURBINE, eye, target)
    placed = GEOREF.place(pose, box_of(pose, corners_of(place, 0.5, 0.3)))
    assert placed is not None
    assert placed.incidence_deg == pytest.approx(36.9, abs=1.5)
    assert placed.length_mm == pytest.approx(500, rel=0.1)


def test_error_grows_with_range_and_with_the_box() -> None:
    place = place_at(BladeSide.PS, 12.0)
    near, far = (square_on(TURBINE, place, m) for m in (10.0, 30.0))
    small, large = (1900, 1060, 1940, 1100), (1420, 780, 2420, 1380)
    sigmas = [GEOREF.place(pose, box) for pose, box in ((near, small), (far, small), (near, large))]
    values = [s.sigma_m for s in sigmas if s is not None]
    assert len(values) == 3
    assert values[0] < values[1]
    assert values[0] < values[2]
    expected = math.sqrt(0.03**2 + (10 * math.radians(0.1)) ** 2)
    assert values[0] == pytest.approx(expected, rel=0.1)
    assert pytest.approx(math.sqrt(-2 * math.log(0.1)), abs=1e-3) == CE90_PER_SIGMA


def test_a_box_over_the_edge_is_placed_on_the_blade_and_one_beside_it_is_not() -> None:
    pose = square_on(TURBINE, place_at(BladeSide.PS, 20.0))
    edge, _ = pixel_of(TURBINE, pose, CAMERA, place_at(BladeSide.PS, 20.0, 0.0))
    inwards = 1 if edge < CAMERA.width_px / 2 else -1
    middle = edge - inwards * 20
    placed = GEOREF.place(pose, (middle - 60, 1000, middle + 60, 1160))
    assert placed is not None
    assert placed.place.surface.startswith("A/")
    assert GEOREF.place(pose, (10, 10, 60, 60)) is None


@pytest.mark.parametrize(("share", "placed"), [(0.8, True), (1.5, True), (3.0, False)])
def test_a_box_of_more_than_the_edge_it_meets_is_of_what_stands_behind(share: float, placed: bool) -> None:
    place = place_at(BladeSide.LE, 12.0)
    facet = TURBINE.facet(Blade.A, BladeSide.LE)
    width_m = facet.at(12.0 / TURBINE.blade_length_m, 1.0).minus(facet.at(12.0 / TURBINE.blade_length_m, 0.0)).norm()
    pose = square_on(TURBINE, place)
    box = box_of(pose, corners_of(place, 0.5, share * width_m))
    assert (GEOREF.place(pose, box) is not None) == placed


def test_diagonal_views_take_both_axes_to_be_equal() -> None:
    turned = 500 * np.array(
        [[math.cos(math.pi / 4), -math.sin(math.pi / 4)], [math.sin(math.pi / 4), math.cos(math.pi / 4)]]
    )
    along, across = ellipse_axes(turned, 100.0, 100.0)
    assert along == pytest.approx(across)
    assert along == pytest.approx(0.2, rel=0.01)


def test_a_point_behind_the_camera_is_nowhere() -> None:
    place = place_at(BladeSide.PS, 12.0)
    target = TURBINE.surface_point(place)
    away = looking(TURBINE, target.plus(TURBINE.axis(), 10.0), target.plus(TURBINE.axis(), 20.0).plus(Enu(0, 0, 3)))
    assert GEOREF.place(away, (1900, 1060, 1940, 1100)) is None
