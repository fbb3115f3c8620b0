"""Recordings of every kind a camera makes: each frame is told by what it shows, whatever way it was coded."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from contracts.vocabulary import BladeSide
from tests.vision_views import SMALL, encode, manifest_of, painted, pass_along
from vision.frames import Timeline, of_file
from vision.video import Video

COUNT, BITS = 48, 6
WIDTH_PX, HEIGHT_PX = 192, 128
_LOUD_NOT = {"x265-params": "log-level=none:keyint=12:min-keyint=12:scenecut=0:bframes=3:open-gop=1"}
RECORDINGS = {
    "H.264": ("libx264", "yuv420p", {"bf": "0", "g": "12"}),
    "H.264 with B-frames": ("libx264", "yuv420p", {"bf": "3", "g": "12", "x264-params": "open-gop=1"}),
    "H.265, open groups": ("libx265", "yuv420p", _LOUD_NOT),
    "H.265, 10 bit": ("libx265", "yuv420p10le", _LOUD_NOT),
    "AV1": ("libsvtav1", "yuv420p", {"preset": "12", "g": "12", "svtav1-params": "lp=1"}),
}


def card(number: int) -> NDArray[np.uint8]:
    """Return a picture that shows its number as black and white columns; its upper edge is grey."""
    image = np.zeros((HEIGHT_PX, WIDTH_PX, 3), np.uint8)
    for bit in range(BITS):
        image[:, bit * 32 : bit * 32 + 32] = 255 * (number >> bit & 1)
    image[:32] = 128
    return image


def number_on(image: NDArray[np.uint8]) -> int:
    assert image.shape == (HEIGHT_PX, WIDTH_PX, 3)
    assert abs(float(image[4:28].mean()) - 128) < 30, "upright"
    return sum(int(image[48:, bit * 32 + 8 : bit * 32 + 24].mean() > 128) << bit for bit in range(BITS))


def record(path: Path, codec: str, pixels: str, options: dict[str, str], *, turn_deg: int = 0) -> list[float]:
    """Write the cards at uneven times, turned the other way first; return their times in ms."""
    times_ms = [i * 40 + (i % 3) * 7 for i in range(COUNT)]
    quarter_turns = round(turn_deg / 90) % 4
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream(codec, rate=25)
        stream.time_base = stream.codec_context.time_base = Fraction(1, 1000)
        stream.pix_fmt, stream.options = pixels, options
        stream.width, stream.height = (HEIGHT_PX, WIDTH_PX) if quarter_turns % 2 else (WIDTH_PX, HEIGHT_PX)
        if turn_deg:
            stream.set_display_rotation(turn_deg)
        for number, t_ms in enumerate(times_ms):
            pixels_out = np.ascontiguousarray(np.rot90(card(number), -quarter_turns))
            frame = av.VideoFrame.from_ndarray(pixels_out, format="bgr24")
            frame.pts, frame.time_base = t_ms, Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return [float(t) for t in times_ms]


@pytest.fixture(scope="module", params=list(RECORDINGS))
def recording(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[float]]:
    path = tmp_path_factory.mktemp("recordings") / "one.mp4"
    return path, record(path, *RECORDINGS[request.param])


@pytest.mark.parametrize("wanted", [range(COUNT), [0], [9, 10, 11], [22, 23, 36], [35], [COUNT - 1]], ids=str)
def test_the_frames_asked_for_come_as_they_were_taken(recording: tuple[Path, list[float]], wanted: range) -> None:
    video = Video(recording[0])
    decoded = list(video.decode(list(wanted)))
    assert [number_on(d.image) for d in decoded] == list(wanted)
    assert [d.frame for d in decoded] == list(wanted)
    assert video.problems == []


def test_uneven_times_are_kept(recording: tuple[Path, list[float]]) -> None:
    path, times_ms = recording
    assert [e.pts_ms for e in Video(path).index] == pytest.approx(times_ms, abs=0.1)


@pytest.mark.parametrize("turn_deg", [90, -90, 180])
def test_a_recording_on_its_side_or_head_is_shown_upright(tmp_path: Path, turn_deg: int) -> None:
    path = tmp_path / "turned.mp4"
    record(path, *RECORDINGS["H.264"], turn_deg=turn_deg)
    video = Video(path)
    assert (video.width_px, video.height_px) == (WIDTH_PX, HEIGHT_PX)
    assert [number_on(d.image) for d in video.decode([5, 30])] == [5, 30]


def test_frames_lost_within_a_file_do_not_shift_the_poses_of_those_after(tmp_path: Path) -> None:
    poses = pass_along(BladeSide.PS, 6.0, 9.0, 24)
    whole = manifest_of(b"v", poses)
    path = tmp_path / "gap.mp4"
    encode(path, [painted(p, SMALL, []) for p in poses], group=6)
    gap = tmp_path / "without.mp4"
    _without(path, gap, range(6, 12))
    video = Video(gap)
    timeline = Timeline(of_file(whole, video))
    kept = [*range(6), *range(12, 24)]
    assert [timeline.t_us(i) for i in range(len(video.index))] == [whole.frames[i].t_us for i in kept]


def _without(path: Path, out: Path, left_out: range) -> None:
    with av.open(str(path)) as source, av.open(str(out), "w") as sink:
        stream = sink.add_stream_from_template(source.streams.video[0])
        for number, packet in enumerate(p for p in source.demux(video=0) if p.size):
            if number not in left_out:
                packet.stream = stream
                sink.mux(packet)
