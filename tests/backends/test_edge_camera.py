"""Frames come out of the network camera whole, in order, and with their true times."""

from __future__ import annotations

import pytest

from contracts.errors import Unavailable
from edge.backends.camera import PlainCamera, ReplayCamera, camera_at
from tests.backends.tiny_camera import TinyCamera
from tests.unit.edge.world import NOW_US


def patient() -> bool:
    return False


def test_every_frame_comes_with_its_time_to_the_very_last() -> None:
    with TinyCamera() as tiny:
        times = tiny.film(NOW_US, 3.4)
        frames = list(camera_at(tiny.url).frames(NOW_US, patient))
    assert [f.t_us for f in frames] == times
    assert [f.key for f in frames] == [n % 5 == 0 for n in range(17)]


def test_it_replays_from_any_time() -> None:
    with TinyCamera() as tiny:
        times = tiny.film(NOW_US, 4.0)
        frames = list(ReplayCamera(tiny.url).frames(times[9] + 1, patient))
    assert [f.t_us for f in frames] == times[10:]


def test_a_stream_that_breaks_off_is_told_from_one_that_ends() -> None:
    with TinyCamera() as tiny:
        times = tiny.film(NOW_US, 4.0)
        tiny.cut_after = sum(len(data) for data in tiny.groups.values()) - 700
        got: list[int] = []
        with pytest.raises(Unavailable, match="broke off"):
            got.extend(f.t_us for f in ReplayCamera(tiny.url).frames(NOW_US, patient))
    assert got == times[: len(got)]


def test_waiting_is_given_up_when_told() -> None:
    asked: list[int] = []

    def enough() -> bool:
        asked.append(1)
        return len(asked) >= 2

    with TinyCamera() as tiny:
        tiny.recording = True
        assert list(ReplayCamera(tiny.url).frames(NOW_US, enough)) == []
    assert len(asked) == 2


def test_it_is_finished_when_idle_and_nothing_is_left() -> None:
    with TinyCamera() as tiny:
        times = tiny.film(NOW_US, 2.0)
        camera = ReplayCamera(tiny.url)
        assert camera.finished(times[-1])
        assert not camera.finished(times[0])
        tiny.recording = True
        assert not camera.finished(times[-1])


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "http://127.0.0.1:1/video.mp4"])
def test_a_camera_that_is_not_there_is_unavailable(url: str) -> None:
    with pytest.raises(Unavailable):
        list(camera_at(url).frames(NOW_US, patient))
    with pytest.raises(Unavailable):
        camera_at(url).probe()


def test_only_a_bare_http_address_replays() -> None:
    assert isinstance(camera_at("http://10.0.0.5:8554"), ReplayCamera)
    assert isinstance(camera_at("rtsp://10.0.0.5/stream"), PlainCamera)
