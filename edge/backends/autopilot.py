"""ArduPilot by MAVLink 2: one reader thread, commands with acknowledgement, missions read back."""

from __future__ import annotations

import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from pymavlink.dialects.v20 import ardupilotmega as mav

from contracts.errors import PlatformError, Unavailable
from contracts.media import PoseSample
from edge import logbook
from edge.aircraft import Aircraft
from edge.backends.mavlink_picture import MODES, PictureMaker
from edge.backends.mavlink_wire import Wire
from edge.itinerary import Item
from edge.refusals import AutopilotRefused, AutopilotSilent

_SYSTEM, _COMPONENT = 245, 191
_READ_TIMEOUT_S = 0.1
_HEARTBEAT_S = 1.0
_ASK_RATES_S = 10.0
_ACK_TIMEOUT_S = 1.5
_TRIES = 4
_RATES_HZ = {
    "GLOBAL_POSITION_INT": 20,
    "ATTITUDE": 20,
    "GIMBAL_DEVICE_ATTITUDE_STATUS": 20,
    "HEARTBEAT": 4,
    "EXTENDED_SYS_STATE": 5,
    "MISSION_CURRENT": 5,
    "SYS_STATUS": 2,
    "GPS_RAW_INT": 2,
    "SYSTEM_TIME": 1,
    "WIND": 1,
    "HOME_POSITION": 1,
}
_IDS: dict[str, int] = {name: getattr(mav, f"MAVLINK_MSG_ID_{name}") for name in _RATES_HZ}


