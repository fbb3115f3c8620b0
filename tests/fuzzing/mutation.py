"""Inputs from other inputs: bits, bytes, numbers, pieces moved, doubled, cut, spliced; words that parsers trip over."""

from __future__ import annotations

import random
import re
import struct

from tests.fuzzing.targets import MAX_BYTES

_WORDS = (
    b"\x00", b"\xff" * 4, b"\x7f\xff\xff\xff", b"\x80\x00\x00\x00", b"NaN", b"Infinity", b"-0", b"1e999", b"-1e-999",
    b"9" * 400, b"null", b"true", b"{}", b"[]", b'""', b"[" * 2000, b'{"a":' * 500, b"\xed\xa0\x80", b"\xc0\x80",
    b"\\u0000", b"&lol;", b'<!DOCTYPE a [<!ENTITY b "c">]>', b"<!--", b"]]>", b"../../x", b"\r\n", b"\t", b"%00",
    b"&a", b"*a", b"!!python/object", b"T24:00:00Z", b"9999-12-31T23:59:59Z", b"0000-01-01", b"\xef\xbb\xbf",
    "\u2028\U0001f681".encode(),
)  # fmt: skip
_NUMBER = re.compile(rb"-?\d+(?:\.\d+)?")
_NUMBERS = (
    b"0",
    b"-1",
    b"1e308",
    b"-1e308",
    b"4294967296",
    b"18446744073709551616",
    b"0.1",
    b"99999999999999999999",
    b"1e-320",
)


def mutated(seeds: list[bytes], chance: random.Random) -> bytes:
    """Return a changed copy of one of the seeds."""
    body = bytearray(chance.choice(seeds))
    for _ in range(chance.choice((1, 1, 2, 4, 8))):
        chance.choice(_CHANGES)(body, seeds, chance)
    return bytes(body[:MAX_BYTES])


def _flip(body: bytearray, _seeds: list[bytes], chance: random.Random) -> None:
    if body:
        body[chance.randrange(len(body))] ^= 1 << chance.randrange(8)


def _byte(body: bytearray, _seeds: list[bytes], chance: random.Random) -> None:
    if body:
        body[chance.randrange(len(body))] = chance.randrange(256)


def _cut(body: bytearray, _seeds: list[bytes], chance: random.Random) -> None:
    start = chance.randrange(len(body) + 1)
    del body[start : start + chance.choice((1, 2, 4, 16, 64, len(body)))]


def _double(body: bytearray, _seeds: list[bytes], chance: random.Random) -> None:
    start = chance.randrange(len(body) + 1)
    piece = bytes(body[start : start + chance.choice((1, 4, 16, 256))])
    at = chance.randrange(len(body) + 1)
    body[at:at] = piece * chance.choice((1, 1, 2, 20))


def _word(body: bytearray, _seeds: list[bytes], chance: random.Random) -> None:
    at, word = chance.randrange(len(body) + 1), chance.choice(_WORDS)
    body[at : at + chance.choice((0, len(word)))] = word


def _number(body: bytearray, _seeds: list[bytes], chance: random.Random) -> None:
    found = list(_NUMBER.finditer(body))
    if found:
        place = chance.choice(found)
        body[place.start() : place.end()] = chance.choice(_NUMBERS)


def _integer(body: bytearray, _seeds: list[bytes], chance: random.Random) -> None:
    form = chance.choice((">H", ">I", "<H", "<I", ">Q"))
    size = struct.calcsize(form)
    if len(body) >= size:
        at = chance.randrange(len(body) - size + 1)
        top = (1 << 8 * size) - 1
        body[at : at + size] = struct.pack(form, chance.choice((0, 1, top, top >> 1, len(body), chance.randrange(top))))


def _splice(body: bytearray, seeds: list[bytes], chance: random.Random) -> None:
    other = chance.choice(seeds)
    start = chance.randrange(len(other) + 1)
    body[chance.randrange(len(body) + 1) :] = other[start:]


_CHANGES = (_flip, _byte, _cut, _double, _word, _number, _integer, _splice)
