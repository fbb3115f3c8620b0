"""What goes out when: acks, then events, then live telemetry, then backlog, within the broker's limits.

Backlog gets one message in five however much else there is.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import NamedTuple, Protocol

from contracts import columns
from contracts.telemetry import SeqRange, Stream
from contracts.topics import ACKS, EVENTS, STATUS, TELEMETRY
from edge import logbook
from edge.frames import Record
from edge.outbox import Outbox

BATCH_BYTES = 5_000
"""AWS meters publishes in units of 5 KB."""
WINDOW = 100
_BATCH_RECORDS = {Stream.TELEMETRY: columns.MAX_RECORDS, Stream.ACKS: 100, Stream.EVENTS: 100}
_FILL = 0.95
"""How full a batch is planned: samples do not all deflate alike."""
_BACKLOG_EVERY = 5
_SMOOTHING = 0.2
_LIVE_EVERY_S = 0.2
_BACKLOG_FROM = 50
_STALL_S = 10.0
_MAX_STALL_S = 160.0
_REFRESH_S = 1.0
_TOPICS = {Stream.TELEMETRY: TELEMETRY, Stream.ACKS: ACKS, Stream.EVENTS: EVENTS}


class Link(Protocol):
    """A connection to the broker."""

    @property
    def generation(self) -> int:
        """Return how often it has connected; 0 when it is down now."""

    def publish(self, topic: str, payload: bytes, *, qos: int, retain: bool) -> Future[None]:
        """Send; the future ends on the broker's acknowledgement and fails on a lost connection."""


