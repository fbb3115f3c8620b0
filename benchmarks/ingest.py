"""Telemetry into Postgres: Kestrel's ingest, raw COPY, and the ways of common libraries, in one run into one server.

    python -m benchmarks.ingest --samples 100000

Every way stores the same samples, as many to a commit (``--commit``; under load the ingest takes up to 500 messages,
10,000 samples), into ``telemetry`` itself with its key, indexes and months. ``raw_copy`` is the ceiling: text that lies
ready, COPY straight into the table, a duplicate would stop it; ``bare_copy`` is the same into a table without key,
index or month, which nothing could be read from in time. Kestrel's figure has everything in it: packed messages of
drones are decoded and checked, copied, deduplicated, watermarks raised.
``execute_values`` and ``executemany`` are psycopg2's own and SQLAlchemy's, from rows that lie ready. Telegraf, the
packaged consumer with a Postgres output, is in no registry that Python or Debian installs from, so it is not here.

The second part sends 5,000 samples a second through a real Mosquitto and asks how long each message takes until a
reader finds it in the database; the third sends everything again, which must change no row.
"""

from __future__ import annotations

import argparse
import gc
import io
import json
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import psycopg2
from awscrt import io as io_crt
from awscrt import mqtt5
from psycopg2.extras import execute_values
from sqlalchemy import insert, text

from benchmarks._samples import samples
from cloud.backends.link import Credentials, MqttLink
from cloud.db import Database
from cloud.ingest import Ingest, Received
from cloud.tables import Drone, Site, Telemetry
from contracts import columns
from contracts.telemetry import TelemetryBatch, TelemetrySample
from contracts.topics import PLATFORM_IDENTITY, TELEMETRY
from tests.services import Broker, DatabaseServer

_BATCH = 20
"""Samples in a message: two seconds of a drone."""
_DRONES = 100
_LIVE_DRONES = 10
WAYS = ("kestrel", "raw_copy", "bare_copy", "execute_values", "executemany")


class Inbox:
    """A broker that has everything already; what the ingest publishes is dropped."""

    connected = True

    def __init__(self, messages: Sequence[tuple[str, bytes]], per_step: int) -> None:
        self._messages, self._per_step, self._at = messages, per_step, 0

    def receive(self, max_messages: int, _wait_s: float) -> list[Received]:
        """Return the next messages."""
        some = self._messages[self._at : self._at + min(max_messages, self._per_step)]
        self._at += len(some)
        return [Received(topic, payload, lambda: None) for topic, payload in some]

    def publish(self, topic: str, payload: bytes, *, expires_s: int | None = None) -> None:
        """Drop a watermark."""


def drone(number: int) -> str:
    """Return a drone's id."""
    return f"kite-{number:03d}"