class MavlinkAutopilot:
    """The aircraft. Methods block; call them from one executor thread."""

    def __init__(self, url: str, on_pose: Callable[[PoseSample], None], geoid_m: float | None) -> None:
        self._url = url
        self._wire = Wire(url, _READ_TIMEOUT_S)
        self._codec: Any = mav.MAVLink(None, srcSystem=_SYSTEM, srcComponent=_COMPONENT)
        self._codec.robust_parsing = True
        self._maker = PictureMaker(on_pose, geoid_m)
        self._target: tuple[int, int] | None = None
        self._listeners: list[tuple[frozenset[str], queue.Queue[Any]]] = []
        self._texts: deque[tuple[float, str]] = deque(maxlen=20)
        self._lock = threading.RLock()
        self._sending = threading.Lock()
        self._stop = threading.Event()
        self._beat_at = self._rates_at = 0.0
        self._thread = threading.Thread(target=self._read, name="kestrel-autopilot", daemon=True)

    def start(self) -> None:
        """Open the wire and listen.

        Raises:
            Unavailable: The port is taken.

        """
        try:
            self._wire.open()
        except OSError as error:
            raise Unavailable(f"{self._url}: {error}.", hint="Is another agent using it?") from error
        self._thread.start()

    def stop(self) -> None:
        """Stop listening."""
        self._stop.set()
        self._thread.join(timeout=3.0)
        self._wire.close()

    def look(self) -> Aircraft:
        """Return the latest picture."""
        return self._maker.picture

    def command(self, number: int, *params: float) -> None:
        """Send a COMMAND_LONG, repeat it on silence, and return when it was accepted.

        Raises:
            AutopilotSilent: No acknowledgement.
            AutopilotRefused: With the autopilot's own reasons.

        """
        values = (*params, *([0.0] * (7 - len(params))))
        asked_at = time.monotonic()
        with self._lock, self._hear("COMMAND_ACK") as answers:
            for confirmation in range(_TRIES):
                self._send("command_long_encode", *self._goal(), number, confirmation, *values)
                result = self._ack_of(number, answers)
                if result == mav.MAV_RESULT_ACCEPTED:
                    return
                if result is None:
                    continue
                if result == mav.MAV_RESULT_TEMPORARILY_REJECTED and confirmation < _TRIES - 1:
                    self._stop.wait(0.3)
                    continue
                raise AutopilotRefused(f"Command {number}: {_result_name(result)}. {self._reasons(asked_at)}".strip())
        raise AutopilotSilent(f"Command {number} was not acknowledged in {_TRIES} tries.", hint="Check the wire.")

    def set_mode(self, mode: str) -> None:
        """Ask for a flight mode by name.

        Raises:
            AutopilotRefused: The mode is unknown or refused.

        """
        number = next((n for n, name in MODES.items() if name == mode), None)
        if number is None:
            raise AutopilotRefused(f"Mode {mode} is unknown.")
        self.command(mav.MAV_CMD_DO_SET_MODE, mav.MAV_MODE_FLAG_CUSTOM_MODE_ENABLED, number)

    def upload(self, items: tuple[Item, ...]) -> None:
        """Store a mission, read it back and compare: an interrupted upload leaves a mix of old and new.

        Raises:
            AutopilotRefused: Refused, or what was read back differs.
            AutopilotSilent: The exchange broke off.

        """
        with self._lock:
            self._store(items)
            stored = self._read_back()
        if len(stored) != len(items):
            raise AutopilotRefused(f"The autopilot stored {len(stored)} of {len(items)} mission items.")
        for seq, (sent, got) in enumerate(zip(items, stored, strict=True)):
            if seq and not sent.same(got):
                raise AutopilotRefused(f"Mission item {seq} reads back as {got}, sent was {sent}.")
        self._maker.forget_progress()

    def _store(self, items: tuple[Item, ...]) -> None:
        deadline = time.monotonic() + 15.0 + 0.05 * len(items)
        with self._hear("MISSION_REQUEST", "MISSION_REQUEST_INT", "MISSION_ACK") as answers:
            started = False
            while time.monotonic() < deadline:
                if not started:
                    self._send("mission_count_encode", *self._goal(), len(items), mav.MAV_MISSION_TYPE_MISSION)
                answer = _next(answers, 1.5)
                if answer is None or answer.mission_type != mav.MAV_MISSION_TYPE_MISSION:
                    continue
                if answer.get_type() == "MISSION_ACK":
                    if answer.type == mav.MAV_MISSION_ACCEPTED and started:
                        return
                    if answer.type not in (mav.MAV_MISSION_ACCEPTED, mav.MAV_MISSION_INVALID_SEQUENCE):
                        raise AutopilotRefused(f"Mission refused: {_mission_result_name(answer.type)}.")
                elif answer.seq < len(items):
                    started = True
                    self._send_item(answer.seq, items[answer.seq])
        raise AutopilotSilent("The mission upload broke off.", hint="Send the command anew.")

    def _read_back(self) -> list[Item]:
        with self._hear("MISSION_COUNT", "MISSION_ITEM_INT") as answers:
            kind = mav.MAV_MISSION_TYPE_MISSION
            listed = self._ask(answers, "MISSION_COUNT", None, "mission_request_list_encode", *self._goal(), kind)
            items = []
            for seq in range(listed.count):
                values = (*self._goal(), seq, kind)
                items.append(
                    _item_of(self._ask(answers, "MISSION_ITEM_INT", seq, "mission_request_int_encode", *values))
                )
        self._send("mission_ack_encode", *self._goal(), mav.MAV_MISSION_ACCEPTED, mav.MAV_MISSION_TYPE_MISSION)
        return items

    def _ask(self, answers: queue.Queue[Any], kind: str, seq: int | None, encode: str, *values: Any) -> Any:
        for _ in range(_TRIES):
            self._send(encode, *values)
            deadline = time.monotonic() + _ACK_TIMEOUT_S
            while (answer := _next(answers, deadline - time.monotonic())) is not None:
                if answer.get_type() == kind and (seq is None or answer.seq == seq):
                    return answer
        raise AutopilotSilent("The mission could not be read back.", hint="Send the command anew.")

    def _send_item(self, seq: int, item: Item) -> None:
        self._send(
            "mission_item_int_encode",
            *self._goal(),
            seq,
            item.frame,
            item.command,
            0,
            1,
            *item.params,
            item.x,
            item.y,
            item.z,
            mav.MAV_MISSION_TYPE_MISSION,
        )

    def _ack_of(self, number: int, answers: queue.Queue[Any]) -> int | None:
        deadline = time.monotonic() + _ACK_TIMEOUT_S
        while (answer := _next(answers, deadline - time.monotonic())) is not None:
            if answer.command != number:
                continue
            if answer.result == mav.MAV_RESULT_IN_PROGRESS:
                deadline = time.monotonic() + 10.0
                continue
            return int(answer.result)
        return None

    def _goal(self) -> tuple[int, int]:
        if self._target is None or not self.look().connected:
            raise AutopilotSilent("The autopilot is silent.", hint="Check its link and power.")
        return self._target

    def _reasons(self, since: float) -> str:
        return " ".join(text for at, text in self._texts if at >= since)

    @contextmanager
    def _hear(self, *kinds: str) -> Iterator[queue.Queue[Any]]:
        listener: tuple[frozenset[str], queue.Queue[Any]] = (frozenset(kinds), queue.Queue())
        self._listeners = [*self._listeners, listener]
        try:
            yield listener[1]
        finally:
            self._listeners = [other for other in self._listeners if other is not listener]

    def _send(self, encode: str, *values: Any) -> None:
        with self._sending:
            message = getattr(self._codec, encode)(*values)
            packet = message.pack(self._codec)
            self._codec.seq = (self._codec.seq + 1) % 256
        self._wire.send(bytes(packet))

    def _read(self) -> None:
        while not self._stop.is_set():
            for message in self._codec.parse_buffer(self._wire.receive()) or ():
                try:
                    self._take(message)
                except (PlatformError, ValueError) as error:
                    logbook.warn("message_unusable", kind=message.get_type(), error=str(error)[:200])
            self._keep_alive()

    def _take(self, message: Any) -> None:
        if message.get_srcSystem() == _SYSTEM:
            return
        kind = message.get_type()
        if kind == "HEARTBEAT" and message.autopilot != mav.MAV_AUTOPILOT_INVALID:
            if not self._maker.picture.connected:
                self._rates_at = 0.0
            self._target = (message.get_srcSystem(), message.get_srcComponent())
        elif kind == "STATUSTEXT":
            self._texts.append((time.monotonic(), str(message.text)))
            logbook.note("autopilot_says", text=str(message.text), severity=message.severity)
        self._maker.take(message)
        for kinds, box in self._listeners:
            if kind in kinds:
                box.put(message)

    def _keep_alive(self) -> None:
        now = time.monotonic()
        if now - self._beat_at >= _HEARTBEAT_S:
            self._beat_at = now
            kind, silent = mav.MAV_TYPE_ONBOARD_CONTROLLER, mav.MAV_AUTOPILOT_INVALID
            self._send("heartbeat_encode", kind, silent, 0, 0, mav.MAV_STATE_ACTIVE)
        if self._target is not None and now - self._rates_at >= _ASK_RATES_S:
            self._rates_at = now
            for name, rate_hz in _RATES_HZ.items():
                values = (_IDS[name], 1e6 / rate_hz, 0, 0, 0, 0, 0)
                self._send("command_long_encode", *self._target, mav.MAV_CMD_SET_MESSAGE_INTERVAL, 0, *values)


def _next(answers: queue.Queue[Any], timeout_s: float) -> Any:
    if timeout_s <= 0:
        return None
    try:
        return answers.get(timeout=timeout_s)
    except queue.Empty:
        return None


def _item_of(m: Any) -> Item:
    return Item(m.command, m.frame, (m.param1, m.param2, m.param3, m.param4), m.x, m.y, m.z)


def _result_name(result: int) -> str:
    entry = mav.enums["MAV_RESULT"].get(result)
    return entry.name.removeprefix("MAV_RESULT_").lower() if entry else str(result)


def _mission_result_name(result: int) -> str:
    entry = mav.enums["MAV_MISSION_RESULT"].get(result)
    return entry.name if entry else str(result)
