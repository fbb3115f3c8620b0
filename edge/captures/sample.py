"""One moment of a foreign camera's telemetry: what it said, in its own terms, and nothing it did not say."""

from __future__ import annotations

import math
from datetime import datetime
from typing import NamedTuple

from contracts.errors import InvalidInput

_OVERSHOOT_DEG = 0.5
"""A gimbal's encoder reads a little past straight down."""


class Direction(NamedTuple):
    """Where a camera looks: yaw clockwise from north, pitch positive upwards."""

    yaw_deg: float
    pitch_deg: float
    roll_deg: float


class Place(NamedTuple):
    """A horizontal position, and heights as the camera named them; a height it did not give is None."""

    lat_deg: float
    lon_deg: float
    alt_rel_m: float | None
    """Above take-off."""
    alt_reported_m: float | None
    """``abs_alt`` or ``altitude``: the file does not say above what."""


class Moment(NamedTuple):
    """One block of a subtitle file."""

    line: int
    dialect: str
    cue_ms: int | None
    """Since the video's first frame."""
    camera_time: datetime | None
    """The camera's own clock, without a time zone."""
    place: Place | None
    direction: Direction | None
    focal_mm35: float | None
    """Focal length as on a 36 mm wide film, digital zoom included."""


def place_of(lat_deg: float, lon_deg: float, alt_rel_m: float | None, alt_reported_m: float | None) -> Place | None:
    """Return a place; None for 0, 0, which is how these cameras say that they have no fix.

    Raises:
        InvalidInput: No such place on earth.

    """
    if lat_deg == 0.0 and lon_deg == 0.0:
        return None
    if not -90 <= lat_deg <= 90:
        raise InvalidInput(f"latitude {lat_deg:g} is outside -90..90", field="latitude")
    if not -180 <= lon_deg <= 180:
        raise InvalidInput(f"longitude {lon_deg:g} is outside -180..180", field="longitude")
    return Place(lat_deg, lon_deg, alt_rel_m, alt_reported_m)


def direction_of(yaw_deg: float, pitch_deg: float, roll_deg: float) -> Direction | None:
    """Return a direction; None when the pitch is over the top (the gimbal's yaw then means another thing)."""
    if abs(pitch_deg) > 90 + _OVERSHOOT_DEG:
        return None
    return Direction(yaw_deg % 360.0, max(-90.0, min(90.0, pitch_deg)), roll_deg)


def number(text: str, name: str) -> float:
    """Return a finite decimal number.

    Raises:
        InvalidInput: It is none.

    """
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or "_" in text:
        raise InvalidInput(f"{name} {text[:40]!r} is not a number", field=name)
    return value