def batches(count: int, boot_id: str) -> Iterator[TelemetryBatch]:
    """Yield ``count`` samples of all drones in messages, as they take turns."""
    made = list(samples(count // _DRONES))
    for first in range(0, len(made), _BATCH):
        for number in range(_DRONES):
            yield TelemetryBatch(drone_id=drone(number), boot_id=boot_id, samples=tuple(made[first : first + _BATCH]))


def packed(some: Sequence[TelemetryBatch]) -> list[tuple[str, bytes]]:
    """Return messages as drones send them."""
    rows = [[s.model_dump(mode="json", exclude_none=True) for s in batch.samples] for batch in some]
    return [
        (TELEMETRY.of(batch.drone_id), columns.pack(batch.drone_id, batch.boot_id, row))
        for batch, row in zip(some, rows, strict=True)
    ]


def chunks(some: Sequence[TelemetryBatch], commit: int) -> list[list[TelemetryBatch]]:
    """Return batches by the commit."""
    step = commit // _BATCH
    return [list(some[at : at + step]) for at in range(0, len(some), step)]


def raw_copy(database: Database, some: Sequence[TelemetryBatch], commit: int, table: str = "telemetry") -> float:
    """Return the seconds of COPY straight into a table, its text ready beforehand."""
    names = ("drone_id", "boot_id", *TelemetrySample.model_fields)
    query = f"COPY {table} ({', '.join(names)}) FROM STDIN WITH (NULL 'None')"
    texts = [
        "".join("\t".join(map(str, row.values())) + "\n" for row in _rows(chunk)) for chunk in chunks(some, commit)
    ]
    return _timed(database, texts, lambda cursor, lines: cursor.copy_expert(query, io.StringIO(lines)))


def bare_copy(database: Database, some: Sequence[TelemetryBatch], commit: int) -> float:
    """Return the seconds of the same into a table that is nothing but rows."""
    with database.session() as session:
        session.execute(text("DROP TABLE IF EXISTS bare"))
        session.execute(text("CREATE TABLE bare (LIKE telemetry INCLUDING DEFAULTS)"))
    took_s = raw_copy(database, some, commit, "bare")
    with database.session() as session:  # what is counted afterwards
        session.execute(text("INSERT INTO telemetry SELECT * FROM bare"))
    return took_s


def by_execute_values(database: Database, some: Sequence[TelemetryBatch], commit: int) -> float:
    """Return the seconds of psycopg2's multi-row INSERT that skips duplicates."""
    names = ("drone_id", "boot_id", *TelemetrySample.model_fields)
    query = f"INSERT INTO telemetry ({', '.join(names)}) VALUES %s ON CONFLICT DO NOTHING"  # noqa: S608 - own names
    ready = [[tuple(row[name] for name in names) for row in _rows(chunk)] for chunk in chunks(some, commit)]
    return _timed(database, ready, lambda cursor, rows: execute_values(cursor, query, rows, page_size=1000))


def by_executemany(database: Database, some: Sequence[TelemetryBatch], commit: int) -> float:
    """Return the seconds of SQLAlchemy's own bulk insert."""
    ready = [_rows(chunk) for chunk in chunks(some, commit)]
    began = time.perf_counter()
    for rows in ready:
        with database.session() as session:
            session.execute(insert(Telemetry), rows)
    return time.perf_counter() - began


def _rows(chunk: Sequence[TelemetryBatch]) -> list[dict[str, Any]]:
    ids = [({"drone_id": batch.drone_id, "boot_id": batch.boot_id}, batch.samples) for batch in chunk]
    return [names | sample.model_dump() for names, some in ids for sample in some]


def _timed(database: Database, ready: Sequence[Any], write: Callable[[Any, Any], object]) -> float:
    connection = psycopg2.connect(database.engine.url.set(drivername="postgresql").render_as_string(False))
    began = time.perf_counter()
    for part in ready:
        with connection, connection.cursor() as cursor:
            write(cursor, part)
    took_s = time.perf_counter() - began
    connection.close()
    return took_s


def by_kestrel(database: Database, messages: Sequence[tuple[str, bytes]], commit: int) -> float:
    """Return the seconds of the ingest, from messages of drones to committed rows and raised watermarks."""
    ingest = Ingest(database, Inbox(messages, commit // _BATCH))
    gc.collect()
    gc.freeze()  # the samples that the other ways wait with are not looked through while the ingest works
    began = time.perf_counter()
    while ingest.step():
        continue
    took_s = time.perf_counter() - began
    gc.unfreeze()
    return took_s


def throughput(database: Database, count: int, rounds: int, named: Sequence[str], commit: int) -> dict[str, Any]:
    """Return samples per second of the ``named`` ways, the median of ``rounds`` that take turns."""
    took: dict[str, list[float]] = {}
    for number in range(rounds):
        some = list(batches(count, f"boot-{number}"))
        ways: dict[str, Callable[[], float]] = {
            "kestrel": partial(by_kestrel, database, packed(some), commit),
            "raw_copy": partial(raw_copy, database, some, commit),
            "bare_copy": partial(bare_copy, database, some, commit),
            "execute_values": partial(by_execute_values, database, some, commit),
            "executemany": partial(by_executemany, database, some, commit),
        }
        for name in named:
            _empty(database)
            took.setdefault(name, []).append(ways[name]())
            if _count(database) != count:
                raise SystemExit(f"{name} stored {_count(database)} of {count} samples")
    speed = {name: round(count / statistics.median(each)) for name, each in took.items()}
    over_copy = {f"{name}_over_raw_copy": round(speed[name] / speed["raw_copy"], 2) for name in speed}
    share = [round(copied / ours, 2) for ours, copied in zip(took.get("kestrel", []), took["raw_copy"], strict=False)]
    told = {"samples": count, "commit": commit, "rounds": rounds, "samples_per_s": speed, "share_by_round": share}
    return told | over_copy


def duplicates(database: Database, count: int, commit: int) -> dict[str, Any]:
    """Return how many rows a whole replay changes, and how fast it is turned away."""
    messages = packed(list(batches(count, "boot-again")))
    _empty(database)
    by_kestrel(database, messages, commit)
    hashed = text("SELECT count(*), sum(hashtextextended(t::text, 0)) FROM telemetry t")
    with database.session() as session:
        before = session.execute(hashed).one()
    took_s = by_kestrel(database, messages, commit)
    with database.session() as session:
        after = session.execute(hashed).one()
    return {"rows_changed": int(before != after), "rows_added": after[0] - before[0], "per_s": round(count / took_s)}


class Sender:
    """A drone's connection, with its own certificate."""

    def __init__(self, broker: Broker, drone_id: str) -> None:
        self._up = threading.Event()
        identity = broker.identity(drone_id)
        options = io_crt.TlsContextOptions.create_client_with_mtls_from_path(
            str(identity.cert_file), str(identity.key_file)
        )
        options.override_default_trust_store_from_path(None, str(broker.keys.ca_file))
        choice = mqtt5.ExtendedValidationAndFlowControlOptions
        self._client = mqtt5.Client(
            mqtt5.ClientOptions(
                host_name="127.0.0.1",
                port=broker.port,
                tls_ctx=io_crt.ClientTlsContext(options),
                connect_options=mqtt5.ConnectPacket(client_id=drone_id),
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


def latency(database: Database, broker: Broker, seconds: int, rate: int) -> dict[str, Any]:
    """Return how long messages at ``rate`` samples a second take from a drone's publish until they are committed."""
    _empty(database)
    platform = broker.platform
    link = MqttLink(
        broker.url,
        f"{PLATFORM_IDENTITY}-ingest",
        Credentials(*platform),
    )
    link.start()
    link.wait_connected(10)
    stop = threading.Event()
    worker = threading.Thread(target=_run, args=(Ingest(database, link), stop))
    worker.start()
    every = batches(rate * seconds * _DRONES // _LIVE_DRONES, "boot-live")
    some = [batch for batch in every if batch.drone_id < drone(_LIVE_DRONES)]
    senders = {drone(number): Sender(broker, drone(number)) for number in range(_LIVE_DRONES)}
    sent: dict[tuple[str, int], float] = {}
    seen: dict[tuple[str, int], float] = {}
    watcher = threading.Thread(target=_watch, args=(database, len(some), seen))
    watcher.start()
    began = time.perf_counter()
    for number, (batch, (topic, payload)) in enumerate(zip(some, packed(some), strict=True)):
        ahead_s = began + number * _BATCH / rate - time.perf_counter()
        if ahead_s > 0:
            time.sleep(ahead_s)
        sent[batch.drone_id, batch.samples[-1].seq] = time.perf_counter()
        senders[batch.drone_id].send(topic, payload)
    watcher.join(60)
    stop.set()
    worker.join()
    link.stop()
    for sender in senders.values():
        sender.stop()
    took = sorted(seen[key] - at for key, at in sent.items() if key in seen)
    return {
        "rate_per_s": rate,
        "messages": len(sent),
        "committed": len(took),
        "p50_ms": round(1000 * took[len(took) // 2]),
        "p99_ms": round(1000 * took[int(len(took) * 0.99)]),
    }


def _run(ingest: Ingest, stop: threading.Event) -> None:
    while not stop.is_set():
        ingest.step()


def _watch(database: Database, messages: int, seen: dict[tuple[str, int], float]) -> None:
    """Note when each message's last sample is below its drone's watermark, which commits with the samples."""
    query = text("SELECT drone_id, seq FROM watermarks WHERE boot_id = 'boot-live'")
    marks: dict[str, int] = {}
    ends = time.perf_counter() + 120
    while len(seen) < messages and time.perf_counter() < ends:
        with database.session() as session:
            rows = session.execute(query).all()
        now = time.perf_counter()
        for drone_id, seq in rows:
            for last in range(marks.get(drone_id, 0) + _BATCH, seq + 1, _BATCH):
                seen[drone_id, last] = now
            marks[drone_id] = seq // _BATCH * _BATCH
        time.sleep(0.01)


def _empty(database: Database) -> None:
    with database.session() as session:
        session.execute(text("TRUNCATE telemetry, watermarks"))


def _count(database: Database) -> int:
    with database.session() as session:
        return session.scalar(text("SELECT count(*) FROM telemetry")) or 0


def _register(database: Database) -> None:
    with database.session() as session:
        session.add(Site(site_id="north", name="North", home_lat_deg=54.9, home_lon_deg=8.3, home_alt_m=0.0))
        session.flush()
        session.add_all(Drone(drone_id=drone(n), site_id="north", name=drone(n), camera={}) for n in range(_DRONES))


def main() -> None:
    """Measure and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=100_000)
    parser.add_argument("--commit", type=int, default=2000, help="samples to a commit, at most 10000")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=WAYS, help="raw_copy is always among them")
    parser.add_argument("--live-seconds", type=int, default=20)
    parser.add_argument("--live-rate", type=int, default=5000)
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="kb") as folder,
        DatabaseServer(Path(folder) / "pg", durable=True) as server,
        server.database(migrated=True) as url,
        Broker(Path(folder) / "mq") as broker,
    ):
        database = Database(url)
        _register(database)
        named = [way for way in WAYS if way in (*options.ways, "raw_copy")]
        told = {
            "throughput": throughput(database, options.samples, options.rounds, named, options.commit),
            "duplicates": duplicates(database, options.samples, options.commit),
        }
        if options.live_seconds:
            told["live"] = latency(database, broker, options.live_seconds, options.live_rate)
        database.close()
    print(json.dumps(told, indent=2))


if __name__ == "__main__":
    main()
