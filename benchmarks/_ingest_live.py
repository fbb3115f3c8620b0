"""Telemetry from a real Mosquitto into Postgres by whole programs: ``kestrel-cloud ingest``, and collectd beside it.

collectd is the packaged consumer that Debian has: its MQTT plugin subscribes, its PostgreSQL plugin writes with a
statement of the user's, here into the same table, skipping duplicates as Kestrel does. It reads no messages of others:
each sample is a message of its own form, ``time:value:value:...`` under ``host/plugin-instance/type-instance``. It
acknowledges a message when it has read it, not when it is committed, so what it holds is lost when it is killed.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from awscrt import io, mqtt5
from sqlalchemy import make_url, text

from cloud.db import Database
from contracts.telemetry import TelemetryBatch, TelemetrySample
from contracts.topics import PLATFORM_IDENTITY
from infra.local import broker as brokers
from infra.local.certificates import Identity
from infra.local.instance import free_port
from infra.local.processes import Probe
from tests.services import Broker, Service

Message = tuple[str, bytes]
_PATH = [*os.get_exec_path(), "/usr/sbin", "/usr/local/sbin"]
COLLECTD = shutil.which("collectd", path=os.pathsep.join(_PATH))
_ROOT = "collectd"
_TYPE = "kestrel_sample"
_TEXTS = ("state", "flight_id", "clock", "captured_at")
_AHEAD = 5000
"""Messages that may wait in the broker, half of what it keeps for a consumer."""
LIVE_BOOT = "boot-live"


def allow_collectd(broker: Broker) -> None:
    """Let the platform's certificate use collectd's topics too; before the broker starts."""
    with brokers.rules_file(broker.folder).open("a") as rules:
        rules.write(f"\nuser {PLATFORM_IDENTITY}\ntopic readwrite {_ROOT}/#\n")


@contextmanager
def kestrel(url: str, broker: Broker, folder: Path) -> Iterator[None]:
    """Run ``kestrel-cloud ingest`` until the end of the block."""
    port, platform = free_port(set()), broker.platform
    env = {
        "PATH": os.pathsep.join(_PATH),
        "PYTHONPATH": str(Path(__file__).parents[1]),
        "AWS_DEFAULT_REGION": "eu-central-1",
        "CLOUD_DATABASE_URL": url,
        "CLOUD_MQTT_URL": broker.url,
        "CLOUD_CA_FILE": str(platform.ca_file),
        "CLOUD_CERT_FILE": str(platform.cert_file),
        "CLOUD_KEY_FILE": str(platform.key_file),
        "CLOUD_COMMAND_SIGNING_KEY_FILE": str(broker.keys.command_signing_key_file),
        "CLOUD_STATUS_PORT": str(port),
    }
    ready = Probe(kind="http", target=f"http://127.0.0.1:{port}/readyz")
    command = [sys.executable, "-m", "cloud", "ingest"]
    with _running(Service(command, env, ready, folder / "kestrel.log", signal.SIGTERM)):
        yield


@contextmanager
def collectd(url: str, broker: Broker, folder: Path) -> Iterator[None]:
    """Run collectd, subscribed and writing, until the end of the block."""
    configuration = folder / "collectd.conf"
    values = " ".join(f"{name}:GAUGE:U:U," for name in _numbers()).rstrip(",")
    (folder / "types.db").write_text(f"{_TYPE} {values}\n")
    configuration.write_text(_collectd_configuration(url, broker, folder))
    subscribed = Probe(kind="command", target=f"grep\n-q\nas collectd\n{broker.folder.parent / 'log'}")
    command = [str(COLLECTD), "-f", "-C", str(configuration)]
    with _running(
        Service(command, {"PATH": os.pathsep.join(_PATH)}, subscribed, folder / "collectd.log", signal.SIGTERM)
    ):
        yield


@contextmanager
def _running(service: Service) -> Iterator[None]:
    service.start()
    try:
        yield
    finally:
        service.stop()


def _collectd_configuration(url: str, broker: Broker, folder: Path) -> str:
    at, platform = make_url(url), broker.platform
    texts = "drone_id, boot_id, captured_at, state, flight_id, clock"
    types = {"seq": "bigint", "monotonic_ms": "bigint", "gps_fix": "int", "satellites": "int", "waypoint": "int"}
    numbers = _numbers()
    cells = ", ".join(f"($9::float8[])[{n}]::{types.get(name, 'float8')}" for n, name in enumerate(numbers, 1))
    # All nine parameters must be used, or Postgres does not know their types.
    statement = (
        f"INSERT INTO telemetry ({texts}, {', '.join(numbers)}) SELECT $2, $4, $1::timestamptz, $3, $6, 'gps', {cells} "
        "WHERE ($5::text, $7::text, $8::text) IS NOT NULL ON CONFLICT DO NOTHING"
    )
    return f"""
FQDNLookup false
BaseDir "{folder}"
PIDFile "{folder}/collectd.pid"
TypesDB "{folder}/types.db"
LoadPlugin logfile
<Plugin logfile>
  LogLevel info
  File stderr
</Plugin>
<LoadPlugin mqtt>
</LoadPlugin>
LoadPlugin postgresql
<Plugin mqtt>
  <Subscribe "drones">
    Host "127.0.0.1"
    Port "{broker.port}"
    ClientId "collectd"
    QoS 1
    Topic "{_ROOT}/#"
    CACert "{platform.ca_file}"
    CertificateFile "{platform.cert_file}"
    CertificateKeyFile "{platform.key_file}"
    TLSProtocol "tlsv1.2"
  </Subscribe>
