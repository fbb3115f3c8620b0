"""A place on a power line or a pipeline comes back from its pixel, within the error that is stated."""

from __future__ import annotations

import math
from functools import cache

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.geo import UP, Enu, GeoPoint, Pose
from contracts.optics import CameraIntrinsics, project
from contracts.parts import Part
from contracts.pipeline import Pipeline
from contracts.places import AnyPlace, ChainagePlace, LineTowerPlace, SpanPlace, across_between_m, in_words, mean_place
from contracts.powerline import LineTower, PowerLine
from contracts.shapes import AnyShape
from tests.vision_views import SMALL, TURBINE, RedFinder, looking, manifest_of
from vision.analysis import SegmentAnalyser
from vision.boxes import Image
from vision.coverage import Coverage
from vision.georef import CE90_PER_SIGMA, LE90_PER_SIGMA, Accuracy, Georeferencer, Placed
from vision.grid import Grid
from vision.line_grid import Line
from vision.pipe_grid import Pipe

CAMERA = CameraIntrinsics(width_px=3840, height_px=2160, focal_px=5120.0)
FRAME = TURBINE.frame()
FINE = Accuracy(0.03, 0.1)


def at(east: float, north: float, up: float = 0.0) -> GeoPoint:
    return FRAME.to_geo(Enu(east, north, up))


# It climbs, and turns by some 30 degrees at tower "c".
LINE = PowerLine(
    towers=tuple(
        LineTower(name=name, foot=at(*place))
        for name, place in zip("abcd", ((0, 0, 0), (240, 10, 12), (480, 20, 3), (680, 150, 3)), strict=True)
    )
)
PIPE = Pipeline(
    centre_line=(at(0, 0), at(300, 0, 4), at(420, 90, 6), at(900, 90)), start_chainage_m=1234.0, diameter_mm=600.0
)


def here(point: GeoPoint) -> Enu:
    return FRAME.to_enu(point)


def on_wire(span: int, share: float, conductor: int) -> tuple[Enu, Enu, Enu]:
    """Return a point of a conductor, the way along it, and to its left."""
    of = LINE.span(span)
    point, beyond = (here(of.frame.to_geo(of.at(s, LINE.phase_offsets_m[conductor]))) for s in (share, share + 1e-4))
    return point, beyond.minus(point).unit(), of.left()


def on_pipe(chainage_m: float, offset_m: float, clock_h: float | None = None) -> Enu:
    """Return a point on the ground beside the straight first piece, or on the pipe."""
    way = here(PIPE.centre_line[1]).unit()
    left = UP.cross(way).unit()
    up = way.cross(left)
    middle = way.times(chainage_m - PIPE.start_chainage_m)
    if clock_h is None:
        return middle.plus(left, offset_m)
    turn = math.radians(30 * clock_h)
    return middle.plus(up, 0.3 * math.cos(turn)).plus(left, -0.3 * math.sin(turn))


def grid_at(geometry: PowerLine | Pipeline, *eyes: Enu) -> Grid:
    points = [FRAME.to_geo(eye) for eye in eyes]
    return Line(geometry, points, CAMERA) if isinstance(geometry, PowerLine) else Pipe(geometry, points, CAMERA)


@cache
def whole(name: str) -> Grid:
    """Return the grid of all of the line, or of the pipe's first piece."""
    if name == "line":
        return grid_at(LINE, *(on_wire(span, 0.5, 1)[0] for span in range(3)))
    return grid_at(PIPE, *(on_pipe(chainage, 0.0) for chainage in (1300.0, 1400.0, 1530.0)))


def whole_of(geometry: PowerLine | Pipeline) -> Grid:
    return whole("line" if isinstance(geometry, PowerLine) else "pipe")


def placed(grid: Grid, pose: Pose, pixel: tuple[float, float] | None, accuracy: Accuracy = FINE) -> Placed | None:
    assert pixel is not None
    x, y = pixel
    return Georeferencer(grid, CAMERA, accuracy).place(pose, (x - 5, y - 5, x + 5, y + 5))