class Bucket:
    """A token bucket on messages and bytes per second."""

    def __init__(self, messages_per_s: float, bytes_per_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._rates = (messages_per_s, bytes_per_s)
        self._levels = [messages_per_s, bytes_per_s]
        self._clock = clock
        self._at = clock()

    def ready(self) -> bool:
        """Tell whether a message may go now."""
        now = self._clock()
        for index, rate in enumerate(self._rates):
            self._levels[index] = min(rate, self._levels[index] + rate * (now - self._at))
        self._at = now
        return self._levels[0] >= 1 and self._levels[1] > 0

    def spend(self, size: int) -> None:
        """Account for one message of ``size`` bytes."""
        self._levels[0] -= 1
        self._levels[1] -= size


_Key = tuple[Stream, str]
"""Stream and boot."""


class _Lane(NamedTuple):
    """Records of one stream and boot in (after, until]; ``until`` None is open ended."""

    stream: Stream
    boot_id: str
    until: int | None = None


class Publisher:
    """Sends what the outbox holds and the cloud has not committed."""

    def __init__(
        self, drone_id: str, outbox: Outbox, link: Link, announce: Callable[[], bytes], bucket: Bucket | None = None
    ) -> None:
        self._drone_id = drone_id
        self._outbox = outbox
        self._link = link
        self._announce = announce
        self._bucket = bucket or Bucket(90, 480 * 1024)
        self._lock = threading.Lock()
        self._in_flight = 0
        self._generation = 0
        self._sent: dict[_Lane, int] = {}
        self._waiting_since: dict[_Key, float] = {}
        """When the oldest unconfirmed record was sent, or the watermark last moved."""
        self._marks: dict[_Key, int] = {}
        self._live_at = self._refreshed_at = time.monotonic()
        self._stall_s = _STALL_S
        self._sample_bytes = 60.0
        """What a sample took in the last full batch."""
        self._ahead_of_backlog = 0
        self.round_trip_s = 0.0
        """How long the broker takes to acknowledge, smoothed."""

    def step(self) -> bool | None:
        """Send one batch if the link, the window and the rate allow and there is one."""
        generation = self._link.generation
        if generation == 0:
            return None
        if generation != self._generation:
            self._greet(generation)
        if time.monotonic() - self._refreshed_at > _REFRESH_S:
            self._refresh()
        if self._in_flight >= WINDOW or not self._bucket.ready():
            return None
        return self._send_next()

    def committed(self, stream: Stream, boot_id: str, seq: int, above: tuple[SeqRange, ...] = ()) -> None:
        """Take note of a watermark: the outbox forgets; the stall clock of its records restarts if it has moved.

        The cloud repeats a watermark that a gap holds back with every commit: only a moved one is progress.
        """
        self._outbox.acknowledge(stream, boot_id, seq, above)
        key = (stream, boot_id)
        if seq > self._marks.get(key, 0):
            self._marks[key] = seq
            self._stall_s = _STALL_S
            if self._waiting_since.pop(key, None) is not None and seq < self._last_sent(key):
                self._waiting_since[key] = time.monotonic()

    def _greet(self, generation: int) -> None:
        self._generation = generation
        self._link.publish(STATUS.of(self._drone_id), self._announce(), qos=STATUS.qos, retain=STATUS.retain)
        self._plan()

    def _plan(self) -> None:
        """Start every undelivered record over: live telemetry first in its stream, the rest as backlog."""
        self._waiting_since.clear()
        lanes: dict[_Lane, int] = {}
        for stream in (Stream.ACKS, Stream.EVENTS):
            for extent in self._outbox.extents(stream):
                lanes[_Lane(stream, extent.boot_id)] = extent.first_seq - 1
            lanes.setdefault(_Lane(stream, self._outbox.boot_id), 0)
        live, backlog = 0, {}
        for extent in self._outbox.extents(Stream.TELEMETRY):
            if extent.boot_id != self._outbox.boot_id:
                backlog[_Lane(Stream.TELEMETRY, extent.boot_id, extent.last_seq)] = extent.first_seq - 1
            elif extent.held > _BACKLOG_FROM:
                live = extent.last_seq - 10
                backlog[_Lane(Stream.TELEMETRY, extent.boot_id, live)] = extent.first_seq - 1
            else:
                live = extent.first_seq - 1
        lanes[_Lane(Stream.TELEMETRY, self._outbox.boot_id)] = live
        self._sent = lanes | backlog

    def _refresh(self) -> None:
        """Send again what the cloud has not committed in time, less and less often while it stays silent."""
        self._refreshed_at = now = time.monotonic()
        stalled = [key for key, since in tuple(self._waiting_since.items()) if now - since >= self._stall_s]
        if any(self._holds(*key) for key in stalled):
            self._stall_s = min(_MAX_STALL_S, 2 * self._stall_s)
            logbook.note("resending", next_in_s=self._stall_s)
            self._plan()

    def _holds(self, stream: Stream, boot_id: str) -> bool:
        return any(extent.boot_id == boot_id for extent in self._outbox.extents(stream))

    def _last_sent(self, key: _Key) -> int:
        return max((sent for lane, sent in tuple(self._sent.items()) if (lane.stream, lane.boot_id) == key), default=0)

    def _send_next(self) -> bool | None:
        for lane in self._turns():
            live = lane.stream is Stream.TELEMETRY and lane.until is None
            if live and time.monotonic() - self._live_at < _LIVE_EVERY_S:
                continue
            if records := self._waiting(lane):
                if live:
                    self._live_at = time.monotonic()
                self._ahead_of_backlog = 0 if lane.until is not None else self._ahead_of_backlog + 1
                self._send(lane, *self._batch(lane, records))
                return True
            if lane.until is not None:
                del self._sent[lane]
        return None

    def _turns(self) -> list[_Lane]:
        """Return the lanes in order; backlog first when it has waited for four others."""
        lanes = list(self._sent)
        if self._ahead_of_backlog >= _BACKLOG_EVERY - 1:
            lanes.sort(key=lambda lane: lane.until is None)
        return lanes

    def _waiting(self, lane: _Lane) -> list[Record]:
        limit = _BATCH_RECORDS[lane.stream]
        if lane.stream is Stream.TELEMETRY:
            limit = max(1, min(limit, int(_FILL * BATCH_BYTES / self._sample_bytes)))
        records = self._outbox.pending(lane.stream, lane.boot_id, self._sent[lane], limit)
        return [record for record in records if lane.until is None or record.seq <= lane.until]

    def _batch(self, lane: _Lane, records: list[Record]) -> tuple[bytes, list[Record]]:
        """Return the message that holds as many of the records as fit, and which."""
        while True:
            payload = self._encode(lane, records)
            if lane.stream is Stream.TELEMETRY and len(records) > 1:
                self._sample_bytes = len(payload) / len(records) if len(records) > 20 else self._sample_bytes
            if len(payload) <= BATCH_BYTES or len(records) == 1:
                return payload, records
            records = records[: max(1, int(len(records) * _FILL * BATCH_BYTES / len(payload)))]

    def _encode(self, lane: _Lane, records: list[Record]) -> bytes:
        if lane.stream is Stream.TELEMETRY:
            return columns.pack(self._drone_id, lane.boot_id, [json.loads(record.payload) for record in records])
        field = _TOPICS[lane.stream].name
        head = f'{{"drone_id":"{self._drone_id}","boot_id":"{lane.boot_id}","{field}":['
        return head.encode() + b",".join(record.payload for record in records) + b"]}"

    def _send(self, lane: _Lane, payload: bytes, records: list[Record]) -> None:
        topic = _TOPICS[lane.stream]
        with self._lock:
            self._in_flight += 1
        self._bucket.spend(len(payload))
        self._sent[lane] = records[-1].seq
        self._waiting_since.setdefault((lane.stream, lane.boot_id), time.monotonic())
        began = time.monotonic()
        sent = self._link.publish(topic.of(self._drone_id), payload, qos=topic.qos, retain=topic.retain)
        sent.add_done_callback(lambda outcome: self._landed(outcome, began))

    def _landed(self, sent: Future[None], began: float) -> None:
        with self._lock:
            self._in_flight -= 1
        if sent.cancelled():
            return
        if (error := sent.exception()) is None:
            self.round_trip_s += _SMOOTHING * (time.monotonic() - began - self.round_trip_s)
        elif self._link.generation:
            logbook.warn("publish_refused", error=str(error))
