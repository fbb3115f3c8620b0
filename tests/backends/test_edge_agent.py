"""The real agent, killed in flight again and again: it flies on, and nothing it acknowledged or filmed is lost."""

from __future__ import annotations

import base64
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import boto3
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from contracts.commands import MAX_LIFE_S, AckBatch, AckState, Command, CommandAck, SignedCommand
from contracts.events import DroneEvent, DroneEventKind, EventBatch, SegmentVerified
from contracts.ids import mint
from contracts.media import FlightMedia, SegmentManifest, flight_media_key, manifest_key, video_key
from contracts.resources import BUCKET
from contracts.telemetry import DroneStatus, Stream, TelemetryBatch, TelemetrySample, Watermark
from contracts.topics import ACKS, COMMANDS, EVENTS, STATUS, TELEMETRY, VERIFIED, WATERMARKS, decode
from contracts.vocabulary import CommandKind
from edge.backends.link import Credentials, MqttLink, Post, Will
from edge.files import sha256_of
from infra.local.certificates import COMMAND_KEY_ID
from infra.local.instance import free_port
from tests.backends.tiny_camera import TinyCamera
from tests.services import AwsServer, Broker
from tests.unit.edge.world import HOME, route, waypoint

pytestmark = pytest.mark.backends
DRONE, FLIGHT = "drone-e2e", "flt-e2e"


class Ground:
    """The cloud's end: signs commands, takes records in, says what it has."""

    def __init__(self, broker: Broker) -> None:
        key = load_pem_private_key(broker.keys.command_signing_key_file.read_bytes(), password=None)
        assert isinstance(key, Ed25519PrivateKey)
        self._key = key
        identity = broker.platform
        files = Credentials(identity.ca_file, identity.cert_file, identity.key_file)
        hears = tuple(t.of(DRONE) for t in (TELEMETRY, ACKS, EVENTS, STATUS))
        post = Post(Will(STATUS.of("ground"), b"{}"), hears, settled_by_us=())
        self.link = MqttLink(broker.url, "kestrel-cloud-e2e", files, post)
        self.records: dict[tuple[Stream, str], dict[int, TelemetrySample | CommandAck | DroneEvent]] = {}
        self.status: list[DroneStatus] = []
        self._seq = 0
        self._done = threading.Event()
        self.link.start()
        assert self.link.wait_connected(10)
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._done.set()
        self._thread.join(5)
        self.link.stop()

    def send(self, kind: CommandKind, **fields: object) -> Command:
        self._seq += 1
        now = datetime.now(UTC)
        values = {"command_id": mint("cmd"), "drone_id": DRONE, "kind": kind, "seq": self._seq, "issuer": "olga"}
        sent = Command.model_validate(
            {**values, "issued_at": now, "not_after": now + timedelta(seconds=MAX_LIFE_S[kind]), **fields}
        )
        payload = sent.model_dump_json()
        signature = base64.b64encode(self._key.sign(payload.encode())).decode()
        signed = SignedCommand(payload=payload, signature_b64=signature, key_id=COMMAND_KEY_ID)
        self.link.publish(COMMANDS.of(DRONE), signed.model_dump_json().encode(), qos=1, retain=False).result(10)
        return sent

    def acks(self, sent: Command) -> list[AckState]:
        return [
            a.state for a in self._all(Stream.ACKS) if isinstance(a, CommandAck) and a.command_id == sent.command_id
        ]

    def events(self, kind: DroneEventKind) -> list[DroneEvent]:
        return [e for e in self._all(Stream.EVENTS) if isinstance(e, DroneEvent) and e.kind is kind]

    def verify(self, manifest: SegmentManifest) -> None:
        said = SegmentVerified(segment_id=manifest.segment_id, sha256=manifest.sha256)
        self.link.publish(VERIFIED.of(DRONE), said.model_dump_json().encode(), qos=1, retain=False).result(10)

    def _all(self, stream: Stream) -> list[TelemetrySample | CommandAck | DroneEvent]:
        return [r for (s, _), kept in list(self.records.items()) if s is stream for r in list(kept.values())]

    def _listen(self) -> None:
        while not self._done.is_set():
            try:
                message = self.link.inbox.get(timeout=0.2)
            except queue.Empty:
                continue
            _, content = decode(message.topic, message.payload)
            if isinstance(content, DroneStatus):
                self.status.append(content)
            elif isinstance(content, TelemetryBatch):
                self._keep(Stream.TELEMETRY, content.boot_id, content.samples)
            elif isinstance(content, AckBatch):
                self._keep(Stream.ACKS, content.boot_id, content.acks)
            elif isinstance(content, EventBatch):
                self._keep(Stream.EVENTS, content.boot_id, content.events)

    def _keep(self, stream: Stream, boot: str, new: tuple[TelemetrySample | CommandAck | DroneEvent, ...]) -> None:
        kept = self.records.setdefault((stream, boot), {})
        kept.update({record.seq: record for record in new})
        highest = next(n for n in range(len(kept) + 1) if n + 1 not in kept)
        mark = Watermark(drone_id=DRONE, boot_id=boot, stream=stream, seq=highest)
        self.link.publish(WATERMARKS.of(DRONE), mark.model_dump_json().encode(), qos=1, retain=False)


