from __future__ import annotations

import numpy as np
import pytest

from contracts.geo import Enu
from contracts.optics import CameraIntrinsics, project
from contracts.vocabulary import DefectKind
from simulators.line_insulators import DISC_RADIUS_M, string_at
from simulators.line_model import LineModel
from simulators.line_truth import LineTruth
from simulators.tiles import counts
from tests.unit.simulators.lines import planted, pose_towards, short_line

CAMERA = CameraIntrinsics(width_px=3840, height_px=2160, focal_px=5120)
WORLD = short_line(4)
HURT = planted(WORLD, DefectKind.BROKEN_INSULATOR)
MODEL = LineModel(WORLD, [HURT], clutter=False)
STAND = WORLD.stand(HURT.place.tower or 0)


def test_the_box_of_a_broken_insulator_is_where_its_discs_would_be() -> None:
    plan = string_at(WORLD, HURT.place.tower or 0, HURT.place.phase or 0)
    middle = plan.disc(HURT.place.part) - np.array([0.0, 0.0, HURT.discs * plan.pitch_m / 2])
    pose = pose_towards(WORLD, middle, STAND.along, 8.0)
    (box,) = LineTruth(MODEL).boxes(pose, CAMERA)
    eye = WORLD.frame().to_enu(pose.point)
    edges = [middle + STAND.left * side * DISC_RADIUS_M for side in (-1, 1)]
    seen = [project(pose, CAMERA, Enu(*(float(v) for v in edge)).minus(eye)) for edge in edges]
    low, high = sorted(found[0] for found in seen if found is not None)
    assert (box.x0, box.x1) == pytest.approx((low, high), abs=4)
    assert box.shown == pytest.approx(1.0)
    assert box.hidden == 0.0
    assert counts(box, 1)


def test_what_stands_behind_the_tower_is_told_and_does_not_count() -> None:
    leg = next(m for m in MODEL.towers[0].members if m.name == "leg" and m.first[2] > 8)
    middle = (leg.first + leg.second) / 2 + (leg.flanges[0] + leg.flanges[1]) * leg.width_m / 3
    way = STAND.along - STAND.left
    truth = LineTruth(MODEL)
    spot = middle - way * 2.0 + np.array([(x, y, z) for x in (0, 0.02) for y in (0, 0.02) for z in (0, 0.02)])
    behind, aside = middle + way * 6.0, middle - way * 6.0
    assert truth.hidden(behind, spot) == 1.0
    assert truth.hidden(aside, spot) == 0.0
    MODEL.outlines[HURT.defect_id], whole = spot, MODEL.outlines[HURT.defect_id]
    try:
        (box,) = truth.boxes(pose_towards(WORLD, spot.mean(axis=0), way, 8.0), CAMERA)
    finally:
        MODEL.outlines[HURT.defect_id] = whole
    assert box.gone
    assert not box.visible
    assert counts(box, 1) is None


def test_clearance_is_the_way_to_the_nearest_body() -> None:
    truth = LineTruth(MODEL)
    assert truth.clearance_m(STAND.at(0.0, 0.0, 200.0)) > 150
    leg = MODEL.towers[0].members[0]
    assert truth.clearance_m((leg.first + leg.second) / 2) < 0.2