def seen_from(geometry: PowerLine | Pipeline, eye: Enu, target: Enu, accuracy: Accuracy = FINE) -> Placed | None:
    """Look past a target, so that it is not in the middle of the picture, and place its pixel."""
    pose = looking(TURBINE, eye, target.plus(Enu(0.4, -0.3, 0.2)))
    return placed(whole_of(geometry), pose, project(pose, CAMERA, target.minus(eye)), accuracy)


def off_m(geometry: PowerLine | Pipeline, found: Placed, target: Enu) -> float:
    """Return how far a place lies from the truth: the place itself, not the point it came from."""
    grid = whole_of(geometry)
    return here(grid.local.to_geo(grid.point_of(found.place))).minus(target).norm()


@given(
    span=st.integers(0, 2),
    share=st.floats(0.03, 0.97),
    conductor=st.integers(0, 2),
    round_deg=st.floats(-80.0, 80.0),
    aslant_m=st.floats(-8.0, 8.0),
)
@settings(max_examples=60, deadline=None)
def test_a_place_on_a_wire_comes_back_from_its_pixel(
    span: int, share: float, conductor: int, round_deg: float, aslant_m: float
) -> None:
    target, along, left = on_wire(span, share, conductor)
    turn = math.radians(round_deg)
    eye = target.plus(left, 14 * math.sin(turn)).plus(UP, 14 * math.cos(turn)).plus(along, aslant_m)
    found = seen_from(LINE, eye, target)
    assert found is not None
    assert isinstance(found.place, SpanPlace)
    assert found.place.span == span
    assert found.place.conductor in {conductor, None}
    assert found.place.distance_m == pytest.approx(share * LINE.span(span).length_m, abs=0.05)
    assert off_m(LINE, found, target) < 0.05


@given(
    chainage=st.floats(1240.0, 1520.0),
    offset=st.floats(-9.5, 9.5),
    clock=st.none() | st.floats(-2.8, 2.8),
    eye_at=st.tuples(st.floats(-8.0, 8.0), st.floats(-8.0, 8.0), st.floats(20.0, 60.0)),
)
@settings(max_examples=60, deadline=None)
def test_a_place_on_or_beside_a_pipe_comes_back_from_its_pixel(
    chainage: float, offset: float, clock: float | None, eye_at: tuple[float, float, float]
) -> None:
    offset = math.copysign(max(abs(offset), 2.0), offset)  # what lies behind the pipe cannot be looked at
    target = on_pipe(chainage, offset, clock)
    eye = Enu(*eye_at) if clock is None else Enu(0.0, 0.0, 40.0)
    eye = eye.plus(target)
    found = seen_from(PIPE, eye, target)
    assert found is not None
    assert isinstance(found.place, ChainagePlace)
    assert found.place.chainage_m == pytest.approx(chainage, abs=0.01)
    assert (found.place.clock_h is None) is (clock is None)
    if found.place.clock_h is not None and clock is not None:
        assert abs((found.place.clock_h - clock + 6) % 12 - 6) < 0.05
    else:
        assert found.place.offset_m == pytest.approx(offset, abs=0.01)
    assert off_m(PIPE, found, target) < 0.05


