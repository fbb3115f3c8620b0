from __future__ import annotations

import itertools
from collections.abc import Sequence

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.optics import CameraIntrinsics
from contracts.vocabulary import BladeSide
from tests.vision_views import CARD, TURBINE, RedFinder, pixel_of, place_at, square_on
from vision.boxes import Boxes, Image
from vision.tiling import MASK_SCALE, OVERLAP_PX, STRIP_PX, TILE_PX, asset_mask, find_in_frame, look_over, tiles
from vision.turbine_grid import Turbine
from vision.verifier import Fusion

WIDTH, HEIGHT = 900, 1000
WIDE = 3700
CAMERA = CameraIntrinsics(width_px=1920, height_px=1088, focal_px=2560.0)


@given(st.integers(32, 4200), st.integers(32, 2300))
@settings(max_examples=60, deadline=None)
def test_tiles_cover_the_frame_and_overlap(width: int, height: int) -> None:
    layout = tiles(width, height)
    covered = np.zeros((height, width), np.bool_)
    for tile in layout:
        assert 0 <= tile.x0 < tile.x1 <= width
        assert 0 <= tile.y0 < tile.y1 <= height
        sides = sorted((tile.x1 - tile.x0, tile.y1 - tile.y0))
        assert sides[0] <= TILE_PX
        assert sides[1] <= STRIP_PX
        covered[tile.y0 : tile.y1, tile.x0 : tile.x1] = True
    assert covered.all()
    for spans in ({(t.x0, t.x1) for t in layout}, {(t.y0, t.y1) for t in layout}):
        ordered = sorted(spans)
        for before, after in itertools.pairwise(ordered):
            assert before[1] - after[0] >= OVERLAP_PX - 1


@pytest.mark.parametrize("at", range(TILE_PX - 290, TILE_PX + 20, 1))
def test_an_object_at_a_row_seam_is_found_once_and_whole(at: int) -> None:
    image = np.full((HEIGHT, WIDTH, 3), 128, np.uint8)
    cv2.rectangle(image, (300, at), (359, at + 39), (0, 0, 255), -1)
    found = find_in_frame(RedFinder(), image)
    assert len(found) == 1
    np.testing.assert_allclose(found.xyxy[0], [300, at, 360, at + 40], atol=1.01)


@pytest.mark.parametrize("at", range(WIDE - STRIP_PX - 70, STRIP_PX + 10, 1))
def test_an_object_at_a_strip_seam_is_found_once_and_whole(at: int) -> None:
    image = np.full((320, WIDE, 3), 128, np.uint8)
    cv2.rectangle(image, (at, 100), (at + 59, 139), (0, 0, 255), -1)
    found = find_in_frame(RedFinder(), image)
    assert len(found) == 1
    np.testing.assert_allclose(found.xyxy[0], [at, 100, at + 60, 140], atol=1.01)


@pytest.mark.parametrize("length", [700, 1100, 1500])
def test_an_object_longer_than_a_row_is_high_is_one(length: int) -> None:
    image = np.full((1600, 700, 3), 128, np.uint8)
    cv2.rectangle(image, (280, 50), (359, 50 + length - 1), (0, 0, 255), -1)
    found = find_in_frame(RedFinder(), image)
    assert len(found) == 1
    np.testing.assert_allclose(found.xyxy[0], [280, 50, 360, 50 + length], atol=4.01)


def test_weak_boxes_never_widen_clear_ones() -> None:
    class Vague(RedFinder):
        def find(self, images: Sequence[Image]) -> list[Boxes]:
            return [Boxes.of([[300, 100, 360, 140], [290, 90, 500, 150]], [0.9, 0.05], [0, 0]) for _ in images]

    image = np.full((320, TILE_PX, 3), 128, np.uint8)
    fusion = Fusion(detector=1, second_look=1, offset=0, proposal=0.02)
    finder = Vague(card=CARD.model_copy(update={"fusion": fusion}))
    seen = look_over(finder, image)
    assert seen.found.xyxy.tolist() == find_in_frame(finder, image).xyxy.tolist() == [[300, 100, 360, 140]]
    assert seen.suspected.xyxy.tolist() == [[300, 100, 360, 140], [290, 90, 500, 150]]


def test_nothing_is_searched_where_the_asset_is_not() -> None:
    mask = np.zeros((-(-HEIGHT // MASK_SCALE), -(-WIDTH // MASK_SCALE)), np.bool_)
    finder = RedFinder()
    assert len(find_in_frame(finder, np.zeros((HEIGHT, WIDTH, 3), np.uint8), mask)) == 0
    assert finder.images == 0
    mask[10:14, 10:14] = True
    assert len(tiles(WIDTH, HEIGHT, mask)) == 1


@pytest.mark.parametrize("side", list(BladeSide))
def test_the_mask_holds_the_side_that_is_looked_at(side: BladeSide) -> None:
    place = place_at(side, 12.0)
    pose = square_on(TURBINE, place)
    mask = asset_mask(Turbine(TURBINE), pose, CAMERA)
    for share in (0.02, 0.5, 0.98):
        for metres in (11.0, 12.0, 13.0):
            x, y = pixel_of(TURBINE, pose, CAMERA, place_at(side, metres, share))
            if 0 <= x < CAMERA.width_px and 0 <= y < CAMERA.height_px:
                assert mask[int(y) // MASK_SCALE, int(x) // MASK_SCALE]
    assert mask.mean() < 0.8
