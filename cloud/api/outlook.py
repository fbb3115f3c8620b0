"""/v1/predictions, /v1/fleet-risk, /v1/health-index: what is expected, where to look first, how each thing stands."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict
from sqlalchemy import select

from cloud import health_index
from cloud.paging import Cursor, Limit, Page, decode_cursor, page_of
from cloud.problems import RESPONSES
from cloud.requests import UnitOfWork
from cloud.security import Reader
from cloud.tables import AssetRisk, HealthRow, Prediction

router = APIRouter(prefix="/v1", tags=["outlook"], responses=RESPONSES)


class PredictionOut(BaseModel):
    """What is expected of a defect. ``too_little`` is the reason where nothing is; intervals hold 80 %."""

    model_config = ConfigDict(from_attributes=True)

    link_group: str
    asset_id: str
    finding_id: str
    made_at: datetime
    too_little: str
    length_mm: float | None
    length_low_mm: float | None
    length_high_mm: float | None
    next_rank: int | None
    next_from_mm: float | None
    chance_180_days: float | None
    chance_365_days: float | None
    critical_365_days: float | None
    life_days: float | None
    life_low_days: float | None
    life_high_days: float | None


class RiskOut(BaseModel):
    """The chance of a critical defect within a year, and when to look again."""

    model_config = ConfigDict(from_attributes=True)

    asset_id: str
    made_at: datetime
    chance_365_days: float
    inspect_by: datetime
    because: list[Any]


class RiskList(BaseModel):
    """All assets with a prediction, the riskiest first."""

    data: list[RiskOut]


class HealthOut(BaseModel):
    """An index (100 sound, 0 stopped) on a day, and every point taken off."""

    model_config = ConfigDict(from_attributes=True)

    scope: str
    subject: str
    day: str
    index: float
    derivation: dict[str, Any]


class HealthList(BaseModel):
    """The kept days of a subject, oldest first."""

    data: list[HealthOut]


@router.get("/predictions")
def list_predictions(
    session: UnitOfWork,
    _: Reader,
    asset_id: Annotated[str | None, Query(max_length=64)] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[PredictionOut]:
    """List predictions by defect."""
    query = select(Prediction).order_by(Prediction.link_group).limit(limit + 1)
    if asset_id is not None:
        query = query.where(Prediction.asset_id == asset_id)
    after = decode_cursor(cursor, 1)
    rows = session.scalars(query.where(Prediction.link_group > after[0]) if after else query).all()
    return page_of(rows, limit, PredictionOut.model_validate, lambda row: (row.link_group,))


@router.get("/fleet-risk")
def fleet_risk(session: UnitOfWork, _: Reader) -> RiskList:
    """Rank the assets by the chance of a critical defect within a year."""
    rows = session.scalars(select(AssetRisk).order_by(AssetRisk.chance_365_days.desc(), AssetRisk.asset_id))
    return RiskList(data=[RiskOut.model_validate(row) for row in rows])


@router.get("/health-index/{scope}/{subject:path}")
def get_health(
    scope: Literal["component", "asset", "site"], subject: str, session: UnitOfWork, _: Reader
) -> HealthList:
    """Return the health index of a component (``wt-01/A``), asset or site over time, with its derivation."""
    rows: list[HealthRow] = health_index.history(session, scope, subject)
    return HealthList(data=[HealthOut.model_validate(row) for row in rows])
