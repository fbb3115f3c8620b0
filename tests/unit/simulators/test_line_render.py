from __future__ import annotations

import numpy as np
import pytest

from contracts.optics import CameraIntrinsics, project
from contracts.vocabulary import DefectKind
from simulators.line_defects import LINE_KINDS, LineDefect, plant_line
from simulators.line_model import LineModel
from simulators.line_render import LineRenderer, _painted, _scaled, _seen_rods
from simulators.line_truth import LineTruth
from simulators.line_wires import phase_wires
from simulators.line_world import LineWorld
from simulators.noise import Image
from simulators.sensor import Shot
from tests.unit.simulators.lines import planted, pose_towards, short_line

CAMERA = CameraIntrinsics(width_px=400, height_px=300, focal_px=600)
STILL = Shot(noise=0)
WORLD = short_line(4)
BARE = LineModel(WORLD, [], clutter=False)
RENDERER = LineRenderer(BARE)


def outwards(world: LineWorld, defect: LineDefect) -> Image:
    """Return where to look at a defect from, so that no tower stands between."""
    stand = world.stand(defect.place.tower or 0)
    away = -1.0 if defect.place.tower == 0 else 1.0
    way: Image = stand.along * away + stand.left * 0.3 + np.array([0.0, 0.0, 0.45])
    return way


@pytest.mark.parametrize("kind", LINE_KINDS)
def test_what_a_defect_changes_is_inside_its_box(kind: DefectKind) -> None:
    defect = planted(WORLD, kind)
    harmed = LineModel(WORLD, [defect], clutter=False)
    pose = pose_towards(WORLD, harmed.outlines[defect.defect_id].mean(axis=0), outwards(WORLD, defect), 7.0)
    with_it, without = (drawn.frame(pose, CAMERA, STILL) for drawn in (LineRenderer(harmed), RENDERER))
    changed = np.abs(with_it.astype(int) - without).max(axis=2) > 16
    (box,) = LineTruth(harmed).boxes(pose, CAMERA)
    if kind is DefectKind.VEGETATION:  # its box holds the crown, not the trunk
        changed[round(box.y1) :] = False
    rows, columns = np.nonzero(changed)
    inside = (columns >= box.x0 - 2) & (columns <= box.x1 + 2) & (rows >= box.y0 - 2) & (rows <= box.y1 + 2)
    assert changed.sum() > 20
    assert inside.mean() > 0.98
    if kind is not DefectKind.CORROSION:  # lattice is mostly air: what is corroded fills little of its box
        assert np.ptp(columns[inside]) > 0.5 * (box.x1 - box.x0)
        assert np.ptp(rows[inside]) > 0.5 * (box.y1 - box.y0)


@pytest.mark.parametrize("aside_m", [8.0, 60.0])
def test_a_conductor_hangs_on_the_catenary_of_its_span_to_a_pixel(aside_m: float) -> None:
    span, offset = WORLD.line.span(0), WORLD.line.phase_offsets_m[0]
    (wire,) = phase_wires(WORLD, 0, 0)
    middle = wire.at(WORLD, np.array([span.length_m / 2]))[0]
    pose = pose_towards(WORLD, middle, -WORLD.stand(0).left + np.array([0.0, 0.0, 0.1]), aside_m)
    view = _scaled(WORLD, pose, CAMERA, (0, 0, 400, 300), 1)
    solid, thin = _painted(_seen_rods(BARE.parts.rods(), view), (600, 800))
    drawn = (solid > 0) | (thin > 0)
    eye = span.frame.to_enu(pose.point)
    for share in (0.48, 0.5, 0.52):
        seen = project(pose, CAMERA, span.at(share, offset).minus(eye))
        assert seen is not None
        column, row = round(seen[0] * 2), round(seen[1] * 2)
        hit = np.flatnonzero(drawn[row - 40 : row + 41, column]) - 40
        assert abs(hit[np.abs(hit).argmin()]) <= 2  # half pixels


def test_a_thin_conductor_far_away_is_fainter_than_a_near_one() -> None:
    (wire,) = phase_wires(WORLD, 0, 0)
    middle = wire.at(WORLD, np.array([35.0]))[0]
    covers = []
    for distance in (8.0, 90.0, 180.0):
        pose = pose_towards(WORLD, middle, -WORLD.stand(0).left, distance)
        covers.append(
            float(_seen_rods(BARE.parts.rods(), _scaled(WORLD, pose, CAMERA, (0, 0, 640, 480), 1)).cover.min())
        )
    assert covers[0] == 1.0 or covers[0] > covers[1]
    assert covers[1] > covers[2] > 0


def test_a_smaller_picture_shows_the_same() -> None:
    pose = pose_towards(WORLD, WORLD.stand(0).at(0, 0, WORLD.arm_m(0)), np.array([1.0, 0.4, 0.2]), 14.0)
    whole, half = (RENDERER.frame(pose, CAMERA, STILL, shrink=shrink) for shrink in (1, 2))
    assert half.shape == (150, 200, 3)
    mean = whole.reshape(150, 2, 200, 2, 3).mean(axis=(1, 3))
    assert np.abs(mean - half).mean() < 8


def test_defects_follow_from_the_seed_and_no_two_share_a_string() -> None:
    found = plant_line(WORLD)
    assert found == plant_line(WORLD)
    assert found != plant_line(short_line(5))
    assert {defect.kind for defect in found} == set(LINE_KINDS)
    strings = [(d.place.tower, d.place.phase) for d in found if d.kind is DefectKind.BROKEN_INSULATOR]
    assert len(strings) == len(set(strings))


def test_a_crown_keeps_the_clearance_it_was_given() -> None:
    defect = planted(WORLD, DefectKind.VEGETATION).model_copy(update={"clearance_m": 1.2})
    model = LineModel(WORLD, [defect], clutter=False)
    (wire,) = phase_wires(WORLD, defect.place.span or 0, defect.place.phase or 0)
    above = wire.at(WORLD, np.array([defect.place.chainage_m]))[0, 2]
    assert above - model.outlines[defect.defect_id][:, 2].max() == pytest.approx(1.2, abs=0.45)
