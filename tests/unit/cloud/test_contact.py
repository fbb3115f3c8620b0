"""Whether an aircraft is heard, as far as its flight's reader may know."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, cast

from sqlalchemy.orm import Session

from cloud.contact import silence
from cloud.tables import Flight
from contracts.vocabulary import FlightState


class OfOneSite:
    """A session whose reader sees the flight's site and no other: no drone of another, and nothing it told."""

    def get(self, *_: Any) -> None:
        return None

    def scalar(self, *_: Any) -> None:
        return None


def test_of_a_flight_with_another_sites_drone_no_silence_is_told() -> None:
    now = datetime(2026, 11, 27, 12, 0, tzinfo=UTC)
    flight = Flight(flight_id="flt-1", drone_id="drn-elsewhere", state=FlightState.FLYING.value, created_at=now)
    assert silence(cast("Session", OfOneSite()), flight, now) is None
