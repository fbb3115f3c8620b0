"""From the broker into Postgres, exactly once in effect: one transaction per micro-batch, then the watermarks out.

Nothing is acknowledged to the broker or to a drone before it is committed. A message that cannot be stored goes to
the dead letters alone; its neighbours are stored.
"""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from sqlalchemy import select
from sqlalchemy.exc import DataError, IntegrityError
from sqlalchemy.orm import Session

from cloud import dead_letters, packed_samples, reports, sample_rows, samples, watermarks
from cloud.db import Database, notify_of_telemetry
from cloud.logbook import log
from cloud.sample_rows import Rows
from cloud.tables import Drone
from cloud.watermarks import StreamId
from contracts.commands import AckBatch
from contracts.errors import InvalidInput, PlatformError, Unavailable
from contracts.events import DroneEventKind, EventBatch
from contracts.telemetry import DroneStatus, Stream, Watermark
from contracts.topics import TELEMETRY, TOPICS, WATERMARKS, decode, decode_samples, parse_topic
from instruments import metrics, traces

MAX_MESSAGES = 500
_WAIT_S = 0.05
_WATERMARK_EVERY_S = 0.5
_LIVE_EVERY_S = 0.5
_SEEN_EVERY_S = 1.0
_DRONES_FOR_S = 5.0
_READ_TOGETHER = 50
"""Messages: enough for arrays to pay, few enough that Postgres writes while others are still read."""
_STREAMS_KEPT = 20_000
_NAMES = frozenset(topic.name for topic in TOPICS)


class Received(NamedTuple):
    """A message from the broker."""

    topic: str
    payload: bytes
    acknowledge: Callable[[], None]


class Link(Protocol):
    """The broker, at least once both ways."""

    @property
    def connected(self) -> bool:
        """Return whether messages flow."""

    def receive(self, max_messages: int, wait_s: float) -> list[Received]:
        """Return what has come, waiting at most ``wait_s`` for the first message."""

    def publish(self, topic: str, payload: bytes, *, expires_s: int | None = None) -> None:
        """Send and wait for the broker's word; Unavailable when it does not come."""


@dataclass
class Ingest:
    """The daemon's inbound half. ``step`` stores one micro-batch."""

    database: Database
    link: Link
    now_s: Callable[[], float] = time.monotonic
    _held: list[Received] = field(default_factory=list)
    _due: dict[StreamId, Watermark] = field(default_factory=dict)
    _told_s: dict[StreamId, float] = field(default_factory=dict)
    _last_s: dict[tuple[str, str], float] = field(default_factory=dict)
    _highest: dict[tuple[str, str], int] = field(default_factory=dict)
    """What each stream has come to here; a stream that is not in it may be stored already."""
    _drones: frozenset[str] = frozenset()
    _drones_at_s: float = float("-inf")

    def step(self) -> bool | None:
        """Store what has come; None when nothing had, False when the database did not take it (it is kept)."""
        self._tell()
        if not self._held:
            self._held = self.link.receive(MAX_MESSAGES, _WAIT_S)
        if not self._held:
            return None
        try:
            with metrics.INGEST_COMMIT_SECONDS.time():
                marks = self._store(self._held)
        except Unavailable as error:
            log("ingest_waits", reason=str(error), held=len(self._held))
            return False
        metrics.INGEST_LAST_COMMIT.set_to_current_time()
        for message in self._held:
            message.acknowledge()
        self._held = []
        self._due.update({StreamId(m.drone_id, m.boot_id, m.stream): m for m in marks})
        self._tell()
        return True

    def _store(self, messages: Sequence[Received]) -> list[Watermark]:
        """Store a batch in one transaction; when a message spoils it, each half in its own, down to that message."""
        try:
            with self.database.session() as session:
                marks, batches = self._write(session, messages)
        except (DataError, IntegrityError, InvalidInput, ValueError) as error:
            if len(messages) > 1:
                half = len(messages) // 2
                return self._store(messages[:half]) + self._store(messages[half:])
            with self.database.session() as session:
                _bury(session, messages[0], f"The database refuses it: {error}".replace("\0", "\\0"))
            return []
        self._note(batches)
        _count(messages, batches)
        return marks

    def _write(self, session: Session, messages: Sequence[Received]) -> tuple[list[Watermark], list[Rows]]:
        telemetry: list[Received] = []
        statuses: list[DroneStatus] = []
        touched: set[StreamId] = set()
        for message in messages:
            if not self._is_sent_by_one_of_ours(session, message):
                continue
            if message.topic.endswith(f"/{TELEMETRY.name}"):
                telemetry.append(message)
            else:
                touched |= _take_report(session, message, statuses)
        reports.store_statuses(session, statuses)
        refused: list[tuple[Received, PlatformError]] = []
        batches = samples.store(session, _decoded(telemetry, refused), self._highest)
        for message, error in refused:
            _bury(session, message, str(error))
        fresh = {StreamId(b.drone_id, b.boot_id, Stream.TELEMETRY) for b in batches}
        self._presence(session, touched | fresh)
        return watermarks.advance(session, touched | fresh, watermarks.runs(batches)), batches

    def _is_sent_by_one_of_ours(self, session: Session, message: Received) -> bool:
        """Return whether a registered drone sent it; what is not goes to the dead letters."""
        try:
            drone_id, _ = parse_topic(message.topic)
        except PlatformError as error:
            _bury(session, message, str(error))
            return False
        if self._is_known(session, drone_id):
            return True
        # One letter per topic: the drone keeps its records, and sends them again, until it is registered.
        _bury(session, message, f"No drone {drone_id!r} is registered.", key="unregistered")
        return False

    def _note(self, batches: Sequence[Rows]) -> None:
        """Remember how far streams have come; of a drone that has begun anew, the new boot only."""
        for batch in batches:
            stream = batch.drone_id, batch.boot_id
            self._highest[stream] = max(self._highest.get(stream, 0), batch.seqs[-1])
        if len(self._highest) > _STREAMS_KEPT:
            self._highest.clear()

    def _is_known(self, session: Session, drone_id: str) -> bool:
        fresh = self.now_s() - self._drones_at_s < _DRONES_FOR_S
        if drone_id not in self._drones or not fresh:
            self._drones = frozenset(session.scalars(select(Drone.drone_id)))
            self._drones_at_s = self.now_s()
        return drone_id in self._drones

    def _presence(self, session: Session, touched: set[StreamId]) -> None:
        heard = sorted(s[:2] for s in touched if self._every(("seen", s.drone_id), _SEEN_EVERY_S))
        reports.seen(session, heard)
        flown = {stream.drone_id for stream in touched if stream.stream is Stream.TELEMETRY}
        notify_of_telemetry(session, sorted(d for d in flown if self._every(("live", d), _LIVE_EVERY_S)))

    def _every(self, what: tuple[str, str], period_s: float) -> bool:
        now_s = self.now_s()
        if now_s - self._last_s.get(what, float("-inf")) < period_s:
            return False
        self._last_s[what] = now_s
        return True

    def _tell(self) -> None:
        """Publish watermarks that are due; one that cannot be sent stays due."""
        now_s = self.now_s()
        for stream, mark in list(self._due.items()):
            if now_s - self._told_s.get(stream, float("-inf")) < _WATERMARK_EVERY_S or not self.link.connected:
                continue
            try:
                self.link.publish(WATERMARKS.of(stream.drone_id), mark.model_dump_json().encode())
            except Unavailable as error:
                log("watermark_not_sent", drone_id=stream.drone_id, reason=str(error))
                return
            self._told_s[stream] = now_s
            del self._due[stream]