@pytest.mark.parametrize("name", ["wire", "ground"])
def test_the_stated_errors_hold_the_truth_nine_times_in_ten(name: str) -> None:
    rng, accuracy = np.random.default_rng(5), Accuracy(0.2, 0.3)
    geometry: PowerLine | Pipeline = LINE if name == "wire" else PIPE
    grid = whole_of(geometry)
    within, high = [], []
    for _ in range(200):
        if name == "wire":
            target, along, left = on_wire(1, float(rng.uniform(0.1, 0.9)), 2)
            eye = target.plus(left, 14.0).plus(UP, float(rng.uniform(5, 9))).plus(along, float(rng.uniform(-6, 6)))
        else:
            target = on_pipe(float(rng.uniform(1240, 1520)), float(rng.uniform(-8, 8)))
            eye = target.plus(Enu(*rng.uniform((-12.0, -12.0, 25.0), (12.0, 12.0, 60.0)).tolist()))
        true = looking(TURBINE, eye, target)
        pixel = project(true, CAMERA, target.minus(eye))
        east, north, up, yaw, pitch = rng.normal(size=5)
        level_deg = accuracy.attitude_deg / math.cos(math.radians(true.pitch_deg))
        pose = Pose(
            point=FRAME.to_geo(eye.plus(Enu(east, north, up), accuracy.position_m)),
            yaw_deg=true.yaw_deg + level_deg * yaw,
            pitch_deg=max(-90.0, true.pitch_deg + accuracy.attitude_deg * pitch),
        )
        found = placed(grid, pose, pixel, accuracy)
        assert found is not None
        within.append(off_m(geometry, found, target) <= CE90_PER_SIGMA * found.sigma_m)
        risen_m = here(grid.local.to_geo(found.point)).up - target.up
        high.append(abs(risen_m) <= LE90_PER_SIGMA * found.height_sigma_m)
    assert np.mean(within) >= 0.9
    assert np.mean(high) >= 0.9


@pytest.mark.parametrize(
    ("up_m", "told"), [(14.0, 2), (0.0, None)], ids=["from above they lie apart", "level with them they are one"]
)
def test_a_conductor_is_named_where_the_picture_tells_it(up_m: float, told: int | None) -> None:
    target, _, left = on_wire(0, 0.5, 2)
    found = seen_from(LINE, target.plus(left, 14.0).plus(UP, up_m), target, Accuracy(0.1, 0.2))
    assert found is not None
    assert isinstance(found.place, SpanPlace)
    assert found.place.conductor == told


@pytest.mark.parametrize(
    ("height_m", "said"),
    [(12.0, "tower b, 12.0 m up"), (25.0, "tower b, 25.0 m up"), (33.0, None), (-2.0, None)],
    ids=["its body", "an insulator string", "above it", "below its foot"],
)
def test_what_is_on_a_tower_of_a_line_is_placed_by_its_height(height_m: float, said: str | None) -> None:
    axis = 0.0 if said is None or height_m < 24 else LINE.phase_offsets_m[0]
    target = here(LINE.towers[1].foot).plus(UP, height_m).plus(LINE.span(1).left(), axis)
    found = seen_from(LINE, target.plus(LINE.span(1).left(), -15.0), target)
    assert (None if found is None else in_words(found.place)) == said


def test_a_tower_seen_from_below_says_how_little_its_height_is_known() -> None:
    target = here(LINE.towers[1].foot).plus(UP, 15.0)
    level, steep = (
        seen_from(LINE, target.plus(LINE.span(1).left(), -12.0).plus(UP, down), target) for down in (0.0, -10.0)
    )
    assert level is not None
    assert steep is not None
    assert level.sigma_m < 0.5
    assert steep.sigma_m > 1.0


def test_wires_meet_where_the_line_turns_and_the_place_goes_on_across_the_tower() -> None:
    foot, number = here(LINE.towers[2].foot).plus(UP, 23.5), 2
    ways = [LINE.span(1).along(), LINE.span(2).along()]
    places = []
    for way, sign in ((ways[0], -1.0), (ways[1], 1.0)):
        target = foot.plus(way, sign * 3.0).plus(UP.cross(way), 6.0)
        wire = target._replace(up=on_wire(1, 1 - 3.0 / LINE.span(1).length_m, number)[0].up if sign < 0 else target.up)
        found = seen_from(LINE, wire.plus(UP, 14.0), wire)
        assert found is not None
        assert isinstance(found.place, SpanPlace)
        places.append(found.place)
    assert [place.span for place in places] == [1, 2]
    assert places[1].chainage_m - places[0].chainage_m == pytest.approx(6.0, abs=0.2)
    assert places[0].surface == places[1].surface


