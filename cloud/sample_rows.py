"""Samples as the rows of COPY's binary format: what Python and Postgres would spend on digits is not spent.

The format is PostgreSQL's (``COPY``, "Binary Format"): a count of fields, then each field's length and bytes.
Numbers that every sample has are packed a row at a time; texts, and what may be missing, stand before them.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import chain, repeat
from typing import Any, Final, NamedTuple

from sqlalchemy import BigInteger, DateTime, Float, Integer

from cloud.tables import Telemetry
from contracts.errors import InvalidInput
from contracts.sample_table import FIELDS, SampleTable

HEADER: Final = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER: Final = b"\xff\xff"
_CODES: Final = ((BigInteger, "q"), (Integer, "i"), (Float, "d"), (DateTime, "q"))
_COLUMNS: Final = Telemetry.__table__.c
CODE_OF: Final = {
    name: next((code for kind, code in _CODES if isinstance(_COLUMNS[name].type, kind)), "") for name in FIELDS
}
_ALWAYS: Final = [name for name, code in CODE_OF.items() if code and not _COLUMNS[name].nullable]
_REST: Final = sorted((name for name in FIELDS if name not in _ALWAYS), key=lambda name: CODE_OF[name] != "")
NAMES: Final = ("drone_id", "boot_id", *_REST, *_ALWAYS)
"""The columns in the order of the rows: texts first."""
_COUNT: Final = struct.pack(">h", len(NAMES))
_SIZES: Final = [struct.calcsize(f">{CODE_OF[name]}") for name in _ALWAYS]
_NUMBERS: Final = struct.Struct(">" + "".join(f"i{CODE_OF[name]}" for name in _ALWAYS))
_FIELDS: Final = {name: struct.Struct(f">i{code}") for name, code in CODE_OF.items() if code}
_MISSING: Final = struct.pack(">i", -1)
_EPOCH: Final = datetime(2000, 1, 1, tzinfo=UTC)
"""Where Postgres' time begins."""
EPOCH_US: Final = 946_684_800_000_000
"""The same, in microseconds since 1970."""
_US: Final = timedelta(microseconds=1)


class Rows(NamedTuple):
    """Samples of one boot, in order, as rows of ``NAMES``."""

    drone_id: str
    boot_id: str
    seqs: list[int]
    binary: bytes
    """Without the format's header and trailer."""


def time_us(at: datetime) -> int:
    """Return a time as Postgres writes it."""
    return (at - _EPOCH) // _US


def beginning(drone_id: str, boot_id: str, texts: Iterable[str | None] = ()) -> bytes:
    """Return what a row begins with: the count of its fields, and texts."""
    written = (_MISSING if text is None else _text(text) for text in (drone_id, boot_id, *texts))
    return _COUNT + b"".join(written)


def rows(batch: SampleTable) -> Rows:
    """Return a batch as rows.

    Raises:
        InvalidInput: A number is larger than its column holds.

    """
    head = beginning(batch.drone_id, batch.boot_id)
    try:
        numbers = map(_NUMBERS.pack, *chain.from_iterable(_sized(batch)))
        rest = _rest(batch)
        binary = b"".join(chain.from_iterable(zip(repeat(head), rest, numbers)))
    except struct.error as error:
        raise InvalidInput(f"A sample cannot be stored: {error}.", field="samples") from error
    return Rows(batch.drone_id, batch.boot_id, batch.seqs, binary)


def _sized(batch: SampleTable) -> Iterator[tuple[Iterable[int], Iterable[Any]]]:
    for name, size in zip(_ALWAYS, _SIZES, strict=True):
        column = batch.columns[name]
        if name == "captured_at":
            column = list(map(time_us, column))
        yield repeat(size), column if len(column) == batch.size else repeat(column[0], batch.size)


def _rest(batch: SampleTable) -> Iterable[bytes]:
    columns = [_fields(name, batch.columns[name]) for name in _REST]
    if all(len(column) == 1 for column in columns):
        return repeat(b"".join(column[0] for column in columns), batch.size)
    return map(b"".join, zip(*(c if len(c) == batch.size else c * batch.size for c in columns), strict=True))


def _fields(name: str, column: list[Any]) -> list[bytes]:
    number = _FIELDS.get(name)
    if number is None:
        return [_MISSING if value is None else _text(value) for value in column]
    size = number.size - 4
    if None in column:
        return [_MISSING if value is None else number.pack(size, value) for value in column]
    return list(map(number.pack, repeat(size), column))


def _text(value: str) -> bytes:
    text = value.encode()
    return struct.pack(">i", len(text)) + text
