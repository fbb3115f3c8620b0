"""One aircraft of the simulated fleet, as far as broker and cloud can tell: a journal, a certificate, a connection.

It keeps what every drone keeps: a sample is made once, numbered without gaps, and forgotten only when the watermark
of the database commit comes back. What is not told so is sent again after a reconnect, or when an answer stays away.
"""

from __future__ import annotations

import math
import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from awscrt import io, mqtt5
from pydantic import ValidationError

from contracts import columns
from contracts.reconnect import draw_pauses
from contracts.telemetry import ClockQuality, DroneStatus, Stream, Watermark
from contracts.topics import STATUS, TELEMETRY, WATERMARKS

_AT_ONCE = 100
_ANSWER_WITHIN_S = 20.0
_KEEPALIVE_S = 60
_LONGEST_PAUSE_MS = 20_000
_AGENT = "kestrel-sim-fleet"


class Broker(NamedTuple):
    """Where the broker is, and the authority that signed it."""

    host: str
    port: int
    ca_file: Path


class Identity(NamedTuple):
    """A drone's certificate and key."""

    cert_file: Path
    key_file: Path


@dataclass
class FleetDrone:
    """``step`` is called over and over; the client's threads only leave word in the attributes below."""

    drone_id: str
    broker: Broker
    identity: Identity
    rate_hz: float
    boots: dict[str, int] = field(default_factory=dict)
    """Boot id -> how many samples were made in it: what the database must hold in the end."""
    marks: dict[str, int] = field(default_factory=dict)
    connected: bool = False
    heard: bool = False
    """Whether a watermark came over the present connection."""
    refused: str = ""
    clock_off: timedelta = timedelta()
    landed: bool = False
    """No more samples are made; what waits is still sent."""

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._journal: dict[str, dict[int, dict[str, Any]]] = {}
        self._sent: dict[str, int] = {}
        self._told_s = time.monotonic()
        self._next_s = time.monotonic() + (hash(self.drone_id) % 1000) / 1000 / self.rate_hz
        self._client: Any = None
        self._retired: list[Any] = []
        """Clients of earlier boots: awscrt's must outlive their last callback."""
        self.is_cut = True
        self.boot_id = ""
        self.restart()

    def restart(self) -> None:
        """Begin a new boot; what earlier boots have not been told committed is still sent."""
        self.boot_id = f"boot-{time.time_ns():x}-{len(self.boots)}"
        self.boots[self.boot_id] = 0
        self._journal[self.boot_id] = {}
        if self._client is not None:
            self._retired.append(self._client)
        self._client = None

    def start(self) -> None:
        """Connect, and reconnect for ever."""
        if self._client is None:
            self._client = self._made()
        self.is_cut = False
        self._client.start()

    def _made(self) -> mqtt5.Client:
        boot_id = self.boot_id
        options = io.TlsContextOptions.create_client_with_mtls_from_path(
            str(self.identity.cert_file), str(self.identity.key_file)
        )
        options.override_default_trust_store_from_path(None, str(self.broker.ca_file))
        pauses = draw_pauses(_LONGEST_PAUSE_MS)
        return mqtt5.Client(
            mqtt5.ClientOptions(
                host_name=self.broker.host,
                port=self.broker.port,
                tls_ctx=io.ClientTlsContext(options),
                connect_options=mqtt5.ConnectPacket(
                    client_id=self.drone_id,
                    keep_alive_interval_sec=_KEEPALIVE_S,
                    will=self._status(online=False),
                ),
                offline_queue_behavior=mqtt5.ClientOperationQueueBehaviorType.FAIL_ALL_ON_DISCONNECT,
                retry_jitter_mode=mqtt5.ExponentialBackoffJitterMode.NONE,
                min_reconnect_delay_ms=pauses.first_ms,
                max_reconnect_delay_ms=pauses.longest_ms,
                on_publish_callback_fn=self._on_publish,
                on_lifecycle_event_connection_success_fn=lambda _: self._on_connect(boot_id),
                on_lifecycle_event_connection_failure_fn=lambda data: setattr(self, "refused", str(data.exception)),
                on_lifecycle_event_disconnection_fn=lambda _: self._on_disconnect(boot_id),
            )
        )

    def cut(self) -> None:
        """Lose the link: the connection is closed without a word, so that the broker publishes the last will."""
        self.is_cut = True
        self.connected = self.heard = False
        if self._client is not None:
            self._client.stop()

    def step(self, now_s: float) -> None:
        """Make the samples that are due and send what waits."""
        while self._next_s <= now_s and not self.landed:
            self._next_s += 1.0 / self.rate_hz
            self._make()
        if not self.connected:
            return
        if self.waiting and now_s - self._told_s > _ANSWER_WITHIN_S:
            self._sent.clear()
            self._told_s = now_s
        for boot_id in list(self._journal):
            self._send(boot_id)

    @property
    def waiting(self) -> int:
        """Return how many samples have not been told committed."""
        with self._lock:
            return sum(len(kept) for kept in self._journal.values())

    def _make(self) -> None:
        self.boots[self.boot_id] += 1
        seq = self.boots[self.boot_id]
        turn = seq * 0.02 + hash(self.drone_id) % 628 / 100
        at = datetime.now(UTC) + self.clock_off
        row = {
            "seq": seq, "captured_at": at.isoformat(), "monotonic_ms": int(time.monotonic() * 1000),
            "clock": (ClockQuality.FREE if self.clock_off else ClockQuality.GPS).value, "state": "on_route",
            "lat_deg": round(54.9 + 0.001 * math.sin(turn), 7), "lon_deg": round(8.3 + 0.001 * math.cos(turn), 7),
            "alt_m": round(90 + 5 * math.sin(turn / 3), 2), "alt_rel_m": round(45 + 5 * math.sin(turn / 3), 2),
            "yaw_deg": round(math.degrees(turn) % 360, 1), "pitch_deg": 2.0, "roll_deg": 0.5, "gimbal_yaw_deg": 0.0,
            "gimbal_pitch_deg": -10.0, "vel_east_mps": round(2 * math.cos(turn), 2),
            "vel_north_mps": round(2 * math.sin(turn), 2), "vel_up_mps": 0.0,
            "battery_percent": round(max(20.0, 100 - seq / 60), 1), "battery_v": 22.4, "gps_fix": 6, "satellites": 19,
        }  # fmt: skip
        with self._lock:
            self._journal[self.boot_id][seq] = row

    def _send(self, boot_id: str) -> None:
        with self._lock:
            kept = self._journal[boot_id]
            first = max(self._sent.get(boot_id, 0), self.marks.get(boot_id, 0)) + 1
            rows = [kept[seq] for seq in range(first, min(first + _AT_ONCE, self.boots[boot_id] + 1)) if seq in kept]
        if rows:
            self._sent[boot_id] = rows[-1]["seq"]
            payload = columns.pack(self.drone_id, boot_id, rows)
            self._publish(TELEMETRY.of(self.drone_id), payload, columns.CONTENT_TYPE)

    def _publish(self, topic: str, payload: bytes, content_type: str, *, retain: bool = False) -> None:
        packet = mqtt5.PublishPacket(
            topic=topic, payload=payload, qos=mqtt5.QoS.AT_LEAST_ONCE, content_type=content_type, retain=retain
        )
        self._client.publish(packet)

    def _status(self, *, online: bool) -> mqtt5.PublishPacket:
        told = DroneStatus(
            drone_id=self.drone_id, boot_id=self.boot_id, online=online, at=datetime.now(UTC), agent_version=_AGENT
        )
        payload = told.model_dump_json().encode()
        return mqtt5.PublishPacket(
            topic=STATUS.of(self.drone_id), payload=payload, qos=mqtt5.QoS.AT_LEAST_ONCE, retain=True
        )

    def _on_disconnect(self, boot_id: str) -> None:
        if boot_id == self.boot_id:
            self.connected = self.heard = False

    def _on_connect(self, boot_id: str) -> None:
        client = self._client
        if client is None or self.is_cut or boot_id != self.boot_id:
            return
        self._sent.clear()
        self.heard = False
        subscription = mqtt5.Subscription(topic_filter=WATERMARKS.of(self.drone_id), qos=mqtt5.QoS.AT_LEAST_ONCE)
        asked = client.subscribe(mqtt5.SubscribePacket(subscriptions=[subscription]))
        asked.add_done_callback(lambda outcome: self._on_subscribed(client, outcome))

    def _on_subscribed(self, client: Any, outcome: Any) -> None:
        """Say that we are here and begin to send: from now on no watermark passes unheard."""
        if outcome.exception() is not None:
            self.refused = str(outcome.exception())
            return
        client.publish(self._status(online=True))
        self._told_s = time.monotonic()
        self.connected = client is self._client and not self.is_cut

    def _on_publish(self, data: Any) -> None:
        try:
            mark = Watermark.model_validate_json(bytes(data.publish_packet.payload or b""))
        except ValidationError as error:
            self.refused = f"a watermark that cannot be read: {error.error_count()} errors"
            return
        if mark.stream is not Stream.TELEMETRY or mark.boot_id not in self._journal:
            return
        self.heard, self._told_s = True, time.monotonic()
        with self._lock:
            self.marks[mark.boot_id] = max(mark.seq, self.marks.get(mark.boot_id, 0))
            kept = self._journal[mark.boot_id]
            for seq in [seq for seq in kept if seq <= mark.seq]:
                del kept[seq]
            for beyond in mark.above:
                for seq in [seq for seq in kept if beyond.first_seq <= seq <= beyond.last_seq]:
                    del kept[seq]
