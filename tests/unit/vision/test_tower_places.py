"""A place on a tower or a mast comes back from its pixel, within the error that is stated."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.geo import UP, Enu, Pose
from contracts.optics import CameraIntrinsics, project
from contracts.places import TowerPlace, across_between_m, in_words, mean_place, turn_deg
from contracts.shafts import Shaft, level, shaft_of
from contracts.shapes import AnyShape
from contracts.tower import TelecomTower
from tests.vision_views import FOOT, SMALL, TURBINE, RedFinder, looking, manifest_of
from vision.analysis import SegmentAnalyser
from vision.boxes import Image
from vision.coverage import Coverage
from vision.georef import CE90_PER_SIGMA, LE90_PER_SIGMA, Accuracy, Georeferencer, Placed
from vision.grid import Grid
from vision.shaft_grid import Mast
from vision.turbine_grid import Turbine

CAMERA = CameraIntrinsics(width_px=3840, height_px=2160, focal_px=5120.0)
MAST = TelecomTower(foot=FOOT, face_bearing_deg=20.0)
SHAPES: dict[str, AnyShape] = {"tower": TURBINE, "mast": MAST}
GRIDS: dict[str, Grid] = {"tower": Turbine(TURBINE), "mast": Mast(MAST)}
SHAFTS = {"tower": shaft_of(TURBINE), "mast": shaft_of(MAST)}


def view(shaft: Shaft, place: TowerPlace, standoff_m: float = 12.0, aside_m: float = 0.0) -> Pose:
    """Look at a place from straight before its face, or from beside that."""
    target = shaft.point_of(place)
    normal = shaft.normal_at(place.bearing_deg)
    eye = target.plus(normal, standoff_m).plus(normal.cross(UP).unit(), aside_m)
    return looking(TURBINE, eye, target)


def placed_at(name: str, pose: Pose, point: Enu, accuracy: Accuracy = Accuracy(0.03, 0.1)) -> Placed | None:
    pixel = project(pose, CAMERA, point.minus(TURBINE.frame().to_enu(pose.point)))
    assert pixel is not None
    x, y = pixel
    return Georeferencer(GRIDS[name], CAMERA, accuracy).place(pose, (x - 10, y - 10, x + 10, y + 10))


@given(
    name=st.sampled_from(["tower", "mast"]),
    height_m=st.floats(0.5, 40.0),
    bearing=st.floats(0.0, 359.99),
    aside_m=st.floats(-5.0, 5.0),
)
@settings(max_examples=80, deadline=None)
def test_a_place_comes_back_from_its_pixel(name: str, height_m: float, bearing: float, aside_m: float) -> None:
    shaft = SHAFTS[name]
    place = shaft.place(height_m, bearing)
    target = shaft.point_of(place)
    placed = placed_at(name, view(shaft, place, 12.0, aside_m), target)
    assert placed is not None
    assert isinstance(placed.place, TowerPlace)
    assert placed.point.minus(target).norm() < 0.05
    assert placed.place.height_m == pytest.approx(height_m, abs=0.01)
    assert abs(across_between_m(place, placed.place)) < 0.05
    assert GRIDS[name].point_of(placed.place).minus(placed.point).norm() < 1e-6


def test_the_stated_errors_hold_the_truth_nine_times_in_ten() -> None:
    rng = np.random.default_rng(3)
    frame, shaft, accuracy = TURBINE.frame(), SHAFTS["tower"], Accuracy(0.2, 0.3)
    within, high = [], []
    for _ in range(300):
        place = shaft.place(float(rng.uniform(5, 45)), float(rng.uniform(0, 360)))
        target = shaft.point_of(place)
        true = view(shaft, place, float(rng.uniform(8, 20)), float(rng.uniform(-5, 5)))
        pixel = project(true, CAMERA, target.minus(frame.to_enu(true.point)))
        assert pixel is not None
        east, north, up, yaw, pitch = rng.normal(size=5)
        eye = frame.to_enu(true.point).plus(Enu(east, north, up), accuracy.position_m)
        level_deg = accuracy.attitude_deg / math.cos(math.radians(true.pitch_deg))
        stated = Pose(
            point=frame.to_geo(eye),
            yaw_deg=true.yaw_deg + level_deg * yaw,
            pitch_deg=true.pitch_deg + accuracy.attitude_deg * pitch,
        )
        x, y = pixel
        found = Georeferencer(GRIDS["tower"], CAMERA, accuracy).place(stated, (x - 5, y - 5, x + 5, y + 5))
        assert found is not None
        assert isinstance(found.place, TowerPlace)
        off_m = math.hypot(found.place.height_m - place.height_m, across_between_m(place, found.place))
        within.append(off_m <= CE90_PER_SIGMA * found.sigma_m)
        high.append(abs(found.point.up - target.up) <= LE90_PER_SIGMA * found.height_sigma_m)
    assert np.mean(within) >= 0.9
    assert np.mean(high) == pytest.approx(0.9, abs=0.05)


@pytest.mark.parametrize(
    ("bearing", "eye", "ray", "height"),
    [
        (180.0, Enu(0.0, -10.0, 30.0), Enu(0.0, 1.0, 0.0), 30.0),
        (0.0, Enu(0.0, 10.0, 53.2), Enu(0.0, -1.0, 0.0), 53.2),
        (None, Enu(0.0, 10.0, 53.4), Enu(0.0, -1.0, 0.0), None),
        (None, Enu(0.0, 10.0, 30.0), Enu(0.0, 1.0, 0.0), None),
        (None, Enu(5.0, 10.0, 30.0), Enu(0.0, -1.0, 0.0), None),
        (None, Enu(0.0, 0.0, 30.0), Enu(0.0, 1.0, 0.0), None),
        (None, Enu(0.0, 0.1, 60.0), Enu(0.0, 0.0, -1.0), None),
    ],
    ids=["square on", "below the top", "above the top", "behind", "beside", "from within", "from above"],
)
def test_rays_and_the_tower(bearing: float | None, eye: Enu, ray: Enu, height: float | None) -> None:
    hit = SHAFTS["tower"].intersect(eye, ray)
    assert (None if hit is None else pytest.approx(hit.place.bearing_deg)) == bearing
    assert (None if hit is None else pytest.approx(hit.place.height_m)) == height


@pytest.mark.parametrize(
    ("bearing", "said"),
    [(0.0, "north"), (22.4, "north"), (22.6, "north-east"), (359.9, "north"), (337.4, "north-west"), (180.0, "south")],
)
def test_the_face_is_said_by_the_compass(bearing: float, said: str) -> None:
    assert in_words(SHAFTS["tower"].place(42.3, bearing)) == f"tower, {said} face, 42.3 m up"


def test_the_faces_of_a_mast_are_its_own() -> None:
    faces = [SHAFTS["mast"].place(10.0, b).face for b in (20.0, 64.0, 66.0, 334.0, 336.0)]
    assert faces == [0, 0, 1, 3, 0]


@given(
    name=st.sampled_from(["tower", "mast"]), bearing=st.floats(0.0, 359.99), by_m=st.floats(-6.0, 6.0),
)  # fmt: skip
@settings(max_examples=80, deadline=None)
def test_a_way_round_is_as_long_as_its_surface_and_leads_back(name: str, bearing: float, by_m: float) -> None:
    place = SHAFTS[name].place(20.0, bearing)
    there = place.moved(20.0, place.across_m + by_m)
    assert across_between_m(place, there) == pytest.approx(
        (by_m + place.girth_m / 2) % place.girth_m - place.girth_m / 2
    )
    assert 0.0 <= there.bearing_deg < 360.0
    assert abs(turn_deg(there.face_bearing_deg, there.bearing_deg)) <= 180.0 / there.faces + 1e-6
    beside = place.moved(20.0, place.across_m + 0.001)
    if beside.face == place.face:
        apart = SHAFTS[name].point_of(place).minus(SHAFTS[name].point_of(beside)).norm()
        assert apart == pytest.approx(0.001, rel=0.01)


def test_a_mean_round_north_lies_in_the_north() -> None:
    shaft = SHAFTS["tower"]
    middle = mean_place([shaft.place(10.0, 356.0), shaft.place(12.0, 8.0)], [0.5, 0.5])
    assert isinstance(middle, TowerPlace)
    assert middle.bearing_deg == pytest.approx(2.0, abs=0.05)
    assert (middle.height_m, middle.face) == (11.0, 0)


def test_a_blade_before_the_tower_is_met_first() -> None:
    down = TURBINE.model_copy(update={"rotor_azimuth_deg": 180.0})
    grid, at = Turbine(down), level(down.yaw_deg)
    hit = grid.cast(at.times(20.0).plus(UP, 45.0), at.times(-1.0))
    assert hit is not None
    assert hit.place.surface.startswith("A/")
    below = grid.cast(at.times(20.0).plus(UP, 20.0), at.times(-1.0))
    assert below is not None
    assert below.place.surface == "tower"


def test_coverage_counts_the_faces_that_were_seen() -> None:
    grid = GRIDS["tower"]
    coverage = Coverage(grid, CAMERA)
    shaft = SHAFTS["tower"]
    for height in np.arange(10.5, 21.0, 2.0):
        coverage.add(grid.sight(view(shaft, shaft.place(float(height), 90.0)), CAMERA), 50.0)
    seen = {(c.part, c.cell) for c in coverage.parts() if c.seen_share == 1.0}
    assert {("face-2", cell) for cell in range(11, 20)} <= seen
    assert not any(part in {"face-5", "face-6", "face-7"} for part, _ in seen)
    assert coverage.looks_at(shaft.place(14.0, 90.0)) >= 2


def test_a_tower_far_behind_a_blade_is_not_counted() -> None:
    grid, shaft = GRIDS["tower"], SHAFTS["tower"]
    sight = grid.sight(view(shaft, shaft.place(20.0, 90.0), 40.0), CAMERA)
    assert not sight.in_frame[grid.side >= 12].any()


def with_patch(pose: Pose, corners: list[Enu]) -> Image:
    """Paint a grey picture with a red patch."""
    image = np.full((SMALL.height_px, SMALL.width_px, 3), (170, 170, 170), np.uint8)
    eye = TURBINE.frame().to_enu(pose.point)
    pixels = [project(pose, SMALL, corner.minus(eye)) for corner in corners]
    assert None not in pixels
    cv2.fillPoly(image, [np.rint(np.array(pixels)).astype(np.int32)], (0, 0, 255))
    return image


@pytest.mark.parametrize("name", ["tower", "mast"])
def test_a_patch_is_one_detection_with_its_place_size_and_errors(name: str) -> None:
    shaft, home = SHAFTS[name], SHAFTS[name].place(20.0, 20.0)
    corners = [
        shaft.point_of(home.moved(20.0 + up, home.across_m + across))
        for up, across in ((-0.2, -0.15), (0.2, -0.15), (0.2, 0.15), (-0.2, 0.15))
    ]
    poses = [view(shaft, shaft.place(height, 20.0), 8.0) for height in (19.7, 20.0, 20.3)]
    images = [with_patch(pose, corners) for pose in poses]
    (found,), _ = SegmentAnalyser(RedFinder()).analyse_views(images, manifest_of(b"views", poses), SHAPES[name])
    assert isinstance(found.place, TowerPlace)
    assert found.place.height_m == pytest.approx(20.0, abs=0.03)
    assert abs(across_between_m(home, found.place)) < 0.03
    assert (found.length_mm, found.width_mm) == pytest.approx((400.0, 300.0), rel=0.12)
    assert found.ce90_m is not None
    assert found.le90_m is not None
    assert 0.0 < found.le90_m < found.ce90_m < 0.3
