"""Idempotency keys: the same key and body get the first answer again; the same key with another body is refused."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from fastapi import Header, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from cloud.security import Principal
from cloud.tables import IdempotencyKey
from contracts.errors import Conflict

_KEPT_FOR = timedelta(hours=48)
Key = Annotated[
    str | None,
    Header(alias="Idempotency-Key", min_length=1, max_length=120, description="the same key: the first answer again"),
]


def once(  # noqa: PLR0913, PLR0917 - what every endpoint has at hand, in one line there
    session: Session,
    request: Request,
    principal: Principal,
    key: str | None,
    body: BaseModel,
    make: Callable[[], BaseModel],
    status: int = 201,
) -> JSONResponse:
    """Return ``make()``'s answer, or the stored one when this principal sent this key with this body before.

    The answer is stored in the caller's transaction, so it exists exactly when its effect does.

    Raises:
        Conflict: The key was used for another request.

    """
    if key is None:
        return JSONResponse(_json(make()), status)
    request_hash = _request_hash(request, body)
    lock = select(func.pg_advisory_xact_lock(func.hashtextextended(f"{principal.username}\n{key}", 0)))
    session.execute(lock)
    session.execute(
        delete(IdempotencyKey).where(
            IdempotencyKey.principal == principal.username, IdempotencyKey.created_at < datetime.now(UTC) - _KEPT_FOR
        )
    )
    known = session.get(IdempotencyKey, (principal.username, key))
    if known is None:
        answer = _json(make())
        session.add(
            IdempotencyKey(principal=principal.username, key=key, request_hash=request_hash, status=status, body=answer)
        )
        return JSONResponse(answer, status)
    if known.request_hash != request_hash:
        raise Conflict(
            f"The idempotency key {key!r} was used for another request.",
            hint="Use a new key for a new request.",
            field="Idempotency-Key",
        )
    return JSONResponse(known.body, known.status, headers={"Idempotent-Replayed": "true"})


def answer_to(session: Session, principal: Principal, key: str) -> dict[str, Any]:
    """Return what this principal's request of a key was answered; empty where none is known."""
    known = session.get(IdempotencyKey, (principal.username, key))
    return known.body if known else {}


def _json(model: BaseModel) -> dict[str, Any]:
    return model.model_dump(mode="json")


def _request_hash(request: Request, body: BaseModel) -> str:
    text = f"{request.method} {request.url.path}\n{body.model_dump_json()}"
    return hashlib.sha256(text.encode()).hexdigest()
