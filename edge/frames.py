"""How a record lies on disk: self-describing and checksummed, so it can be carved out of a damaged file."""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator
from enum import IntEnum
from typing import NamedTuple

from fastcrc import crc32

from contracts.telemetry import Stream

_MAGIC = b"\xabKR2"
_FIRST_MAGIC = b"\xabKR1"
"""Written by agents before ranks: CRC-32 instead of CRC-32C, no rank. Still read, so that an update loses nothing."""
_ANY_MAGIC = re.compile(rb"\xabKR[12]")
_HEAD = struct.Struct(">4sII")
MAX_FRAME_BYTES = 3900
"""Fits one 4 KiB database page, so that a record is never split over pages."""


class Rank(IntEnum):
    """What a record is worth when the disk is full; the highest number goes first."""

    SAFETY = 0
    """Command results, safety reports, tombstones: never evicted."""
    EVENT = 1
    TELEMETRY = 2
    """Thinned from 10 Hz to 1 Hz before any of it is dropped."""
    DEBUG = 3


_USUAL_RANK = {Stream.ACKS: Rank.SAFETY, Stream.EVENTS: Rank.EVENT, Stream.TELEMETRY: Rank.TELEMETRY}


def usual_rank(stream: Stream) -> Rank:
    """Return the rank of a stream's records unless it is said otherwise."""
    return _USUAL_RANK[stream]


class Record(NamedTuple):
    """One durable record: unique by (stream, boot, seq)."""

    stream: Stream
    boot_id: str
    seq: int
    payload: bytes
    rank: Rank


def size_bytes(record: Record) -> int:
    """Return how long the record's frame is."""
    return _HEAD.size + len(_label(record)) + len(record.payload)


def _label(record: Record) -> bytes:
    return f"{record.stream}\0{record.boot_id}\0{record.seq}\0{record.rank:d}\0".encode()


def pack(record: Record) -> bytes:
    """Return the record's frame: magic, CRC-32C of the body, length, body."""
    body = _label(record) + record.payload
    return _HEAD.pack(_MAGIC, crc32.iscsi(body), len(body)) + body


def unpack(frame: bytes) -> Record | None:
    """Return the record of a frame (trailing bytes ignored); None when it is damaged."""
    if len(frame) < _HEAD.size:
        return None
    magic, crc, size = _HEAD.unpack_from(frame)
    body = frame[_HEAD.size : _HEAD.size + size]
    if len(body) != size:
        return None
    try:
        return _record(magic, crc, body)
    except ValueError:  # the sum holds, but this is no record of ours
        return None


def _record(magic: bytes, crc: int, body: bytes) -> Record | None:
    if magic == _MAGIC and crc32.iscsi(body) == crc:
        stream, boot_id, seq, rank, payload = body.split(b"\0", 4)
        return Record(Stream(stream.decode()), boot_id.decode(), int(seq), payload, Rank(int(rank)))
    if magic == _FIRST_MAGIC and zlib.crc32(body) == crc:
        name, boot_id, seq, payload = body.split(b"\0", 3)
        stream_of_old = Stream(name.decode())
        return Record(stream_of_old, boot_id.decode(), int(seq), payload, usual_rank(stream_of_old))
    return None


def carve(raw: bytes) -> Iterator[Record]:
    """Yield every whole record found anywhere in ``raw``."""
    for found in _ANY_MAGIC.finditer(raw):
        if (record := unpack(raw[found.start() : found.start() + MAX_FRAME_BYTES + _HEAD.size])) is not None:
            yield record
