"""Near-duplicates by perceptual hash: a picture learnt and measured on alike says nothing of a detector (extra train).

The hash is pHash (ImageHash: 64 bits, signs of the low frequencies of a cosine transform). It survives scaling,
compression and light; that a copy was turned or mirrored is met by hashing all eight ways round. It does not find a
photo that is only part of another: splits by source photo are for that.
"""

# ruff: noqa: PLC0415 - ImageHash and Pillow belong to the training extra

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from contracts.errors import InvalidInput

LIMIT_BITS = 8
"""Bits of 64 that two hashes of one picture may differ in. Measured on the public photos: 83 of 85 copies
scaled 0.4 to 1.5 times, turned, a fifth lighter or darker and badly compressed differ in at most 6, the other two in 8;
of 31,375 pairs of photos in the blade set one near-duplicate differs in 2, and no two others in less than 10."""
_READ_AT_PX = 256
Prints = NDArray[np.uint8]
"""(8, 8): the hash's eight bytes for each of the eight ways round; the first is the picture as it is."""


class Alike(NamedTuple):
    """Two pictures, by their numbers, that are nearly the same."""

    one: int
    other: int
    bits: int


def fingerprint(path: Path) -> Prints:
    """Return a picture's hashes.

    Raises:
        InvalidInput: The file is no readable picture.

    """
    import imagehash
    from PIL import Image, ImageOps

    try:
        with Image.open(path) as opened:
            opened.draft("L", (_READ_AT_PX, _READ_AT_PX))
            grey = opened.convert("L")
    # Ultralytics, once loaded, lets Pillow ask for a HEIF reader that is not installed before it gives up.
    except (OSError, ValueError, ImportError, Image.DecompressionBombError) as error:
        raise InvalidInput(f"{path} is not a readable image: {error}.", field="image") from error
    grey.thumbnail((_READ_AT_PX, _READ_AT_PX))
    turned = [grey.rotate(angle, expand=True) for angle in (0, 90, 180, 270)]
    ways = [way for one in turned for way in (one, ImageOps.mirror(one))]
    return np.array([np.packbits(imagehash.phash(way).hash.ravel()) for way in ways], np.uint8)


def prints_of(phash: str) -> Prints:
    """Return what a manifest kept of a picture, as the hash of every way round."""
    return np.tile(np.frombuffer(bytes.fromhex(phash), np.uint8), (8, 1))


def alike(prints: Sequence[Prints], limit: int = LIMIT_BITS) -> Iterator[Alike]:
    """Yield every pair whose hashes differ in at most ``limit`` bits, the later one taken in each of its ways round."""
    if not prints:
        return
    ways = np.stack(prints)
    for one in range(len(ways) - 1):
        bits = np.bitwise_count(ways[one, 0] ^ ways[one + 1 :]).sum(axis=2).min(axis=1)
        for other in np.flatnonzero(bits <= limit):
            yield Alike(one, one + 1 + int(other), int(bits[other]))


def grouped(count: int, pairs: Sequence[tuple[int, int]]) -> list[int]:
    """Return for each of ``count`` things the least number of those it is joined with, over any chain of pairs."""
    first = list(range(count))

    def root(number: int) -> int:
        while first[number] != number:
            first[number] = first[first[number]]
            number = first[number]
        return number

    for one, other in pairs:
        low, high = sorted((root(one), root(other)))
        first[high] = low
    return [root(number) for number in range(count)]
