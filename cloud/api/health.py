"""Whether the API lives, and whether it can do its work."""

from __future__ import annotations

from fastapi import APIRouter, Response
from pydantic import BaseModel
from sqlalchemy.exc import SQLAlchemyError

from cloud import schema
from cloud.requests import Svc
from contracts.errors import PlatformError

router = APIRouter(tags=["health"])


class Readiness(BaseModel):
    """What the API needs and whether it is there. ``reasons`` names what is not."""

    ready: bool
    reasons: dict[str, str]


@router.get("/healthz")
def healthz() -> dict[str, str]:
    """Answer while the process lives."""
    return {"status": "alive"}


@router.get("/readyz", responses={503: {"model": Readiness, "description": "not ready, and why"}})
def readyz(services: Svc, response: Response) -> Readiness:
    """Answer 200 when the database has this version's schema, 503 with the reason otherwise."""
    reasons: dict[str, str] = {}
    try:
        present, newest = schema.present_version(services.database), schema.newest_version()
        if present != newest:
            reasons["database"] = f"schema {present}, this version needs {newest}: run `kestrel-cloud migrate`"
    except (SQLAlchemyError, PlatformError) as error:
        reasons["database"] = f"no answer ({type(error).__name__})"
    if services.signer is None:
        reasons["signer"] = "no command signing key is configured"
    response.status_code = 503 if reasons else 200
    return Readiness(ready=not reasons, reasons=reasons)
