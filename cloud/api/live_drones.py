"""/v1/remote-id: live drones as ASTM F3411-22a shows them; /v1/asyncapi.json: the document of the MQTT side.

The answers have the shapes of a Service Provider's ``/uss/flights`` (uas_standards f3411 v22a). What the platform does
not know is said in the standard's own words for unknown; nothing is made up.
"""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field
from sqlalchemy import select
from sqlalchemy.orm import Session

from cloud import flights, telemetry
from cloud.problems import RESPONSES
from cloud.requests import Svc, UnitOfWork
from cloud.security import Reader
from cloud.tables import Drone, Flight
from cloud.telemetry_store.past import Shelf
from contracts import asyncapi
from contracts.errors import InvalidInput
from contracts.vocabulary import AircraftState, FlightState

router = APIRouter(prefix="/v1", tags=["live"], responses=RESPONSES)

_VIEW = r"^-?\d{1,2}(\.\d{1,10})?,-?\d{1,3}(\.\d{1,10})?,-?\d{1,2}(\.\d{1,10})?,-?\d{1,3}(\.\d{1,10})?$"
_LIVE = timedelta(seconds=60)
"""F3411 shows nothing older."""
_MAX_DIAGONAL_KM = 7.0
"""F3411's NetMaxDisplayAreaDiagonal: a view with a longer diagonal is refused."""
_AIRBORNE = frozenset({FlightState.FLYING.value, FlightState.PAUSED.value, FlightState.RETURNING.value})
_UNKNOWN_TRACK, _UNKNOWN_SPEED = 361.0, 255.0
Status = Literal["Undeclared", "Ground", "Airborne", "Emergency", "RemoteIDSystemFailure"]


class Time(BaseModel):
    """A time as F3411 writes it."""

    value: datetime
    format: Literal["RFC3339"] = "RFC3339"


class Position(BaseModel):
    """Where it is. ``alt`` is above the WGS 84 ellipsoid, metres; accuracies are not known."""

    lat: float
    lng: float
    alt: float
    accuracy_h: Literal["HAUnknown"] = "HAUnknown"
    accuracy_v: Literal["VAUnknown"] = "VAUnknown"
    extrapolated: bool = False


class Height(BaseModel):
    """Metres above take-off."""

    distance: float
    reference: Literal["TakeoffLocation"] = "TakeoffLocation"


class AircraftNow(BaseModel):
    """The state of an aircraft. ``track`` 361 and ``speed`` 255 mean unknown."""

    timestamp: Time
    timestamp_accuracy: float = 0.0
    operational_status: Status
    position: Position
    height: Height
    track: float = Field(ge=0, le=361)
    speed: float = Field(ge=0, le=255)
    speed_accuracy: Literal["SAUnknown"] = "SAUnknown"
    vertical_speed: float


class RecentPosition(BaseModel):
    """Where it was within the last minute."""

    time: Time
    position: Position


class RIDFlight(BaseModel):
    """A flight that is shown."""

    id: str
    aircraft_type: Literal["Helicopter"] = Field(default="Helicopter", description="F3411 counts multirotors there")
    current_state: AircraftNow
    simulated: bool
    recent_positions: list[RecentPosition]


class RIDFlights(BaseModel):
    """The flights in a view."""

    timestamp: Time
    flights: list[RIDFlight]
    no_isas_present: bool


class UasId(BaseModel):
    """Who the aircraft is."""

    specific_session_id: str
    serial_number: str = ""
    registration_id: str = ""
    utm_id: str = ""


class RIDDetails(BaseModel):
    """What does not change during a flight."""

    id: str
    uas_id: UasId
    operator_id: str = ""
    operation_description: str


class RIDFlightDetails(BaseModel):
    """F3411's envelope of the details."""

    details: RIDDetails


