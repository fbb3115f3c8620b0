from __future__ import annotations

import numpy as np
import pytest

from contracts.geo import Enu
from contracts.optics import CameraIntrinsics
from contracts.vocabulary import BladeSide
from simulators.defects import PlantedDefect, planted_in
from simulators.render import Renderer
from simulators.sensor import Shot
from simulators.textures import defect_stamp
from simulators.truthboxes import Truth
from simulators.world import default_scene
from tests.unit.simulators.aim import pose_at

CAMERA = CameraIntrinsics(width_px=3840, height_px=2160, focal_px=5120)
SCENE = default_scene(2)
ASSET = SCENE.asset("wt-01")
DEFECTS = [d for d in planted_in(SCENE, 1) if d.asset_id == "wt-01"]
CLEAN = Shot(noise=0.0)
WINDOW = (1920 - 640, 1080 - 480, 1280, 960)


@pytest.fixture(scope="module")
def renderers() -> tuple[Renderer, Renderer]:
    return Renderer(SCENE, ASSET, DEFECTS, clutter=False), Renderer(SCENE, ASSET, [], clutter=False)


@pytest.mark.parametrize("defect", DEFECTS, ids=lambda d: f"{d.kind}-{d.place.blade}{d.place.side}")
def test_a_defect_changes_the_picture_inside_its_box_only(
    defect: PlantedDefect, renderers: tuple[Renderer, Renderer]
) -> None:
    pose = pose_at(ASSET.geometry, defect.place)
    with_it, without = (r.frame(pose, CAMERA, CLEAN, WINDOW).astype(int) for r in renderers)
    changed = np.abs(with_it - without).max(axis=2) > 40
    (box,) = Truth(ASSET.geometry, [defect]).boxes(pose, CAMERA, WINDOW)
    rows, columns = np.where(changed)
    assert len(rows) > 100
    assert box.x0 - 5 <= columns.min() <= columns.max() <= box.x1 + 5
    assert box.y0 - 5 <= rows.min() <= rows.max() <= box.y1 + 5
    assert columns.max() - columns.min() > 0.6 * (box.x1 - box.x0)
    assert rows.max() - rows.min() > 0.6 * (box.y1 - box.y0)


def test_same_pose_same_pixels_and_a_window_is_a_part_of_the_frame() -> None:
    small = CameraIntrinsics(width_px=960, height_px=540, focal_px=1280)
    pose = pose_at(ASSET.geometry, DEFECTS[0].place)
    shot = Shot(noise=2.0, noise_seed=5)
    frames = [Renderer(SCENE, ASSET, DEFECTS).frame(pose, small, shot) for _ in range(2)]
    assert frames[0].shape == (540, 960, 3)
    assert np.array_equal(frames[0], frames[1])
    whole = Renderer(SCENE, ASSET, DEFECTS).frame(pose, small, CLEAN).astype(int)
    part = Renderer(SCENE, ASSET, DEFECTS).frame(pose, small, CLEAN, (400, 200, 160, 120)).astype(int)
    inner = (slice(4, -4), slice(4, -4))
    assert np.abs(whole[200:320, 400:560][inner] - part[inner]).mean() < 1.0


def test_motion_smears_along_its_direction_and_exposure_brightens() -> None:
    renderer = Renderer(SCENE, ASSET, DEFECTS)
    defect = next(d for d in DEFECTS if d.place.side is BladeSide.PS)
    pose = pose_at(ASSET.geometry, defect.place, lean=0.0)
    still = renderer.frame(pose, CAMERA, CLEAN, WINDOW).astype(float)
    climbing = Shot(noise=0.0, shutter_s=1 / 50, velocity=Enu(0.0, 0.0, 2.0))
    moved = renderer.frame(pose, CAMERA, climbing, WINDOW).astype(float)
    steps = [np.abs(np.diff(f, axis=0)).mean() for f in (still, moved)]
    assert steps[1] < 0.8 * steps[0]
    bright = renderer.frame(pose, CAMERA, Shot(noise=0.0, exposure=1.25), WINDOW)
    assert bright.mean() > 1.05 * still.mean()


@pytest.mark.parametrize("defect", DEFECTS[:6], ids=lambda d: d.kind)
def test_painted_change_fills_length_and_width(defect: PlantedDefect) -> None:
    stamp = defect_stamp(defect)
    rows, columns = np.where(stamp.alpha > 0.75)
    px_per_mm = 0.64
    assert columns.max() + 1 - columns.min() == pytest.approx(defect.length_mm * px_per_mm, abs=3)
    assert rows.max() + 1 - rows.min() == pytest.approx(defect.width_mm * px_per_mm, abs=3)
