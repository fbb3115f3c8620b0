"""Up to which record each drone's stream is committed without a gap, and what beyond it: the drone may forget both."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from sqlalchemy import select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from cloud.sample_rows import Rows
from cloud.tables import LostRow, WatermarkRow
from contracts.events import DroneEventKind, EventBatch
from contracts.telemetry import SeqRange, Stream, Watermark

MAX_ABOVE = 32
"""Stored ranges beyond a gap that one watermark names."""
_LOOK_RECORDS = 20_000
_LOOK_LOST = 200


class StreamId(NamedTuple):
    """One sequence of one drone."""

    drone_id: str
    boot_id: str
    stream: Stream


class Island(NamedTuple):
    """Stored records without a gap."""

    first_seq: int
    last_seq: int


class Gone(NamedTuple):
    """Records that will not come; those divisible by ``kept_every`` do, unless it is 0."""

    first_seq: int
    last_seq: int
    kept_every: int = 0

    def carries(self, mark: int) -> int:
        """Return how far a watermark at ``mark`` may move over what is gone."""
        if not self.first_seq <= mark + 1 <= self.last_seq:
            return mark
        if self.kept_every == 0:
            return self.last_seq
        last_before_kept = -(-(mark + 1) // self.kept_every) * self.kept_every - 1
        return min(self.last_seq, last_before_kept)


# Records near the mark, so that a watermark held by a gap does not read a day's telemetry again at every commit.
_ISLANDS = """
SELECT min(seq), max(seq) FROM (
  SELECT seq, seq - row_number() OVER (ORDER BY seq) AS island FROM (
    SELECT seq FROM {table}
    WHERE drone_id = :drone_id AND boot_id = :boot_id {stream} AND seq > :mark ORDER BY seq LIMIT :look
  ) AS near
) AS numbered GROUP BY island ORDER BY 1
"""
_OF_TELEMETRY = text(_ISLANDS.format(table="telemetry", stream=""))
_OF_REPORTS = text(_ISLANDS.format(table="drone_events", stream="AND stream = :stream"))


# All touched rows are locked first, in one order. A mark moves here when the transaction's records begin right above
# it and nothing known lies right above them: then its new place is known without looking at a record.
_FOLLOWED = text("""
WITH told AS (
  SELECT * FROM unnest(
    CAST(:drones AS text[]), CAST(:boots AS text[]), CAST(:streams AS text[]), CAST(:firsts AS bigint[]),
    CAST(:lasts AS bigint[])
  ) AS t(drone_id, boot_id, stream, first, last)
), held AS (
  SELECT w.drone_id, w.boot_id, w.stream, w.seq, told.first, told.last FROM watermarks w
  JOIN told USING (drone_id, boot_id, stream) ORDER BY w.drone_id, w.boot_id, w.stream FOR UPDATE OF w
)
UPDATE watermarks w SET seq = held.last FROM held
WHERE (w.drone_id, w.boot_id, w.stream) = (held.drone_id, held.boot_id, held.stream) AND held.seq = held.first - 1
  AND NOT EXISTS (
    SELECT FROM telemetry t
    WHERE (t.drone_id, t.boot_id, t.seq) = (held.drone_id, held.boot_id, held.last + 1))
  AND NOT EXISTS (
    SELECT FROM lost_records l
    WHERE (l.drone_id, l.boot_id, l.stream) = (held.drone_id, held.boot_id, held.stream) AND l.last_seq > held.last)
