from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.optics import CameraIntrinsics
from contracts.vocabulary import BladeSide
from tests.vision_views import TURBINE, RedFinder, pixel_of, place_at, square_on
from vision.surface import Surface
from vision.tiling import MASK_SCALE, OVERLAP_SHARE, TILE_PX, asset_mask, find_in_frame, tiles

WIDTH, HEIGHT = 1600, 1000
CAMERA = CameraIntrinsics(width_px=1920, height_px=1088, focal_px=2560.0)


@given(st.integers(32, 4200), st.integers(32, 2300))
@settings(max_examples=60, deadline=None)
def test_tiles_cover_the_frame_and_overlap(width: int, height: int) -> None:
    layout = tiles(width, height)
    covered = np.zeros((height, width), np.bool_)
    for tile in layout:
        assert 0 <= tile.x0 < tile.x1 <= width
        assert 0 <= tile.y0 < tile.y1 <= height
        covered[tile.y0 : tile.y1, tile.x0 : tile.x1] = True
    assert covered.all()
    columns = sorted({(t.x0, t.x1) for t in layout})
    for left, right in zip(columns, columns[1:], strict=False):
        assert left[1] - right[0] >= OVERLAP_SHARE * TILE_PX - 1


@pytest.mark.parametrize("at", range(TILE_PX - 170, TILE_PX + 20))
def test_an_object_at_a_tile_seam_is_found_once_and_whole(at: int) -> None:
    image = np.full((HEIGHT, WIDTH, 3), 128, np.uint8)
    cv2.rectangle(image, (at, 300), (at + 59, 339), (0, 0, 255), -1)
    found = find_in_frame(RedFinder(), image)
    assert len(found) == 1
    np.testing.assert_allclose(found.xyxy[0], [at, 300, at + 60, 340], atol=1.01)


@pytest.mark.parametrize("length", [700, 1100, 1500])
def test_an_object_longer_than_a_tile_is_one(length: int) -> None:
    image = np.full((HEIGHT, WIDTH, 3), 128, np.uint8)
    cv2.rectangle(image, (50, 480), (50 + length - 1, 559), (0, 0, 255), -1)
    found = find_in_frame(RedFinder(), image)
    assert len(found) == 1
    np.testing.assert_allclose(found.xyxy[0], [50, 480, 50 + length, 560], atol=4.01)


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
    mask = asset_mask(Surface(TURBINE), pose, CAMERA)
    for share in (0.02, 0.5, 0.98):
        for metres in (11.0, 12.0, 13.0):
            x, y = pixel_of(TURBINE, pose, CAMERA, place_at(side, metres, share))
            if 0 <= x < CAMERA.width_px and 0 <= y < CAMERA.height_px:
                assert mask[int(y) // MASK_SCALE, int(x) // MASK_SCALE]
    assert mask.mean() < 0.8
