"""/v1/captures: what was imported from memory cards; /v1/first-looks: crops that drones sent ahead."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict
from sqlalchemy import select

from cloud.paging import Cursor, Limit, Page, decode_cursor, newest_first, page_of
from cloud.problems import RESPONSES
from cloud.requests import Svc, UnitOfWork
from cloud.security import Reader
from cloud.tables import CaptureRow, FirstLookRow
from contracts.captures import photo_key
from contracts.errors import NotFound
from contracts.vocabulary import DefectKind

router = APIRouter(prefix="/v1", tags=["media"], responses=RESPONSES)


class CaptureOut(BaseModel):
    """An imported video, or the photos of a folder; ``flight_id`` names it wherever flights are named."""

    model_config = ConfigDict(from_attributes=True)

    flight_id: str
    asset_id: str
    drone_id: str
    kind: str
    source_name: str
    photos: int
    stored_at: datetime


class CaptureDetail(CaptureOut):
    """The same with everything its files said: times, places, directions, and what they lacked."""

    record: dict[str, Any]


class FirstLookOut(BaseModel):
    """A crop from the drone's own small detector. Provisional: the full analysis confirms it or does not."""

    model_config = ConfigDict(from_attributes=True)

    flight_id: str
    look_id: str
    asset_id: str
    drone_id: str
    captured_at: datetime
    kind: DefectKind
    confidence: float
    provisional: bool = True
    stored_at: datetime
    record: dict[str, Any]


@router.get("/captures")
def list_captures(
    session: UnitOfWork,
    _: Reader,
    asset_id: Annotated[str | None, Query(max_length=64)] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[CaptureOut]:
    """List captures, newest first."""
    query = newest_first(select(CaptureRow), CaptureRow.stored_at, CaptureRow.flight_id, cursor)
    if asset_id is not None:
        query = query.where(CaptureRow.asset_id == asset_id)
    rows = session.scalars(query.limit(limit + 1)).all()
    return page_of(rows, limit, CaptureOut.model_validate, lambda row: (row.stored_at.isoformat(), row.flight_id))


@router.get("/captures/{capture_id}")
def get_capture(capture_id: str, session: UnitOfWork, _: Reader) -> CaptureDetail:
    """Return one capture."""
    return CaptureDetail.model_validate(_capture(session, capture_id))


@router.get("/captures/{capture_id}/photos/{index}", response_class=Response)
def get_photo(capture_id: str, index: int, session: UnitOfWork, services: Svc, _: Reader) -> Response:
    """Return a photo as JPEG."""
    row = _capture(session, capture_id)
    if not 0 <= index < row.photos:
        raise NotFound(f"The capture {capture_id!r} has no photo {index}.")
    body = services.objects.get(photo_key(row.drone_id, row.flight_id, index))
    return Response(body, media_type="image/jpeg", headers={"Cache-Control": "private, max-age=3600"})


@router.get("/first-looks")
def list_first_looks(
    session: UnitOfWork,
    _: Reader,
    flight_id: Annotated[str, Query(max_length=64)],
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[FirstLookOut]:
    """List a flight's first looks, the newest first."""
    query = select(FirstLookRow).where(FirstLookRow.flight_id == flight_id)
    query = query.order_by(FirstLookRow.look_id.desc()).limit(limit + 1)
    after = decode_cursor(cursor, 1)
    if after:
        query = query.where(FirstLookRow.look_id < after[0])
    return page_of(session.scalars(query).all(), limit, FirstLookOut.model_validate, lambda row: (row.look_id,))


@router.get("/first-looks/{flight_id}/{look_id}/crop", response_class=Response)
def get_crop(flight_id: str, look_id: str, session: UnitOfWork, services: Svc, _: Reader) -> Response:
    """Return the crop as JPEG."""
    row = session.get(FirstLookRow, (flight_id, look_id))
    if row is None:
        raise NotFound(f"No first look {look_id!r} of flight {flight_id!r}.")
    headers = {"Cache-Control": "private, max-age=3600"}
    return Response(services.objects.get(row.crop_key), media_type="image/jpeg", headers=headers)


def _capture(session: UnitOfWork, capture_id: str) -> CaptureRow:
    row = session.get(CaptureRow, capture_id)
    if row is None:
        raise NotFound(f"No capture {capture_id!r}.", hint="List captures with GET /v1/captures.")
    return row
