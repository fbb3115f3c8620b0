"""Crops and frames, served from our own host: the page may load nothing from elsewhere."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter, Depends
from fastapi.responses import Response

from cloud import candidates
from cloud.requests import Svc, UnitOfWork
from cloud.security import authenticate
from cloud.services import Services
from cloud.tables import EvidenceRow
from contracts.errors import NotFound

router = APIRouter(include_in_schema=False)


@router.get("/pictures/{evidence_id}/{part}.jpg", dependencies=[Depends(authenticate)])
def picture(evidence_id: str, part: Literal["crop", "frame"], services: Svc, session: UnitOfWork) -> Response:
    """Return the crop or the whole frame of a piece of evidence.

    Raises:
        NotFound: No such evidence, or its picture is not stored.

    """
    row = session.get(EvidenceRow, evidence_id)
    key = (row.crop_key if part == "crop" else row.frame_key) if row else ""
    if not key:
        raise NotFound(f"There is no {part} of evidence {evidence_id!r}.")
    return _jpeg(services, key)


@router.get("/pictures/candidates/{detection_id}/{part}.jpg", dependencies=[Depends(authenticate)])
def of_candidate(detection_id: str, part: Literal["crop", "frame"], services: Svc, session: UnitOfWork) -> Response:
    """Return the best crop, or its whole frame, of a detection that waits for a person.

    Raises:
        NotFound: No such detection waits, or its picture is not stored.

    """
    return _jpeg(services, candidates.picture_key(session, detection_id, part))


def _jpeg(services: Services, key: str) -> Response:
    headers = {"Cache-Control": "private, max-age=86400, immutable"}
    return Response(services.objects.get(key), media_type="image/jpeg", headers=headers)
