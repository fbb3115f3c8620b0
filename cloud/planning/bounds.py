"""How near straight lines come to solid things, many at once: bounds that settle most lines without walking along them.

A cone lies within the balls about its axis, so no line comes nearer to it than to its axis less its largest radius;
and it comes at least as near as the one place of it that is measured.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cloud.planning.obstacles import MARCH_M, Cone, Points, Space, stacked, surface_gaps_m

SURE_M = 1e-3
"""Far more than arithmetic can be wrong by."""
_NO_WAY_M2 = 1e-12


class Nearness(NamedTuple):
    """Of each line (rows) and cone (columns), metres."""

    least_m: NDArray[np.float64]
    """Nowhere is the line nearer than this."""
    seen_m: NDArray[np.float64]
    """Somewhere it is this near."""


def nearness(cones: tuple[Cone, ...], starts: Points, ends: Points) -> Nearness:
    """Return bounds on how near lines come to cones.

    The places of two straight lines that are nearest to each other are found as in Ericson, Real-Time Collision
    Detection, 5.1.9.
    """
    feet, axes, lengths, firsts, slopes = stacked(cones)
    ways = ends - starts
    across = starts[:, None, :] - feet
    along_m2 = np.maximum((ways * ways).sum(axis=1), _NO_WAY_M2)[:, None]
    turn = ways @ axes.T
    behind = np.einsum("lci,li->lc", across, ways)
    beside_m = np.einsum("lci,ci->lc", across, axes)
    skew = along_m2 - turn * turn
    shares = np.clip((turn * beside_m - behind) / np.maximum(skew, _NO_WAY_M2), 0.0, 1.0)
    on_axis_m = np.clip(beside_m + turn * shares, 0.0, lengths)
    shares = np.clip((turn * on_axis_m - behind) / along_m2, 0.0, 1.0)
    offsets = across + shares[:, :, None] * ways[:, None, :]
    apart_m = np.linalg.norm(offsets - on_axis_m[:, :, None] * axes, axis=2)
    return Nearness(apart_m - np.maximum(firsts, firsts + slopes * lengths), surface_gaps_m(offsets, stacked(cones)))


def clearness(space: Space, starts: Points, ends: Points) -> NDArray[np.int8]:
    """Return of each line 1 where it is surely clear, -1 where it surely is not, 0 where ``is_clear`` must be asked.

    Floor, ceiling and fence bound a convex room: a line is nearest to them at one of its ends.
    """
    room_m = np.minimum(space.room_m(starts), space.room_m(ends))
    near = nearness(space.cones, starts, ends)
    limits_m = np.array([space.limits_m[cone.name] for cone in space.cones]) + space.margin_m
    least_m, seen_m = (np.minimum(room_m - space.margin_m, (gaps - limits_m).min(axis=1)) for gaps in near)
    return np.asarray((least_m > SURE_M).astype(np.int8) - (seen_m < -SURE_M - MARCH_M).astype(np.int8))