RETURNING w.drone_id, w.boot_id, w.stream, w.seq
""")
_STANDING = text("""
SELECT w.drone_id, w.boot_id, w.stream, w.seq FROM watermarks w
JOIN unnest(CAST(:drones AS text[]), CAST(:boots AS text[]), CAST(:streams AS text[])) AS t(drone_id, boot_id, stream)
USING (drone_id, boot_id, stream)
""")
_BEGUN = text("""
INSERT INTO watermarks (drone_id, boot_id, stream, seq)
SELECT d, b, s, 0 FROM unnest(CAST(:drones AS text[]), CAST(:boots AS text[]), CAST(:streams AS text[])) AS t(d, b, s)
ORDER BY 1, 2, 3 ON CONFLICT DO NOTHING
""")


def runs(batches: Iterable[Rows]) -> dict[StreamId, Island]:
    """Return the streams of which these batches hold records without a gap, and which."""
    seqs: dict[StreamId, list[int]] = {}
    for batch in batches:
        stream = StreamId(batch.drone_id, batch.boot_id, Stream.TELEMETRY)
        seqs.setdefault(stream, []).extend(batch.seqs)
    ends = {stream: Island(min(each), max(each)) for stream, each in seqs.items()}
    return {s: ends[s] for s, each in seqs.items() if ends[s].last_seq - ends[s].first_seq + 1 == len(set(each))}


def advance(
    session: Session, streams: Iterable[StreamId], stored: Mapping[StreamId, Island] | None = None
) -> list[Watermark]:
    """Raise the watermarks of ``streams`` over what the transaction holds; return where each stands.

    Rows are locked in one order, so that ingest processes side by side wait for each other instead of deadlocking.
    A gap holds a watermark, unless the drone has reported the missing records as lost. ``stored`` is what the
    transaction holds of a stream without a gap: where it goes on from the mark, all such marks move in one statement.
    """
    touched = sorted(set(streams))
    if not touched:
        return []
    followed = _follow(session, touched, stored or {})
    return [*followed.values(), *(_advance(session, stream) for stream in touched if stream not in followed)]


def _follow(
    session: Session, touched: Sequence[StreamId], stored: Mapping[StreamId, Island]
) -> dict[StreamId, Watermark]:
    ends = [stored.get(stream) for stream in touched]
    values = {
        "drones": [stream.drone_id for stream in touched],
        "boots": [stream.boot_id for stream in touched],
        "streams": [stream.stream.value for stream in touched],
        "firsts": [island.first_seq if island else None for island in ends],
        "lasts": [island.last_seq if island else None for island in ends],
    }
    session.execute(_BEGUN, values)
    moved = {StreamId(d, b, Stream(s)): seq for d, b, s, seq in session.execute(_FOLLOWED, values)}
    if len(moved) < len(touched):
        stand = {StreamId(d, b, Stream(s)): seq for d, b, s, seq in session.execute(_STANDING, values)}
        # Sent again, all of it below the mark: nothing has changed.
        moved |= {s: seq for s, seq in stand.items() if s in stored and stored[s].last_seq <= seq}
    return {stream: Watermark(**stream._asdict(), seq=seq) for stream, seq in moved.items()}


def record_lost(session: Session, batch: EventBatch) -> set[StreamId]:
    """Store the ranges of the batch's tombstones; return the streams whose gaps they explain."""
    told = [e for e in batch.events if e.kind is DroneEventKind.RECORDS_LOST and e.lost is not None]
    rows = [{"drone_id": batch.drone_id, "at": event.at, **event.lost.model_dump()} for event in told if event.lost]
    if rows:
        session.execute(insert(LostRow).values(rows).on_conflict_do_nothing())
    return {StreamId(batch.drone_id, row["boot_id"], row["stream"]) for row in rows}


def reach(mark: int, stored: Sequence[Island], gone: Sequence[Gone]) -> int:
    """Return how far everything above ``mark`` is stored or gone; ``stored`` is in order."""
    ahead = iter(stored)
    island = next(ahead, None)
    while True:
        while island is not None and island.last_seq <= mark:
            island = next(ahead, None)
        if island is not None and island.first_seq <= mark + 1:
            mark = island.last_seq
            continue
        further = max((lost.carries(mark) for lost in gone), default=mark)
        if further <= mark:
            return mark
        mark = further


def _advance(session: Session, stream: StreamId) -> Watermark:
    row = session.get_one(WatermarkRow, tuple(stream), with_for_update=True, populate_existing=True)
    row.seq, above = _reached(session, stream, row.seq)
    session.flush()
    return Watermark(
        drone_id=stream.drone_id,
        boot_id=stream.boot_id,
        stream=stream.stream,
        seq=row.seq,
        above=tuple(SeqRange(first_seq=i.first_seq, last_seq=i.last_seq) for i in above[:MAX_ABOVE]),
    )


def _reached(session: Session, stream: StreamId, mark: int) -> tuple[int, list[Island]]:
    """Return the mark and the islands above it, once it is held by a gap or all is seen."""
    while True:
        stored = _stored(session, stream, mark)
        further = reach(mark, stored, _gone(session, stream, mark))
        if further == mark:
            return mark, stored
        mark = further


def _stored(session: Session, stream: StreamId, mark: int) -> list[Island]:
    query = _OF_TELEMETRY if stream.stream is Stream.TELEMETRY else _OF_REPORTS
    values = {**stream._asdict(), "stream": stream.stream.value, "mark": mark, "look": _LOOK_RECORDS}
    return [Island(int(first), int(last)) for first, last in session.execute(query, values)]


def _gone(session: Session, stream: StreamId, mark: int) -> list[Gone]:
    rows = session.execute(
        select(LostRow.first_seq, LostRow.last_seq, LostRow.kept_every)
        .where(
            LostRow.drone_id == stream.drone_id,
            LostRow.boot_id == stream.boot_id,
            LostRow.stream == stream.stream.value,
            LostRow.last_seq > mark,
        )
        .order_by(LostRow.first_seq)
        .limit(_LOOK_LOST)
    )
    return [Gone(*row) for row in rows]
