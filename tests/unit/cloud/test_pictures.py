"""Pictures of one place: brought onto each other, compared whatever the light; rust that grows and is not imagined."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from cloud.history import pictures
from cloud.history.pictures import Image
from cloud.history.rust import ERROR_SHARE, rust
from contracts.errors import CorruptMedia

DATA = Path(__file__).resolve().parents[4] / "shared/data/eval_only/fastener_series/public"
with_data = pytest.mark.skipif(not DATA.is_dir(), reason="the public data set is not beside the repository")


def surface(seed: int = 1, crack_px: int = 0) -> Image:
    """Return a textured surface of 240 by 320 pixels, with a dark crack of some length."""
    rng = np.random.default_rng(seed)
    grey = cv2.GaussianBlur(rng.normal(150, 60, (240, 320)).astype(np.float32), (0, 0), 2.5)
    image = cv2.cvtColor(np.clip(150 + 3 * (grey - 150), 0, 255).astype(np.uint8), cv2.COLOR_GRAY2BGR)
    if crack_px:
        cv2.line(image, (160 - crack_px // 2, 120), (160 + crack_px // 2, 126), (15, 15, 15), 4)
    return np.asarray(image, dtype=np.uint8)


def variants(image: Image) -> Iterator[tuple[str, Image]]:
    """Yield an image re-lit, re-cropped and re-compressed."""
    for gain, offset in ((0.85, 8), (1.0, -12), (0.93, 0), (0.8, 0)):
        yield f"light {gain} {offset}", np.clip(image * gain + offset, 0, 255).astype(np.uint8)
    for blue, red in ((0.94, 1.0), (1.0, 0.94)):
        yield f"colour {blue} {red}", np.clip(image * np.array([blue, 0.97, red]), 0, 255).astype(np.uint8)
    for quality in (40, 60, 80):
        yield (
            f"jpeg {quality}",
            pictures.decode(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()),
        )
    rows, columns = image.shape[:2]
    for share in (0.01, 0.02, 0.03):
        y, x = int(rows * share), int(columns * share)
        yield f"crop {share}", np.ascontiguousarray(image[y : rows - y, x : columns - x])


@pytest.mark.parametrize(("x", "y", "turn_deg"), [(0, 0, 0), (9, -6, 0), (-12, 4, 3), (5, 5, -4)])
def test_a_moved_and_turned_picture_comes_back(x: int, y: int, turn_deg: float) -> None:
    reference = surface(crack_px=80)
    matrix = cv2.getRotationMatrix2D((160, 120), turn_deg, 1.0)
    matrix[:, 2] += (x, y)
    moved = cv2.warpAffine(reference, matrix, (320, 240), borderMode=cv2.BORDER_REPLICATE)
    back = pictures.aligned(np.asarray(moved, dtype=np.uint8), reference)
    assert back.trusted
    assert back.correlation > 0.8
    inner = np.s_[40:200, 40:280]
    assert np.mean(np.abs(back.image[inner].astype(int) - reference[inner])) < 12


def test_another_place_is_not_trusted() -> None:
    assert not pictures.aligned(surface(2), surface(1)).trusted


def test_a_longer_crack_differs_and_another_light_does_not() -> None:
    before, after = surface(crack_px=60), surface(crack_px=150)
    darker = np.clip(before * 0.8 + 5, 0, 255).astype(np.uint8)
    grown, same = pictures.difference(after, before), pictures.difference(darker, before)
    assert grown.changed_share > same.changed_share
    assert same.changed_share < 0.01
    ys, xs = np.nonzero(grown.map > 200)
    assert abs(float(np.median(ys)) - 123) < 12
    assert min(xs) < 130
    assert max(xs) > 190


def test_two_scales_meet() -> None:
    close = surface(crack_px=100)
    far = np.asarray(cv2.resize(close, (160, 120), interpolation=cv2.INTER_AREA), dtype=np.uint8)
    one, other = pictures.scaled(close, 1.0, 2.0, (120, 160)), pictures.scaled(far, 2.0, 2.0, (120, 160))
    assert pictures.aligned(one, other).correlation > 0.9


def test_what_is_no_picture_is_refused() -> None:
    with pytest.raises(CorruptMedia):
        pictures.decode(b"not a picture")


def series() -> list[list[Image]]:
    frames = [entry["frames"] for entry in json.loads((DATA / "series.json").read_text())]
    return [[pictures.decode((DATA / each[t]).read_bytes()) for t in ("T0", "T24", "T48", "T72")] for each in frames]


@with_data
def test_rust_rises_and_never_falls_beyond_the_error() -> None:
    """Seven of the eleven parts show next to no red rust: that those do not fall says little, that four rise does."""
    measured = [[rust(image) for image in images] for images in series()]
    falls = [min(b.change(a) or 0.0 for a, b in itertools.pairwise(each)) < 0 for each in measured]
    rises = [(each[-1].change(each[0]) or 0.0) > 0 for each in measured]
    assert sum(falls) / 11 <= 0.2
    assert sum(rises) >= 4


@with_data
def test_one_picture_in_another_light_crop_or_compression_has_not_changed() -> None:
    same = total = 0
    for image, *_ in series():
        before = rust(image)
        for _, variant in variants(image):
            same += rust(variant).change(before) is None
            total += 1
    assert total == 132
    assert same / total >= 0.95


@with_data
def test_what_has_rusted_is_seen_to_change() -> None:
    bolt = series()[0]
    change = rust(bolt[-1]).change(rust(bolt[0]))
    assert change is not None
    assert change > 10 * ERROR_SHARE
