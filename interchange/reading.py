"""Reading a file's values: each is what it must be, or the refusal names the field."""

from __future__ import annotations

import math
from typing import Any, TypeVar

from pydantic import BaseModel, JsonValue, ValidationError

from contracts.errors import InvalidInput

M = TypeVar("M", bound=BaseModel)


def wrong(where: str, wanted: str) -> InvalidInput:
    """Return the refusal of a value that is not what is wanted."""
    return InvalidInput(f"{where} is not {wanted}.", hint="Correct the file.", field=where)


def make(model: type[M], where: str, /, **values: Any) -> M:
    """Return ``model(**values)``; InvalidInput naming ``where`` and the field when a value is out of bounds."""
    try:
        return model(**values)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise InvalidInput(
            f"{where}: {field} is {first.get('input')!r:.60}: {first['msg']}.", hint="Correct the file.", field=where
        ) from error


def mapping(value: JsonValue, where: str) -> dict[str, JsonValue]:
    if not isinstance(value, dict):
        raise wrong(where, "an object")
    return value


def rows(value: JsonValue, where: str) -> list[JsonValue]:
    if not isinstance(value, list):
        raise wrong(where, "a list")
    return value


def whole(value: JsonValue, where: str) -> int:
    """Return a whole number of 16 bits."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 65535:
        raise wrong(where, "a whole number from 0 to 65535")
    return value


def number(value: JsonValue, where: str) -> float:
    found = number_or_none(value, where)
    if found is None:
        raise wrong(where, "a number")
    return found


def number_or_none(value: JsonValue, where: str) -> float | None:
    """Return a finite number, None for null and for NaN."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise wrong(where, "a number or null")
    try:
        found = float(value)
    except OverflowError as error:
        raise wrong(where, "a number of double precision") from error
    if math.isinf(found):
        raise wrong(where, "a finite number or null")
    return None if math.isnan(found) else found


def parse_number(text: str, where: str) -> float:
    """Return the number a text says, NaN included, infinity not."""
    try:
        found = float(text)
    except ValueError:
        raise wrong(where, f"a number (it is {text!r:.40})") from None
    if math.isinf(found):
        raise wrong(where, "a finite number")
    return found
