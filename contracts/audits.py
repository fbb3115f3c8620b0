"""The random sample of frames that people look at blind: how it is drawn, and what goes with each frame.

A flight's sample is a simple random one, without replacement, of the key frames that were looked at. Each key frame has
a number in [0, 1) that follows from its flight, segment and index alone; those below the share are in the sample, the
lowest ``LEAST`` of a flight always, ``MOST`` at most. Each segment keeps what may be among them, so that whatever order
segments are analysed in, and however often, the sample is the same. Nothing that a detector found has a part in it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import NamedTuple

SHARE = 0.02
"""Of a flight's key frames, where the settings do not say otherwise."""
LEAST, MOST = 2, 12
"""Frames of a flight in the sample, whatever the share."""


class Drawn(NamedTuple):
    """A frame and its number in the draw; the lowest come first."""

    number: float
    frame: int


def draw(segment: str, frame: int) -> float:
    """Return a frame's number in [0, 1): the first 48 bits of a SHA-256, the same whenever and wherever it is asked."""
    digest = hashlib.sha256(f"kestrel blind audit 1/{segment}/{frame}".encode()).digest()
    return int.from_bytes(digest[:6], "big") / 2**48


def sample(drawn: Iterable[Drawn], share: float) -> list[Drawn]:
    """Return the sample of what was drawn, lowest number first: of a segment what to keep, of a flight what to show.

    A flight's sample is within the samples of its segments: what is not among the lowest of its segment is not among
    those of the flight.
    """
    return [one for place, one in enumerate(sorted(drawn)) if place < LEAST or (one.number < share and place < MOST)]
