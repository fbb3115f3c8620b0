"""The agent's durable half as a process that can be killed: outbox, publisher, link, command desk; no aircraft.

What it was promised is written to ``acked.log`` (one line a record, once its future is done) and what it carried out to
``executed.log``: the oracle compares them with the cloud.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from contracts.commands import Command
from contracts.events import DroneEvent, DroneEventKind
from contracts.ids import mint
from contracts.telemetry import DroneStatus, Stream, TelemetrySample, Watermark
from contracts.topics import COMMANDS, STATUS, WATERMARKS, decode
from contracts.vocabulary import AircraftState
from edge import logbook
from edge.aftermath import NOBODY_KNOWS
from edge.backends.link import Credentials, MqttLink, Patience, Post, Will
from edge.clock import WatchedClock, utc_now
from edge.commands import CommandDesk
from edge.journal import Journal
from edge.loop import Loop
from edge.outbox import Outbox
from edge.pilot import Outcome
from edge.publisher import Publisher
from edge.verification import Gate


def fork(nursery: subprocess.Popen[bytes], asked: dict[str, Any]) -> int:
    """Ask a nursery (this program, waiting) for a drone of its own; return its process id."""
    assert nursery.stdin is not None
    assert nursery.stdout is not None
    nursery.stdin.write(json.dumps(asked).encode() + b"\n")
    nursery.stdin.flush()
    return int(nursery.stdout.readline())


class Notes:
    """Lines that survive SIGKILL: each is one write into the page cache."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_CREAT | os.O_APPEND | os.O_WRONLY)

    def add(self, *values: object) -> None:
        """Write one line."""
        os.write(self._descriptor, (" ".join(map(str, values)) + "\n").encode())


class Hands:
    """Carries commands out by writing that it did."""

    def __init__(self, notes: Notes) -> None:
        self._notes = notes

    def check(self, command: Command) -> None:
        """Everything can be flown."""

    def lowers_margins(self, command: Command) -> list[str]:
        """None of what the oracle sends does."""
        return []

    def fly(self, command: Command, stop: threading.Event) -> Outcome:
        """Note when."""
        self._notes.add(command.command_id, utc_now().isoformat())
        return Outcome.DONE


def sample(seq: int) -> TelemetrySample:
    """Return a sample whose every field follows from its number, so that the oracle can tell a changed one."""
    at = seq % 1000 / 1000
    return TelemetrySample.model_validate(
        {
            "seq": seq,
            "captured_at": utc_now(),
            "monotonic_ms": seq,
            "state": AircraftState.ON_ROUTE,
            "lat_deg": 54 + at,
            "lon_deg": 8 + at,
            "alt_m": 100 + at,
            "alt_rel_m": 55.5,
            "yaw_deg": 360 * at,
            **dict.fromkeys(("pitch_deg", "roll_deg", "gimbal_yaw_deg", "gimbal_pitch_deg"), 0.25),
            **dict.fromkeys(("vel_east_mps", "vel_north_mps", "vel_up_mps"), 1.5),
            "battery_percent": 80.0,
            "battery_v": 22.5,
            "gps_fix": 6,
            "satellites": 18,
        }
    )


class Drone:
    """Everything wired, as the agent wires it."""

    def __init__(self, asked: dict[str, Any]) -> None:
        state = Path(asked["state_dir"])
        self.drone_id: str = asked["drone_id"]
        self.boot_id = mint("boot")
        self.stop = threading.Event()
        self._acked, executed = Notes(state / "acked.log"), Notes(state / "executed.log")
        self.outbox = Outbox(state / "outbox.db", self.boot_id, asked["cap_bytes"])
        journal = Journal(state / "journal.db")
        files = Credentials(*(Path(asked[name]) for name in ("ca_file", "cert_file", "key_file")))
        hears = (COMMANDS.of(self.drone_id), WATERMARKS.of(self.drone_id))
        post = Post(Will(STATUS.of(self.drone_id), self._status(online=False)), hears, hears[:1])
        self.link = MqttLink(asked["url"], self.drone_id, files, post, patience=Patience(**asked.get("patience", {})))
        self.desk = CommandDesk(
            Gate(self.drone_id, Path(asked["keys_dir"])),
            journal,
            self.outbox,
            Hands(executed),
            WatchedClock(lambda: None, journal.latest_us),
            lambda code, detail: logbook.warn(code, detail=detail),
        )
        self.desk.recover(lambda _entry: NOBODY_KNOWS)
        self.publisher = Publisher(self.drone_id, self.outbox, self.link, lambda: self._status(online=True))
        self._period_s = 1 / asked["samples_per_s"]
        self._count = 0

    def run(self) -> None:
        """Work until told to stop."""
        self._acked.add("boot", self.boot_id, 0)
        self.link.start()
        loops = (
            Loop("intake", self._take_in, 0.0),
            Loop("executor", self.desk.step, 0.02),
            Loop("publisher", self.publisher.step, 0.01),
            Loop("producer", self._produce, self._period_s),
        )
        for loop in loops:
            loop.start(self.stop)
        self.stop.wait()
        self.link.stop()
        self.outbox.close()

    def _produce(self) -> None:
        self._count += 1
        self._promise(Stream.TELEMETRY, self.outbox.append(Stream.TELEMETRY, sample))
        if self._count % 20 == 0:
            at = utc_now()
            made = self.outbox.append(
                Stream.EVENTS, lambda seq: DroneEvent(seq=seq, kind=DroneEventKind.WAYPOINT_REACHED, at=at)
            )
            self._promise(Stream.EVENTS, made)

    def _promise(self, stream: Stream, done: Future[int]) -> None:
        def note(outcome: Future[int]) -> None:
            if outcome.exception() is None:
                self._acked.add(stream, self.boot_id, outcome.result())

        done.add_done_callback(note)

    def _take_in(self) -> bool | None:
        try:
            message = self.link.inbox.get(timeout=0.2)
        except queue.Empty:
            return None
        if message.topic == COMMANDS.of(self.drone_id):
            self.desk.receive(message.payload, message.settle)
            return True
        _, content = decode(message.topic, message.payload)
        if isinstance(content, Watermark):
            self.publisher.committed(content.stream, content.boot_id, content.seq, content.above)
        return True

    def _status(self, *, online: bool) -> bytes:
        said = DroneStatus(
            drone_id=self.drone_id, boot_id=self.boot_id, online=online, at=utc_now(), agent_version="test"
        )
        return said.model_dump_json().encode()


def _live(asked: dict[str, Any]) -> None:
    """Be one drone until SIGTERM."""
    log = os.open(Path(asked["state_dir"]) / "drone.log", os.O_CREAT | os.O_APPEND | os.O_WRONLY)
    os.dup2(log, 2)
    logbook.configure()
    drone = Drone(asked)
    signal.signal(signal.SIGTERM, lambda *_: drone.stop.set())
    drone.run()
    logbook.note("drone_stopped")


def main() -> None:
    """Fork a drone for each line of JSON and answer with its pid: importing everything takes longer than its start."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            try:
                _live(json.loads(line))
            finally:
                os._exit(0)
        sys.stdout.write(f"{pid}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
