"""Conductors and insulator strings as straight pieces, and which of them a ray means.

A wire is thinner than the errors of a pose: no ray meets one. A ray means the wire it passes within three standard
deviations of its own error and of the wire's sag, beyond the breadth of the wire or bundle.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from contracts.geo import UP, Enu, LocalFrame
from contracts.powerline import PowerLine, Span
from vision.grid import Reals, Slack
from vision.nearness import moved, passes

_SIGMAS = 3.0
_TOLD = 6.0
"""A conductor is told from another one where it is 20 times as likely: squared misses in sigmas are 2 ln 20 apart."""
_PIECE_M = 2.0
"""The chord of a piece this long is within 3 mm of any catenary."""
_SAG_SHARE = 0.05
"""1-sigma error of how deep a wire hangs, as a share of it: some 10 K, or a gust of wind."""
_WIRE_M, _BUNDLE_M = 0.02, 0.25
"""Half the breadth of a single conductor, and of a bundle."""
_BUNDLED_FROM_KV = 220.0
_LEAST_SIGMA_M = 1e-6
_STRING = -1


class Thread(NamedTuple):
    """What a piece is of: a conductor of a span, or an insulator string (``conductor`` is None) of a tower."""

    number: int
    """Of the span, or of the tower."""
    conductor: int | None
    offset_m: float


class Passed(NamedTuple):
    """Where a ray passes the thread that it means. ``along_m``: level from the span's tower, or up the string's."""

    thread: Thread
    is_told: bool
    """Whether no other conductor is nearly as likely."""
    along_m: float
    point: Enu
    way: Enu
    """How the point moves, metres, per metre of ``along_m``."""
    range_m: float
    sag_sigma_m: float


class _Pieces(NamedTuple):
    starts: Reals
    ways: Reals
    along_m: Reals
    """(n, 2) at both ends."""
    sag_sigma_m: Reals
    thread: NDArray[np.int64]
    conductor: NDArray[np.int64]
    """-1 for strings."""


class Wires:
    """The conductors of some spans and the strings at their ends, metres in a frame."""

    def __init__(self, line: PowerLine, spans: Sequence[Span], frame: LocalFrame) -> None:
        self._line, self._frame = line, frame
        self._breadth_m = _BUNDLE_M if line.voltage_kv >= _BUNDLED_FROM_KV else _WIRE_M
        self._threads: list[Thread] = []
        made: list[_Pieces] = []
        hung: set[tuple[int, int]] = set()
        for span in spans:
            for conductor, offset_m in enumerate(line.phase_offsets_m):
                strung = self._strung(span, conductor, offset_m)
                made.append(strung)
                for tower, foot in ((0, strung.starts[0]), (1, strung.starts[-1] + strung.ways[-1])):
                    if (span.number + tower, conductor) not in hung:
                        hung.add((span.number + tower, conductor))
                        made.append(self._string(span.number + tower, offset_m, foot))
        self._pieces = _Pieces(*(np.concatenate(arrays) for arrays in zip(*made, strict=True))) if made else None

    def at(self, span: Span, shares: Reals, offset_m: float) -> Reals:
        """Return points (n, 3) of a conductor at shares of its span."""
        return moved(span.frame, self._frame, np.array([span.at(float(share), offset_m) for share in shares]))

    def up(self, tower: int) -> Enu:
        """Return the unit vector up at a tower."""
        foot, above = moved(LocalFrame(self._line.towers[tower].foot), self._frame, np.array([(0.0, 0.0, 0.0), UP]))
        return Enu(*(above - foot).tolist())

    def passed(self, origin: Enu, direction: Enu, slack: Slack) -> Passed | None:
        """Return the thread that a ray (unit ``direction``) means, None where it passes none near enough."""
        if self._pieces is None:
            return None
        pieces = self._pieces
        found = passes(pieces.starts, pieces.ways, (origin, direction), within=True)
        off_m = np.linalg.norm(found.miss, axis=1)
        level = found.miss[:, 2] / np.maximum(off_m, _LEAST_SIGMA_M)
        sigma = np.maximum(np.hypot(slack.at(found.range_m), pieces.sag_sigma_m * level), _LEAST_SIGMA_M)
        ahead = (found.range_m > 0) & ((off_m - self._breadth_m) / sigma <= _SIGMAS)
        if not ahead.any():
            return None
        squared = np.where(ahead, (off_m / sigma) ** 2, np.inf)
        best = int(np.argmin(squared))
        others = squared[(pieces.conductor != pieces.conductor[best]) & (pieces.conductor != _STRING)]
        share, (first_m, last_m) = float(found.share[best]), pieces.along_m[best].tolist()
        way = Enu(*pieces.ways[best].tolist())
        return Passed(
            thread=self._threads[int(pieces.thread[best])],
            is_told=bool(others.min(initial=np.inf) - squared[best] >= _TOLD),
            along_m=first_m + share * (last_m - first_m),
            point=Enu(*(pieces.starts[best] + pieces.ways[best] * share).tolist()),
            way=way.times(1.0 / (last_m - first_m)),
            range_m=float(found.range_m[best]),
            sag_sigma_m=float(pieces.sag_sigma_m[best]),
        )

    def _strung(self, span: Span, conductor: int, offset_m: float) -> _Pieces:
        """Return a conductor in pieces.

        Where the line turns, wires of two spans meet on the line that halves the turn: an outer one is longer.
        """
        turns = [math.radians(self._line.turn_deg(span.number + end)) for end in (0, 1)]
        cut = [offset_m * math.tan(max(-1.0, min(1.0, turn / 2))) / span.length_m for turn in turns]
        shares = np.linspace(cut[0], 1.0 - cut[1], max(2, math.ceil(span.length_m / _PIECE_M) + 1))
        points, count = self.at(span, shares, offset_m), len(shares) - 1
        self._threads.append(Thread(span.number, conductor, offset_m))
        middles = np.clip((shares[:-1] + shares[1:]) / 2, 0.0, 1.0)
        chord = span.start.up + middles * (span.end.up - span.start.up)
        deep = chord - np.array([span.height_up_m(float(share)) for share in middles])
        return _Pieces(
            starts=points[:-1],
            ways=np.diff(points, axis=0),
            along_m=np.stack([shares[:-1], shares[1:]], axis=1) * span.length_m,
            sag_sigma_m=_SAG_SHARE * np.maximum(0.0, deep),
            thread=np.full(count, len(self._threads) - 1),
            conductor=np.full(count, conductor),
        )

    def _string(self, tower: int, offset_m: float, lower: Reals) -> _Pieces:
        self._threads.append(Thread(tower, None, offset_m))
        low_m, long_m = self._line.towers[tower].attachment_height_m, self._line.insulator_length_m
        return _Pieces(
            starts=lower[None],
            ways=np.array([self.up(tower).times(long_m)]),
            along_m=np.array([[low_m, low_m + long_m]]),
            sag_sigma_m=np.zeros(1),
            thread=np.array([len(self._threads) - 1]),
            conductor=np.array([_STRING]),
        )
