"""A whole platform of its own, drones behind a link that can be spoilt, and the hands that kill and send."""

from __future__ import annotations

import base64
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from sqlalchemy import select

from cloud.backends.link import Credentials, MqttLink
from cloud.backends.objects import S3Objects
from cloud.db import Database
from cloud.tables import Drone as DroneRow
from cloud.tables import DroneEventRow, LostRow, Telemetry, Ticket, WatermarkRow
from contracts.commands import MAX_LIFE_S, Command, SignedCommand
from contracts.errors import NotFound, Unavailable
from contracts.ids import mint
from contracts.resources import BUCKET
from contracts.topics import COMMANDS, PLATFORM_IDENTITY
from contracts.vocabulary import CommandKind, DefectKind
from infra.local import supervisor, table
from infra.local.certificates import COMMAND_KEY_ID
from infra.local.stack import Stack
from tests.bad_link import BadLink
from tests.chaos.oracle import Numbers, Stream
from tests.chaos.scenarios import Scenario
from tests.edge_drone import fork
from tests.factories import World

CAP_BYTES = 64 * 1024 * 1024
_REPOSITORY = Path(__file__).parents[2]
_PATIENCE = {"keepalive_s": 5, "ping_ms": 1500, "connack_ms": 2000, "ack_s": 3, "refused_s": 2.0}


class Log:
    """What happened when, for the report."""

    def __init__(self) -> None:
        self._began_s = time.monotonic()
        self.lines: list[dict[str, Any]] = []
        self.counts: Counter[str] = Counter()

    def add(self, what: str, who: str, **more: Any) -> None:
        """Note an event."""
        self.counts[f"{what} {who}" if what == "kill" else what] += 1
        self.lines.append({"at_s": round(time.monotonic() - self._began_s, 2), "what": what, "who": who, **more})


class Drone:
    """One drone's durable half: a forked process, and what it was promised and carried out."""

    def __init__(self, drone_id: str, asked: dict[str, Any], nursery: subprocess.Popen[bytes]) -> None:
        self.drone_id, self._asked, self._nursery = drone_id, asked, nursery
        self.folder = Path(asked["state_dir"])
        self.folder.mkdir(parents=True)
        self._pid = 0

    def start(self) -> None:
        """Begin a new boot."""
        self._pid = fork(self._nursery, self._asked)

    def end(self, number: signal.Signals) -> None:
        """Send a signal and wait until it is gone."""
        os.kill(self._pid, number)
        wait(lambda: not Path(f"/proc/{self._pid}").exists(), 30, f"{self.drone_id} to end")

    def promised(self) -> dict[Stream, set[int]]:
        """Return the numbers of durable records; the stream ``boot`` names the boots."""
        found: dict[Stream, set[int]] = {}
        for line in _lines(self.folder / "acked.log"):
            name, boot_id, seq = line.split(" ")
            found.setdefault(Stream(self.drone_id, boot_id, name), set()).add(int(seq))
        return found

    def executed(self) -> list[tuple[str, datetime]]:
        """Return the commands it carried out, and when."""
        pairs = (line.split(" ") for line in _lines(self.folder / "executed.log"))
        return [(name, datetime.fromisoformat(at)) for name, at in pairs]

    def disk_bytes(self) -> int:
        """Return what its outbox takes."""
        return sum(path.stat().st_size for path in self.folder.glob("outbox.db*"))


