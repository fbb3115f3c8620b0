"""MAVLink messages become the agent's own picture, and the camera's track in true time."""

from __future__ import annotations

import math
from typing import Any

import pytest
from pymavlink.dialects.v20 import ardupilotmega as mav

from contracts.media import PoseSample
from edge.aircraft import Landed
from edge.backends.mavlink_picture import PictureMaker

BOOT_US = 1_795_176_000_000_000
GEOID_M = 41.0


class Bench:
    """A picture maker that hears an autopilot."""

    def __init__(self, geoid_m: float | None = None) -> None:
        self.poses: list[PoseSample] = []
        self.maker = PictureMaker(self.poses.append, geoid_m)

    def hear(self, *messages: Any) -> None:
        for message in messages:
            self.maker.take(message)


def heartbeat(mode: int = 4, armed: bool = False) -> Any:
    return mav.MAVLink_heartbeat_message(13, 3, 128 * armed, mode, 4, 3)


def system_time(ms: int, boot_us: int = BOOT_US) -> Any:
    return mav.MAVLink_system_time_message(boot_us + ms * 1000, ms)


def gps(fix_type: int = 6, geoid_m: float = GEOID_M) -> Any:
    ellipsoid_mm = 4000 + round(geoid_m * 1000)
    return mav.MAVLink_gps_raw_int_message(0, fix_type, 567000000, 82000000, 4000, 70, 90, 0, 0, 20, ellipsoid_mm)


def position(ms: int, lat_e7: int = 567000000) -> Any:
    return mav.MAVLink_global_position_int_message(ms, lat_e7, 82000000, 34000, 30000, 100, 200, -50, 9000)


def gimbal(ms: int, yaw_deg: float, pitch_deg: float = -10.0, flags: int = 64) -> Any:
    half_yaw, half_pitch = math.radians(yaw_deg) / 2, math.radians(pitch_deg) / 2
    q = [
        math.cos(half_pitch) * math.cos(half_yaw),
        -math.sin(half_pitch) * math.sin(half_yaw),
        math.sin(half_pitch) * math.cos(half_yaw),
        math.cos(half_pitch) * math.sin(half_yaw),
    ]
    return mav.MAVLink_gimbal_device_attitude_status_message(0, 0, ms, flags, q, 0, 0, 0, 0)


def landed(state: int = 1) -> Any:
    return mav.MAVLink_extended_sys_state_message(0, state)


def test_it_is_connected_once_heartbeat_and_landed_state_are_known() -> None:
    bench = Bench()
    seen = []
    for message in (heartbeat(), landed()):
        bench.hear(message)
        seen.append(bench.maker.picture)
    assert [picture.connected for picture in seen] == [False, True]
    assert seen[-1].mode == "GUIDED"


def test_a_ground_stations_heartbeat_is_not_the_autopilots() -> None:
    bench = Bench()
    bench.hear(mav.MAVLink_heartbeat_message(6, 8, 0, 0, 4, 3), landed())
    assert not bench.maker.picture.connected


def test_altitudes_are_above_the_ellipsoid() -> None:
    bench = Bench()
    bench.hear(system_time(1000), gps(), position(1000))
    fix = bench.maker.picture.fix
    assert fix is not None
    assert fix.point.alt_m == pytest.approx(34.0 + GEOID_M)
    assert (fix.t_us, fix.alt_rel_m) == (BOOT_US + 1_000_000, 30.0)
    assert (fix.vel_north_mps, fix.vel_east_mps, fix.vel_up_mps) == (1.0, 2.0, 0.5)


def test_without_a_geoid_or_a_clock_there_is_no_place() -> None:
    no_geoid, no_clock = Bench(), Bench(GEOID_M)
    no_geoid.hear(system_time(1000), position(1000))
    no_clock.hear(position(1000))
    assert no_geoid.maker.picture.fix is None
    assert no_clock.maker.picture.fix is None


@pytest.mark.parametrize("early", [gps(1, 17.0), gps(0, -17.0), gps(3, 4000.0)])
def test_heights_of_a_receiver_without_a_fix_set_no_datum(early: Any) -> None:
    """u-blox says 0 m above the ellipsoid and -17 m above the sea until it knows better."""
    bench = Bench()
    bench.hear(system_time(1000), early, gps(), position(1000))
    fix = bench.maker.picture.fix
    assert fix is not None
    assert fix.point.alt_m == pytest.approx(34.0 + GEOID_M)


