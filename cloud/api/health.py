"""Whether the API lives, and whether it can do its work."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel

from cloud import readiness, schema
from cloud.services import Services
from contracts.errors import Unavailable
from instruments.readiness import Readiness as Looks

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
def readyz(request: Request, response: Response) -> Readiness:
    """Answer 200 when database (with this schema), broker and object store answer, else 503 with the reasons."""
    looks: Looks = request.app.state.readiness
    reasons = looks.look()
    response.status_code = 503 if reasons else 200
    return Readiness(ready=not reasons, reasons=reasons)


def readiness_of(services: Services) -> Looks:
    """Return what `/readyz` goes by."""

    def migrated() -> None:
        present, newest = schema.present_version(services.database), schema.newest_version()
        if present != newest:
            raise Unavailable(f"schema {present}, this version needs {newest}: run `kestrel-cloud migrate`")

    return readiness.of_api(services, migrated)
