"""The agent: its parts, wired, and the loops that turn them. What is hardware or network `edge.fittings` makes."""

from __future__ import annotations

import logging
import os
import queue
import shutil
import threading
import time
from concurrent.futures import Future
from pathlib import Path

from pydantic import BaseModel

from contracts.captures import CAPTURE_PREFIX
from contracts.errors import Forbidden, PlatformError
from contracts.events import DroneEvent, DroneEventKind, SegmentVerified
from contracts.health import Health
from contracts.ids import mint
from contracts.media import UploadOrder
from contracts.telemetry import DroneStatus, Stream, Watermark
from contracts.topics import COMMANDS, decode
from edge import VERSION, logbook
from edge.allowances import Allowances
from edge.bandwidth import Pacer
from edge.captures.courier import Courier
from edge.captures.shelf import CaptureShelf
from edge.check import private_key
from edge.clock import WatchedClock, utc_now
from edge.commands import CommandDesk
from edge.diagnostics import LOGGER, Diagnostics
from edge.fittings import (
    autopilot_of,
    jobs_of,
    link_of,
    next_certificate,
    objects_of,
    onboard_detection_of,
    rig_of,
    wallet_of,
    will_of,
)
from edge.flights import Flights
from edge.frames import Rank
from edge.journal import Journal
from edge.latch import Latch
from edge.life import health
from edge.life.checks import rotation_due
from edge.life.proof import Proof, Signs
from edge.life.shadow import Shadow, ShadowPost, Tunables
from edge.life.slots import Slots
from edge.life.watchdog import Watchdog
from edge.loan import Loan
from edge.loop import Loop
from edge.monitor import Monitor, Surroundings
from edge.once import once_of
from edge.outbox import Outbox
from edge.pilot import Pilot
from edge.poses import Poses
from edge.publisher import Publisher
from edge.recorder import Recorder
from edge.refusals import NotReady
from edge.retention import Retention
from edge.safety import Limits
from edge.sender import UploadJournal
from edge.settings import Settings
from edge.status import write_status
from edge.telemetry import Sampler
from edge.uploader import Uploader
from edge.verification import Gate

_RANKS = {
    DroneEventKind.SAFETY: Rank.SAFETY,
    DroneEventKind.AUTOPILOT_LOST: Rank.SAFETY,
    DroneEventKind.AUTOPILOT_BACK: Rank.SAFETY,
    DroneEventKind.DIAGNOSTIC: Rank.DEBUG,
    DroneEventKind.HEALTH: Rank.DEBUG,
}
"""What an event is worth when the disk is full, where it is not an ordinary event."""


_DURABLE_S = 10.0
"""How long a replaced certificate may wait for the disk; after that the step is taken again later."""
_STUCK_S = 20.0
"""The status is written each second; later than this a loop hangs in something that will not end."""


