"""Up to which record each drone's stream is committed without a gap, so that the drone may forget it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from cloud.tables import WatermarkRow
from contracts.telemetry import Stream, Watermark


class StreamId(NamedTuple):
    """One sequence of one drone."""

    drone_id: str
    boot_id: str
    stream: Stream


_CONTIGUOUS = """
SELECT max(seq) FROM (
  SELECT seq, row_number() OVER (ORDER BY seq) AS place FROM {table}
  WHERE drone_id = :drone_id AND boot_id = :boot_id {stream} AND seq > :mark
) AS above WHERE seq = :mark + place
"""
_OF_TELEMETRY = text(_CONTIGUOUS.format(table="telemetry", stream=""))
_OF_REPORTS = text(_CONTIGUOUS.format(table="drone_events", stream="AND stream = :stream"))
_TOMBSTONES = text(
    "SELECT body->>'detail' FROM drone_events "
    "WHERE drone_id = :drone_id AND kind = 'records_lost' AND body->>'code' = :stream"
)
_RANGE = re.compile(r"boot=(?P<boot>\S+) from=(?P<first>\d+) to=(?P<last>\d+)")


def advance(session: Session, streams: Iterable[StreamId]) -> list[Watermark]:
    """Raise the watermarks of ``streams`` over what the transaction holds; return where each stands.

    Rows are locked in one order, so that ingest processes side by side wait for each other instead of deadlocking.
    A gap holds a watermark, unless the drone has reported the missing records as lost.
    """
    return [_advance(session, stream) for stream in sorted(set(streams))]


def boot_of(detail: str) -> str | None:
    """Return the boot whose records a tombstone speaks of."""
    match = _RANGE.search(detail)
    return match["boot"] if match else None


def _advance(session: Session, stream: StreamId) -> Watermark:
    added = insert(WatermarkRow).values(**stream._asdict(), seq=0).on_conflict_do_nothing()
    session.execute(added)
    row = session.get_one(WatermarkRow, tuple(stream), with_for_update=True, populate_existing=True)
    row.seq = _reach(session, stream, row.seq)
    session.flush()
    return Watermark(drone_id=stream.drone_id, boot_id=stream.boot_id, stream=stream.stream, seq=row.seq)


def _reach(session: Session, stream: StreamId, mark: int) -> int:
    query = _OF_TELEMETRY if stream.stream is Stream.TELEMETRY else _OF_REPORTS
    while True:
        values = {**stream._asdict(), "stream": stream.stream.value, "mark": mark}
        mark = session.execute(query, values).scalar() or mark
        beyond = _lost_beyond(session, stream, mark)
        if beyond <= mark:
            return mark
        mark = beyond


def _lost_beyond(session: Session, stream: StreamId, mark: int) -> int:
    """Return the end of a range of lost records that begins right after ``mark``, or ``mark``."""
    details = session.execute(_TOMBSTONES, {"drone_id": stream.drone_id, "stream": stream.stream.value}).scalars()
    matches = (match for detail in details if (match := _RANGE.search(detail or "")))
    ranges = [(int(m["first"]), int(m["last"])) for m in matches if m["boot"] == stream.boot_id]
    return max((last for first, last in ranges if first <= mark + 1), default=mark)