def _count(messages: Sequence[Received], batches: Sequence[Rows]) -> None:
    """Count what is committed, by the topic's name: one that the table does not have counts as unknown."""
    metrics.INGEST_SAMPLES.inc(sum(len(batch.seqs) for batch in batches))
    for name, count in Counter(message.topic.rpartition("/")[2] for message in messages).items():
        metrics.INGEST_MESSAGES.labels(topic=name if name in _NAMES else "unknown").inc(count)


def _take_report(session: Session, message: Received, statuses: list[DroneStatus]) -> set[StreamId]:
    """Store and apply what is no telemetry, but presence, which is put on a list; return the touched streams."""
    try:
        _, parsed = decode(message.topic, message.payload)
    except PlatformError as error:
        _bury(session, message, str(error))
        return set()
    if isinstance(parsed, EventBatch):
        reports.store_events(session, parsed)
        _trace(parsed)
        lost = watermarks.record_lost(session, parsed)
        return {*lost, StreamId(parsed.drone_id, parsed.boot_id, Stream.EVENTS)}
    if isinstance(parsed, AckBatch):
        reports.store_acks(session, parsed)
        return {StreamId(parsed.drone_id, parsed.boot_id, Stream.ACKS)}
    if isinstance(parsed, DroneStatus):
        statuses.append(parsed)
    return set()


def _trace(batch: EventBatch) -> None:
    for event in batch.events:
        if event.segment_id and event.kind is DroneEventKind.SEGMENT_RECORDED:
            traces.began("mqtt segment_recorded", event.segment_id, drone_id=batch.drone_id)


def _decoded(messages: Sequence[Received], refused: list[tuple[Received, PlatformError]]) -> Iterator[Rows]:
    """Yield what can be read, while it is being stored; the rest is put on ``refused``."""
    for first in range(0, len(messages), _READ_TOGETHER):
        some = messages[first : first + _READ_TOGETHER]
        for message, rows in zip(some, packed_samples.rows([message[:2] for message in some]), strict=True):
            try:
                yield rows or sample_rows.rows(decode_samples(message.topic, message.payload))
            except PlatformError as error:
                refused.append((message, error))


def _bury(session: Session, message: Received, reason: str, key: str = "") -> None:
    key = key or hashlib.sha256(message.topic.encode() + b"\0" + message.payload).hexdigest()[:32]
    metrics.INGEST_BURIED.inc()
    payload = message.payload.decode("utf-8", "backslashreplace").replace("\0", "\\0")
    dead_letters.bury(session, f"mqtt:{message.topic}"[:200], key, reason, payload)
