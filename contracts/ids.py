"""Typed identifiers: how they look, how they are minted, how they are parsed."""

from __future__ import annotations

import os
import time
from typing import Annotated

from pydantic import StringConstraints

from contracts.errors import InvalidInput

_SLUG = r"^[a-z0-9][a-z0-9-]{0,62}$"

DroneId = Annotated[str, StringConstraints(pattern=_SLUG)]
SiteId = Annotated[str, StringConstraints(pattern=_SLUG)]
AssetId = Annotated[str, StringConstraints(pattern=_SLUG)]
FlightId = Annotated[str, StringConstraints(pattern=_SLUG)]
PlanId = Annotated[str, StringConstraints(pattern=_SLUG)]
CommandId = Annotated[str, StringConstraints(pattern=_SLUG)]
FindingId = Annotated[str, StringConstraints(pattern=_SLUG)]
BootId = Annotated[str, StringConstraints(pattern=_SLUG)]
SegmentId = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,62}\.\d{5}$")]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


def mint(prefix: str) -> str:
    """Return a new id such as ``flt-0199e0c3b5d7-9f3a2c1e``: sorts by creation time (ms), 32 random bits."""
    return f"{prefix}-{time.time_ns() // 1_000_000:012x}-{os.urandom(4).hex()}"


def segment_id(flight_id: str, index: int) -> str:
    """Return the id of a flight's ``index``-th video segment (from 0)."""
    return f"{flight_id}.{index:05d}"


def parse_segment_id(value: str) -> tuple[str, int]:
    """Split a segment id into (flight id, index).

    Raises:
        InvalidInput: ``value`` is not ``<flight id>.<5 digits>``.

    """
    flight_id, dot, digits = value.rpartition(".")
    if not dot or not flight_id or len(digits) != 5 or not digits.isdigit():
        raise InvalidInput(
            f"{value!r} is not a segment id.", hint="Expected <flight id>.<5 digits>.", field="segment_id"
        )
    return flight_id, int(digits)
