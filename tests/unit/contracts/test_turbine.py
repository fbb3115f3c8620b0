"""Turbine surfaces and the pinhole camera: hand geometry, and places that survive the way to a pixel and back."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from contracts.geo import UP, Enu, GeoPoint, Pose
from contracts.optics import CameraIntrinsics, camera_axes, pixel_ray, project
from contracts.turbine import SurfacePlace, TurbineGeometry
from contracts.vocabulary import Blade, BladeSide

FOOT = GeoPoint(lat_deg=56.7, lon_deg=8.2, alt_m=45.0)
CAMERA = CameraIntrinsics(width_px=3840, height_px=2160, focal_px=5120)
FACING_NORTH = TurbineGeometry(foot=FOOT, yaw_deg=0.0)

turbines = st.builds(
    TurbineGeometry,
    foot=st.just(FOOT),
    yaw_deg=st.floats(0, 360),
    rotor_azimuth_deg=st.floats(0, 120),
    blade_pitch_deg=st.floats(-5, 95),
)


def test_blade_a_points_up_and_its_pressure_side_faces_upwind() -> None:
    assert FACING_NORTH.blade_axes(Blade.A)[0] == pytest.approx(UP)
    assert FACING_NORTH.facet(Blade.A, BladeSide.PS).normal.north > 0.98


def test_blades_follow_clockwise_seen_from_upwind() -> None:
    span, _, _ = FACING_NORTH.blade_axes(Blade.B)
    assert span.up == pytest.approx(-0.5)
    assert span.east < 0, "seen from the north, right is west"


def test_a_feathered_blade_turns_its_leading_edge_into_the_wind() -> None:
    feathered = FACING_NORTH.model_copy(update={"blade_pitch_deg": 90.0})
    assert feathered.facet(Blade.A, BladeSide.LE).normal == pytest.approx(feathered.axis(), abs=0.05)


@given(turbines, st.sampled_from(Blade), st.sampled_from(BladeSide), st.floats(0.5, 24.5), st.floats(0.02, 0.98))
def test_a_place_is_hit_by_the_ray_that_looks_square_at_it(
    turbine: TurbineGeometry, blade: Blade, side: BladeSide, distance_m: float, share: float
) -> None:
    place = SurfacePlace(
        blade=blade,
        side=side,
        distance_to_root_m=distance_m,
        offset_m=share * turbine.side_width_m(side, distance_m),
    )
    normal = turbine.facet(blade, side).normal
    hit = turbine.intersect(turbine.surface_point(place).plus(normal, 6.0), normal.times(-1))
    assert hit is not None
    assert (hit.place.blade, hit.place.side) == (blade, side)
    assert hit.place.distance_to_root_m == pytest.approx(distance_m, abs=0.02)
    assert hit.place.offset_m == pytest.approx(place.offset_m, abs=0.02)
    assert hit.incidence_deg == pytest.approx(0.0, abs=0.01)


def test_a_ray_that_misses_the_rotor_hits_nothing() -> None:
    assert FACING_NORTH.intersect(Enu(0, 50, 5), Enu(0, -1, 0)) is None


@given(st.floats(0, 360), st.floats(-89, 89), st.floats(-30, 30), st.floats(0, 3840), st.floats(0, 2160))
def test_a_pixel_survives_the_way_along_its_ray_and_back(
    yaw: float, pitch: float, roll: float, x_px: float, y_px: float
) -> None:
    pose = Pose(point=FOOT, yaw_deg=yaw, pitch_deg=pitch, roll_deg=roll)
    assert project(pose, CAMERA, pixel_ray(pose, CAMERA, x_px, y_px).times(12.0)) == pytest.approx(
        (x_px, y_px), abs=1e-6
    )


@given(st.floats(0, 360), st.floats(-89, 89), st.floats(-180, 180))
def test_camera_axes_are_right_handed(yaw: float, pitch: float, roll: float) -> None:
    assume(abs(pitch) < 89)
    right, down, forward = camera_axes(Pose(point=FOOT, yaw_deg=yaw, pitch_deg=pitch, roll_deg=roll))
    assert right.cross(down) == pytest.approx(forward, abs=1e-9)


def test_a_level_camera_facing_north_sees_east_on_its_right_and_up_above() -> None:
    pose = Pose(point=FOOT, yaw_deg=0, pitch_deg=0)
    x_px, y_px = project(pose, CAMERA, Enu(1, 10, 1)) or (0.0, 0.0)
    assert x_px == pytest.approx(1920 + 512)
    assert y_px == pytest.approx(1080 - 512)


def test_what_is_behind_the_camera_has_no_pixel() -> None:
    assert project(Pose(point=FOOT, yaw_deg=0, pitch_deg=0), CAMERA, Enu(0, -1, 0)) is None
