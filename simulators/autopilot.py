"""A simulated drone that behaves like ArduCopter on a MAVLink 2 connection, awkward habits included."""

from __future__ import annotations

import json
import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import typer
from pymavlink.dialects.v20 import ardupilotmega as mav

from contracts.errors import InvalidInput
from contracts.geo import GeoPoint
from simulators import logbook
from simulators.autopilot_commands import DENIED, Commands, item_of
from simulators.autopilot_link import Link, Wire, open_link
from simulators.autopilot_log import PoseLog
from simulators.autopilot_modes import Commander
from simulators.autopilot_neighbours import Neighbours
from simulators.autopilot_parameters import Parameters
from simulators.autopilot_reports import Reports
from simulators.autopilot_stack import ARDUPILOT, STACKS, Stack
from simulators.autopilot_state import TICK_MS, Sequencer, State, StateFile, Supervisor
from simulators.autopilot_streams import Streams
from simulators.autopilot_transfer import Transfer
from simulators.flight import REST
from simulators.flight_air import Air, Sensors
from simulators.flight_battery import Battery
from simulators.process import Shutdown

_SAVE_EVERY_S: Final = 0.2
_TICKS_AT_ONCE: Final = 25
_MISSION_MESSAGES: Final = frozenset(
    {
        "MISSION_COUNT",
        "MISSION_ITEM",
        "MISSION_ITEM_INT",
        "MISSION_REQUEST_LIST",
        "MISSION_REQUEST",
        "MISSION_REQUEST_INT",
        "MISSION_CLEAR_ALL",
        "MISSION_SET_CURRENT",
    }
)


@dataclass(frozen=True, slots=True)
class World:
    """What surrounds the drone and how it is connected."""

    home: GeoPoint
    pose_log: Path
    state_file: Path
    seed: int = 1
    wind_mps: float = 6.0
    wind_from_deg: float = 250.0
    speedup: float = 1.0
    ready_s: float = 3.0
    geoid_m: float = 41.0
    battery_wh: float = 550.0
    stack: Stack = ARDUPILOT
    bare: bool = False
    """As software-in-the-loop starts: nothing but heartbeats until asked, and others on the link."""


