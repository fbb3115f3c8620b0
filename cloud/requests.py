"""FastAPI dependencies every router uses: the services and a unit of work per request."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, cast

from fastapi import Depends, Request
from sqlalchemy.orm import Session

from cloud.services import Services


def services(request: Request) -> Services:
    """Return what the composition root built."""
    return cast("Services", request.app.state.services)


def session(request: Request) -> Iterator[Session]:
    """Yield a session that commits before the answer is sent and rolls back when the endpoint raises."""
    with services(request).database.session() as unit:
        yield unit


UnitOfWork = Annotated[Session, Depends(session, scope="function")]
"""``scope="function"``: committed before the response leaves, so a reader never sees a lie."""
Svc = Annotated[Services, Depends(services)]
