from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.poselog import PoseLog, frame_time_us

T0 = 1_760_000_000_000_000


def line(t_us: int, *, recording: bool = True, yaw_deg: float = 0.0, alt_m: float = 100.0) -> str:
    pose = {"t_us": t_us, "lat_deg": 56.7, "lon_deg": 8.2, "alt_m": alt_m, "yaw_deg": yaw_deg, "pitch_deg": 0.0}
    return json.dumps({**pose, "roll_deg": 0.0, "recording": recording, "ve": 1.0, "vn": 0.0, "vu": 0.0}) + "\n"


def test_frames_are_exact_parts_of_a_second_while_recording(tmp_path: Path) -> None:
    path = tmp_path / "poses"
    on = range(5, 61)
    path.write_text("".join(line(T0 + k * 20_000, recording=k in on) for k in range(80)))
    log = PoseLog(path)
    assert log.read() == 80
    times = [frame_time_us(n, 12) for n in log.frames(0, 12)]
    assert times == [t for n in range(30) if T0 + 100_000 <= (t := T0 + round(n * 1e6 / 12)) < T0 + 1_220_000]
    assert [frame_time_us(n, 12) for n in log.frames(times[4], 12)] == times[5:]


def test_gap_in_the_log_has_no_frames(tmp_path: Path) -> None:
    path = tmp_path / "poses"
    path.write_text("".join(line(t) for t in (T0, T0 + 100_000, T0 + 2_000_000, T0 + 2_100_000)))
    log = PoseLog(path)
    log.read()
    times = [frame_time_us(n, 10) - T0 for n in log.frames(0, 10)]
    assert times == [0, 2_000_000]


def test_half_a_line_waits_and_damage_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "poses"
    whole = line(T0)
    path.write_text(whole + "nonsense\n" + line(T0 - 5) + line(T0 + 20_000)[:30])
    log = PoseLog(path)
    assert log.read() == 1
    with path.open("a") as file:
        file.write(line(T0 + 20_000)[30:])
    assert log.read() == 1
    assert log.newest is not None
    assert log.newest.t_us == T0 + 20_000


def test_missing_log_is_an_empty_one(tmp_path: Path) -> None:
    log = PoseLog(tmp_path / "none")
    assert log.read() == 0
    assert log.newest is None


@given(st.floats(min_value=0, max_value=1))
def test_pose_between_two_lines(tmp_path_factory: pytest.TempPathFactory, share: float) -> None:
    path = tmp_path_factory.mktemp("log") / "poses"
    path.write_text(line(T0, yaw_deg=350, alt_m=100) + line(T0 + 20_000, yaw_deg=10, alt_m=102))
    log = PoseLog(path)
    log.read()
    t_us = T0 + round(share * 20_000)
    pose, velocity = log.at(t_us)
    done = (t_us - T0) / 20_000
    assert pose.point.alt_m == pytest.approx(100 + 2 * done)
    assert (pose.yaw_deg - (350 + 20 * done)) % 360 == pytest.approx(0, abs=1e-6) or done == 0.5
    assert velocity.east == 1.0