class Autopilot:
    """One simulated drone: ``step`` handles what came in and advances to the present."""

    def __init__(self, world: World, link: Link) -> None:
        self._world = world
        self._file = StateFile(world.state_file)
        self._log = PoseLog(world.pose_log)
        saved = self._file.load()
        self.resumed = saved is not None
        self.state = saved if saved is not None else self._cold()
        self._wire = Wire(link, int(self.state.params["SYSID_THISMAV"]))
        self._outgoing: list[Any] = []
        self._late: list[Any] = []
        """Texts wait for the next turn, behind the answer (GCS.cpp: ``send_textv`` queues, ``update_send`` sends)."""
        air = Air(self.state.seed, world.wind_mps, world.wind_from_deg)
        self.commander = Commander(self.state, air, self._outgoing.append, world.geoid_m)
        reports = Reports(self.commander, Sensors(self.state.seed), world.geoid_m, world.stack)
        self._streams = Streams(self.state, reports, self._outgoing.append, asked_only=world.bare)
        self._neighbours = Neighbours(link, int(self.state.params["SYSID_THISMAV"])) if world.bare else None
        self._commands = Commands(self.commander, self._streams, world.geoid_m, world.stack)
        self._transfer = Transfer(self.commander, self._outgoing.append, world.geoid_m, atomic=world.stack.px4)
        self._parameters = Parameters(self.state, world.stack, self._outgoing.append)
        if self.resumed:
            self._resume()
        self._origin_s, self._origin_ms = time.monotonic(), self.state.t_ms
        self._saved_s = -math.inf

    def step(self) -> bool | None:
        """Wait for messages until the next tick is due, handle them, catch up with the clock."""
        changed = False
        for message in self._wire.receive(self._wait_s()):
            changed = self._handle(message) or changed
        if changed:
            self._save()
        self._flush()
        ticks = min(_TICKS_AT_ONCE, self._ticks_due())
        for _ in range(ticks):
            self._tick()
        if time.monotonic() - self._saved_s >= _SAVE_EVERY_S:
            self._save()
        return True if ticks else None

    def close(self) -> None:
        """Save and let go of the files."""
        self._save()
        self._log.close()

    def _cold(self) -> State:
        home = self._world.home
        state = State(time.time_ns() // 1_000_000, home.lat_deg, home.lon_deg, home.alt_m, self._world.seed)
        state.ready_at_ms = round(self._world.ready_s * 1000)
        state.battery.capacity_wh = self._world.battery_wh
        return state

    def _resume(self) -> None:
        """Relive what the pose log already tells, then hang in the air until now and fly on from there."""
        while self.state.t_us < self._log.last_us:
            self.commander.tick()
        self._outgoing.clear()
        now_ms = time.time_ns() // 1_000_000 - self.state.boot_utc_ms
        self.state.t_ms = max(self.state.t_ms, now_ms)
        self.state.craft.body.velocity = REST
        if not self.state.supervisor.armed:
            self._power_up()
        self.commander.say("Restarted in flight" if self.state.supervisor.armed else "Restarted")

    def _power_up(self) -> None:
        """Start on the ground where it stood, with a fresh battery and no failsafe."""
        state = self.state
        state.ready_at_ms = state.t_ms + round(self._world.ready_s * 1000)
        state.battery = Battery(capacity_wh=self._world.battery_wh)
        state.supervisor = Supervisor(idle_since_ms=state.t_ms)
        state.sequencer = Sequencer()

    def _ticks_due(self) -> int:
        passed_ms = (time.monotonic() - self._origin_s) * 1000 * self._world.speedup
        return max(0, int(passed_ms - (self.state.t_ms - self._origin_ms)) // TICK_MS)

    def _wait_s(self) -> float:
        next_ms = self.state.t_ms + TICK_MS - self._origin_ms
        return self._origin_s + next_ms / 1000 / self._world.speedup - time.monotonic()

    def _tick(self) -> None:
        self.commander.tick()
        self._transfer.tick()
        self._log.append(self.commander.pilot)
        self._streams.tick()
        self._outgoing += self._late
        self._late.clear()
        self._flush()
        if self._neighbours:
            self._neighbours.tick(self.state.t_ms)

    def _save(self) -> None:
        self._file.save(self.state)
        self._saved_s = time.monotonic()

    def _flush(self) -> None:
        for message in self._outgoing:
            self._wire.send(self._world.stack.outwards(message))
        self._outgoing.clear()

    def _handle(self, message: Any) -> bool:
        """Act on one message; return whether the state must be saved before it is answered."""
        kind = message.get_type()
        if getattr(message, "target_system", 0) not in {0, int(self.state.params["SYSID_THISMAV"])}:
            return False
        if kind in {"COMMAND_LONG", "COMMAND_INT"}:
            return self._command(message)
        if kind == "SET_MODE":
            self._command_ack(mav.MAV_CMD_DO_SET_MODE, message, self.commander.set_mode(message.custom_mode))
            return True
        if kind in _MISSION_MESSAGES:
            return self._transfer.handle(self._world.stack.inwards(message))
        return self._plain(kind, message) or self._parameters.handle(message)

    def _plain(self, kind: str, message: Any) -> bool:
        """Take what earns no answer."""
        if kind == "HEARTBEAT":
            self.commander.hear_station(message.get_srcSystem())
        elif kind == "REQUEST_DATA_STREAM":
            self._streams.set_all(message.req_message_rate if message.start_stop else 0)
        return False

    def _command(self, message: Any) -> bool:
        item = item_of(message)
        plain = all(math.isfinite(value) for value in (item.p1, item.p2)) or item.command == (
            mav.MAV_CMD_DO_GIMBAL_MANAGER_PITCHYAW
        )
        result = self._commands.run(item) if plain else DENIED
        self._acknowledge(item.command, result, message)
        return True

    def _command_ack(self, command: int, message: Any, done: bool) -> None:
        self._acknowledge(command, mav.MAV_RESULT_ACCEPTED if done else mav.MAV_RESULT_FAILED, message)

    def _acknowledge(self, command: int, result: int, message: Any) -> None:
        peer = message.get_srcSystem(), message.get_srcComponent()
        self._late += [said for said in self._outgoing if said.get_type() == "STATUSTEXT"]
        self._outgoing[:] = [said for said in self._outgoing if said.get_type() != "STATUSTEXT"]
        self._outgoing.append(mav.MAVLink_command_ack_message(command, result, 0, 0, *peer))


def stack_named(name: str) -> Stack:
    """Return a stack's manners.

    Raises:
        InvalidInput: There is none of this name.

    """
    if name not in STACKS:
        raise InvalidInput(f"{name!r} is no autopilot we know.", hint=f"One of {', '.join(STACKS)}.", field="stack")
    return STACKS[name]


def parse_home(text: str) -> GeoPoint:
    """Return the point of ``LAT,LON,ALT``.

    Raises:
        InvalidInput: Not three numbers in range.

    """
    try:
        lat, lon, alt = (float(part) for part in text.split(","))
        return GeoPoint(lat_deg=lat, lon_deg=lon, alt_m=alt)
    except ValueError as error:
        raise InvalidInput(
            f"{text!r} is no place.", hint="LAT,LON,ALT in degrees and metres above the ellipsoid.", field="home"
        ) from error


def autopilot_verb(world: World, connect: str, *, as_json: bool) -> None:
    """Fly until told to stop; print where it is connected."""
    link, shutdown = open_link(connect), Shutdown()
    autopilot = Autopilot(world, link)
    started = {"connect": connect, "resumed": autopilot.resumed, "boot_utc_ms": autopilot.state.boot_utc_ms}
    typer.echo(json.dumps(started) if as_json else f"Flying on {connect}.")
    logbook.note("autopilot_started", **started)
    try:
        while not shutdown.wanted:
            autopilot.step()
    finally:
        autopilot.close()
        link.close()
    logbook.note("autopilot_stopped", mode=autopilot.state.supervisor.mode, armed=autopilot.state.supervisor.armed)
