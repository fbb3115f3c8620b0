"""FastAPI dependencies every router uses: the services and a unit of work per request."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from fastapi import Depends, Request
from sqlalchemy.orm import Session

from cloud.security import Reader
from cloud.services import Services
from cloud.services import of as services


def session(request: Request, asker: Reader) -> Iterator[Session]:
    """Yield a session of the asker's sites; it commits before the answer is sent and rolls back when one raises."""
    with services(request).database.session_of(asker) as unit:
        yield unit


def unlimited(request: Request) -> Iterator[Session]:
    """Yield a session for signing in, where nobody has proved yet who asks."""
    with services(request).database.session() as unit:
        yield unit


UnitOfWork = Annotated[Session, Depends(session, scope="function")]
"""``scope="function"``: committed before the response leaves, so a reader never sees a lie."""
SigningIn = Annotated[Session, Depends(unlimited, scope="function")]
Svc = Annotated[Services, Depends(services)]
