"""What the person at the card states because the files do not: whose capture it is, the clock's zone, the heights."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import NamedTuple

from contracts.captures import HeightDatum
from contracts.errors import InvalidInput
from edge.captures.sample import Place

_ZONE_STEP_S = 900
_SAME_MOMENT_S = 5.0


class Heights(NamedTuple):
    """How a reported height becomes one above the ellipsoid."""

    datum: HeightDatum = HeightDatum.UNSTATED
    geoid_separation_m: float | None = None
    """Ellipsoid minus sea level at the place."""
    take_off_alt_m: float | None = None
    """Of the take-off point, above the ellipsoid."""

    def above_ellipsoid_m(self, place: Place, datum: HeightDatum | None = None) -> float | None:
        """Return the height above the ellipsoid; None when nothing states how to get it."""
        datum = datum or self.datum
        if place.alt_reported_m is not None:
            if datum is HeightDatum.ELLIPSOID:
                return place.alt_reported_m
            if datum is HeightDatum.SEA_LEVEL and self.geoid_separation_m is not None:
                return place.alt_reported_m + self.geoid_separation_m
        if place.alt_rel_m is not None and self.take_off_alt_m is not None:
            return self.take_off_alt_m + place.alt_rel_m
        return None


class Terms(NamedTuple):
    """Everything stated for one import."""

    drone_id: str
    asset_id: str
    utc_offset: timedelta | None = None
    """Of the camera's clock."""
    heights: Heights = Heights()
    focal_mm35: float | None = None
    """Where the files do not say it."""


def parse_offset(text: str) -> timedelta:
    """Read ``+02:00``, ``-0330``, ``Z``.

    Raises:
        InvalidInput: Another form.

    """
    try:
        zone = datetime.strptime(text, "%z").tzinfo
    except ValueError as error:
        raise InvalidInput(f"{text!r} is no UTC offset.", hint="Such as +02:00.", field="utc_offset") from error
    return timezone.utcoffset(zone, None) if isinstance(zone, timezone) else timedelta(0)


def stated_utc(camera_time: datetime, offset: timedelta | None, container_utc: datetime | None) -> datetime | None:
    """Return when a naive camera time was, UTC; None when its zone cannot be known.

    Beside a stated offset, a video's own ``creation_time`` shows the zone where it differs from the camera's clock by
    whole quarters of an hour. No difference shows nothing: some cameras write local time into both.
    """
    if offset is not None:
        return (camera_time - offset).replace(tzinfo=UTC)
    if container_utc is None:
        return None
    difference_s = (camera_time.replace(tzinfo=UTC) - container_utc).total_seconds()
    steps = round(difference_s / _ZONE_STEP_S)
    if steps == 0 or abs(steps) > 56 or abs(difference_s - steps * _ZONE_STEP_S) > _SAME_MOMENT_S:
        return None
    return (camera_time - timedelta(seconds=steps * _ZONE_STEP_S)).replace(tzinfo=UTC)
