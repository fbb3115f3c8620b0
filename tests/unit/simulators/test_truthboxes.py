from __future__ import annotations

import numpy as np
import pytest

from contracts.optics import CameraIntrinsics, project
from contracts.turbine import SurfacePlace
from contracts.vocabulary import Blade, BladeSide
from simulators.defects import PlantedDefect, planted_in
from simulators.truthboxes import Truth, hidden
from simulators.views import View
from simulators.world import default_scene
from tests.unit.simulators.aim import pose_at

CAMERA = CameraIntrinsics(width_px=3840, height_px=2160, focal_px=5120)
SCENE = default_scene(2)
GEOMETRY = SCENE.asset("wt-01").geometry
DEFECTS = [d for d in planted_in(SCENE, 1) if d.asset_id == "wt-01"]


@pytest.mark.parametrize("defect", DEFECTS, ids=lambda d: f"{d.kind}-{d.place.blade}{d.place.side}")
def test_box_is_where_optics_projects_the_defects_rectangle(defect: PlantedDefect) -> None:
    pose = pose_at(GEOMETRY, defect.place)
    box = next(b for b in Truth(GEOMETRY, DEFECTS).boxes(pose, CAMERA) if b.defect is defect)
    eye = GEOMETRY.frame().to_enu(pose.point)
    first_s, last_s, first_o, last_o = defect.corners()
    corners = []
    for s, o in ((first_s, first_o), (first_s, last_o), (last_s, first_o), (last_s, last_o)):
        place = defect.place.model_copy(update={"distance_to_root_m": s, "offset_m": o})
        seen = project(pose, CAMERA, GEOMETRY.surface_point(place).minus(eye))
        assert seen is not None
        corners.append(seen)
    low, high = np.min(corners, axis=0), np.max(corners, axis=0)
    slack = 4.0
    assert box.x0 >= low[0] - slack
    assert box.y0 >= low[1] - slack
    assert box.x1 <= high[0] + slack
    assert box.y1 <= high[1] + slack
    # A slanting outline fills less of its upright box than its rectangle's corners span, but most of it.
    assert (box.x1 - box.x0) * (box.y1 - box.y0) >= 0.35 * np.prod(high - low)
    assert box.visible
    assert box.shown == pytest.approx(1.0)


@pytest.mark.parametrize("side", [BladeSide.PS, BladeSide.SS, BladeSide.LE])
def test_surface_matrix_agrees_with_contracts(side: BladeSide) -> None:
    place = SurfacePlace(blade=Blade.B, side=side, distance_to_root_m=17.3, offset_m=0.11)
    pose = pose_at(GEOMETRY, place, 9.0)
    view = View(GEOMETRY, pose, CAMERA, (100, 50, 640, 480))
    matrix = view.surface_matrix(GEOMETRY.facet(place.blade, side), GEOMETRY.blade_length_m)
    for s, o in ((17.3, 0.11), (15.0, 0.0), (19.0, 0.15)):
        point = GEOMETRY.surface_point(place.model_copy(update={"distance_to_root_m": s, "offset_m": o}))
        expected = project(pose, CAMERA, point.minus(view.eye))
        assert expected is not None
        u, v, w = matrix @ np.array([s, o, 1.0])
        assert (u / w + 100, v / w + 50) == pytest.approx(expected, abs=0.02)


def test_defect_on_the_far_side_has_no_box_and_a_grazing_one_is_not_visible() -> None:
    defect = next(d for d in DEFECTS if d.place.side is BladeSide.PS)
    opposite = defect.place.model_copy(update={"side": BladeSide.SS})
    truth = Truth(GEOMETRY, [defect])
    assert truth.boxes(pose_at(GEOMETRY, opposite), CAMERA) == []
    grazing = truth.boxes(pose_at(GEOMETRY, defect.place, 8.0, lean=5.0), CAMERA)
    assert [b.visible for b in grazing] == [False]
    assert truth.visible(pose_at(GEOMETRY, defect.place, 8.0, lean=5.0), CAMERA) == []


def test_tower_and_nacelle_hide_what_is_behind_them() -> None:
    place = SurfacePlace(blade=Blade.A, side=BladeSide.SS, distance_to_root_m=1.0, offset_m=0.5)
    point = GEOMETRY.surface_point(place)
    behind_nacelle = point.plus(GEOMETRY.axis(), -20.0).plus(point.unit(), -6.0)
    assert hidden(GEOMETRY, behind_nacelle, point, place)
    assert not hidden(GEOMETRY, point.plus(GEOMETRY.axis(), -6.0).plus(point.unit(), 6.0), point, place)


def test_window_cuts_the_box_and_says_how_much_is_left() -> None:
    defect = DEFECTS[0]
    pose = pose_at(GEOMETRY, defect.place)
    truth = Truth(GEOMETRY, [defect])
    (whole,) = truth.boxes(pose, CAMERA)
    middle = round((whole.x0 + whole.x1) / 2)
    (part,) = truth.boxes(pose, CAMERA, (middle, 0, 640, 2160))
    assert part.x0 == 0.0
    assert part.x1 == pytest.approx(whole.x1 - middle, abs=0.01)
    assert 0.3 < part.shown < 0.7
