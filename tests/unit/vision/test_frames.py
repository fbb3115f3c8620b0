from __future__ import annotations

import itertools
from pathlib import Path

import cv2
import numpy as np
import pytest

from contracts.errors import CorruptMedia, InvalidInput
from contracts.geo import GeoPoint, Pose
from contracts.media import PoseSample
from contracts.vocabulary import BladeSide
from tests.vision_views import SMALL, TURBINE, encode, manifest_of, painted, pass_along
from vision.frames import (
    KeyFrames,
    Timeline,
    choose,
    choose_by_time,
    fill,
    footprints,
    pose_at,
    prefer_key_frames,
    sharpness,
)
from vision.turbine_grid import Turbine
from vision.video import Video

POINT = GeoPoint(lat_deg=56.0, lon_deg=8.0, alt_m=50.0)


def pose(yaw_deg: float, alt_m: float = 50.0) -> Pose:
    return Pose(point=POINT.model_copy(update={"alt_m": alt_m}), yaw_deg=yaw_deg, pitch_deg=0.0)


@pytest.mark.parametrize(
    ("t_us", "yaw_deg", "alt_m"),
    [(0, 350.0, 50.0), (50, 0.0, 55.0), (100, 10.0, 60.0), (-5, 350.0, 50.0), (500, 10.0, 60.0)],
)
def test_pose_is_interpolated_the_short_way_round(t_us: int, yaw_deg: float, alt_m: float) -> None:
    samples = [PoseSample(t_us=0, pose=pose(350.0)), PoseSample(t_us=100, pose=pose(10.0, 60.0))]
    found = pose_at(samples, [0, 100], t_us)
    assert found.yaw_deg % 360 == pytest.approx(yaw_deg)
    assert found.point.alt_m == pytest.approx(alt_m)
    assert -180 <= found.roll_deg <= 180


def test_no_pose_is_an_error() -> None:
    with pytest.raises(InvalidInput, match="no pose"):
        pose_at([], [], 0)


def shows(*parts: range) -> list[np.ndarray]:
    return [np.array(part, np.int64) for part in parts]


@pytest.mark.parametrize(
    ("prints", "chosen"),
    [
        pytest.param(shows(*(range(i, i + 100) for i in range(0, 200, 10))), [0, 5, 10, 15, 19], id="steady"),
        pytest.param(shows(*[range(100)] * 8), [0, 7], id="hovering"),
        pytest.param(shows(range(0), range(0)), [], id="asset never in the picture"),
        pytest.param(shows(range(100), range(2, 102), range(0), range(100), range(100)), [0, 1, 3, 4], id="two views"),
    ],
)
def test_choice_by_what_is_new(prints: list[np.ndarray], chosen: list[int]) -> None:
    assert choose(prints) == chosen


def test_neighbouring_key_frames_share_footprint_and_nothing_is_missed() -> None:
    poses = pass_along(BladeSide.PS, 3.0, 22.0, 72)
    surface = Turbine(TURBINE)
    prints = footprints(surface, manifest_of(b"v", poses), len(poses)).shown
    chosen = choose(prints)
    assert len(chosen) < len(poses) / 3
    for before, after in itertools.pairwise(chosen):
        shared = len(np.intersect1d(prints[before], prints[after]))
        assert shared >= 0.3 * max(len(prints[before]), len(prints[after]))
    everything = np.unique(np.concatenate(prints))
    looked = np.unique(np.concatenate([prints[i] for i in chosen]))
    assert len(looked) >= 0.98 * len(everything)


@pytest.mark.parametrize(
    ("chosen", "well", "filled"),
    [
        pytest.param([0], shows(range(10), range(5, 12), range(20, 30)), [0, 2], id="what no chosen frame shows"),
        pytest.param([0], shows(range(10), range(8, 12), range(8, 13)), [0, 2], id="the frame with most of it"),
        pytest.param([0], shows(range(10), range(8, 12)), [0], id="two points are not worth a frame"),
        pytest.param([], shows(range(0), range(0)), [], id="nothing is shown well"),
    ],
)
def test_gaps_between_key_frames_are_filled(chosen: list[int], well: list[np.ndarray], filled: list[int]) -> None:
    assert fill(chosen, well) == filled