def test_a_time_before_gps_knows_it_is_no_time() -> None:
    bench = Bench(GEOID_M)
    bench.hear(system_time(1000, 0), position(1000))
    assert (bench.maker.picture.clock_set, bench.maker.picture.fix) == (False, None)


def test_the_settings_geoid_wins() -> None:
    bench = Bench(10.0)
    bench.hear(system_time(0), gps(), position(50))
    fix = bench.maker.picture.fix
    assert fix is not None
    assert fix.point.alt_m == pytest.approx(44.0)


def test_the_cameras_direction_is_taken_at_the_positions_instant() -> None:
    bench = Bench(GEOID_M)
    bench.hear(system_time(0), gimbal(0, 350.0, -10.0), position(25), gimbal(50, 10.0, 10.0))
    (sample,) = bench.poses
    assert sample.t_us == BOOT_US + 25_000
    assert sample.pose.yaw_deg == pytest.approx(0.0, abs=1e-4) or sample.pose.yaw_deg == pytest.approx(360.0, abs=1e-4)
    assert sample.pose.pitch_deg == pytest.approx(0.0, abs=1e-4)


def test_messages_of_one_instant_pair_in_either_order() -> None:
    bench = Bench(GEOID_M)
    bench.hear(system_time(0), position(50), gimbal(50, 20.0), gimbal(100, 30.0), position(100))
    assert [round(p.pose.yaw_deg, 3) for p in bench.poses] == [20.0, 30.0]


@pytest.mark.parametrize(
    ("flags", "yaw_deg"),
    [(32, 110.0), (64, 20.0), (4 | 8, 110.0), (4 | 8 | 16, 20.0), (4 | 8 | 16 | 32, 110.0)],
    ids=["vehicle", "earth", "ArduPilot 4.5", "old and locked", "ArduPilot 4.6, locked"],
)
def test_a_gimbals_yaw_is_counted_from_north_whatever_its_frame(flags: int, yaw_deg: float) -> None:
    bench = Bench(GEOID_M)
    turned = mav.MAVLink_attitude_message(0, 0.0, 0.0, math.radians(90), 0, 0, 0)
    bench.hear(system_time(0), turned, position(50), gimbal(50, 20.0, flags=flags))
    assert bench.poses[0].pose.yaw_deg == pytest.approx(yaw_deg, abs=1e-3)


def test_after_a_reboot_no_time_is_trusted_until_it_is_told_again() -> None:
    bench = Bench(GEOID_M)
    bench.hear(system_time(60_000), position(60_050), position(100))
    assert not bench.maker.picture.clock_set
    assert bench.maker.picture.fix is not None
    assert bench.maker.picture.fix.t_us == BOOT_US + 60_050_000
    bench.hear(system_time(1000, BOOT_US + 70_000_000), position(1050))
    assert bench.maker.picture.fix.t_us == BOOT_US + 71_050_000


def test_unknown_values_are_unknown() -> None:
    bench = Bench()
    bench.hear(heartbeat(99), mav.MAVLink_sys_status_message(0, 0, 0, 0, 65535, -1, -1, 0, 0, 0, 0, 0, 0), landed(77))
    picture = bench.maker.picture
    assert (picture.mode, picture.battery_v, picture.battery_percent) == ("MODE_99", None, None)
    assert picture.landed is Landed.UNDEFINED


def test_a_charge_that_is_told_no_more_is_unknown_until_it_is_told_again(monkeypatch: pytest.MonkeyPatch) -> None:
    bench, now = Bench(), [100.0]
    monkeypatch.setattr("edge.backends.mavlink_picture.time.monotonic", lambda: now[0])
    status = mav.MAVLink_sys_status_message(0, 0, 0, 0, 24000, 0, 80, 0, 0, 0, 0, 0, 0)
    seen = []
    for wait_s, said in ((0.0, status), (4.0, None), (2.0, None), (0.0, status)):
        now[0] += wait_s
        bench.hear(heartbeat(), landed(), *([said] if said else []))
        seen.append((bench.maker.picture.battery_percent, bench.maker.picture.battery_v, bench.maker.picture.untold))
    unknown = (None, None, frozenset({"SYS_STATUS"}))
    assert seen == [(80.0, 24.0, frozenset())] * 2 + [unknown, (80.0, 24.0, frozenset())]