class Stand:
    """The platform under test."""

    def __init__(self, folder: Path, scenario: Scenario, rng: random.Random, log: Log) -> None:
        self.stack, self.scenario, self.log, self._rng = Stack(folder / "state"), scenario, log, rng
        self._folder, self.drones = folder, list[Drone]()
        self.sent: dict[str, datetime] = {}
        self.findings: set[str] = set()
        self._numbers: Counter[str] = Counter()

    def up(self, wait_s: float) -> None:
        """Have everything run, SAP as well; return when all is ready (0: at once)."""
        rows = list(table.table(self.stack.layout, self.stack.instance))
        self.stack.layout.create()
        self.stack.up([*table.default_names(rows), "sap"], wait_s=wait_s)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Start everything, register what flies, and take it all down in the end."""
        try:
            self.up(120)
        except Unavailable:
            self.stack.down()  # what did start would stay
            raise
        os.environ.update({k: v for k, v in self.stack.env("aws").items() if k.startswith("AWS_")})
        self.objects, self.database = S3Objects(BUCKET), Database(self.stack.database_url)
        self._register()
        command = [sys.executable, "-m", "tests.edge_drone"]
        nursery = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=_REPOSITORY)
        with nursery, BadLink(self.stack.ports["mosquitto"]) as self.link:
            try:
                self._link_up()
                for number in range(self.scenario.drones):
                    self.drones.append(Drone(f"chaos-{number}", self._asked(f"chaos-{number}"), nursery))
                    self.drones[-1].start()
                yield
            finally:
                for drone in self.drones:
                    with suppress(ProcessLookupError):
                        drone.end(signal.SIGKILL)
                self._commander.stop()
                assert nursery.stdin is not None
                nursery.stdin.close()
                self.database.close()
                self.stack.down()

    def _register(self) -> None:
        with self.database.session() as session:
            world = World(session, datetime.now(UTC), objects=self.objects)  # type: ignore[arg-type] # the real store
            world.site()
            asset = world.asset("N 1", 240.0, 10.0, asset_id="n-01")
            self._flight = world.flight(asset, world.drone("Merlin 1"), datetime.now(UTC) - timedelta(hours=1))
            self._segment = world.segment(self._flight, 0, datetime.now(UTC) - timedelta(hours=1))
            self._geometries = world.geometries
            for number in range(self.scenario.drones):
                name = f"chaos-{number}"
                session.add(DroneRow(drone_id=name, site_id="nordmarsch", name=name, camera={}))

    def _asked(self, drone_id: str) -> dict[str, Any]:
        identity = self.stack.issue_drone(drone_id)
        return {
            "drone_id": drone_id,
            "state_dir": str(self._folder / drone_id),
            "url": f"mqtts://127.0.0.1:{self.link.port}",
            "ca_file": str(identity.ca_file),
            "cert_file": str(identity.cert_file),
            "key_file": str(identity.key_file),
            "keys_dir": str(self.stack.keys.command_keys_dir),
            "cap_bytes": CAP_BYTES,
            "samples_per_s": self.scenario.samples_per_s,
            "patience": _PATIENCE,
        }

    def _link_up(self) -> None:
        key = load_pem_private_key(self.stack.keys.command_signing_key_file.read_bytes(), password=None)
        assert isinstance(key, Ed25519PrivateKey)
        self._key = key
        files = self.stack.keys.identity(PLATFORM_IDENTITY)
        url = f"mqtts://127.0.0.1:{self.stack.ports['mosquitto']}"
        self._commander = MqttLink(
            url, f"kestrel-chaos-{mint('t')}", Credentials(files.ca_file, files.cert_file, files.key_file)
        )
        self._commander.start()

    def kill(self) -> None:
        """Kill a victim of the scenario, whichever runs, with SIGKILL."""
        name = self._rng.choice(self._victims())
        self.log.add("kill", name)
        if name.startswith("chaos-"):
            drone = next(d for d in self.drones if d.drone_id == name)
            drone.end(signal.SIGKILL)
            drone.start()
        elif name == "supervisor":
            pid = supervisor.holder(self.stack.layout)
            if pid is not None:
                os.kill(pid, signal.SIGKILL)
                wait(lambda: supervisor.holder(self.stack.layout) is None, 10, "the supervisor to end")
            self.up(0)
        else:
            with suppress(NotFound, ProcessLookupError):
                self.stack.kill(name)

    def _victims(self) -> list[str]:
        wanted = self.scenario.victims
        # The supervisor's end takes every process with it: one kill in fifty is plenty.
        if "supervisor" in wanted and self._rng.random() < 0.02:
            return ["supervisor"]
        every = [row.name for row in self.stack.status() if self.stack.pid(row.name) is not None]
        found = every if "*" in wanted else [name for name in every if name in wanted]
        if "drone" in wanted or not found:
            found += [drone.drone_id for drone in self.drones]
        return found

    def spoil(self, kind: str) -> None:
        """Do something to the drones' link; ``fine`` ends it."""
        self.log.add("link", kind)
        self.link.swallows = kind == "dark"
        self.link.latency_s, self.link.bytes_per_s = (0.6, 8192.0) if kind == "slow" else (0.0, float("inf"))
        if kind in {"cut", "fine"}:
            self.link.cut()

    def command(self) -> None:
        """Send a signed command to one of the drones, if the broker takes it."""
        drone_id = self._rng.choice(self.drones).drone_id
        self._numbers[drone_id] += 1
        now = datetime.now(UTC)
        command = Command(
            command_id=mint("cmd"),
            drone_id=drone_id,
            kind=CommandKind.RESUME,
            seq=self._numbers[drone_id],
            issued_at=now,
            not_after=now + timedelta(seconds=MAX_LIFE_S[CommandKind.RESUME]),
            issuer="olga",
        )
        payload = command.model_dump_json()
        signature = base64.b64encode(self._key.sign(payload.encode())).decode()
        signed = SignedCommand(payload=payload, signature_b64=signature, key_id=COMMAND_KEY_ID)
        self.sent[command.command_id] = command.not_after
        try:
            self._commander.publish(COMMANDS.of(drone_id), signed.model_dump_json().encode(), expires_s=60)
        except Unavailable:
            self.log.add("command not taken", drone_id)

    def finding(self) -> None:
        """Record a critical finding, as the inspection would; again until the stores take it."""
        number = 100 + len(self.findings)

        def recorded() -> bool:
            with suppress(Unavailable), self.database.session() as session:
                world = World(session, datetime.now(UTC), objects=self.objects, seed=number)  # type: ignore[arg-type]
                world.geometries = self._geometries
                row = world.finding(self._flight, DefectKind.CRACK, rank=5, root_m=2.0 + number % 20)
                world.evidence(row, self._segment)
                name = row.finding_id
                session.commit()
                self.findings.add(name)
                return True
            return False

        wait(recorded, 120, "the stores to take a finding")
        self.log.add("finding", f"number {number}")

    def marks(self) -> dict[Stream, int]:
        """Return every watermark of the drones under test."""
        with self.database.session() as session:
            rows = session.scalars(select(WatermarkRow).where(WatermarkRow.drone_id.like("chaos-%"))).all()
            return {Stream(row.drone_id, row.boot_id, row.stream): row.seq for row in rows}

    def stored(self) -> dict[Stream, set[int]]:
        """Return the numbers of every stored record."""
        found: dict[Stream, set[int]] = {}
        of_telemetry = select(Telemetry.drone_id, Telemetry.boot_id, Telemetry.seq)
        of_reports = select(DroneEventRow.drone_id, DroneEventRow.boot_id, DroneEventRow.stream, DroneEventRow.seq)
        with self.database.session() as session:
            for drone_id, boot_id, seq in session.execute(of_telemetry.where(Telemetry.drone_id.like("chaos-%"))):
                found.setdefault(Stream(drone_id, boot_id, "telemetry"), set()).add(seq)
            for *stream, seq in session.execute(of_reports.where(DroneEventRow.drone_id.like("chaos-%"))):
                found.setdefault(Stream(*stream), set()).add(seq)
        return found

    def lost(self) -> Numbers:
        """Return the numbers that tombstones cover."""
        found: dict[Stream, set[int]] = {}
        with self.database.session() as session:
            for row in session.scalars(select(LostRow)):
                gone = {n for n in range(row.first_seq, row.last_seq + 1) if not row.kept_every or n % row.kept_every}
                found.setdefault(Stream(row.drone_id, row.boot_id, row.stream), set()).update(gone)
        return found

    def promised(self) -> dict[Stream, set[int]]:
        """Return what all drones were promised."""
        return {stream: numbers for drone in self.drones for stream, numbers in drone.promised().items()}

    def ticketed(self) -> set[str]:
        """Return the findings that have a notification's number."""
        with self.database.session() as session:
            return set(session.scalars(select(Ticket.finding_id).where(Ticket.number.is_not(None))))

    def in_sap(self) -> list[str]:
        """Return the finding of every notification that SAP itself holds."""
        env = self.stack.env("cloud")
        answer = httpx.get(
            f"{env['CLOUD_SAP_URL']}/sap/opu/odata/sap/API_MAINTNOTIFICATION/MaintenanceNotification",
            params={"$format": "json", "$top": "1000"},
            auth=(env["CLOUD_SAP_USER"], env["CLOUD_SAP_PASSWORD"]),
        )
        answer.raise_for_status()
        return [row["MaintNotifExtReferenceNumber"] for row in answer.json()["d"]["results"]]


def wait(holds: Callable[[], bool], patience_s: float, what: str) -> None:
    """Wait for a condition.

    Raises:
        TimeoutError: It did not come.

    """
    deadline = time.monotonic() + patience_s
    while not holds():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{patience_s:.0f} s were not enough for {what}.")
        time.sleep(0.1)


def _lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []
