"""Cursor pages: opaque, stable under inserts, newest or smallest first as the query says."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Annotated, Generic, TypeVar

from fastapi import Query
from pydantic import BaseModel
from sqlalchemy import Select, tuple_
from sqlalchemy.orm import InstrumentedAttribute

from contracts.errors import InvalidInput

R = TypeVar("R")
T = TypeVar("T")
TimeColumn = InstrumentedAttribute[datetime]
TextColumn = InstrumentedAttribute[str]
Limit = Annotated[int, Query(ge=1, le=200, description="items per page")]
Cursor = Annotated[str | None, Query(max_length=400, description="`next_cursor` of the page before")]


class Page(BaseModel, Generic[T]):
    """One page of a list. ``next_cursor`` is null on the last one."""

    data: list[T]
    next_cursor: str | None = None


def encode_cursor(*position: str | int) -> str:
    """Return an opaque cursor for the sort key of the last item of a page."""
    return base64.urlsafe_b64encode(json.dumps(position).encode()).decode().rstrip("=")


def decode_cursor(cursor: str | None, parts: int) -> list[str] | None:
    """Return the sort key (as text) that a cursor holds, None without a cursor.

    Raises:
        InvalidInput: Not a cursor of this list.

    """
    if cursor is None:
        return None
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        position = json.loads(base64.urlsafe_b64decode(padded))
    except ValueError:
        position = None
    if not isinstance(position, list) or len(position) != parts or not all(isinstance(p, str | int) for p in position):
        raise _foreign()
    return [str(part) for part in position]


def number(part: str) -> int:
    """Return a numeric part of a cursor; InvalidInput for anything else."""
    if not part.isascii() or not part.isdigit() or len(part) > 18:
        raise _foreign()
    return int(part)


def real(part: str) -> float:
    """Return a part of a cursor that is a finite number, as ``repr`` writes it; InvalidInput for anything else."""
    try:
        value = float(part)
    except ValueError as error:
        raise _foreign() from error
    if not math.isfinite(value):
        raise _foreign()
    return value


def newest_first(query: Select[R], when: TimeColumn, key: TextColumn, cursor: str | None) -> Select[R]:
    """Return a query ordered by time, the newest first, from where a cursor stands; ``key`` decides between equals.

    Raises:
        InvalidInput: Not a cursor of this list.

    """
    query = query.order_by(when.desc(), key.desc())
    after = decode_cursor(cursor, 2)
    if after is None:
        return query
    try:
        moment = datetime.fromisoformat(after[0])
    except ValueError as error:
        raise _foreign() from error
    return query.where(tuple_(when, key) < (moment, after[1]))


def _foreign() -> InvalidInput:
    return InvalidInput("The cursor is not one of this list.", hint="Start without a cursor.", field="cursor")


def page_of(
    rows: Sequence[R], limit: int, shape: Callable[[R], T], position: Callable[[R], tuple[str | int, ...]]
) -> Page[T]:
    """Return a page from ``limit + 1`` rows: the extra one only tells that there are more."""
    shown = rows[:limit]
    more = len(rows) > limit
    return Page(data=[shape(row) for row in shown], next_cursor=encode_cursor(*position(shown[-1])) if more else None)
