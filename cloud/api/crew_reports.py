"""/v1/crew-reports: what crews said at the blade, and how often they said what."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import distinct_on

from cloud import miss_rate
from cloud.miss_rate import Quality
from cloud.paging import Cursor, Limit, Page, newest_first, page_of
from cloud.problems import RESPONSES
from cloud.repairs.crew import CrewAnswer
from cloud.requests import UnitOfWork
from cloud.security import Reader
from cloud.tables import CrewReport

router = APIRouter(prefix="/v1/crew-reports", tags=["repairs"], responses=RESPONSES)


class CrewReportOut(BaseModel):
    """What a crew said of a finding."""

    model_config = ConfigDict(from_attributes=True)

    report_id: str
    finding_id: str
    reported_by: str
    answer: CrewAnswer
    answered_at: datetime = Field(description="by the phone's clock")
    received_at: datetime
    measured_mm: float | None
    others: int = Field(description="further defects it saw there that nobody had reported")
    note: str
    applied: bool = Field(description="false: a newer answer was here already")
    photo_taken_at: datetime | None
    photo_time_from: str = Field(description="whose clock that is: camera, file or phone; empty: no photo")
    photo_sha256: str | None
    attached_at: datetime | None = Field(description="when the customer's ticket had it")


class CrewCounts(BaseModel):
    """How often crews said what, each finding counted once, by its newest answer.

    Of the findings that crews looked for, ``not_found`` were false: what a detector's precision is measured by.
    """

    found: int
    not_found: int
    worse: int
    repaired: int


@router.get("")
def list_crew_reports(
    session: UnitOfWork,
    _: Reader,
    finding_id: Annotated[str | None, Query(max_length=64)] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[CrewReportOut]:
    """List what crews said, the newest first."""
    query = newest_first(select(CrewReport), CrewReport.answered_at, CrewReport.report_id, cursor)
    if finding_id is not None:
        query = query.where(CrewReport.finding_id == finding_id)
    rows = session.scalars(query.limit(limit + 1)).all()
    return page_of(rows, limit, CrewReportOut.model_validate, lambda row: (row.answered_at.isoformat(), row.report_id))


@router.get("/counts")
def count_crew_reports(session: UnitOfWork, _: Reader) -> CrewCounts:
    """Return how often crews said what, each finding once."""
    newest = (
        select(CrewReport.finding_id, CrewReport.answer)
        .ext(distinct_on(CrewReport.finding_id))
        .order_by(CrewReport.finding_id, CrewReport.answered_at.desc())
        .subquery()
    )
    counted = session.execute(select(newest.c.answer, func.count()).group_by(newest.c.answer)).all()
    by_answer = {row[0]: row[1] for row in counted}
    return CrewCounts(**{answer.value: by_answer.get(answer.value, 0) for answer in CrewAnswer})


@router.get("/quality")
def crew_report_quality(session: UnitOfWork, _: Reader) -> list[Quality]:
    """Return miss rate and false alarms per class of asset, each with its 95 % interval, by what crews found.

    Miss rate: further defects seen / (further defects seen + found); false alarms: not found / (not found + found).
    """
    return list(miss_rate.of_classes(session).values())
