"""/v1/flights/{id}/upload: what has arrived of a flight's video, and what shall come first."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, Field

from cloud import uploads
from cloud.problems import RESPONSES
from cloud.requests import UnitOfWork
from cloud.security import Operator, Reader

router = APIRouter(prefix="/v1/flights", tags=["media"], responses=RESPONSES)


class UploadOut(BaseModel):
    """How far a flight's video has come. ``missing`` are recorded segments that have not arrived."""

    recorded_segments: int
    arrived_segments: int
    recorded_bytes: int
    arrived_bytes: int
    recording: bool
    missing: list[int]


class OrderIn(BaseModel):
    """Segments to send first, most wanted first; an empty list takes an earlier order back."""

    segments: Annotated[list[Annotated[int, Field(ge=0)]], Field(max_length=1000)]


class OrderOut(BaseModel):
    """What the drone is asked for: the wanted segments that have not arrived."""

    flight_id: str
    segments: list[int]


@router.get("/{flight_id}/upload")
def get_upload(flight_id: str, session: UnitOfWork, _: Reader) -> UploadOut:
    """Return what was recorded and what of it has arrived."""
    return UploadOut.model_validate(uploads.progress(session, flight_id)._asdict())


@router.post("/{flight_id}/upload-order", status_code=202)
def order_upload(flight_id: str, body: OrderIn, session: UnitOfWork, principal: Operator) -> OrderOut:
    """Ask the drone to send these segments before the others."""
    wanted = uploads.order(session, flight_id, body.segments, by=principal.username)
    return OrderOut(flight_id=flight_id, segments=list(wanted.segments))
