"""A bench for one autopilot: words typed by a person, on the way that every command takes, with nothing but an address.

No cloud, no certificate, no camera. Each word becomes a command signed with a key made for this session, and goes
through the agent's own gate, checks, journal and executor; the agent's own monitor watches the flight and says what
happens. What it cannot show is the road from the cloud to the drone.
"""

from __future__ import annotations

import base64
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol

from nacl.signing import SigningKey
from pydantic import BaseModel

from contracts.commands import MAX_LIFE_S, AckState, Command, CommandAck, Preconditions, SignedCommand
from contracts.errors import InvalidInput, PlatformError
from contracts.events import DroneEvent, DroneEventKind
from contracts.ids import mint
from contracts.telemetry import Stream
from contracts.vocabulary import AircraftState, CommandKind
from edge.allowances import Allowances
from edge.clock import WatchedClock, utc_now
from edge.commands import CommandDesk
from edge.exercise import DETOUR, FieldAutopilot, square_at, waypoint_at
from edge.flights import Flights
from edge.journal import Journal
from edge.latch import Latch
from edge.loan import Loan, Parameters
from edge.loop import Loop
from edge.monitor import Monitor, Surroundings
from edge.outbox import Make, Outbox
from edge.pilot import Pilot
from edge.refusals import AutopilotSilent, NoEffect, NotReady
from edge.safety import Limits, require_position
from edge.signatures import public_pem
from edge.verification import Gate

WORDS = {
    "takeoff": CommandKind.TAKE_OFF,
    "fly": CommandKind.BEGIN_FLIGHT,
    "pause": CommandKind.PAUSE,
    "resume": CommandKind.RESUME,
    "adjust": CommandKind.ADJUST_ROUTE,
    "hold": CommandKind.HOLD,
    "return": CommandKind.RETURN_HOME,
    "land": CommandKind.LAND,
}
"""What may be typed, and the command it becomes. Besides: ``wait STATE``, ``wait waypoint N``, ``look``."""
_SIDE_M = 60.0
_SPEED_MPS = 3.0
_CAP_BYTES = 16 * 1024 * 1024
_LIMITS = Limits(20.0, None, 0.0, 200.0)
_READY_S = 180.0
_COMMAND_S = 180.0
_WAIT_S = 300.0
_NAME, _KEY = "bench", "bench"
_BAD = frozenset({AckState.REJECTED, AckState.FAILED, AckState.UNKNOWN})
_ENDS = _BAD | {AckState.DONE}
Tell = Callable[[dict[str, Any]], None]


class BenchAutopilot(FieldAutopilot, Parameters, Protocol):
    """What the bench asks of an autopilot: what the acceptance flight does, and its parameters."""


