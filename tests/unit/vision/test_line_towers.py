"""What a flight sees of the towers of a line: the sides it flew, as high as it flew them, and nothing in passing."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from contracts.geo import UP, Enu, LocalFrame, Pose
from contracts.optics import CameraIntrinsics, camera_axes, project
from contracts.parts import Part, line_tower_bearing_deg, line_tower_of, towers_of
from contracts.powerline import LineTower, PowerLine
from contracts.shafts import level
from tests.vision_views import TURBINE, looking
from vision.coverage import Coverage
from vision.grid import Reals
from vision.line_grid import Line

CAMERA = CameraIntrinsics(width_px=3840, height_px=2160, focal_px=5120.0)
FRAME = TURBINE.frame()
# It leads east, and turns to the north-east at tower "b".
LINE = PowerLine(
    towers=tuple(
        LineTower(name=name, foot=FRAME.to_geo(Enu(*place)))
        for name, place in zip("abc", ((0.0, 0.0, 0.0), (240.0, 0.0, 4.0), (410.0, 170.0, 9.0)), strict=True)
    )
)
FACES, BANDS = range(4), range(11)
AHEAD, RIGHT, BACK, LEFT = FACES
Seen = set[tuple[str, int]]


def foot(tower: int) -> Enu:
    return FRAME.to_enu(LINE.towers[tower].foot)


def round_tower(
    tower: int, bearings_deg: Iterable[float], away_m: float = 14.0, heights_m: Iterable[float] = range(1, 35, 4)
) -> list[Pose]:
    """Look at a tower's axis from places about it, at some heights."""
    return [
        looking(TURBINE, (at := foot(tower).plus(UP, height)).plus(level(bearing), away_m), at)
        for height in heights_m
        for bearing in bearings_deg
    ]


def grid_of(poses: list[Pose]) -> Line:
    return Line(LINE, [pose.point for pose in poses], CAMERA)


def seen(poses: list[Pose]) -> Seen:
    grid = grid_of(poses)
    coverage = Coverage(grid, CAMERA)
    for pose in poses:
        coverage.add(grid.sight(pose, CAMERA), 90.0)
    return {(c.part, c.cell) for c in coverage.parts() if c.seen_share >= 0.8}


def faces(found: Seen, tower: int = 1) -> dict[int, set[int]]:
    """Return the bands that were seen of each face."""
    return {n: {cell for part, cell in found if part == f"tower-{tower:04d}-face-{n}"} for n in FACES}


def strings(found: Seen, tower: int = 1) -> set[int]:
    return {n for n in range(3) if (f"tower-{tower:04d}-string-{n}", 8) in found}


ALL = set(BANDS)


def test_a_pass_along_the_spans_leaves_the_towers_not_seen() -> None:
    span, poses = LINE.span(0), []
    for metres in np.arange(-5.0, 250.0, 4.0):
        for side in (6.0, -6.0):
            wire = FRAME.to_enu(span.frame.to_geo(span.at(float(metres) / span.length_m, side)))
            poses.append(looking(TURBINE, wire.plus(span.left(), side / 6.0 * 20.0), wire))
    found = seen(poses)
    assert len({cell for part, cell in found if part == "span-0000"}) == 24
    assert not [part for part, _ in found if line_tower_of(part) is not None]


def test_a_circle_round_one_tower_sees_it_and_no_other() -> None:
    found = seen(round_tower(1, range(0, 360, 15)))
    assert faces(found) == dict.fromkeys(FACES, ALL)
    assert strings(found) == {0, 1, 2}
    assert {line_tower_of(part) for part, _ in found} <= {1, None}