@pytest.mark.parametrize("side", [1.0, -1.0], ids=["inside", "outside"])
def test_beside_a_bend_of_the_pipe_the_nearest_piece_counts(side: float) -> None:
    bend, out = here(PIPE.centre_line[1]), Enu(-0.3162, 0.9487, 0.0).times(side * 6.0)
    found = seen_from(PIPE, bend.plus(out).plus(UP, 40.0), bend.plus(out))
    assert found is not None
    assert isinstance(found.place, ChainagePlace)
    assert found.place.chainage_m == pytest.approx(PIPE.chainages_m()[1], abs=2.5)
    assert found.place.offset_m == pytest.approx(side * 6.0, abs=0.4)


TARGETS: dict[str, tuple[PowerLine | Pipeline, Enu]] = {
    "wire": (LINE, on_wire(0, 0.5, 1)[0]),
    "pipe": (PIPE, on_pipe(1300.0, 3.0)),
}


@pytest.mark.parametrize("name", sorted(TARGETS))
@pytest.mark.parametrize("how", ["away", "behind", "far from all of it", "no number"])
def test_what_means_no_part_has_no_place(name: str, how: str) -> None:
    geometry, target = TARGETS[name]
    eye = target.plus(Enu(1.0, -2.0, 30.0))
    pose = looking(TURBINE, eye, target.plus(Enu(0.0, 60.0, 40.0)) if how == "away" else target)
    if how == "behind":
        pose = looking(TURBINE, eye, eye.plus(eye.minus(target)))
    grid = grid_at(geometry, eye.plus(Enu(0.0, 5000.0, 0.0)) if how == "far from all of it" else eye)
    pixel = math.nan if how == "no number" else 1900.0
    assert placed(grid, pose, (pixel, 1000.0)) is None


def test_a_line_needs_two_towers() -> None:
    with pytest.raises(ValueError, match="towers"):
        PowerLine(towers=LINE.towers[:1])


@pytest.mark.parametrize(
    ("place", "said"),
    [
        (SpanPlace(span=11, from_tower="12", to_tower="13", conductor=1, offset_m=0.0, distance_m=84.2, chainage_m=2e3),
         "span 12–13, 84.2 m from tower 12"),
        (ChainagePlace(chainage_m=1240.3, offset_m=-0.2, clock_h=4.2), "pipe, chainage 1,240.3 m, 4 o'clock"),
        (ChainagePlace(chainage_m=1240.3, offset_m=0.0, clock_h=11.8), "pipe, chainage 1,240.3 m, 12 o'clock"),
        (ChainagePlace(chainage_m=1240.3, offset_m=-2.14), "pipe, chainage 1,240.3 m, 2.1 m to the right"),
    ],
)  # fmt: skip
def test_a_place_in_words(place: AnyPlace, said: str) -> None:
    assert in_words(place) == said


def test_a_conductor_that_is_not_told_may_be_any() -> None:
    told = SpanPlace(span=0, from_tower="a", to_tower="b", conductor=0, offset_m=-6.0, distance_m=1.0, chainage_m=1.0)
    other = told.model_copy(update={"conductor": 2, "offset_m": 6.0})
    unsure = told.model_copy(update={"conductor": None})
    assert [across_between_m(told, p) for p in (told, other, unsure)] == [0.0, 12.0, 0.0]
    middle = mean_place([told, unsure.moved(3.0, 0.0)], [0.6, 0.4])
    assert isinstance(middle, SpanPlace)
    assert (middle.conductor, middle.offset_m) == (0, -6.0)
    assert middle.distance_m == pytest.approx(1.8)


def test_only_the_stretch_that_may_be_shown_is_laid_out() -> None:
    point, _, left = on_wire(0, 0.3, 0)
    line = grid_at(LINE, point.plus(left, -14.0))
    laid = [side.part for side in line.sides if isinstance(side, Part)]
    assert [part for part in laid if not part.startswith("tower")] == ["span-0000"]
    assert {part[:10] for part in laid if part.startswith("tower")} == {"tower-0000", "tower-0001"}
    pipe = grid_at(PIPE, on_pipe(1300.0, 0.0).plus(UP, 40.0))
    assert set(range(125, 136)) <= set(pipe.cell.tolist()) < set(range(123, 190))


