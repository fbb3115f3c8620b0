"""/v1/media: video segments and where their analysis stands; /v1/coverage: what they saw."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Header, Query
from fastapi.responses import Response, StreamingResponse
from pydantic import BaseModel, ConfigDict
from sqlalchemy import select

from cloud import coverage, line_towers
from cloud.line_towers import TowersSeen
from cloud.paging import Cursor, Limit, Page, decode_cursor, page_of
from cloud.problems import RESPONSES
from cloud.requests import Svc, UnitOfWork
from cloud.security import Reader
from cloud.services import Objects
from cloud.tables import Media
from contracts.errors import NotFound
from contracts.vocabulary import Blade, BladeSide, MediaState

router = APIRouter(prefix="/v1", tags=["media"], responses=RESPONSES)

_PIECE_BYTES = 1 << 20
_RANGE = re.compile(r"^bytes=(\d*)-(\d*)$")


class MediaOut(BaseModel):
    """A video segment."""

    model_config = ConfigDict(from_attributes=True)

    segment_id: str
    flight_id: str
    drone_id: str
    asset_id: str
    index: int
    sha256: str
    object_version: str
    size_bytes: int
    frames: int
    started_at: datetime
    duration_s: float
    state: MediaState
    reason: str
    attempts: int
    stored_at: datetime
    queued_at: datetime | None
    analysed_at: datetime | None
    processing_s: float | None
    key_frames: int | None
    model_sha256: str | None


class CellOut(BaseModel):
    """One metre of one blade side, as far as a flight saw it."""

    model_config = ConfigDict(from_attributes=True)

    blade: Blade
    side: BladeSide
    cell: int
    seen_share: float
    best_gsd_mm_px: float
    best_incidence_deg: float
    best_sharpness: float


class PartCellOut(BaseModel):
    """One cell of a part that is no blade, as far as a flight saw it: a metre up a face of a tower (``face-2``).

    Of a line's tower it is three metres of a face (``tower-0012-face-0`` looks along the line) or of an insulator
    string (``tower-0012-string-0``), counted from its foot.
    """

    model_config = ConfigDict(from_attributes=True)

    part: str
    cell: int
    seen_share: float
    best_gsd_mm_px: float
    best_incidence_deg: float
    best_sharpness: float


class CoverageOut(BaseModel):
    """What a flight saw. ``not_seen`` says each gap in words; a metre is seen when 80 % of its area was.

    ``beyond``: what the flight was not to look at, which is no gap of its and was not seen either. ``towers``: how many
    towers of a line were seen; null of other assets, and where they were not counted when the flight was analysed.
    """

    flight_id: str
    cells: list[CellOut]
    parts: list[PartCellOut]
    not_seen: list[str]
    beyond: list[str]
    towers: TowersSeen | None


@router.get("/media")
def list_media(
    session: UnitOfWork,
    _: Reader,
    flight_id: Annotated[str | None, Query(max_length=64)] = None,
    state: MediaState | None = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[MediaOut]:
    """List segments, newest first."""
    query = select(Media).order_by(Media.segment_id.desc()).limit(limit + 1)
    if flight_id is not None:
        query = query.where(Media.flight_id == flight_id)
    if state is not None:
        query = query.where(Media.state == state.value)
    after = decode_cursor(cursor, 1)
    if after:
        query = query.where(Media.segment_id < after[0])
    return page_of(session.scalars(query).all(), limit, MediaOut.model_validate, lambda row: (row.segment_id,))


@router.get("/media/{segment_id}")
def get_media(segment_id: str, session: UnitOfWork, _: Reader) -> MediaOut:
    """Return one segment."""
    row = session.get(Media, segment_id)
    if row is None:
        raise NotFound(f"No segment {segment_id!r}.")
    return MediaOut.model_validate(row)


@router.get("/media/{segment_id}/video", response_class=StreamingResponse)
def get_video(
    segment_id: str,
    session: UnitOfWork,
    services: Svc,
    _: Reader,
    range_: Annotated[str | None, Header(alias="Range", max_length=100)] = None,
) -> Response:
    """Stream the video, or the part a ``Range`` header asks for."""
    row = session.get(Media, segment_id)
    if row is None:
        raise NotFound(f"No segment {segment_id!r}.")
    size = services.objects.head(row.video_key).size_bytes
    headers = {"Accept-Ranges": "bytes", "ETag": f'"{row.sha256}"', "Cache-Control": "private, max-age=3600"}
    wanted = byte_range(range_, size)
    if wanted is None:
        first, last, status = 0, size - 1, 200
    elif wanted[0] > wanted[1]:
        return Response(status_code=416, headers={**headers, "Content-Range": f"bytes */{size}"})
    else:
        first, last, status = *wanted, 206
        headers["Content-Range"] = f"bytes {first}-{last}/{size}"
    headers["Content-Length"] = str(last - first + 1)
    body = _pieces(services.objects, row.video_key, first, last)
    return StreamingResponse(body, status, headers=headers, media_type="video/mp4")


def byte_range(header: str | None, size: int) -> tuple[int, int] | None:
    """Return (first, last) byte of a single range; None for the whole; first > last where it cannot be met.

    Several ranges, other units and nonsense are ignored, as RFC 9110 allows: the answer is then the whole.
    """
    match = _RANGE.match(header.strip()) if header else None
    if match is None or match.group(1) == match.group(2) == "":
        return None
    if match.group(1) == "":
        suffix = int(match.group(2))
        return (size, size - 1) if suffix == 0 else (max(0, size - suffix), size - 1)
    first = int(match.group(1))
    last = min(int(match.group(2)), size - 1) if match.group(2) else size - 1
    if match.group(2) and int(match.group(2)) < first:
        return None
    return (first, last) if first < size else (size, size - 1)


def _pieces(objects: Objects, key: str, first: int, last: int) -> Iterator[bytes]:
    for start in range(first, last + 1, _PIECE_BYTES):
        yield objects.read_range(key, start, min(last, start + _PIECE_BYTES - 1))


@router.get("/coverage")
def get_coverage(flight_id: Annotated[str, Query(max_length=64)], session: UnitOfWork, _: Reader) -> CoverageOut:
    """Return what a flight saw and did not see of its asset: of blades, faces of a tower, spans of a line, a pipe."""
    seen, towers = coverage.cells(session, flight_id), coverage.towers(session, flight_id)
    return CoverageOut(
        flight_id=flight_id,
        cells=[CellOut.model_validate(cell) for cell in seen],
        parts=[PartCellOut.model_validate(cell) for cell in coverage.part_cells(session, flight_id)],
        not_seen=[str(gap) for gap in coverage.gaps(session, flight_id)],
        beyond=coverage.beyond(session, flight_id),
        towers=line_towers.tally(towers) if towers is not None else None,
    )