@pytest.mark.parametrize(
    ("about", "sides"),
    [
        ([0.0], {LEFT}),
        ([90.0], {AHEAD}),
        ([45.0], {LEFT, AHEAD}),
        ([180.0], {RIGHT}),
        (range(150, 211, 10), {RIGHT}),
        (range(0, 181, 10), {LEFT, AHEAD, RIGHT}),
    ],
    ids=["left", "ahead", "between both", "right", "along the right", "half round"],
)
def test_only_the_sides_that_were_flown_are_seen(about: Iterable[float], sides: set[int]) -> None:
    turned_deg = LINE.bearing_deg(1) - 90.0
    found = seen(round_tower(1, [turned_deg + bearing for bearing in about], away_m=15.0))
    assert {face for face, bands in faces(found).items() if len(bands) >= 7} == sides
    assert not any(bands for face, bands in faces(found).items() if face not in sides)
    assert strings(found) == set(), "the far side of a string counts as well"


def test_only_the_heights_that_were_flown_are_seen() -> None:
    found = faces(seen(round_tower(1, range(0, 360, 15), heights_m=[19.0, 22.0])))
    assert set(map(frozenset, found.values())) == {frozenset(range(6, 8))}


@pytest.mark.parametrize(("away_m", "is_seen"), [(18.0, True), (20.0, True), (24.0, False)])
def test_a_tower_is_judged_as_finely_as_a_mast(away_m: float, is_seen: bool) -> None:
    assert bool(faces(seen(round_tower(1, range(0, 360, 15), away_m)))[LEFT]) is is_seen


def test_from_steeply_above_a_face_is_not_seen() -> None:
    tower = foot(1).plus(UP, 15.0)
    poses = [looking(TURBINE, tower.plus(level(b), 5.0).plus(UP, 15.0), tower) for b in range(0, 360, 15)]
    assert faces(seen(poses)) == {face: set() for face in FACES}


def test_a_string_on_the_far_side_is_hidden_where_the_tower_stands_before_it_and_not_beside_it() -> None:
    grid = grid_of(round_tower(0, [0.0]))
    far = np.array([isinstance(s, Part) and s.part == "tower-0000-string-0" for s in grid.sides])[grid.side]
    middle = np.array([isinstance(s, Part) and s.part == "tower-0000-string-1" for s in grid.sides])[grid.side]
    towards = grid.normals[:, 1] > 0.9
    up = foot(0).plus(UP, 25.0)
    before, beside = (up.plus(Enu(east, 14.0, 0.0)) for east in (0.0, 16.0))
    shown = [
        [grid.sight(looking(TURBINE, eye, up.plus(Enu(0.0, -6.0, 0.0))), CAMERA).in_frame[of & towards].all()
         for of in (far, middle)]
        for eye in (before, beside)
    ]  # fmt: skip
    assert shown == [[False, True], [True, True]]


@given(
    tower=st.integers(0, 2), bearing=st.floats(0.0, 360.0), away_m=st.floats(8.0, 25.0), up_m=st.floats(0.0, 40.0),
    aim_m=st.floats(0.0, 32.0),
)  # fmt: skip
@settings(max_examples=60, deadline=None)
def test_what_is_in_sight_faces_the_camera_and_lies_in_its_picture(
    tower: int, bearing: float, away_m: float, up_m: float, aim_m: float
) -> None:
    at = foot(tower)
    pose = looking(TURBINE, at.plus(level(bearing), away_m).plus(UP, up_m), at.plus(UP, aim_m))
    grid = grid_of([pose])
    sight, eye = grid.sight(pose, CAMERA), grid.eye(pose)
    for n in np.flatnonzero(sight.in_frame & (sight.incidence_deg < 60.0)):
        part = grid.sides[int(grid.side[n])]
        assert isinstance(part, Part)
        number = line_tower_of(part.part)
        if number is None:
            continue
        point = Enu(*grid.points[n].tolist())
        ray = point.minus(eye)
        pixel = project(pose, CAMERA, FRAME.to_enu(grid.local.to_geo(point)).minus(FRAME.to_enu(pose.point)))
        assert pixel is not None
        assert (0.0 <= pixel[0] < CAMERA.width_px, 0.0 <= pixel[1] < CAMERA.height_px) == (True, True)
        if "-face-" in part.part:
            outward = level(line_tower_bearing_deg(LINE, number, int(part.part[-1])))
            assert -ray.unit().dot(outward) > 0.49


