"""What ArduPilot's source says of a link, on a wire of a few lines: who speaks, and when the reasons come."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pymavlink.dialects.v20 import ardupilotmega as mav

from edge.backends import autopilot as backend
from edge.backends.autopilot import MavlinkAutopilot
from edge.refusals import AutopilotRefused, AutopilotSilent

OURS, ANOTHER = (1, 1), (2, 1)
GUIDED, RTL = 4, 6


class Wire:
    """Bytes by hand: ``answers`` says what comes back for each message sent."""

    def __init__(self) -> None:
        self._come: queue.Queue[bytes] = queue.Queue()
        self._codec = mav.MAVLink(None)
        self.answers: Callable[[Any], None] = lambda _message: None

    def open(self) -> None:
        return

    def close(self) -> None:
        return

    def receive(self) -> bytes:
        try:
            return self._come.get(timeout=0.02)
        except queue.Empty:
            return b""

    def send(self, data: bytes) -> None:
        for message in self._codec.parse_buffer(data) or ():
            self.answers(message)

    def say(self, sender: tuple[int, int], *messages: Any) -> None:
        for message in messages:
            self._come.put(bytes(message.pack(mav.MAVLink(None, srcSystem=sender[0], srcComponent=sender[1]))))


def heartbeat(mode: int) -> Any:
    return mav.MAVLink_heartbeat_message(2, 3, 1, mode, 3, 3)


def landed(state: int = 1) -> Any:
    return mav.MAVLink_extended_sys_state_message(0, state)


@pytest.fixture
def wire() -> Wire:
    return Wire()


@pytest.fixture(params=[None])
def autopilot(
    wire: Wire, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[MavlinkAutopilot]:
    monkeypatch.setattr("edge.backends.mavlink_connection.line_of", lambda *_: wire)
    made = MavlinkAutopilot("tcp:127.0.0.1:5760", lambda _pose: None, None, system=request.param)
    made.start()
    yield made
    made.stop()


def until(holds: Callable[[], bool]) -> None:
    resting = threading.Event()
    for _ in range(400):
        if holds():
            return
        resting.wait(0.01)
    raise AssertionError("never")


def test_another_vehicle_on_the_link_is_not_taken_for_ours(autopilot: MavlinkAutopilot, wire: Wire) -> None:
    wire.say(OURS, heartbeat(GUIDED), landed())
    wire.say(ANOTHER, heartbeat(RTL), landed(2))
    wire.say((1, 154), landed(2))
    wire.say(OURS, mav.MAVLink_sys_status_message(0, 0, 0, 0, 12000, -1, 77, 0, 0, 0, 0, 0, 0))
    until(lambda: autopilot.look().battery_percent == 77)
    seen = autopilot.look()
    assert (seen.mode, seen.landed, seen.connected) == ("GUIDED", 1, True)


def test_of_several_the_lowest_is_ours_and_stays_ours_when_it_is_silent(
    autopilot: MavlinkAutopilot, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    wire.say(ANOTHER, heartbeat(RTL), landed(2))
    wire.say(OURS, heartbeat(GUIDED), landed())
    until(lambda: autopilot.look().mode == "GUIDED" and autopilot.look().connected)
    monkeypatch.setattr(backend, "_CHOOSE_S", -1.0)
    monkeypatch.setattr("edge.backends.mavlink_picture.SILENT_S", 0.0)
    wire.say(ANOTHER, heartbeat(RTL), landed(2))
    wire.say((0, 1), heartbeat(RTL), landed(2))
    wire.say(OURS, mav.MAVLink_sys_status_message(0, 0, 0, 0, 12000, -1, 77, 0, 0, 0, 0, 0, 0))
    until(lambda: autopilot.look().battery_percent == 77)
    assert not autopilot.look().connected
    with pytest.raises(AutopilotSilent):
        autopilot.command(400, 1)


def test_while_a_lower_one_may_still_come_nobody_is_commanded(
    autopilot: MavlinkAutopilot, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backend, "_CHOOSE_S", 60.0)
    wire.say(ANOTHER, heartbeat(RTL), landed(2))
    until(lambda: autopilot._target == ANOTHER)
    assert not autopilot.look().connected
    with pytest.raises(AutopilotSilent):
        autopilot.command(400, 1)
    monkeypatch.setattr(backend, "_CHOOSE_S", -1.0)
    wire.say(ANOTHER, heartbeat(RTL), landed(2))
    until(lambda: autopilot.look().connected)


@pytest.mark.parametrize("autopilot", [2], indirect=True)
def test_the_owner_may_say_which_one_is_ours(autopilot: MavlinkAutopilot, wire: Wire) -> None:
    wire.say(OURS, heartbeat(GUIDED), landed())
    wire.say(ANOTHER, heartbeat(RTL), landed())
    until(lambda: autopilot.look().connected)
    assert autopilot.look().mode == "RTL"


def test_reasons_that_follow_a_refusal_are_passed_up_whole(autopilot: MavlinkAutopilot, wire: Wire) -> None:
    """GCS::send_textv queues, update_send sends: the COMMAND_ACK is on the wire first; 50 letters to a piece."""
    long = b"Arm: Compass offsets too high and a word that goes beyond one piece"

    def answer(message: Any) -> None:
        if message.get_type() != "COMMAND_LONG" or message.command != 400:
            return
        wire.say(OURS, mav.MAVLink_command_ack_message(400, 4, 0, 0, 255, 190))
        wire.say(OURS, mav.MAVLink_command_ack_message(400, 4, 0, 0, 245, 191))
        for number, piece in enumerate((long[:50], long[50:])):
            wire.say(OURS, mav.MAVLink_statustext_message(2, piece, 7, number))
        wire.say(OURS, mav.MAVLink_statustext_message(2, b"Arm: Need Position Estimate"))

    wire.answers = answer
    wire.say(OURS, heartbeat(GUIDED), landed())
    until(lambda: autopilot.look().connected)
    with pytest.raises(AutopilotRefused) as refused:
        autopilot.command(400, 1)
    assert f"{long.decode()} Arm: Need Position Estimate" in refused.value.message
    assert backend._NEXT_REASON_S < backend._LISTEN_TO_REASONS_S


def test_an_old_missions_number_that_is_still_on_the_wire_is_not_taken_for_the_start(
    autopilot: MavlinkAutopilot, wire: Wire
) -> None:
    def answer(message: Any) -> None:
        if message.get_type() == "COMMAND_LONG" and message.command == mav.MAV_CMD_DO_SET_MISSION_CURRENT:
            wire.say(OURS, mav.MAVLink_mission_current_message(11))
            wire.say(OURS, mav.MAVLink_command_ack_message(message.command, 0, 0, 0, 245, 191))
            wire.say(OURS, mav.MAVLink_mission_current_message(11), mav.MAVLink_mission_current_message(3))

    wire.answers = answer
    wire.say(OURS, heartbeat(GUIDED), landed(2))
    until(lambda: autopilot.look().connected)
    autopilot._go_to_start(1, 3)
    assert autopilot.look().mission_seq == 3


def test_a_mission_that_does_not_go_to_its_start_is_not_stored(
    autopilot: MavlinkAutopilot, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backend, "_START_S", 0.1)

    def answer(message: Any) -> None:
        if message.get_type() == "COMMAND_LONG" and message.command == mav.MAV_CMD_DO_SET_MISSION_CURRENT:
            wire.say(OURS, mav.MAVLink_command_ack_message(message.command, 0, 0, 0, 245, 191))
            wire.say(OURS, mav.MAVLink_mission_current_message(11))

    wire.answers = answer
    wire.say(OURS, heartbeat(GUIDED), landed(2))
    until(lambda: autopilot.look().connected)
    with pytest.raises(AutopilotSilent, match="first item"):
        autopilot._go_to_start(1, 3)