class Agent:
    """Everything that runs on the drone, wired."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._wallet = wallet_of(settings)
        _require_private_key(settings)
        self.stop = threading.Event()
        self.boot_id = mint("boot")
        state = settings.state_dir
        state.mkdir(parents=True, exist_ok=True)
        state.chmod(0o700)
        limits = Limits(
            settings.battery_reserve_percent,
            settings.battery_min_v,
            settings.link_loss_return_s,
            settings.max_first_leg_m,
        )
        self._outbox = Outbox(state / "outbox.db", self.boot_id, settings.outbox_cap_bytes)
        self._flights = Flights(settings.recordings_dir)
        self._poses = Poses(state / "poses.db")
        self._journal = Journal(state / "journal.db")
        self._uploads = UploadJournal(state / "uploads.db")
        self._autopilot = autopilot_of(settings, self._poses.add)
        self._link = link_of(settings, self._status(online=False))
        self._allowances = Allowances(state / "limits.json", limits)
        self._loan = Loan(state / "loan.json", self._autopilot)
        latch = Latch(state / "latch.json")
        self._pilot = Pilot(self._autopilot, self._flights, self._allowances, self._enough_disk, self._loan, latch)
        self._clock = WatchedClock(self._gps_offset_s, self._journal.latest_us)
        self._desk = CommandDesk(
            Gate(settings.drone_id, settings.command_keys_dir),
            self._journal,
            self._outbox,
            self._pilot,
            self._clock,
            self._alarm,
        )
        self._monitor = Monitor(
            self._autopilot.look,
            self._pilot,
            self._desk,
            self._flights,
            self.announce,
            Surroundings(self._offline_s, self._storage_full),
        )
        self._publisher = Publisher(settings.drone_id, self._outbox, self._link, lambda: self._status(online=True))
        self._detection = onboard_detection_of(settings, self._flights, self._poses, self.announce, self.stop)
        rig = rig_of(settings, self._detection.offer)
        self._recorder = Recorder(rig, self._poses, self._flights, self.announce, self.stop)
        self._pacer = Pacer(
            settings.upload_ceiling_bytes_per_s,
            shares_link=lambda: self._flights.active() is not None,
            answer_s=lambda: self._publisher.round_trip_s,
        )
        store = objects_of(settings, self._pacer)
        self._uploader = Uploader(settings.drone_id, self._flights, self._uploads, store, self.announce, self.stop)
        self._courier = Courier(CaptureShelf(settings.captures_dir), self._uploader)
        self._sampler = Sampler(self._autopilot.look, self._monitor.situation, self._outbox.append)
        self._begin_life(state)
        self._online_at = time.monotonic()
        self._link_loss_guarded = settings.autopilot_link_loss == "leave"

    def _begin_life(self, state: Path) -> None:
        """Make the parts that look after the drone itself."""
        settings = self._settings
        folders = (settings.recordings_dir, settings.captures_dir)
        self._retention = Retention(folders, settings.storage_budget_bytes, self.announce)
        self._shadow = Shadow(state / "shadow.json", self._tune)
        self._shadow_post = ShadowPost(self._shadow, self._link, settings.drone_id) if settings.aws_iot else None
        self._watchdog = Watchdog(settings.notify_socket, self._turning)
        self._turned_at = time.monotonic()
        signs = Signs(
            healthy=lambda: bool(self._link.generation) and self._turning(),
            flying=lambda: self._flights.active() is not None,
            announce=self.announce,
            stop=self.stop.set,
        )
        slots = Slots(settings.slots_dir, state) if settings.slots_dir else None
        self._proof = Proof(slots, signs) if slots else None
        self._job_post = jobs_of(settings, slots, signs, self._link) if slots else None

    def run(self) -> None:
        """Work until ``stop`` is set, then leave cleanly."""
        logbook.note("agent_started", drone_id=self._settings.drone_id, boot_id=self.boot_id, version=VERSION)
        diagnostics = Diagnostics(self.announce)
        logging.getLogger(LOGGER).addHandler(diagnostics)
        self._report_renewals()
        self._autopilot.start()
        self._link.alarm = self._alarm
        self._link.start()
        threads = [loop.start(self.stop) for loop in self._loops()]
        self.stop.wait()
        self._watchdog.stopping()
        for thread in threads:
            thread.join(timeout=8.0)
        self._recorder.close()
        self._detection.close()
        self._autopilot.stop()
        logging.getLogger(LOGGER).removeHandler(diagnostics)
        self._drain()
        self._link.stop(will_of(self._settings, self._status(online=False)))
        self._outbox.close()
        for part in (self._journal, self._uploads, self._poses):
            part.close()
        self._write_status()
        logbook.note("agent_stopped")

    def announce(self, kind: DroneEventKind, fields: dict[str, object]) -> Future[int]:
        """Put an event into the outbox; the future is done when it is on disk."""
        at = self._clock.now()
        known = {k: v for k, v in fields.items() if v is not None}
        if "detail" in known:
            known["detail"] = str(known["detail"])[:400]
        return self._outbox.append(
            Stream.EVENTS,
            lambda seq: DroneEvent.model_validate({"seq": seq, "kind": kind, "at": at, **known}),
            _RANKS.get(kind),
            once_of(kind, known),
        )

    def _alarm(self, code: str, detail: str) -> None:
        self.announce(DroneEventKind.SAFETY, {"code": code, "detail": detail})

    def _loops(self) -> list[Loop]:
        return [
            Loop("intake", self._take_in, 0.0),
            Loop("executor", self._desk.step, 0.05),
            Loop("monitor", self._monitor.step, 0.1),
            Loop("telemetry", self._sampler.step, 0.01),
            Loop("publisher", self._publisher.step, 0.02),
            Loop("recorder", self._recorder.step, 0.5),
            Loop("uploader", self._uploader.step, 0.5, max_backoff_s=30.0),
            Loop("first-looks", self._uploader.step_ahead, 0.2, max_backoff_s=30.0),
            Loop("onboard-detection", self._detection.step, 0.1, max_backoff_s=30.0),
            Loop("captures", self._courier.step, 5.0, max_backoff_s=60.0),
            Loop("link-loss", self._guard_link_loss, 2.0),
            Loop("loan", self._give_back, 1.0, max_backoff_s=30.0),
            Loop("retention", self._retention.step, 30.0),
            Loop("status", self._write_status, 1.0),
            Loop("health", self._tell_health, 60.0),
            Loop("watchdog", self._watchdog.step, 5.0),
            *([Loop("proof", self._proof.step, 2.0)] if self._proof else []),
            *([Loop("jobs", self._job_post.step, 2.0, max_backoff_s=300.0)] if self._job_post else []),
            *([Loop("shadow", self._shadow_post.ask, 2.0)] if self._shadow_post else []),
            Loop("rotation", self._rotate, 60.0, max_backoff_s=3600.0),
        ]

    def _take_in(self) -> bool | None:
        """Handle one message from the broker."""
        try:
            message = self._link.inbox.get(timeout=0.2)
        except queue.Empty:
            return None
        if message.topic == COMMANDS.of(self._settings.drone_id):
            self._desk.receive(message.payload, message.settle)
            return True
        self._hear(message.topic, message.payload)
        message.settle()  # nobody says again what may be deleted, or what is wanted: it is done first
        return True

    def _hear(self, topic: str, payload: bytes) -> None:
        """Do what a message that is no command asks."""
        if self._shadow_post and self._shadow_post.take(topic, payload):
            return
        if self._job_post and self._job_post.take(topic, payload):
            return
        try:
            _, content = decode(topic, payload)
        except PlatformError as error:
            logbook.warn("message_refused", topic=topic, error=error.message)
            return
        self._apply(content)

    def _apply(self, content: BaseModel) -> None:
        if isinstance(content, Watermark):
            self._publisher.committed(content.stream, content.boot_id, content.seq, content.above)
        elif isinstance(content, SegmentVerified):
            part = self._courier if content.segment_id.startswith(CAPTURE_PREFIX) else self._uploader
            part.verify(content)
        elif isinstance(content, UploadOrder):
            self._uploader.order(content)

    def _tell_health(self) -> None:
        self.announce(DroneEventKind.HEALTH, {"health": self._health()})

    def _health(self) -> Health:
        return health.read(self._settings.state_dir, first_look=self._detection.health())

    def _turning(self) -> bool:
        """Tell whether the loops still turn: the status is written each second."""
        return time.monotonic() - self._turned_at < _STUCK_S

    def _tune(self, wanted: Tunables) -> None:
        """Apply what the shadow asks; what it does not say is as the settings say."""
        ceiling = wanted.upload_ceiling_bytes_per_s
        self._pacer.limit(self._settings.upload_ceiling_bytes_per_s if ceiling is None else ceiling)
        self._retention.limit(wanted.storage_budget_bytes or self._settings.storage_budget_bytes)
        looks = self._settings.first_look if wanted.first_look is None else wanted.first_look
        self._detection.want(looks and self._settings.first_look_model is not None)

    def _rotate(self) -> bool | None:
        """Replace the certificate when it ends soon or the shadow asks; never in flight."""
        wallet = self._wallet
        due = rotation_due(wallet, self._shadow.tunables.replace_certificate)
        begun = wallet.next.folder.exists() or wallet.previous.folder.exists()
        if not (due or begun) or not wallet.current.whole or self._flights.active() is not None:
            return None
        before = wallet.current.identity().certificate_id
        outcome = next_certificate(self._settings, wallet, self._give_up)
        if wallet.current.identity().certificate_id != before:
            logbook.note("agent_restarts", why="a new certificate is in use")
            self.stop.set()
        return outcome

    def _give_up(self, certificate_id: str) -> None:
        """Ask the cloud to revoke the replaced certificate; the request is on disk when this returns."""
        asked = self.announce(DroneEventKind.SAFETY, {"code": "certificate_replaced", "detail": certificate_id})
        asked.result(_DURABLE_S)

    def _drain(self) -> None:
        """Send what is still waiting, for a moment."""
        deadline = time.monotonic() + 1.0
        while time.monotonic() < deadline and self._publisher.step():
            continue

    def _gps_offset_s(self) -> float | None:
        """Return GPS time minus our clock; what a silent autopilot said last may be wrong since our clock was set."""
        seen = self._autopilot.look()
        return seen.clock_offset_s if seen.connected else None

    def _offline_s(self) -> float:
        if self._link.generation:
            self._online_at = time.monotonic()
        return time.monotonic() - self._online_at

    def _enough_disk(self) -> None:
        free = shutil.disk_usage(self._settings.state_dir).free
        if free < self._settings.disk_floor_bytes:
            floor = self._settings.disk_floor_bytes
            raise NotReady(f"{free / 1e9:.1f} GB are free; {floor / 1e9:.1f} GB are needed.", hint="Free some space.")

    def _guard_link_loss(self) -> bool | None:
        """Set the autopilot's own action on a lost ground station, once for each time it is found on the ground."""
        aircraft = self._autopilot.look()
        if not aircraft.connected:
            self._link_loss_guarded = self._settings.autopilot_link_loss == "leave"
        if self._link_loss_guarded or not aircraft.on_ground:
            return None
        self._link_loss_guarded = True
        try:
            logbook.note("returns", how=self._autopilot.learn_habit().words())
            logbook.note("link_loss_guarded", put=self._autopilot.set_link_loss())
        except PlatformError as error:
            self.announce(DroneEventKind.SAFETY, {"code": "link_loss_not_set", "detail": error.message})
        return True

    def _give_back(self) -> bool | None:
        """Give the autopilot's failsafes back: after the flight, or on a way home that is clear."""
        if not self._loan.held or not self._autopilot.look().connected or not self._pilot.may_give_back():
            return None
        logbook.note("failsafes_given_back", put=self._loan.give_back())
        return True

    def _storage_full(self) -> bool:
        return shutil.disk_usage(self._settings.state_dir).free < self._settings.disk_floor_bytes // 4

    def _report_renewals(self) -> None:
        """Tell of every database that was set aside, also by a process that was killed before it could."""
        for name in ("journal", "uploads", "poses"):
            for kept in sorted(self._settings.state_dir.glob(f"{name}.db.corrupt.*[0-9]")):
                detail = f"{name}.db was set aside as {kept.name}."
                self.announce(DroneEventKind.SAFETY, {"code": "database_damaged", "detail": detail})

    def _status(self, *, online: bool) -> bytes:
        seen = self._autopilot.look()
        name = f"{seen.autopilot} {seen.version}".strip()
        status = DroneStatus(
            drone_id=self._settings.drone_id,
            boot_id=self.boot_id,
            online=online,
            at=utc_now(),
            agent_version=VERSION,
            autopilot=name,
        )
        return status.model_dump_json().encode()

    def _write_status(self) -> None:
        state, flight_id, waypoint = self._monitor.situation()
        self._turned_at = time.monotonic()
        running = not self.stop.is_set()
        pending = {s: sum(e.held for e in self._outbox.extents(s)) for s in Stream} if running else {}
        status = {
            "at": utc_now().isoformat(),
            "pid": os.getpid(),
            "running": running,
            "boot_id": self.boot_id,
            "link": "up" if self._link.generation else "down",
            "state": state,
            "returns": habit.words() if (habit := self._autopilot.look().habit) else None,
            "failsafes": {name: put for name, (_, put) in self._loan.held.items()},
            "flight_id": flight_id,
            "waypoint": waypoint,
            "pending": pending,
            "storage": self._outbox.trouble or "well",
            "health": self._health().model_dump(mode="json"),
            "flights": [f.model_dump(mode="json", exclude={"route"}) for f in self._flights.all()[-5:]],
        }
        write_status(self._settings.state_dir, status)


def _require_private_key(settings: Settings) -> None:
    """Refuse to run with a key that others can read."""
    if settings.key_file is not None and not (found := private_key(settings.key_file)).passed:
        raise Forbidden(found.detail, hint=found.hint)