@given(turned_deg=st.floats(0.0, 360.0), first_deg=st.floats(0.0, 360.0))
@settings(max_examples=6, deadline=None)
def test_a_whole_circle_sees_every_face_wherever_a_line_leads_and_wherever_it_begins(
    turned_deg: float, first_deg: float
) -> None:
    own = LocalFrame(LINE.towers[0].foot)
    ends = [own.to_geo(level(turned_deg).times(metres)) for metres in (0.0, 200.0)]
    line = PowerLine(towers=tuple(LineTower(name=f"{n}", foot=end) for n, end in enumerate(ends)))
    poses = round_tower(0, [first_deg + step for step in range(0, 360, 15)], heights_m=range(1, 35, 4))
    grid = Line(line, [pose.point for pose in poses], CAMERA)
    coverage = Coverage(grid, CAMERA)
    for pose in poses:
        coverage.add(grid.sight(pose, CAMERA), 90.0)
    found = {(c.part, c.cell) for c in coverage.parts() if c.seen_share >= 0.8}
    assert faces(found, 0) == dict.fromkeys(FACES, ALL)


def test_what_is_declared_seen_was_seen_by_other_sums() -> None:
    """Compare with four times as many places, and sums of its own."""
    rng = np.random.default_rng(11)
    right = invented = lost = 0
    for _ in range(8):
        first = float(rng.uniform(0.0, 360.0))
        about = [first + step for step in range(0, int(rng.uniform(60, 300)), 12)]
        poses = round_tower(1, about, float(rng.uniform(11.0, 20.0)), np.arange(2.0, rng.uniform(12.0, 34.0), 3.0))
        said = {(face, cell) for face, cells in faces(seen(poses)).items() for cell in cells}
        true = {(face, cell) for face in FACES for cell in BANDS if truly_seen(poses, face, cell) >= 0.8}
        right, invented, lost = right + len(said & true), invented + len(said - true), lost + len(true - said)
    assert right > 80
    assert right / (right + invented) >= 0.95
    assert right / (right + lost) >= 0.95


def truly_seen(poses: list[Pose], face: int, cell: int) -> float:
    outward = level(line_tower_bearing_deg(LINE, 1, face))
    low_m, high_m = towers_of(LINE, [1])[face].stretch(cell, cell + 1)
    points = []
    for height in low_m + (high_m - low_m) * (np.arange(6) + 0.5) / 6:
        wide_m = 6.5 if height >= 23.5 and face in (AHEAD, BACK) else 3.5
        axis, beside = foot(1).plus(UP, float(height)), outward.cross(UP).times(wide_m)
        points += [axis.plus(beside, float(share)) for share in (np.arange(8) + 0.5) / 4 - 1.0]
    return float(np.mean(np.any([shows(pose, np.array(points), np.array(outward)) for pose in poses], axis=0)))


def shows(pose: Pose, points: Reals, outward: Reals) -> NDArray[np.bool_]:
    """Tell which points are in the picture, finely and squarely enough: the pinhole of the contracts, written anew."""
    rays = points - np.array(FRAME.to_enu(pose.point))
    right, down, ahead = (rays @ np.array(axis) for axis in camera_axes(pose))
    away = np.linalg.norm(rays, axis=1)
    inside = (abs(right / ahead) < 1920 / 5120) & (abs(down / ahead) < 1080 / 5120) & (ahead > 0)
    square = -(rays @ outward) / away > math.cos(math.radians(60.0))
    return np.asarray(inside & square & (1000.0 * away / CAMERA.focal_px <= 4.0), np.bool_)


def test_no_place_on_a_tower_is_on_one_of_its_faces() -> None:
    poses = round_tower(1, range(0, 360, 15))
    grid = grid_of(poses)
    hit = grid.cast(
        grid.eye(poses[0]), Enu(*(np.array(grid.local.to_enu(LINE.towers[1].foot)) - grid.eye(poses[0]))).unit()
    )
    assert hit is not None
    assert hit.place.surface == "tower/1"
    assert grid.side_of(hit.place) == -1