def test_coverage_counts_the_metres_of_a_span_and_of_a_pipe_that_were_seen() -> None:
    wires = [on_wire(0, m / LINE.span(0).length_m, 1)[0] for m in np.arange(40.0, 81.0, 2.0)]
    beside = LINE.span(0).left().times(20.0).plus(UP, 6.0)
    seen = covered(LINE, [wire.plus(beside) for wire in wires], wires)
    assert set(range(4, 8)) <= {cell for part, cell in seen if part == "span-0000"} <= set(range(2, 10))
    grounds = [on_pipe(m, 0.0) for m in np.arange(1300.0, 1361.0, 5.0)]
    seen = covered(PIPE, [g.plus(UP, 50.0) for g in grounds], grounds)
    assert {("pipe", cell) for cell in range(130, 136)} <= seen
    assert not seen & {("pipe", cell) for cell in (123, 124, 125, 140, 141)}


def covered(geometry: PowerLine | Pipeline, eyes: list[Enu], targets: list[Enu]) -> set[tuple[str, int]]:
    grid = grid_at(geometry, *eyes)
    coverage = Coverage(grid, CAMERA)
    for eye, target in zip(eyes, targets, strict=True):
        coverage.add(grid.sight(looking(TURBINE, eye, target), CAMERA), 50.0)
    return {(c.part, c.cell) for c in coverage.parts() if c.seen_share >= 0.8}


def with_patch(pose: Pose, corners: list[Enu]) -> Image:
    """Paint a grey picture with a red patch."""
    image = np.full((SMALL.height_px, SMALL.width_px, 3), (170, 170, 170), np.uint8)
    eye = FRAME.to_enu(pose.point)
    pixels = [project(pose, SMALL, corner.minus(eye)) for corner in corners]
    assert None not in pixels
    cv2.fillPoly(image, [np.rint(np.array(pixels)).astype(np.int32)], (0, 0, 255))
    return image


def patch(name: str) -> tuple[AnyShape, list[Enu], list[Pose]]:
    """Return an asset, a patch on it (0.6 m along, 0.2 m across), and the poses of a flight past it."""
    target, along, left = on_wire(1, 0.5, 1) if name == "wire" else (on_pipe(1300.0, 3.0), Enu(1, 0, 0), Enu(0, 1, 0))
    up_m = 12.0 if name == "wire" else 25.0
    sides = ((-0.3, -0.1), (0.3, -0.1), (0.3, 0.1), (-0.3, 0.1))
    corners = [target.plus(along, a).plus(left, b) for a, b in sides]
    eyes = [target.plus(along, step).plus(UP, up_m) for step in (-0.4, 0.0, 0.4)]
    poses = [looking(TURBINE, eye, target.plus(along, step)) for eye, step in zip(eyes, (-0.4, 0.0, 0.4), strict=True)]
    return (LINE if name == "wire" else PIPE), corners, poses


@pytest.mark.parametrize("name", ["wire", "ground"])
def test_a_patch_is_one_detection_with_its_place_size_and_errors(name: str) -> None:
    geometry, corners, poses = patch(name)
    images = [with_patch(pose, corners) for pose in poses]
    (found,), _ = SegmentAnalyser(RedFinder()).analyse_views(images, manifest_of(b"views", poses), geometry)
    expected = LINE.chainages_m()[1] + LINE.span(1).length_m / 2 if name == "wire" else 1300.0
    assert found.place is not None
    assert found.place.along_m == pytest.approx(expected, abs=0.05)
    assert not isinstance(found.place, LineTowerPlace)
    assert (found.length_mm, found.width_mm) == pytest.approx((600.0, 200.0), rel=0.2)
    assert found.ce90_m is not None
    assert found.le90_m is not None
    assert found.ce90_m < 0.5
    assert found.point is not None
    assert here(found.point).minus(corners[0].plus(corners[2]).times(0.5)).norm() < 0.06
