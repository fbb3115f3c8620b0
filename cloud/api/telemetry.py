"""/v1/drones/{id}/telemetry and /v1/flights/{id}/track."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from cloud import fleet, flights, telemetry
from cloud.moments import Moment
from cloud.problems import RESPONSES
from cloud.requests import Svc, UnitOfWork
from cloud.security import Reader
from contracts.errors import InvalidInput, NotFound

router = APIRouter(prefix="/v1", tags=["telemetry"], responses=RESPONSES)

MaxPoints = Annotated[int, Query(ge=1, le=5000, description="samples at most, evenly thinned")]


class SampleOut(BaseModel):
    """One sample as the drone sent it."""

    model_config = ConfigDict(from_attributes=True)

    captured_at: datetime
    flight_id: str | None
    state: str
    lat_deg: float
    lon_deg: float
    alt_m: float
    alt_rel_m: float
    yaw_deg: float
    pitch_deg: float
    roll_deg: float
    gimbal_yaw_deg: float
    gimbal_pitch_deg: float
    vel_east_mps: float
    vel_north_mps: float
    vel_up_mps: float
    battery_percent: float | None = Field(description="null: the autopilot told none, which is not 0 %")
    battery_v: float | None = Field(description="null: the autopilot told none")
    gps_fix: int
    satellites: int
    link_percent: float | None
    wind_mps: float | None
    wind_from_deg: float | None
    waypoint: int | None


class Samples(BaseModel):
    """Samples, oldest first."""

    data: list[SampleOut]


_SAMPLES = TypeAdapter(list[SampleOut])
_FIELDS = tuple(SampleOut.model_fields)


@router.get("/drones/{drone_id}/telemetry", response_model=Samples)
def of_drone(
    drone_id: str,
    session: UnitOfWork,
    services: Svc,
    _: Reader,
    since: Annotated[Moment | None, Query(alias="from", description="default: 10 minutes before `to`")] = None,
    until: Annotated[Moment | None, Query(alias="to", description="default: now")] = None,
    max_points: MaxPoints = 600,
) -> Samples | Response:
    """Return a drone's samples of a period."""
    fleet.drone(session, drone_id)
    end = until or datetime.now(UTC)
    start = since or end - timedelta(minutes=10)
    if start >= end:
        raise InvalidInput("`from` must lie before `to`.", field="from")
    written = telemetry.json_of_drone(session, drone_id, start, end, max_points, _FIELDS)
    if written is not None:
        return _sent(written)
    return _shown(telemetry.of_drone(session, services.objects, drone_id, start, end, max_points))


@router.get("/drones/{drone_id}/telemetry/latest")
def latest(drone_id: str, session: UnitOfWork, _: Reader) -> SampleOut:
    """Return a drone's newest sample."""
    fleet.drone(session, drone_id)
    row = telemetry.latest(session, drone_id)
    if row is None:
        raise NotFound(f"The drone {drone_id} has sent no telemetry yet.")
    return SampleOut.model_validate(row)


@router.get("/flights/{flight_id}/track", response_model=Samples)
def track(
    flight_id: str, session: UnitOfWork, services: Svc, _: Reader, max_points: MaxPoints = 1000
) -> Samples | Response:
    """Return the samples of a flight."""
    flights.flight(session, flight_id)
    written = telemetry.json_of_flight(session, flight_id, max_points, _FIELDS)
    if written is not None:
        return _sent(written)
    return _shown(telemetry.of_flight(session, services.objects, flight_id, max_points))


def _sent(written: str) -> Response:
    """Return samples as Postgres wrote them."""
    return Response(f'{{"data":{written}}}', media_type="application/json")


def _shown(rows: Sequence[telemetry.SampleRow]) -> Samples:
    """Return rows as samples; read as attributes a thousand of them take three times as long as from mappings."""
    told = [dict(zip(row._fields, row, strict=True)) for row in rows]
    return Samples.model_construct(data=_SAMPLES.validate_python(told))
