"""Telemetry into Postgres: Kestrel's ingest, raw COPY, and the ways of common libraries, in one run into one server.

    python -m benchmarks.ingest --samples 100000

Every way stores the same samples, as many to a commit (``--commit``; under load the ingest takes up to 500 messages,
10,000 samples), into ``telemetry`` itself with its key, indexes and months. ``raw_copy`` is the ceiling: text that lies
ready, COPY straight into the table, a duplicate would stop it; ``bare_copy`` is the same into a table without key,
index or month, which nothing could be read from in time. Kestrel's figure has everything in it: packed messages of
drones are decoded and checked, copied, deduplicated, watermarks raised.
``execute_values`` and ``executemany`` are psycopg2's own and SQLAlchemy's, from rows that lie ready.

The second part sends everything again, which must change no row. The third puts as many through a real Mosquitto as
fast as they are taken: by ``kestrel-cloud ingest``, and by collectd, a packaged consumer (Telegraf is in no registry
that Python or Debian installs from). The fourth sends 5,000 samples a second and asks how long each message takes until
a reader finds it in the database.
"""

from __future__ import annotations

import argparse
import gc
import io
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import psycopg2
from psycopg2.extras import execute_values
from sqlalchemy import insert, text

from benchmarks import _ingest_live as live
from benchmarks._samples import samples
from cloud.db import Database
from cloud.ingest import Ingest, Received
from cloud.tables import Drone, Site, Telemetry
from contracts import columns
from contracts.telemetry import TelemetryBatch, TelemetrySample
from contracts.topics import TELEMETRY
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


def batches(count: int, boot_id: str, drones: int = _DRONES) -> Iterator[TelemetryBatch]:
    """Yield ``count`` samples of all drones in messages, as they take turns."""
    made = list(samples(count // drones))
    for first in range(0, len(made), _BATCH):
        for number in range(drones):
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
            if live.count(database) != count:
                raise SystemExit(f"{name} stored {live.count(database)} of {count} samples")
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


def in_use(
    database: Database, broker: Broker, folder: Path, count: int, seconds: int, rate: int
) -> dict[str, dict[str, Any]]:
    """Return what whole programs take from a real broker at most, and how soon at ``rate`` samples a second."""
    url = database.engine.url.render_as_string(hide_password=False)
    names = [drone(number) for number in range(_LIVE_DRONES)]
    drones = {name: live.Sender(broker, broker.identity(name), name) for name in names}
    platform = live.Sender(broker, broker.platform, "kestrel-cloud-bench")
    of_drone: Callable[[live.Message], live.Sender] = lambda message: drones[message[0].split("/")[3]]  # noqa: E731
    some = list(batches(count, "boot-through", _LIVE_DRONES))
    paced = list(batches(rate * seconds, live.LIVE_BOOT, _LIVE_DRONES))
    order = [(batch.drone_id, batch.samples[-1].seq) for batch in paced]
    ours, paced_ours, theirs = packed(some), packed(paced), live.collectd_messages(some) if live.COLLECTD else []
    gc.collect()
    gc.freeze()  # what waits to be sent is not looked through while it is
    took_s = {}
    _empty(database)
    with live.kestrel(url, broker, folder):
        took_s["kestrel"] = live.through_broker(database, ours, of_drone, _BATCH, count)
        _empty(database)
        told = live.latency(database, paced_ours, order, of_drone, rate, _BATCH)
    if theirs:
        _empty(database)
        with live.collectd(url, broker, folder):
            took_s["collectd"] = live.through_broker(database, theirs, lambda _: platform, 1, count)
    for sender in (*drones.values(), platform):
        sender.stop()
    return {"through_broker_per_s": {name: round(count / took) for name, took in took_s.items()}, "live": told}


def _empty(database: Database) -> None:
    with database.session() as session:
        session.execute(text("TRUNCATE telemetry, watermarks"))


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
    parser.add_argument("--rounds", type=int, default=3, help="0: only what goes through a broker")
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=WAYS, help="raw_copy is always among them")
    parser.add_argument("--live-seconds", type=int, default=20)
    parser.add_argument("--live-rate", type=int, default=5000)
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="kb") as folder,
        DatabaseServer(Path(folder) / "pg", durable=True) as server,
        server.database(migrated=True) as url,
    ):
        database = Database(url)
        _register(database)
        named = [way for way in WAYS if way in (*options.ways, "raw_copy")]
        told: dict[str, Any] = {}
        if options.rounds:
            told["throughput"] = throughput(database, options.samples, options.rounds, named, options.commit)
            told["duplicates"] = duplicates(database, options.samples, options.commit)
        if options.live_seconds:
            broker = Broker(Path(folder) / "mq")
            live.allow_collectd(broker)
            with broker:
                told |= in_use(database, broker, Path(folder), options.samples, options.live_seconds, options.live_rate)
        database.close()
    print(json.dumps(told, indent=2))


if __name__ == "__main__":
    main()