class Bench:
    """One session; use it as a context. ``tell`` hears every acknowledgement, event and answer, in order."""

    def __init__(self, autopilot: BenchAutopilot, folder: Path, altitude_m: float, tell: Tell) -> None:
        self._autopilot, self._altitude_m = autopilot, altitude_m
        self._teller, self._began = tell, time.monotonic()
        self._key = _key_into(folder / "keys")
        self._seq = 0
        self._acks: dict[str, list[CommandAck]] = {}
        self._heard = threading.Condition()
        self._stop = threading.Event()
        self._outbox = Outbox(folder / "outbox.db", mint("boot"), _CAP_BYTES)
        self._journal = Journal(folder / "journal.db")
        self._flights = Flights(folder / "flights")
        allowances, loan = Allowances(folder / "limits.json", _LIMITS), Loan(folder / "loan.json", autopilot)
        pilot = Pilot(autopilot, self._flights, allowances, lambda: None, loan, Latch(folder / "latch.json"))
        clock = WatchedClock(lambda: autopilot.look().clock_offset_s, self._journal.latest_us)
        self._desk = CommandDesk(Gate(_NAME, folder / "keys"), self._journal, self, pilot, clock, self._alarm)
        self._monitor = Monitor(
            autopilot.look, pilot, self._desk, self._flights, self._announce, Surroundings(lambda: 0.0)
        )

    @contextmanager
    def running(self) -> Iterator[None]:
        """Turn the executor and the monitor while the block runs."""
        loops = (Loop("executor", self._desk.step, 0.05), Loop("monitor", self._monitor.step, 0.1))
        threads = [loop.start(self._stop) for loop in loops]
        try:
            yield
        finally:
            self._stop.set()
            for thread in threads:
                thread.join(timeout=8.0)
            self._outbox.close()
            self._journal.close()

    def append(self, stream: Stream, make: Make) -> Future[int]:
        """Put a record into the outbox, and tell it."""

        def told(seq: int) -> BaseModel:
            record = make(seq)
            self._hear(record)
            return record

        return self._outbox.append(stream, told)

    def get_ready(self) -> None:
        """Wait until it may be armed, and set its action on a lost ground station.

        Raises:
            PlatformError: It is not ready in time, with its own reasons.

        """
        deadline, told = time.monotonic() + _READY_S, ""
        while reasons := self._reasons():
            if time.monotonic() > deadline:
                raise NotReady(reasons, hint="Mend what the autopilot names.")
            if reasons != told:
                self._tell({"waiting": reasons})
                told = reasons
            self._stop.wait(1.0)
        self._tell({"link_loss": self._autopilot.set_link_loss()})
        self._tell({"ready": self._seen()})

    def obey(self, lines: Iterable[str]) -> bool:
        """Do one word after the other; return whether all went well. The first that fails ends it."""
        for line in lines:
            words = line.split()
            if not words:
                continue
            if words[0] in ("quit", "exit"):
                break
            try:
                self._do(words)
            except PlatformError as error:
                self._tell({"failed": line.strip(), "why": str(error)})
                return False
        return True

    def come_home(self) -> bool:
        """Leave nothing in the air; return whether it stands on the ground."""
        if self._autopilot.look().on_ground:
            return True
        try:
            if self._state() not in (AircraftState.RETURNING, AircraftState.LANDING):
                self._send(CommandKind.RETURN_HOME)
            self._wait_for([AircraftState.ON_GROUND])
        except PlatformError as error:
            self._tell({"failed": "come home", "why": str(error)})
            return False
        return True

    def _do(self, words: list[str]) -> None:
        match words:
            case ["look"]:
                self._tell({"look": self._seen()})
            case ["wait", "waypoint", index] if index.isdigit():
                self._wait(lambda: (flight := self._flights.all()) != [] and flight[-1].reached >= int(index), words)
            case ["wait", state] if state in list(AircraftState):
                self._wait_for([state])
            case [word] if word in WORDS:
                self._send(WORDS[word])
            case _:
                known = ", ".join([*WORDS, "wait STATE", "wait waypoint N", "look", "quit"])
                raise InvalidInput(f"{' '.join(words)!r} is no word of the bench.", hint=f"Known: {known}.")

    def _send(self, kind: CommandKind) -> None:
        """Send a command and wait for its end; a flight ends later, so for it until it is on its route."""
        command = self._command(kind)
        last = self._sent(command)
        if last.nonce is not None:  # our clock and the autopilot's GPS differ: answer the challenge, as the cloud does
            self._seq += 1
            command = command.model_copy(update={"nonce": last.nonce, "seq": self._seq})
            last = self._sent(command)
        if last.state in _BAD:
            raise NotReady(f"{kind} {last.state}: {last.code} {last.detail}".strip(), hint=last.hint)
        if kind is CommandKind.BEGIN_FLIGHT:
            self._wait_for([AircraftState.ON_ROUTE, AircraftState.PAUSED])

    def _sent(self, command: Command) -> CommandAck:
        payload = command.model_dump_json()
        signature = base64.b64encode(self._key.sign(payload.encode()).signature).decode()
        signed = SignedCommand(payload=payload, signature_b64=signature, key_id=_KEY)
        with self._heard:
            self._acks[command.command_id] = []
        self._desk.receive(signed.model_dump_json().encode(), lambda: None)
        flight = command.kind is CommandKind.BEGIN_FLIGHT

        def ended() -> bool:
            acks = self._acks[command.command_id]
            return bool(acks) and (acks[-1].state in _ENDS or (flight and self._state() is AircraftState.ON_ROUTE))

        with self._heard:
            if not self._heard.wait_for(ended, _COMMAND_S):
                raise NoEffect(f"{command.kind} has not ended after {_COMMAND_S:.0f} s.")
            return self._acks[command.command_id][-1]

    def _command(self, kind: CommandKind) -> Command:
        self._seq += 1
        now = utc_now()
        fields: dict[str, Any] = {}
        if kind is CommandKind.TAKE_OFF:
            fields = {"altitude_m": self._altitude_m}
        elif kind is CommandKind.BEGIN_FLIGHT:
            home = require_position(self._autopilot.look())
            route = square_at(home, self._altitude_m, _SIDE_M, _SPEED_MPS)
            fields = {"flight_id": mint("flt"), "route": route, "route_hash": route.content_hash()}
        elif kind is CommandKind.ADJUST_ROUTE:
            fields = self._detour()
        return Command(
            command_id=mint("cmd"),
            drone_id=_NAME,
            kind=kind,
            seq=self._seq,
            issued_at=now,
            not_after=now + timedelta(seconds=MAX_LIFE_S[kind]),
            issuer=_NAME,
            **fields,
        )

    def _detour(self) -> dict[str, Any]:
        """Return a changed route: a second look behind the last waypoint reached."""
        flight = self._flights.active()
        if flight is None:
            raise NotReady("No flight is under way.", hint="Type: fly")
        east, north = DETOUR
        look = waypoint_at(flight.route.home, 0, (east + _SIDE_M / 2, north), self._altitude_m)
        changed = flight.route.with_detour(flight.reached, (look,))
        return {
            "flight_id": flight.flight_id,
            "route": changed,
            "route_hash": changed.content_hash(),
            "resume_at": flight.reached + 1,
            "preconditions": Preconditions(route_hash=flight.route.content_hash()),
        }

    def _reasons(self) -> str:
        aircraft = self._autopilot.look()
        if not aircraft.connected:
            return "No heartbeat."
        if not aircraft.on_ground:
            return f"It is armed or in the air, in mode {aircraft.mode}."
        try:
            require_position(aircraft)
            self._autopilot.set_mode("GUIDED")  # what is ready in another mode need not be in this one
        except PlatformError as error:
            return error.message
        return " ".join(self._autopilot.readiness())

    def _wait_for(self, states: list[AircraftState] | list[str]) -> None:
        self._wait(lambda: self._state() in states, states)

    def _wait(self, reached: Callable[[], bool], what: Iterable[str]) -> None:
        deadline = time.monotonic() + _WAIT_S
        while not reached():
            if self._state() is AircraftState.DISCONNECTED:
                raise AutopilotSilent("The autopilot is silent.", hint="Check its link and power.")
            if time.monotonic() > deadline:
                raise NoEffect(f"Not {' '.join(what)} within {_WAIT_S:.0f} s; it is {self._state()}.")
            self._stop.wait(0.05)

    def _state(self) -> AircraftState:
        return self._monitor.situation()[0]

    def _seen(self) -> str:
        aircraft = self._autopilot.look()
        seen = f"{aircraft.autopilot} {aircraft.version} {aircraft.mode}, {self._state()}"
        if aircraft.fix is not None and aircraft.home is not None:
            home = aircraft.home
            seen += f", {aircraft.fix.alt_rel_m:.1f} m above home {home.lat_deg:.6f} {home.lon_deg:.6f}"
        return f"{seen}, battery {aircraft.battery_percent} %"

    def _announce(self, kind: DroneEventKind, fields: dict[str, object]) -> Future[int]:
        known = {name: value for name, value in fields.items() if value is not None}
        at = utc_now()
        return self.append(
            Stream.EVENTS, lambda seq: DroneEvent.model_validate({"seq": seq, "kind": kind, "at": at, **known})
        )

    def _tell(self, row: dict[str, Any]) -> None:
        self._teller({"s": round(time.monotonic() - self._began, 1), **row})

    def _alarm(self, code: str, detail: str) -> None:
        self._announce(DroneEventKind.SAFETY, {"code": code, "detail": detail})

    def _hear(self, record: BaseModel) -> None:
        if isinstance(record, CommandAck):
            with self._heard:
                self._acks.setdefault(record.command_id, []).append(record)
            entry = self._journal.find(record.command_id)
            name = entry.kind if entry else record.command_id
            self._tell({"ack": record.state, "command": name, "code": record.code, "detail": record.detail})
        elif isinstance(record, DroneEvent):
            row = {"event": record.kind, "waypoint": record.waypoint, "code": record.code, "detail": record.detail}
            self._tell({name: value for name, value in row.items() if value not in (None, "")})
        with self._heard:
            self._heard.notify_all()


def _key_into(folder: Path) -> SigningKey:
    """Make the session's key and let the drone trust it; its private half stays in memory."""
    key = SigningKey.generate()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{_KEY}.pem").write_bytes(public_pem(bytes(key.verify_key)))
    return key
