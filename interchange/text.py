"""Bytes to text and JSON, with limits: what is too big, too deep or not text is refused here."""

from __future__ import annotations

import json
import math
import re
from typing import Any, NoReturn

from pydantic import JsonValue

from contracts.errors import InvalidInput, TooLarge

MAX_BYTES = 16 * 1024 * 1024
"""Of a file, and of everything in an archive together. A 50 km line at one photo a metre stays far below."""
MAX_DEPTH = 40
_MAX_WHOLE = 2**63
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\ufffe\uffff\ud800-\udfff]+")
_MAX_LABEL = 200


def decode(content: bytes) -> str:
    """Return UTF-8 text without a byte order mark.

    Raises:
        TooLarge: Over `MAX_BYTES`.
        InvalidInput: Not UTF-8.

    """
    if len(content) > MAX_BYTES:
        raise TooLarge(f"The file has {len(content)} bytes; at most {MAX_BYTES} are read.", hint="Split the plan.")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidInput(
            f"The file is not UTF-8 text: byte {error.start} is not.", hint="Save it as UTF-8.", field="file"
        ) from error


def label(text: str) -> str:
    """Return a name without control characters, at most 200 characters long."""
    return _CONTROL.sub(" ", text).strip()[:_MAX_LABEL]


def load_json(content: bytes) -> JsonValue:
    """Return the value of a JSON file.

    Raises:
        TooLarge: Over `MAX_BYTES`.
        InvalidInput: Not JSON, a key twice, a number that is not finite, or nested deeper than `MAX_DEPTH`.

    """
    text = decode(content)
    try:
        value: JsonValue = json.loads(text, object_pairs_hook=_once, parse_constant=_constant)
    except json.JSONDecodeError as error:
        raise InvalidInput(
            f"Line {error.lineno}, column {error.colno}: {error.msg}.", hint="Correct the JSON.", field="file"
        ) from error
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"The file is no JSON we read: {error}.", hint="Correct the JSON.", field="file") from error
    _check(value, "file", MAX_DEPTH)
    return value


def dump_json(value: JsonValue) -> bytes:
    """Return the JSON file of a value, keys in order, as QGroundControl indents it."""
    return (json.dumps(value, indent=4, sort_keys=True, allow_nan=False) + "\n").encode()


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"the key {twice!r:.60} stands twice in one object")
    return found


def _constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


def _check(value: JsonValue, where: str, depth: int) -> None:
    if depth == 0:
        raise InvalidInput(f"The file is nested deeper than {MAX_DEPTH}.", hint="Correct the JSON.", field="file")
    if isinstance(value, dict):
        for key, item in value.items():
            _check_leaf(key, where)
            _check(item, key, depth - 1)
    elif isinstance(value, list):
        for item in value:
            _check(item, where, depth - 1)
    else:
        _check_leaf(value, where)


def _check_leaf(value: JsonValue, where: str) -> None:
    wrong = None
    if isinstance(value, str) and any("\ud800" <= character <= "\udfff" for character in value):
        wrong = "half a surrogate pair"
    elif isinstance(value, float) and not math.isfinite(value):
        wrong = "a number beyond double precision"
    elif isinstance(value, int) and abs(value) > _MAX_WHOLE:
        wrong = "a whole number beyond 64 bits"
    if wrong:
        field = label(where) or "file"
        raise InvalidInput(f"{field} holds {wrong}.", hint="Correct the JSON.", field=field)
