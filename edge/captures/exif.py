"""The header of a JPEG: size, EXIF (JEITA CP-3451) and XMP. Reads no further than the picture's own data."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import IO, NamedTuple

from contracts.errors import CorruptMedia

MODEL, TAKEN_AT, TAKEN_AT_OFFSET, FOCAL_LENGTH_35MM = 0x0110, 0x9003, 0x9011, 0xA405
LATITUDE_REF, LATITUDE, LONGITUDE_REF, LONGITUDE, ALTITUDE_REF, ALTITUDE = 1, 2, 3, 4, 5, 6
SATELLITES_TIME, SATELLITES_DATE = 7, 29
Value = str | bytes | float | tuple[float, ...]
"""Text, raw bytes, or numbers; a fraction over nothing is not a number."""
Tags = dict[int, Value]
_SHOT, _GPS = 0x8769, 0x8825
_EXIF, _XMP = b"Exif\x00\x00", b"http://ns.adobe.com/xap/1.0/\x00"
_START, _SCAN, _APP1 = 0xD8, 0xDA, 0xE1
_NO_BODY = frozenset({0x01, *range(0xD0, 0xD9)})
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_SEGMENTS_MAX, _STRAY_BYTES_MAX = 1_024, 65_536
"""A header of more segments, or with more between them, is no camera's."""
_TEXT, _BYTES = 2, (1, 6, 7)
_NUMBERS = {3: ("H", 2), 4: ("I", 4), 8: ("h", 2), 9: ("i", 4), 11: ("f", 4), 12: ("d", 8)}
_FRACTIONS = {5: "I", 10: "i"}


class Header(NamedTuple):
    """What stands in front of a picture."""

    width_px: int
    height_px: int
    image: Tags
    shot: Tags
    gps: Tags
    xmp: bytes


def read(path: Path) -> Header:
    """Read a JPEG's header. A tag that is cut off or of no known kind counts as not written.

    Raises:
        CorruptMedia: It is no JPEG, or ends before its picture begins.

    """
    size: tuple[int, int] | None = None
    exif = xmp = b""
    for marker, body in _header(path):
        if marker in _FRAMES and len(body) >= 5:
            height_px, width_px = struct.unpack_from(">HH", body, 1)
            size = width_px, height_px
        elif marker == _APP1 and body.startswith(_EXIF):
            exif += body.removeprefix(_EXIF)
        elif marker == _APP1 and body.startswith(_XMP):
            xmp = body.removeprefix(_XMP)
    if size is None or 0 in size:
        raise CorruptMedia("not a readable JPEG: it does not say its size")
    tiff = _Tiff(exif)
    image = tiff.tags(tiff.first)
    return Header(*size, image, tiff.behind(image, _SHOT), tiff.behind(image, _GPS), xmp)


def _header(path: Path) -> Iterator[tuple[int, bytes]]:
    try:
        with path.open("rb") as file:
            yield from _segments(file)
    except OSError as error:
        raise CorruptMedia(f"not a readable JPEG: {error}") from error


def _segments(file: IO[bytes]) -> Iterator[tuple[int, bytes]]:
    """Yield marker and body of each segment up to the picture's data."""
    if file.read(2) != bytes((0xFF, _START)):
        raise CorruptMedia("not a readable JPEG: it does not begin like one")
    for _ in range(_SEGMENTS_MAX):
        marker = _marker(file)
        if marker in _NO_BODY:
            continue
        length = int.from_bytes(_exactly(file, 2), "big")
        if length < 2:
            raise CorruptMedia("not a readable JPEG: a segment without a length")
        yield marker, _exactly(file, length - 2)
        if marker == _SCAN:
            return
    raise CorruptMedia("not a readable JPEG: its header has no end")


def _marker(file: IO[bytes]) -> int:
    """Return the next marker; filling and stray bytes may stand before it."""
    before = b""
    for _ in range(_STRAY_BYTES_MAX):
        byte = _exactly(file, 1)
        if before == b"\xff" and byte not in (b"\x00", b"\xff"):
            return byte[0]
        before = byte
    raise CorruptMedia("not a readable JPEG: no marker where one belongs")


def _exactly(file: IO[bytes], count: int) -> bytes:
    if len(data := file.read(count)) < count:
        raise CorruptMedia("not a readable JPEG: it ends in its header")
    return data


class _Tiff:
    """The directories of an EXIF block; offsets count from its first byte."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._order = {b"II": "<", b"MM": ">"}.get(data[:2], "")
        self.first = self._number("I", 4) if self._order and self._number("H", 2) == 42 else None

    def behind(self, tags: Tags, tag: int) -> Tags:
        """Return the directory that a tag points to."""
        at = tags.get(tag)
        return self.tags(int(at) if isinstance(at, float) and math.isfinite(at) else None)

    def tags(self, at: int | None) -> Tags:
        """Return the tags of a directory; empty where there is none."""
        if at is None or not 0 < at < len(self._data) or (count := self._number("H", at)) is None:
            return {}
        found = (self._entry(at + 2 + 12 * n) for n in range(count))
        return {tag: value for tag, value in (entry for entry in found if entry) if value is not None}

    def _entry(self, at: int) -> tuple[int, Value | None] | None:
        if at + 12 > len(self._data):
            return None
        tag, kind, count = struct.unpack_from(f"{self._order}HHI", self._data, at)
        width = 1 if kind == _TEXT or kind in _BYTES else _NUMBERS.get(kind, ("", 8 if kind in _FRACTIONS else 0))[1]
        start = at + 8 if width * count <= 4 else self._number("I", at + 8)
        if not width or not count or start is None or start + width * count > len(self._data):
            return None
        return tag, self._value(kind, count, self._data[start : start + width * count])

    def _value(self, kind: int, count: int, raw: bytes) -> Value:
        if kind == _TEXT:
            return raw.removesuffix(b"\x00").decode("latin-1")
        if kind in _BYTES:
            return raw
        if kind in _FRACTIONS:
            parts = struct.unpack(f"{self._order}{2 * count}{_FRACTIONS[kind]}", raw)
            numbers = tuple(n / d if d else math.nan for n, d in zip(parts[::2], parts[1::2], strict=True))
        else:
            numbers = tuple(float(n) for n in struct.unpack(f"{self._order}{count}{_NUMBERS[kind][0]}", raw))
        return numbers[0] if count == 1 else numbers

    def _number(self, code: str, at: int) -> int | None:
        try:
            return int(struct.unpack_from(f"{self._order}{code}", self._data, at)[0])
        except struct.error:
            return None
