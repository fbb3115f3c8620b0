"""The simulated autopilot as a ground station sees it: over UDP, and as a process that is killed."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from pymavlink.dialects.v20 import ardupilotmega as mav

from contracts.errors import InvalidInput
from contracts.geo import Enu, GeoPoint, LocalFrame
from simulators.autopilot import Autopilot, World
from simulators.autopilot_link import open_link

HOME = GeoPoint(lat_deg=53.6, lon_deg=-1.6, alt_m=92.0)
FRAME = LocalFrame(HOME)
DEADLINE_S = 12.0
ACCEPTED, DENIED, UNSUPPORTED, FAILED = 0, 2, 3, 4
STABILIZE, AUTO, GUIDED, RTL = 0, 3, 4, 6


class Station:
    """A ground station: sends, collects everything that comes, waits for conditions."""

    def __init__(self, system_id: int = 10) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.settimeout(0.05)
        self.port = self._socket.getsockname()[1]
        self._codec = mav.MAVLink(None, srcSystem=system_id, srcComponent=190)
        self._codec.robust_parsing = True
        self._peer: tuple[str, int] | None = None
        self.last: dict[str, Any] = {}
        self.seen: list[Any] = []

    def send(self, message: Any) -> None:
        if self._peer is None:
            self.wait("HEARTBEAT")
        assert self._peer is not None
        self._socket.sendto(message.pack(self._codec), self._peer)

    def poll(self) -> list[Any]:
        try:
            data, self._peer = self._socket.recvfrom(4096)
        except TimeoutError:
            return []
        messages = self._codec.parse_buffer(data) or []
        for message in messages:
            self.last[message.get_type()] = message
            self.seen.append(message)
        return list(messages)

    def until(self, holds: Callable[[], object], what: str) -> None:
        deadline = time.monotonic() + DEADLINE_S
        while not holds():
            assert time.monotonic() < deadline, f"never: {what}; texts {self.texts()[-4:]}"
            self.poll()

    def wait(self, kind: str, holds: Callable[[Any], bool] = lambda _: True) -> Any:
        """Return the next message of a kind that comes from now on and satisfies a condition."""
        deadline = time.monotonic() + DEADLINE_S
        while time.monotonic() < deadline:
            for message in self.poll():
                if message.get_type() == kind and holds(message):
                    return message
        raise AssertionError(f"no such {kind}; texts {self.texts()[-4:]}")

    def texts(self) -> list[str]:
        return [message.text for message in self.seen if message.get_type() == "STATUSTEXT"]

    def command(self, command: int, *params: float) -> int:
        padded = [*params, *([0.0] * (7 - len(params)))]
        self.send(mav.MAVLink_command_long_message(1, 1, command, 0, *padded))
        return int(self.wait("COMMAND_ACK", lambda ack: ack.command == command).result)

    def mode(self, mode: int) -> int:
        return self.command(mav.MAV_CMD_DO_SET_MODE, 1, mode)

    def position(self) -> Enu:
        message = self.last["GLOBAL_POSITION_INT"]
        alt_m = HOME.alt_m + message.relative_alt / 1000
        return FRAME.to_enu(GeoPoint(lat_deg=message.lat / 1e7, lon_deg=message.lon / 1e7, alt_m=alt_m))

    def upload(self, items: list[Any], kind: int = 0) -> int:
        """Upload items; answer MISSION_REQUEST as the autopilot asks; return the MISSION_ACK type."""
        self.send(mav.MAVLink_mission_count_message(1, 1, len(items), kind))
        while True:
            message = self._next({"MISSION_REQUEST", "MISSION_REQUEST_INT", "MISSION_ACK"})
            if message.get_type() == "MISSION_ACK":
                return int(message.type)
            assert message.get_type() == "MISSION_REQUEST"
            self.send(items[message.seq])

    def download(self) -> list[Any]:
        self.send(mav.MAVLink_mission_request_list_message(1, 1, 0))
        count = self.wait("MISSION_COUNT").count
        items = []
        for seq in range(count):
            self.send(mav.MAVLink_mission_request_int_message(1, 1, seq, 0))
            items.append(self.wait("MISSION_ITEM_INT", lambda item, seq=seq: item.seq == seq))  # type: ignore[misc]
        return items

    def ready(self) -> None:
        assert self.mode(GUIDED) == ACCEPTED
        self.wait("EKF_STATUS_REPORT", lambda report: report.flags == 831)

    def airborne(self, height_m: float) -> None:
        self.ready()
        assert self.command(mav.MAV_CMD_COMPONENT_ARM_DISARM, 1) == ACCEPTED
        assert self.command(mav.MAV_CMD_NAV_TAKEOFF, 0, 0, 0, 0, 0, 0, height_m) == ACCEPTED
        self.until(lambda: self.position().up > height_m - 0.5, "take-off height")

    def close(self) -> None:
        self._socket.close()

    def _next(self, kinds: set[str]) -> Any:
        deadline = time.monotonic() + DEADLINE_S
        while time.monotonic() < deadline:
            for message in self.poll():
                if message.get_type() in kinds:
                    return message
        raise AssertionError(f"none of {kinds}")


def waypoint(seq: int, place: Enu, kind: int = 0) -> Any:
    point = FRAME.to_geo(place)
    x, y, z = round(point.lat_deg * 1e7), round(point.lon_deg * 1e7), point.alt_m - HOME.alt_m
    return mav.MAVLink_mission_item_int_message(1, 1, seq, 6, 16, 0, 1, 0, 0, 0, float("nan"), x, y, z, kind)


def action(seq: int, command: int, *params: float) -> Any:
    four = [*params, *([0.0] * (4 - len(params)))]
    return mav.MAVLink_mission_item_int_message(1, 1, seq, 2, command, 0, 1, *four, 0, 0, 0.0, 0)


CORNERS = [Enu(0.0, 20.0, 22.0), Enu(15.0, 20.0, 30.0), Enu(15.0, 0.0, 25.0)]
MISSION = [
    waypoint(0, Enu(0.0, 0.0, 0.0)),
    action(1, mav.MAV_CMD_DO_CHANGE_SPEED, 1, 5, -1),
    waypoint(2, CORNERS[0]),
    action(3, mav.MAV_CMD_DO_MOUNT_CONTROL, -30, 0, 120),
    action(4, mav.MAV_CMD_VIDEO_START_CAPTURE),
    waypoint(5, CORNERS[1]),
    waypoint(6, CORNERS[2]),
    action(7, mav.MAV_CMD_VIDEO_STOP_CAPTURE),
    action(8, mav.MAV_CMD_NAV_RETURN_TO_LAUNCH),
]


def world(folder: Path, speedup: float = 20.0, ready_s: float = 0.2) -> World:
    return World(HOME, folder / "pose.jsonl", folder / "state.json", speedup=speedup, ready_s=ready_s)


def poses(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "pose.jsonl").read_text().splitlines()]


@contextmanager
def flying(station: Station, made: World) -> Iterator[Autopilot]:
    """Run an autopilot in a thread until the block ends."""
    link = open_link(f"udpout:127.0.0.1:{station.port}")
    autopilot, ended = Autopilot(made, link), threading.Event()

    def loop() -> None:
        while not ended.is_set():
            autopilot.step()

    thread = threading.Thread(target=loop)
    thread.start()
    try:
        yield autopilot
    finally:
        ended.set()
        thread.join()
        autopilot.close()
        link.close()


@pytest.fixture
def station() -> Iterator[Station]:
    made = Station()
    yield made
    made.close()


def test_a_mission_from_upload_to_landing(station: Station, tmp_path: Path) -> None:
    with flying(station, world(tmp_path)):
        station.airborne(20.0)
        assert station.upload(MISSION) == mav.MAV_MISSION_ACCEPTED
        back = station.download()
        assert [item.command for item in back] == [item.command for item in MISSION]
        assert [item.frame for item in back] == [0, 0, 3, 0, 0, 3, 3, 0, 0]
        assert abs(back[0].x - HOME.lat_deg * 1e7) <= 1
        assert back[0].z == pytest.approx(HOME.alt_m - 41.0, abs=1e-3)
        assert station.mode(AUTO) == ACCEPTED
        reached = [station.wait("MISSION_ITEM_REACHED").seq for _ in CORNERS]
        assert reached == [2, 5, 6]
        station.wait("EXTENDED_SYS_STATE", lambda state: state.landed_state == 4)
        station.wait("EXTENDED_SYS_STATE", lambda state: state.landed_state == 1)
        beat = station.wait("HEARTBEAT", lambda beat: not beat.base_mode & 128)
        assert beat.custom_mode == AUTO
        current = station.wait("MISSION_CURRENT")
        assert (current.seq, current.mission_state) == (0, mav.MISSION_STATE_COMPLETE)
    flown = poses(tmp_path)
    assert {b["t_us"] - a["t_us"] for a, b in pairwise(flown)} == {20_000}
    track = [FRAME.to_enu(GeoPoint(lat_deg=p["lat_deg"], lon_deg=p["lon_deg"], alt_m=p["alt_m"])) for p in flown]
    for corner in CORNERS:
        assert min(place.minus(corner).norm() for place in track) < 0.3
    filmed = [place for place, pose in zip(track, flown, strict=True) if pose["recording"]]
    assert filmed[0].minus(CORNERS[0]).norm() < 0.4
    assert filmed[-1].minus(CORNERS[2]).norm() < 0.4
    looked = [p for p in flown if p["recording"]][-1]
    assert (looked["yaw_deg"], looked["pitch_deg"]) == (120.0, -30.0)


def test_a_tcp_client_gets_the_same_and_may_leave(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    link = open_link(f"tcpin:127.0.0.1:{port}")
    autopilot = Autopilot(world(tmp_path), link)
    codec = mav.MAVLink(None, srcSystem=10, srcComponent=190)
    for _ in range(2):
        with socket.create_connection(("127.0.0.1", port), timeout=5) as client:
            client.settimeout(0.01)
            request = mav.MAVLink_command_long_message(1, 1, mav.MAV_CMD_REQUEST_MESSAGE, 0, 242, 0, 0, 0, 0, 0, 0)
            client.sendall(b"garbage" + request.pack(codec))
            kinds: set[str] = set()
            deadline = time.monotonic() + DEADLINE_S
            while not {"COMMAND_ACK", "HOME_POSITION", "HEARTBEAT"} <= kinds:
                assert time.monotonic() < deadline, kinds
                autopilot.step()
                try:
                    kinds |= {m.get_type() for m in codec.parse_buffer(client.recv(65536)) or []}
                except TimeoutError:
                    continue
    autopilot.close()
    link.close()


@pytest.mark.parametrize("url", ["", "udpin:127.0.0.1:1", "udpout:127.0.0.1", "udpout:127.0.0.1:99999", "tcpin::5"])
def test_a_link_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(InvalidInput):
        open_link(url)


def test_a_single_float_item_reads_back(station: Station, tmp_path: Path) -> None:
    """The old MISSION_ITEM form is taken and given as well; clearing empties the list."""
    with flying(station, world(tmp_path)):
        plain = [
            mav.MAVLink_mission_item_message(1, 1, seq, 3, 16, 0, 1, 0, 0, 0, 0, 53.601, -1.6, 30.0, 0)
            for seq in (0, 1)
        ]
        assert station.upload(plain) == mav.MAV_MISSION_ACCEPTED
        station.send(mav.MAVLink_mission_request_message(1, 1, 1, 0))
        back = station.wait("MISSION_ITEM")
        assert (back.x, back.y, back.z) == pytest.approx((53.601, -1.6, 30.0), abs=1e-5)
        station.send(mav.MAVLink_mission_clear_all_message(1, 1, 0))
        assert station.wait("MISSION_ACK").type == mav.MAV_MISSION_ACCEPTED
        assert station.download() == []


def test_a_fence_is_taken_whole_or_not_at_all(station: Station, tmp_path: Path) -> None:
    def vertex(seq: int, count: int) -> Any:
        x, y = round((53.6 + 0.001 * (seq % 2)) * 1e7), round((-1.6 + 0.001 * (seq // 2)) * 1e7)
        command = mav.MAV_CMD_NAV_FENCE_POLYGON_VERTEX_INCLUSION
        return mav.MAVLink_mission_item_int_message(1, 1, seq, 3, command, 0, 1, count, 0, 0, 0, x, y, 0.0, 1)

    with flying(station, world(tmp_path)) as autopilot:
        assert station.upload([vertex(seq, 3) for seq in range(3)], kind=1) == mav.MAV_MISSION_ACCEPTED
        assert station.upload([vertex(seq, 5) for seq in range(3)], kind=1) == mav.MAV_MISSION_ERROR
        assert [item.p1 for item in autopilot.state.fence] == [3.0] * 3


def test_arming_manners(station: Station, tmp_path: Path) -> None:
    with flying(station, world(tmp_path, ready_s=20.0)):
        assert station.mode(GUIDED) == ACCEPTED
        assert station.command(mav.MAV_CMD_COMPONENT_ARM_DISARM, 1) == FAILED
        station.until(lambda: "Arm: Need Position Estimate" in station.texts(), "the reason")
        station.ready()
        assert station.mode(AUTO) == ACCEPTED
        assert station.command(mav.MAV_CMD_MISSION_START) == ACCEPTED
        assert station.command(mav.MAV_CMD_COMPONENT_ARM_DISARM, 1) == FAILED
        station.until(lambda: "Arm: AUTO mode is not armable" in station.texts(), "the reason")
        assert station.mode(GUIDED) == ACCEPTED
        assert station.command(mav.MAV_CMD_COMPONENT_ARM_DISARM, 1) == ACCEPTED
        station.wait("HEARTBEAT", lambda beat: bool(beat.base_mode & 128))
        station.wait("HEARTBEAT", lambda beat: not beat.base_mode & 128)
        assert station.command(mav.MAV_CMD_NAV_TAKEOFF, 0, 0, 0, 0, 0, 0, 10) == FAILED
        assert station.command(mav.MAV_CMD_SET_MESSAGE_INTERVAL, 77777, 100_000) == DENIED
        assert station.command(mav.MAV_CMD_DO_ORBIT) == UNSUPPORTED


def test_pause_continue_and_return(station: Station, tmp_path: Path) -> None:
    with flying(station, world(tmp_path)):
        assert station.command(mav.MAV_CMD_DO_PAUSE_CONTINUE, 0) == FAILED
        station.airborne(15.0)
        assert station.command(mav.MAV_CMD_NAV_TAKEOFF, 0, 0, 0, 0, 0, 0, 10) == FAILED
        assert station.command(mav.MAV_CMD_COMPONENT_ARM_DISARM, 0) == FAILED
        far = [waypoint(0, Enu(0.0, 0.0, 0.0)), waypoint(1, Enu(300.0, 0.0, 30.0))]
        assert station.upload(far) == mav.MAV_MISSION_ACCEPTED
        assert station.mode(AUTO) == ACCEPTED
        station.until(lambda: station.position().east > 10, "on its way")
        station.send(mav.MAVLink_mission_clear_all_message(1, 1, 0))
        assert station.wait("MISSION_ACK").type == mav.MAV_MISSION_ERROR
        assert station.command(mav.MAV_CMD_DO_PAUSE_CONTINUE, 0) == ACCEPTED
        assert station.wait("MISSION_CURRENT").mission_state == mav.MISSION_STATE_PAUSED
        station.wait("GLOBAL_POSITION_INT", lambda p: abs(p.vx) < 10 and abs(p.vy) < 10)
        stood = station.position().east
        assert station.command(mav.MAV_CMD_DO_PAUSE_CONTINUE, 1) == ACCEPTED
        station.until(lambda: station.position().east > stood + 10, "going on")
        assert station.command(mav.MAV_CMD_NAV_RETURN_TO_LAUNCH) == ACCEPTED
        assert station.command(mav.MAV_CMD_NAV_RETURN_TO_LAUNCH) == ACCEPTED
        beat = station.wait("HEARTBEAT", lambda beat: not beat.base_mode & 128)
        assert beat.custom_mode == RTL
        assert station.position().norm() < 0.5


def test_uploads_ask_again_and_give_up(station: Station, tmp_path: Path) -> None:
    with flying(station, world(tmp_path)):
        station.send(mav.MAVLink_mission_count_message(1, 1, 3, 0))
        asked = [station.wait("MISSION_REQUEST").seq for _ in range(2)]
        assert asked == [0, 0]
        station.send(MISSION[2])
        assert station.wait("MISSION_ACK").type == mav.MAV_MISSION_INVALID_SEQUENCE
        station.send(MISSION[0])
        assert station.wait("MISSION_REQUEST", lambda request: request.seq == 1)
        assert station.wait("MISSION_ACK").type == mav.MAV_MISSION_OPERATION_CANCELLED
        assert len(station.download()) == 1
        station.send(mav.MAVLink_mission_count_message(1, 1, 651, 0))
        assert station.wait("MISSION_ACK").type == mav.MAV_MISSION_NO_SPACE


def test_times_are_exact(station: Station, tmp_path: Path) -> None:
    """Position messages name the very instant of a pose log record, within sensor error."""
    with flying(station, world(tmp_path)):
        station.airborne(5.0)
        station.until(lambda: "SYSTEM_TIME" in station.last, "the clock")
        clock = station.last["SYSTEM_TIME"]
        boot_us = clock.time_unix_usec - clock.time_boot_ms * 1000
    truth = {pose["t_us"]: pose for pose in poses(tmp_path)}
    checked = 0
    for message in station.seen:
        if message.get_type() == "GLOBAL_POSITION_INT":
            pose = truth[boot_us + message.time_boot_ms * 1000]
            assert message.lat / 1e7 == pytest.approx(pose["lat_deg"], abs=1e-6)
            assert message.alt / 1000 + 41.0 == pytest.approx(pose["alt_m"], abs=0.08)
            checked += 1
    assert checked > 50


def test_link_loss_counts_only_the_ground_station(tmp_path: Path) -> None:
    agent, ground = Station(system_id=10), Station(system_id=255)
    ground.close()
    with flying(agent, world(tmp_path)):
        agent.send(mav.MAVLink_param_set_message(1, 1, b"FS_GCS_ENABLE", 1.0, 9))
        assert agent.wait("PARAM_VALUE").param_value == 1.0
        agent.airborne(10.0)
        agent.send(mav.MAVLink_heartbeat_message(6, 8, 0, 0, 4, 3))
        began = agent.wait("SYSTEM_TIME").time_boot_ms
        agent.wait("SYSTEM_TIME", lambda clock: clock.time_boot_ms > began + 8000)
        assert agent.last["HEARTBEAT"].custom_mode == GUIDED
        agent._codec.srcSystem = 255
        agent.send(mav.MAVLink_heartbeat_message(6, 8, 0, 0, 4, 3))
        agent.wait("HEARTBEAT", lambda beat: beat.custom_mode == RTL)
    agent.close()


def start(folder: Path, port: int, speedup: float) -> subprocess.Popen[bytes]:
    home = f"{HOME.lat_deg},{HOME.lon_deg},{HOME.alt_m}"
    files = ["--pose-log", str(folder / "pose.jsonl"), "--state-file", str(folder / "state.json")]
    flags = ["--connect", f"udpout:127.0.0.1:{port}", "--speedup", str(speedup), "--ready-s", "0.2", "--json"]
    program = [sys.executable, "-m", "simulators", "autopilot", f"--home={home}", *files, *flags]
    return subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)


def test_killed_in_flight_it_flies_on(station: Station, tmp_path: Path) -> None:
    first = start(tmp_path, station.port, 10.0)
    try:
        station.airborne(20.0)
        assert station.upload(MISSION) == mav.MAV_MISSION_ACCEPTED
        assert station.mode(AUTO) == ACCEPTED
        station.wait("MISSION_ITEM_REACHED", lambda item: item.seq == 2)
    finally:
        os.kill(first.pid, signal.SIGKILL)
        first.communicate()
    before = poses(tmp_path)[-1]
    with (tmp_path / "pose.jsonl").open("a") as log:
        log.write('{"t_us":17')
    second = start(tmp_path, station.port, 10.0)
    try:
        reached = [station.wait("MISSION_ITEM_REACHED").seq for _ in range(2)]
        assert reached == [5, 6]
        station.wait("HEARTBEAT", lambda beat: not beat.base_mode & 128)
    finally:
        second.terminate()
        out, _ = second.communicate(timeout=DEADLINE_S)
    assert json.loads(out)["resumed"] is True
    assert second.returncode == 0
    flown = poses(tmp_path)
    after = next(pose for pose in flown if pose["t_us"] > before["t_us"])
    assert after["recording"]
    for key, most in (("lat_deg", 2e-6), ("lon_deg", 4e-6), ("alt_m", 0.2)):
        assert after[key] == pytest.approx(before[key], abs=most)
    times = [pose["t_us"] for pose in flown]
    assert times == sorted(set(times))