class Drone:
    """The agent and its simulated aircraft."""

    def __init__(self, folder: Path, broker: Broker, camera_url: str) -> None:
        port = free_port(set())
        identity = broker.identity(DRONE)
        self.state_dir = folder / "edge"
        self._log = folder / "edge.log"
        self._env = os.environ | {
            "EDGE_DRONE_ID": DRONE,
            "EDGE_STATE_DIR": str(self.state_dir),
            "EDGE_MQTT_URL": broker.url,
            "EDGE_CA_FILE": str(identity.ca_file),
            "EDGE_CERT_FILE": str(identity.cert_file),
            "EDGE_KEY_FILE": str(identity.key_file),
            "EDGE_AUTOPILOT_URL": f"udpin:127.0.0.1:{port}",
            "EDGE_CAMERA_URL": camera_url,
            "EDGE_CAMERA_FOCAL_PX": "90",
            "EDGE_CAMERA_WIDTH_PX": "64",
            "EDGE_CAMERA_HEIGHT_PX": "48",
            "EDGE_COMMAND_KEYS_DIR": str(broker.keys.command_keys_dir),
        }
        home = f"{HOME.lat_deg},{HOME.lon_deg},{HOME.alt_m}"
        self.craft = subprocess.Popen(
            [
                *(sys.executable, "-m", "simulators", "autopilot", "--home", home, "--ready-s", "0.5"),
                *("--pose-log", str(folder / "pose.jsonl"), "--state-file", str(folder / "craft.json")),
                *("--connect", f"udpout:127.0.0.1:{port}", "--wind-mps", "2"),
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self.start()

    def start(self) -> None:
        with self._log.open("ab") as log:
            self.agent = subprocess.Popen([sys.executable, "-m", "edge", "run"], env=self._env, stderr=log)

    def kill_agent(self) -> None:
        self.agent.kill()
        self.agent.wait(10)

    def close(self) -> int:
        self.agent.terminate()
        code = self.agent.wait(20)
        self.craft.kill()
        self.craft.wait(10)
        return code

    def check(self) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "edge", "check", "--json"]
        return subprocess.run(command, env=self._env, capture_output=True, text=True, check=False)

    def told(self) -> str:
        return self._log.read_text()[-4000:]


def until(reached: Callable[[], object], drone: Drone, timeout_s: float = 60.0) -> None:
    waiting, deadline = threading.Event(), time.monotonic() + timeout_s
    while not reached():
        assert time.monotonic() < deadline, drone.told()
        waiting.wait(0.05)


@pytest.fixture
def ground(broker: Broker) -> Iterator[Ground]:
    made = Ground(broker)
    yield made
    made.close()


def kill_and_restart(drone: Drone, ground: Ground) -> None:
    drone.kill_agent()
    before = {status.boot_id for status in ground.status if status.online}
    drone.start()
    until(lambda: {status.boot_id for status in ground.status if status.online} - before, drone)


def stored_segments(folder: Path, drone: Drone) -> list[SegmentManifest]:
    """Wait for the flight's count, then return its manifests; each video has the hash it says."""
    s3 = boto3.client("s3")
    count = flight_media_key(DRONE, FLIGHT)
    until(lambda: s3.list_objects_v2(Bucket=BUCKET, Prefix=count).get("Contents"), drone)

    def body(key: str) -> bytes:
        return bytes(s3.get_object(Bucket=BUCKET, Key=key)["Body"].read())

    manifests = []
    for index in range(FlightMedia.model_validate_json(body(count)).expected_segments):
        manifests.append(SegmentManifest.model_validate_json(body(manifest_key(DRONE, FLIGHT, index))))
        video = folder / "video.mp4"
        video.write_bytes(body(video_key(DRONE, FLIGHT, index)))
        assert sha256_of(video) == manifests[-1].sha256
    return manifests


def test_killed_in_flight_it_flies_on_and_loses_nothing(
    tmp_path: Path, broker: Broker, ground: Ground, aws_ministack: AwsServer
) -> None:
    plan = route(waypoint(0, 6, 0, 12), waypoint(1, 6, 24, 12, speed_mps=2.0), waypoint(2, 6, 0, 12))
    filming, filmed = threading.Event(), list[int]()
    filming.set()
    with TinyCamera() as tiny:
        drone = Drone(tmp_path, broker, tiny.url)
        camera = threading.Thread(target=lambda: filmed.extend(tiny.film_while(filming)))
        try:
            until(lambda: any(stream is Stream.TELEMETRY for stream, _ in list(ground.records)), drone)
            begin = ground.send(CommandKind.BEGIN_FLIGHT, flight_id=FLIGHT, route=plan, route_hash=plan.content_hash())
            until(lambda: ground.events(DroneEventKind.FLIGHT_STARTED), drone)
            camera.start()
            for _ in range(3):
                kill_and_restart(drone, ground)
            until(lambda: AckState.DONE in ground.acks(begin), drone)
            filming.clear()
            camera.join(10)
            ground.send(CommandKind.LAND)
            until(lambda: ground.events(DroneEventKind.FLIGHT_ENDED), drone, 90)
            manifests = stored_segments(tmp_path, drone)
            for manifest in manifests:
                ground.verify(manifest)
            until(lambda: not list(drone.state_dir.glob("recordings/*/*.mp4")), drone)
            fit = drone.check()
        finally:
            filming.clear()
            code = drone.close()
    assert code == 0, drone.told()
    assert [f.t_us for m in manifests for f in m.frames] == filmed
    assert len(filmed) > 20
    assert ground.acks(begin).count(AckState.DONE) == 1
    told = [e.waypoint for e in ground.events(DroneEventKind.WAYPOINT_REACHED)]
    assert list(dict.fromkeys(told)) == [0, 1, 2], "a kill may tell one twice, never not at all"
    for kept in ground.records.values():
        assert sorted(kept) == list(range(1, len(kept) + 1))
    until(lambda: not ground.status[-1].online, drone)
    assert "The running agent sees it on_ground." in fit.stdout
    assert fit.returncode == 0, fit.stdout
