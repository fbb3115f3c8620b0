"""How a record lies on disk: self-describing and checksummed, so it can be carved out of a damaged file."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import NamedTuple

from contracts.telemetry import Stream

_MAGIC = b"\xabKR1"
_HEAD = struct.Struct(">4sII")
MAX_FRAME_BYTES = 3900
"""Fits one 4 KiB database page, so that a record is never split over pages."""


class Record(NamedTuple):
    """One durable record: unique by (stream, boot, seq)."""

    stream: Stream
    boot_id: str
    seq: int
    payload: bytes


def pack(record: Record) -> bytes:
    """Return the record's frame: magic, CRC-32 of the body, length, body."""
    body = f"{record.stream}\0{record.boot_id}\0{record.seq}\0".encode() + record.payload
    return _HEAD.pack(_MAGIC, zlib.crc32(body), len(body)) + body


def unpack(frame: bytes) -> Record | None:
    """Return the record of a frame (trailing bytes ignored); None when it is damaged."""
    if len(frame) < _HEAD.size:
        return None
    magic, crc, size = _HEAD.unpack_from(frame)
    body = frame[_HEAD.size : _HEAD.size + size]
    if magic != _MAGIC or len(body) != size or zlib.crc32(body) != crc:
        return None
    stream, boot_id, seq, payload = body.split(b"\0", 3)
    return Record(Stream(stream.decode()), boot_id.decode(), int(seq), payload)


def carve(raw: bytes) -> Iterator[Record]:
    """Yield every whole record found anywhere in ``raw``."""
    at = raw.find(_MAGIC)
    while at >= 0:
        if (record := unpack(raw[at : at + MAX_FRAME_BYTES + _HEAD.size])) is not None:
            yield record
        at = raw.find(_MAGIC, at + 1)