</Plugin>
<Plugin postgresql>
  <Writer samples>
    Statement "{statement}"
    StoreRates false
  </Writer>
  <Database "{at.database}">
    Host "{at.host}"
    Port "{at.port}"
    User "{at.username}"
    Password "{at.password}"
    SSLMode "disable"
    Writer samples
    CommitInterval 1
  </Database>
</Plugin>
"""


def _numbers() -> list[str]:
    return [name for name in TelemetrySample.model_fields if name not in (*_TEXTS, "link_percent")]


def collectd_messages(some: Sequence[TelemetryBatch]) -> list[Message]:
    """Return the samples as collectd reads them, one to a message."""
    numbers = _numbers()
    return [
        (
            f"{_ROOT}/{batch.drone_id}/{sample.state}-{batch.boot_id}/{_TYPE}-{sample.flight_id}",
            ":".join([repr(sample.captured_at.timestamp()), *(str(getattr(sample, n)) for n in numbers)]).encode(),
        )
        for batch in some
        for sample in batch.samples
    ]


class Sender:
    """A connection of its own to the broker."""

    def __init__(self, broker: Broker, identity: Identity, client_id: str) -> None:
        self._up = threading.Event()
        options = io.TlsContextOptions.create_client_with_mtls_from_path(
            str(identity.cert_file), str(identity.key_file)
        )
        options.override_default_trust_store_from_path(None, str(broker.keys.ca_file))
        choice = mqtt5.ExtendedValidationAndFlowControlOptions
        self._client = mqtt5.Client(
            mqtt5.ClientOptions(
                host_name="127.0.0.1",
                port=broker.port,
                tls_ctx=io.ClientTlsContext(options),
                connect_options=mqtt5.ConnectPacket(client_id=client_id),
                extended_validation_and_flow_control_options=choice.NONE,
                on_lifecycle_event_connection_success_fn=lambda _: self._up.set(),
            )
        )
        self._client.start()
        self._up.wait(10)

    def send(self, topic: str, payload: bytes) -> None:
        """Send, without waiting for the broker's word."""
        self._client.publish(mqtt5.PublishPacket(topic=topic, payload=payload, qos=mqtt5.QoS.AT_LEAST_ONCE))

    def stop(self) -> None:
        """Disconnect."""
        self._client.stop()


def through_broker(
    database: Database, messages: Sequence[Message], senders: Callable[[Message], Sender], each: int, total: int
) -> float:
    """Return the seconds until all is committed, from when the first message is.

    ``each``: samples in a message. The first is sent until the consumer has subscribed and stored it. The last is
    repeated while rows are missing: collectd commits what it holds with the next that comes. Neither adds a row.
    """
    _wait_for(database, lambda: senders(messages[0]).send(*messages[0]))
    stored, sent, began = each, 1, time.perf_counter()
    while stored < total:
        for message in messages[sent : stored // each + _AHEAD]:
            senders(message).send(*message)
            sent += 1
        time.sleep(0.05)
        if sent == len(messages):
            senders(messages[-1]).send(*messages[-1])
        stored = count(database)
        if time.perf_counter() - began > 600:
            raise SystemExit(f"Only {stored} of {total} samples were committed within 600 s.")
    return time.perf_counter() - began


def _wait_for(database: Database, send: Callable[[], object]) -> None:
    ends = time.perf_counter() + 60
    while not count(database):
        if time.perf_counter() > ends:
            raise SystemExit("The consumer stored nothing of the first message within 60 s.")
        send()
        time.sleep(0.2)


def count(database: Database) -> int:
    """Return how many samples are stored."""
    with database.session() as session:
        return session.scalar(text("SELECT count(*) FROM telemetry")) or 0


def latency(
    database: Database, some: Sequence[Message], order: Sequence[tuple[str, int]], senders: Callable[[Message], Sender],
    rate: int, each: int,
) -> dict[str, Any]:  # fmt: skip
    """Return how long messages at ``rate`` samples a second take from a drone's publish until they are committed.

    ``order``: drone and last sequence number of each message; ``each``: samples in a message.
    """
    sent: dict[tuple[str, int], float] = {}
    seen: dict[tuple[str, int], float] = {}
    watcher = threading.Thread(target=_watch, args=(database, len(some), each, seen))
    watcher.start()
    began, late_s = time.perf_counter(), 0.0
    for number, (message, key) in enumerate(zip(some, order, strict=True)):
        ahead_s = began + number * each / rate - time.perf_counter()
        late_s = max(late_s, -ahead_s)
        if ahead_s > 0:
            time.sleep(ahead_s)
        sent[key] = time.perf_counter()
        senders(message).send(*message)
    watcher.join(60)
    took = sorted(seen[key] - at for key, at in sent.items() if key in seen)
    return {
        "rate_per_s": rate,
        "messages": len(sent),
        "committed": len(took),
        "sent_late_by_at_most_ms": round(1000 * late_s),
        "p50_ms": round(1000 * took[len(took) // 2]),
        "p99_ms": round(1000 * took[int(len(took) * 0.99)]),
    }


def _watch(database: Database, messages: int, each: int, seen: dict[tuple[str, int], float]) -> None:
    """Note when each message's last sample is below its drone's watermark, which commits with the samples."""
    query = text("SELECT drone_id, seq FROM watermarks WHERE boot_id = :boot")
    marks: dict[str, int] = {}
    ends = time.perf_counter() + 120
    while len(seen) < messages and time.perf_counter() < ends:
        with database.session() as session:
            rows = session.execute(query, {"boot": LIVE_BOOT}).all()
        now = time.perf_counter()
        for drone_id, seq in rows:
            for last in range(marks.get(drone_id, 0) + each, seq + 1, each):
                seen[drone_id, last] = now
            marks[drone_id] = seq // each * each
        time.sleep(0.01)