@router.get("/remote-id/flights")
def list_remote_id(
    session: UnitOfWork,
    services: Svc,
    _: Reader,
    view: Annotated[str, Query(pattern=_VIEW, max_length=80, description="lat,lng,lat,lng: two corners")],
    recent_positions_duration: Annotated[float, Query(ge=0, le=60, description="seconds")] = 0,
) -> RIDFlights:
    """Return the drones in the air within a view (F3411 ``GET /uss/flights``), as of their newest sample."""
    now = datetime.now(UTC)
    south, west, north, east = _corners(view)
    shown = []
    for flight, drone in session.execute(
        select(Flight, Drone).join(Drone, Drone.drone_id == Flight.drone_id).where(Flight.state.in_(_AIRBORNE))
    ):
        sample = telemetry.latest(session, drone.drone_id)
        if sample is None or now - sample.captured_at > _LIVE:
            continue
        if south <= sample.lat_deg <= north and west <= sample.lon_deg <= east:
            past = _recent(session, services.objects, drone.drone_id, now, recent_positions_duration)
            shown.append(_shown(flight, drone, sample, past))
    return RIDFlights(timestamp=Time(value=now), flights=shown, no_isas_present=not shown)


@router.get("/remote-id/flights/{flight_id}/details")
def get_remote_id_details(flight_id: str, session: UnitOfWork, _: Reader) -> RIDFlightDetails:
    """Return what does not change during a flight (F3411 ``GET /uss/flights/{id}/details``)."""
    row = flights.flight(session, flight_id)
    told = RIDDetails(
        id=flight_id,
        uas_id=UasId(specific_session_id=flight_id, serial_number=row.drone_id),
        operation_description=f"Inspection of {row.asset_id}",
    )
    return RIDFlightDetails(details=told)


@router.get("/asyncapi.json")
def get_asyncapi(_: Reader) -> dict[str, Any]:
    """Return the AsyncAPI 3 document of the MQTT side."""
    return asyncapi.document()


def _corners(view: str) -> tuple[float, float, float, float]:
    if re.fullmatch(_VIEW, view) is None:
        raise InvalidInput("`view` is lat,lng,lat,lng.", field="view")
    lat1, lng1, lat2, lng2 = (float(part) for part in view.split(","))
    if max(abs(lat1), abs(lat2)) > 90 or max(abs(lng1), abs(lng2)) > 180:
        raise InvalidInput("`view` lies outside the world.", hint="Latitudes first.", field="view")
    north_km = 111.2 * (lat2 - lat1)
    east_km = 111.2 * (lng2 - lng1) * math.cos(math.radians((lat1 + lat2) / 2))
    if math.hypot(north_km, east_km) > _MAX_DIAGONAL_KM:
        raise InvalidInput(f"The view's diagonal is over {_MAX_DIAGONAL_KM} km.", hint="Zoom in.", field="view")
    return min(lat1, lat2), min(lng1, lng2), max(lat1, lat2), max(lng1, lng2)


def _recent(session: Session, shelf: Shelf, drone_id: str, now: datetime, seconds: float) -> list[RecentPosition]:
    if seconds <= 0:
        return []
    rows = telemetry.of_drone(session, shelf, drone_id, now - timedelta(seconds=seconds), now, 60)
    return [RecentPosition(time=Time(value=row.captured_at), position=_position(row)) for row in rows]


def _position(sample: Any) -> Position:
    return Position(lat=sample.lat_deg, lng=sample.lon_deg, alt=sample.alt_m)


def _shown(flight: Flight, drone: Drone, sample: Any, past: list[RecentPosition]) -> RIDFlight:
    speed = math.hypot(sample.vel_east_mps, sample.vel_north_mps)
    track = math.degrees(math.atan2(sample.vel_east_mps, sample.vel_north_mps)) % 360
    lost = {AircraftState.NOT_HEARD.value, AircraftState.DISCONNECTED.value}
    grounded = sample.state in {AircraftState.ON_GROUND.value} | lost
    state = AircraftNow(
        timestamp=Time(value=sample.captured_at),
        operational_status="Ground" if grounded else "Airborne",
        position=_position(sample),
        height=Height(distance=sample.alt_rel_m),
        track=round(track, 1) if speed > 0.2 else _UNKNOWN_TRACK,
        speed=round(min(speed, _UNKNOWN_SPEED - 1), 2),
        vertical_speed=round(sample.vel_up_mps, 2),
    )
    simulated = "sim" in drone.model.lower()
    return RIDFlight(id=flight.flight_id, current_state=state, simulated=simulated, recent_positions=past)
