from __future__ import annotations

import numpy as np
import pytest

from benchmarks.coverage import BAR, compared
from contracts.geo import Enu
from contracts.optics import CameraIntrinsics, project
from contracts.vocabulary import Blade, BladeSide
from tests.vision_views import SMALL, TURBINE, looking, pass_along, place_at, square_on
from vision.coverage import Coverage
from vision.grid import project_points
from vision.turbine_grid import Turbine

SURFACE = Turbine(TURBINE)
CAMERA = CameraIntrinsics(width_px=3840, height_px=2160, focal_px=5120.0)


def cells_of(coverage: Coverage) -> dict[tuple[Blade, BladeSide, int], float]:
    return {(c.blade, c.side, c.cell): c.seen_share for c in coverage.cells()}


def test_a_pass_sees_its_side_and_not_the_others() -> None:
    coverage = Coverage(SURFACE, CAMERA)
    for pose in pass_along(BladeSide.PS, 3.0, 24.0, 14):
        coverage.add(SURFACE.sight(pose, CAMERA), 100.0)
    cells = cells_of(coverage)
    assert all(cells[(Blade.A, BladeSide.PS, i)] == 1.0 for i in range(3, 24))
    assert not any(side is BladeSide.SS for _, side, _ in cells)
    assert not any(blade is not Blade.A for blade, _, _ in cells)


@pytest.mark.parametrize(("standoff_m", "seen"), [(10.0, True), (19.0, True), (22.0, False)])
def test_too_coarse_is_not_seen(standoff_m: float, seen: bool) -> None:
    coverage = Coverage(SURFACE, CAMERA)
    coverage.add(SURFACE.sight(square_on(TURBINE, place_at(metres=12.0), standoff_m), CAMERA), 50.0)
    assert bool(coverage.cells()) is seen


def test_too_aslant_is_not_seen() -> None:
    place = place_at(metres=12.0)
    target = TURBINE.surface_point(place)
    normal, span = TURBINE.facet(Blade.A, BladeSide.PS).normal, TURBINE.blade_axes(Blade.A)[0]
    coverage = Coverage(SURFACE, CAMERA)
    coverage.add(SURFACE.sight(looking(TURBINE, target.plus(normal, 4.0).plus(span, -10.0), target), CAMERA), 50.0)
    assert (Blade.A, BladeSide.PS, 12) not in cells_of(coverage)


def test_best_values_and_looks_are_kept() -> None:
    coverage = Coverage(SURFACE, CAMERA)
    for standoff, sharpness in ((14.0, 90.0), (10.0, 40.0)):
        coverage.add(SURFACE.sight(square_on(TURBINE, place_at(metres=12.5), standoff), CAMERA), sharpness)
    cell = next(c for c in coverage.cells() if c.cell == 12 and c.side is BladeSide.PS)
    assert cell.best_gsd_mm_px == pytest.approx(1000 * 10 / 5120, rel=0.01)
    assert cell.best_sharpness == 90.0
    assert cell.best_incidence_deg < 3
    assert coverage.looks_at(place_at(metres=12.5)) == 2
    assert coverage.looks_at(place_at(BladeSide.SS, 12.5)) == 0


def test_what_stands_behind_the_tower_or_a_blade_is_hidden() -> None:
    place = place_at(BladeSide.SS, 12.0, blade=Blade.A)
    target = TURBINE.surface_point(place)
    through_blade = looking(TURBINE, target.plus(TURBINE.axis(), 10.0), target)
    assert not (SURFACE.sight(through_blade, CAMERA).in_frame & (SURFACE.side == 3)).any()
    down = TURBINE.model_copy(update={"rotor_azimuth_deg": 180.0})
    surface = Turbine(down)
    behind = down.surface_point(place).plus(down.axis(), -30.0)
    pose = looking(down, behind, down.surface_point(place))
    sight = surface.sight(pose, CAMERA)
    on_suction = (surface.side == surface.sides.index((Blade.A, BladeSide.SS))) & (surface.cell == 12)
    assert not sight.in_frame[on_suction].any()


def test_the_grid_projects_like_the_contract() -> None:
    pose = square_on(TURBINE, place_at(metres=12.0))
    eye = SURFACE.eye(pose)
    points = SURFACE.points[::97]
    pixels, depth = project_points(pose, SMALL, points - np.array(eye))
    for point, pixel, ahead in zip(points, pixels, depth, strict=True):
        expected = project(pose, SMALL, Enu(*map(float, point)).minus(eye))
        assert (expected is None) == (ahead <= 1e-6)
        if expected is not None:
            np.testing.assert_allclose(pixel, expected, atol=1e-6)


def test_what_is_declared_seen_was_seen_by_the_simulators_own_lines_of_sight() -> None:
    told = compared(range(3, 4), sides=1)
    assert told["cells_seen"] > 15
    assert told["precision"] >= BAR
    assert told["recall"] >= BAR


def test_the_nacelle_hides_roots_from_behind() -> None:
    """From behind the rotor the nacelle stands before the root of a blade that points up."""
    place = place_at(BladeSide.SS, 1.5, blade=Blade.A)
    target = TURBINE.surface_point(place)
    behind = target.plus(TURBINE.axis(), -20.0)
    low = behind.plus(Enu(0.0, 0.0, 1.0), -6.0)
    shown = [SURFACE.sight(looking(TURBINE, eye, target), CAMERA).in_frame for eye in (behind, low)]
    root = (SURFACE.side == SURFACE.sides.index((Blade.A, BladeSide.SS))) & (SURFACE.cell == 1)
    assert shown[0][root].mean() > 0.9
    assert shown[1][root].mean() < 0.1
