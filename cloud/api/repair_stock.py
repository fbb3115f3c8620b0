"""/v1/repairs/crews, /parts, /forecasts: what repair plans are made from. No outside service is asked."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Path
from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictFloat, StrictInt
from sqlalchemy import select

from cloud.moments import Moment
from cloud.problems import RESPONSES
from cloud.repairs import stock
from cloud.requests import UnitOfWork
from cloud.security import OnCall, Reader
from cloud.tables import CrewRow, RepairPart, WindForecast
from contracts.errors import NotFound
from contracts.geo import Frozen

router = APIRouter(prefix="/v1/repairs", tags=["repairs"], responses=RESPONSES)
_SLUG = r"^[a-z0-9][a-z0-9_-]{0,62}$"
_CLOCK = r"^([01]\d|2[0-3]):[0-5]\d$"
Name = Annotated[str, Path(pattern=_SLUG)]
Skill = Annotated[str, Field(pattern=_SLUG)]


class CrewIn(Frozen):
    """People who go out together: what they can, from where, and when they work."""

    name: str = Field(min_length=1, max_length=120, examples=["Crew North"])
    skills: list[Skill] = Field(min_length=1, max_length=20, examples=[["rope_access", "composite"]])
    home_lat_deg: StrictFloat = Field(ge=-90, le=90, examples=[54.78])
    home_lon_deg: StrictFloat = Field(ge=-180, le=180, examples=[8.86])
    zone: str = Field(default="UTC", max_length=64, description="IANA name of their wall clock")
    shift_start: str = Field(default="07:00", pattern=_CLOCK)
    shift_end: str = Field(default="17:00", pattern=_CLOCK)
    weekdays: list[Annotated[StrictInt, Field(ge=1, le=7)]] = Field(
        default=[1, 2, 3, 4, 5], min_length=1, max_length=7, description="1 is Monday"
    )
    language: Literal["en", "de", "es"] = Field(default="en", description="of their phone pages")
    enabled: StrictBool = True


class CrewOut(CrewIn):
    """A crew."""

    model_config = ConfigDict(frozen=True, from_attributes=True)

    crew_id: str


class PartIn(Frozen):
    """How much of a part is there; ``more_at`` null: no more comes."""

    in_stock: StrictInt = Field(ge=0, le=100_000)
    more_at: Moment | None = Field(default=None, description="from then on there is enough")


class PartOut(BaseModel):
    """A part."""

    model_config = ConfigDict(from_attributes=True)

    part: str
    in_stock: int
    more_at: datetime | None
    updated_by: str


class WindStep(Frozen):
    """The ten-minute mean wind at hub height from a time on, until the next step, for three hours at most."""

    at: Moment
    wind_mps: StrictFloat = Field(ge=0, le=100)


class ForecastIn(Frozen):
    """A site's forecast, in order of time."""

    steps: list[WindStep] = Field(min_length=1, max_length=1000)


class ForecastOut(BaseModel):
    """The forecast that plans are made with."""

    model_config = ConfigDict(from_attributes=True)

    site_id: str
    steps: list[WindStep]
    given_by: str
    given_at: datetime


class Crews(BaseModel):
    """Every crew."""

    data: list[CrewOut]


class Parts(BaseModel):
    """Every part."""

    data: list[PartOut]


@router.get("/crews")
def list_repair_crews(session: UnitOfWork, _: Reader) -> Crews:
    """List the crews, those that do not work any more included."""
    rows = session.scalars(select(CrewRow).order_by(CrewRow.crew_id)).all()
    return Crews(data=[CrewOut.model_validate(row) for row in rows])


@router.put("/crews/{crew_id}")
def put_repair_crew(crew_id: Name, body: CrewIn, session: UnitOfWork, principal: OnCall) -> CrewOut:
    """Keep a crew, new or changed; the next plan counts with it. One that is not enabled gets no more work."""
    return CrewOut.model_validate(stock.put_crew(session, crew_id, principal.username, **body.model_dump()))


@router.get("/parts")
def list_repair_parts(session: UnitOfWork, _: Reader) -> Parts:
    """List the parts that repairs take."""
    rows = session.scalars(select(RepairPart).order_by(RepairPart.part)).all()
    return Parts(data=[PartOut.model_validate(row) for row in rows])


@router.put("/parts/{part}")
def put_repair_part(part: Name, body: PartIn, session: UnitOfWork, principal: OnCall) -> PartOut:
    """Say how much of a part is there; one that nobody spoke of counts as not there."""
    return PartOut.model_validate(stock.put_part(session, part, principal.username, body.in_stock, body.more_at))


@router.get("/forecasts/{site_id}")
def get_wind_forecast(site_id: str, session: UnitOfWork, _: Reader) -> ForecastOut:
    """Return the wind that plans for a site are made with."""
    row = session.get(WindForecast, site_id)
    if row is None:
        hint = f"Until there is one, wind holds up nothing. Give one with PUT /v1/repairs/forecasts/{site_id}."
        raise NotFound(f"No forecast for {site_id!r}.", hint=hint)
    return ForecastOut.model_validate(row)


@router.put("/forecasts/{site_id}")
def put_wind_forecast(site_id: str, body: ForecastIn, session: UnitOfWork, principal: OnCall) -> ForecastOut:
    """Replace a site's forecast; the next plan counts with it."""
    steps = [step.model_dump(mode="json") for step in body.steps]
    return ForecastOut.model_validate(stock.put_forecast(session, site_id, principal.username, steps))
