"""/v1/sensorthings/v1.1: drones and what they measure as OGC SensorThings 1.1 (18-088), to read.

A drone is a Thing, each measured quantity of it a Datastream, each sample an Observation. Pages carry
``@iot.nextLink``. ``$top``, ``$skip`` (entities) and ``$skiptoken`` (observations) page; ``$filter``, ``$expand`` and
writing are not offered, and the conformance list says so by what it does not name.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, NamedTuple

from fastapi import APIRouter, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import select

from cloud import fleet
from cloud.problems import RESPONSES
from cloud.requests import Svc, UnitOfWork
from cloud.security import Reader
from cloud.tables import Drone, Telemetry
from cloud.telemetry_store import past
from contracts.errors import InvalidInput, NotFound

ROOT = "/v1/sensorthings/v1.1"
router = APIRouter(prefix=ROOT, tags=["sensorthings"], responses=RESPONSES)
_OM = "http://www.opengis.net/def/observationType/OGC-OM/2.0/OM_Measurement"
_CLASSES = "http://www.opengis.net/spec/iot_sensing/1.1/req/"


class _Observed(NamedTuple):
    captured_at: datetime
    received_at: datetime
    result: Any


class Quantity(NamedTuple):
    """Something a drone measures: its column, what it is called, its unit (UCUM)."""

    column: str
    name: str
    unit: str
    symbol: str
    definition: str


_QUDT = "https://qudt.org/vocab/quantitykind/"
QUANTITIES = {
    quantity.column: quantity
    for quantity in (
        Quantity("alt_m", "height above the WGS 84 ellipsoid", "metre", "m", f"{_QUDT}Height"),
        Quantity("alt_rel_m", "height above take-off", "metre", "m", f"{_QUDT}Height"),
        Quantity("battery_percent", "battery charge", "percent", "%", f"{_QUDT}StateOfCharge"),
        Quantity("battery_v", "battery voltage", "volt", "V", f"{_QUDT}Voltage"),
        Quantity("link_percent", "link quality", "percent", "%", f"{_QUDT}DimensionlessRatio"),
        Quantity("wind_mps", "wind speed", "metre per second", "m/s", f"{_QUDT}Speed"),
    )
}
Top = Annotated[int, Query(alias="$top", ge=1, le=200)]
Skip = Annotated[int, Query(alias="$skip", ge=0, le=1_000_000)]
DroneName = Annotated[str, Path(max_length=63)]


class Entity(BaseModel):
    """An entity with its links (`@iot.id`, `@iot.selfLink`, `…@iot.navigationLink`)."""

    model_config = ConfigDict(extra="allow")

    iot_id: str = Field(serialization_alias="@iot.id")
    self_link: str = Field(serialization_alias="@iot.selfLink")


class Entities(BaseModel):
    """A page of entities; the next one is at ``@iot.nextLink``."""

    next_link: str | None = Field(default=None, serialization_alias="@iot.nextLink")
    value: list[Entity]


class Landing(BaseModel):
    """What is offered."""

    value: list[dict[str, str]]
    serverSettings: dict[str, list[str]]  # noqa: N815 - a word of the standard


@router.get("", response_model_exclude_none=True)
def sensorthings_root(request: Request, _: Reader) -> Landing:
    """Return the entity sets and the requirements that are met."""
    names = ("Things", "Datastreams")
    sets = [{"name": name, "url": f"{_base(request)}/{name}"} for name in names]
    classes = [f"{_CLASSES}{name}" for name in ("datamodel", "resource-path/resource-path-to-entities")]
    return Landing(value=sets, serverSettings={"conformance": classes})


@router.get("/Things", response_model_exclude_none=True)
def list_things(request: Request, session: UnitOfWork, _: Reader, top: Top = 50, skip: Skip = 0) -> Entities:
    """List drones as Things."""
    rows = session.scalars(select(Drone).order_by(Drone.drone_id).offset(skip).limit(top + 1)).all()
    link = f"{_base(request)}/Things?$top={top}&$skip={skip + top}" if len(rows) > top else None
    return Entities(value=[_thing(request, row) for row in rows[:top]], next_link=link)


@router.get("/Things('{drone_id}')")
def get_thing(drone_id: DroneName, request: Request, session: UnitOfWork, _: Reader) -> Entity:
    """Return a drone as a Thing."""
    return _thing(request, fleet.drone(session, drone_id))


@router.get("/Things('{drone_id}')/Datastreams", response_model_exclude_none=True)
def list_datastreams_of_thing(drone_id: DroneName, request: Request, session: UnitOfWork, _: Reader) -> Entities:
    """List what a drone measures."""
    fleet.drone(session, drone_id)
    return Entities(value=[_datastream(request, drone_id, quantity) for quantity in QUANTITIES.values()])


@router.get("/Datastreams", response_model_exclude_none=True)
def list_datastreams(request: Request, session: UnitOfWork, _: Reader, top: Top = 50, skip: Skip = 0) -> Entities:
    """List what all drones measure."""
    names = session.scalars(select(Drone.drone_id).order_by(Drone.drone_id)).all()
    every = [(name, quantity) for name in names for quantity in QUANTITIES.values()]
    shown = [_datastream(request, name, quantity) for name, quantity in every[skip : skip + top]]
    more = len(every) > skip + top
    link = f"{_base(request)}/Datastreams?$top={top}&$skip={skip + top}" if more else None
    return Entities(value=shown, next_link=link)


@router.get("/Datastreams('{datastream_id}')")
def get_datastream(
    datastream_id: Annotated[str, Path(max_length=120)], request: Request, session: UnitOfWork, _: Reader
) -> Entity:
    """Return one quantity of one drone."""
    drone_id, quantity = _parse(datastream_id)
    fleet.drone(session, drone_id)
    return _datastream(request, drone_id, quantity)


@router.get("/Datastreams('{datastream_id}')/Observations", response_model_exclude_none=True)
def list_observations(
    datastream_id: Annotated[str, Path(max_length=120)],
    request: Request,
    session: UnitOfWork,
    services: Svc,
    _: Reader,
    top: Top = 100,
    before: Annotated[str | None, Query(alias="$skiptoken", max_length=40, description="of `@iot.nextLink`")] = None,
) -> Entities:
    """List what was measured, newest first; pages do not shift while the drone flies on."""
    drone_id, quantity = _parse(datastream_id)
    fleet.drone(session, drone_id)
    column = getattr(Telemetry, quantity.column)
    query = select(Telemetry.captured_at, Telemetry.received_at, column.label("result"))
    query = query.where(Telemetry.drone_id == drone_id, column.is_not(None)).order_by(Telemetry.captured_at.desc())
    before_at = _moment(before) if before is not None else None
    if before_at is not None:
        query = query.where(Telemetry.captured_at < before_at)
    rows: list[Any] = list(session.execute(query.limit(top + 1)).all())
    if len(rows) <= top:
        reached = rows[-1].captured_at if rows else before_at
        missing = top + 1 - len(rows)
        old = past.newest_before(session, services.objects, drone_id, quantity.column, reached, missing)
        rows += [_Observed(row.captured_at, row.received_at, getattr(row, quantity.column)) for row in old]
    base = f"{_base(request)}/Datastreams('{datastream_id}')"
    link = None
    if len(rows) > top:
        token = rows[top - 1].captured_at.isoformat().replace("+00:00", "Z")
        link = f"{base}/Observations?$top={top}&$skiptoken={token}"
    return Entities(value=[_observation(base, row) for row in rows[:top]], next_link=link)


def _base(request: Request) -> str:
    return f"{str(request.base_url).rstrip('/')}{ROOT}"


def _thing(request: Request, row: Drone) -> Entity:
    link = f"{_base(request)}/Things('{row.drone_id}')"
    more: dict[str, Any] = {
        "name": row.name,
        "description": f"Drone {row.drone_id} of site {row.site_id}",
        "properties": {"model": row.model, "site_id": row.site_id, "agent_version": row.agent_version},
        "Datastreams@iot.navigationLink": f"{link}/Datastreams",
    }
    return Entity(iot_id=row.drone_id, self_link=link, **more)


def _datastream(request: Request, drone_id: str, quantity: Quantity) -> Entity:
    name = f"{drone_id}.{quantity.column}"
    link = f"{_base(request)}/Datastreams('{name}')"
    more: dict[str, Any] = {
        "name": f"{quantity.name} of {drone_id}",
        "description": f"{quantity.name}, as the drone's autopilot reports it",
        "observationType": _OM,
        "unitOfMeasurement": {"name": quantity.unit, "symbol": quantity.symbol, "definition": quantity.definition},
        "Thing@iot.navigationLink": f"{_base(request)}/Things('{drone_id}')",
        "Observations@iot.navigationLink": f"{link}/Observations",
    }
    return Entity(iot_id=name, self_link=link, **more)


def _observation(base: str, row: Any) -> Entity:
    at = row.captured_at.isoformat().replace("+00:00", "Z")
    more: dict[str, Any] = {
        "phenomenonTime": at,
        "resultTime": row.received_at.isoformat().replace("+00:00", "Z"),
        "result": row.result,
        "Datastream@iot.navigationLink": base,
    }
    return Entity(iot_id=at, self_link=f"{base}/Observations?$top=1&$skiptoken={at}", **more)


def _parse(datastream_id: str) -> tuple[str, Quantity]:
    drone_id, _, column = datastream_id.rpartition(".")
    if not drone_id or column not in QUANTITIES:
        raise NotFound(f"No Datastream {datastream_id!r}.", hint=f"Quantities: {', '.join(QUANTITIES)}.")
    return drone_id, QUANTITIES[column]


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise InvalidInput("The $skiptoken is not one of this list.", field="$skiptoken") from error
    if moment.tzinfo is None:
        raise InvalidInput("The $skiptoken is not one of this list.", field="$skiptoken")
    return moment