@pytest.fixture(scope="module")
def flight(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a video of a pass in which frames 10 to 12 are blurred and 20 to 22 burnt out."""
    path = tmp_path_factory.mktemp("frames") / "flight.mp4"
    frames = [painted(p, SMALL, []) for p in pass_along(BladeSide.PS, 6.0, 16.0, 30)]
    for i in (11, 12):
        frames[i] = np.asarray(cv2.GaussianBlur(frames[i], (0, 0), 6), np.uint8)
    for i in (20, 21, 22):
        frames[i][:] = 255
    encode(path, frames, group=10)
    return path


def test_index_without_decoding(flight: Path) -> None:
    video = Video(flight)
    assert len(video.index) == 30
    assert [i for i, e in enumerate(video.index) if e.key] == [0, 10, 20]
    assert video.duration_s == pytest.approx(2.5, abs=0.01)
    assert video.key_before(17) == 10


@pytest.mark.parametrize("wanted", [[0], [5, 6], [3, 14, 29], list(range(30))])
def test_only_what_is_wanted_is_decoded(flight: Path, wanted: list[int]) -> None:
    decoded = list(Video(flight).decode(wanted))
    assert [d.frame for d in decoded] == wanted
    assert all(d.image.shape == (SMALL.height_px, SMALL.width_px, 3) for d in decoded)


def test_blurred_frames_give_way_to_a_sharp_neighbour(flight: Path) -> None:
    frames = KeyFrames(Video(flight), [2, 5, 8, 12, 16], lambda _: None)
    used = [f.frame for f in frames]
    assert not {11, 12} & set(used)
    assert any(8 < i < 16 for i in used)
    assert 12 in frames.rejected


def test_burnt_out_frames_are_not_used(flight: Path) -> None:
    frames = KeyFrames(Video(flight), [2, 5, 8, 16, 21, 26], lambda _: None)
    assert not {20, 21, 22} & {f.frame for f in frames}


def test_sharpness_is_of_the_region_only() -> None:
    image = np.full((200, 200, 3), 128, np.uint8)
    image[:, ::4][:, :25] = image[:, 1::4][:, :25] = 255
    left, right = np.zeros((50, 50), np.bool_), np.zeros((50, 50), np.bool_)
    left[:, :20], right[:, 30:] = True, True
    assert sharpness(image, left) > 1000
    assert sharpness(image, right) < 1
    assert sharpness(image, np.zeros((50, 50), np.bool_)) == 0.0


def test_without_poses_frames_come_in_steps(flight: Path) -> None:
    assert choose_by_time(Video(flight), 0.5) == [0, 6, 12, 18, 24]


def test_a_key_frame_nearby_is_preferred_when_it_shows_the_same(flight: Path) -> None:
    same = shows(*[range(100)] * 30)
    assert prefer_key_frames(Video(flight), [1, 9, 22], same) == [0, 10, 20]
    apart = shows(*(range(i * 50, i * 50 + 100) for i in range(30)))
    assert prefer_key_frames(Video(flight), [1, 9, 22], apart) == [1, 9, 22]


def test_frames_past_the_manifest_take_its_last_time() -> None:
    timeline = Timeline(manifest_of(b"v", pass_along(BladeSide.PS, 6.0, 9.0, 5)))
    assert timeline.t_us(99) == timeline.t_us(4)


@pytest.mark.parametrize("content", [b"", b"not a video" * 100])
def test_garbage_is_corrupt_media(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "garbage.mp4"
    path.write_bytes(content)
    with pytest.raises(CorruptMedia, match="cannot be read as video"):
        Video(path)


def test_a_torn_tail_leaves_what_is_whole(flight: Path, tmp_path: Path) -> None:
    torn = tmp_path / "torn.mp4"
    whole = flight.read_bytes()
    torn.write_bytes(whole[: len(whole) * 55 // 100])
    video = Video(torn)
    decoded = [d.frame for d in video.decode(range(len(video.index)))]
    assert 5 < len(decoded) < 30
    assert decoded == sorted(decoded)


def test_damaged_pixels_are_left_out_and_reported(flight: Path, tmp_path: Path) -> None:
    content = bytearray(flight.read_bytes())
    first, last = len(content) * 2 // 5, len(content) // 2
    content[first:last] = bytes(last - first)
    path = tmp_path / "damaged.mp4"
    path.write_bytes(content)
    video = Video(path)
    decoded = [d.frame for d in video.decode(range(len(video.index)))]
    assert len(decoded) < 30
    assert decoded[:3] == [0, 1, 2]
    assert video.problems
