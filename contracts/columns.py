"""Telemetry as it crosses the narrow link: columns of differences, deflated; exact to the last digit.

A sample takes some 510 bytes in a batch as JSON, and 25 as columns (``benchmarks/edge_outbox`` prints both).
The text inside is JSON, so a person can read a message with nothing but ``zlib``::

    {"columns": 1, "drone_id": …, "boot_id": …, "count": 3,
     "fields": {"state": {"same": "on_route"},
                "seq": {"first": 7, "steps": [1, 1]},
                "lat_deg": {"first": 5490000012, "steps": [31, 30], "decimals": 8},
                "waypoint": {"each": [null, 2, 2]}}}
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import accumulate, pairwise
from typing import Any, NamedTuple

from pydantic_core import from_json

from contracts.errors import InvalidInput, TooLarge

CONTENT_TYPE = "application/vnd.kestrel.telemetry-columns.v1+zlib"
MAX_RECORDS = 200
"""Samples in one message."""
_VERSION = 1
_LEVEL = 6
_MAX_INFLATED_BYTES = 1_000_000
_MAX_DECIMALS = 9
_DEFLATED = 0x78
"""The first byte of every zlib stream; JSON text never begins with it."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_US = timedelta(microseconds=1)
_TIME = "captured_at"

Row = Mapping[str, Any]
"""A sample as JSON values."""


def pack(drone_id: str, boot_id: str, rows: Sequence[Row]) -> bytes:
    """Return 1 to ``MAX_RECORDS`` samples of one boot as one message."""
    names = dict.fromkeys(name for row in rows for name in row)
    fields = {name: _column([_flat(name, row.get(name)) for row in rows]) for name in names}
    whole = {"columns": _VERSION, "drone_id": drone_id, "boot_id": boot_id, "count": len(rows), "fields": fields}
    return zlib.compress(json.dumps(whole, separators=(",", ":")).encode(), _LEVEL)


def is_deflated(payload: bytes) -> bool:
    """Tell a deflated message from JSON text."""
    return payload[:1] == bytes((_DEFLATED,))


def unpack(payload: bytes) -> dict[str, Any]:
    """Return a packed message as the fields of a ``TelemetryBatch``, not yet checked against it.

    Raises:
        TooLarge: It would inflate to more than a megabyte.
        InvalidInput: It is damaged, or of another version.

    """
    drone_id, boot_id, count, found = parse(payload)
    whole = {name: column if len(column) == count else [*column] * count for name, column in found.items()}
    samples = [dict(zip(whole, row)) for row in zip(*whole.values())]  # noqa: B905 - each column has its count
    return {"drone_id": drone_id, "boot_id": boot_id, "samples": samples}


class Head(NamedTuple):
    """A packed message with its columns as they came: ``same``, ``each``, or ``first`` and ``steps``."""

    drone_id: Any
    boot_id: Any
    size: int
    """How many samples."""
    fields: Mapping[str, Any]


class Parsed(NamedTuple):
    """A packed message, not yet checked; a column has ``size`` values, or one that holds for all."""

    drone_id: Any
    boot_id: Any
    size: int
    """How many samples."""
    columns: dict[str, list[Any]]


_DAMAGES = (zlib.error, ValueError, KeyError, TypeError, AttributeError, OverflowError)


def head(payload: bytes) -> Head:
    """Return a packed message with its columns as they came; raises like ``unpack``."""
    try:
        whole = from_json(_inflate(payload))
        if whole["columns"] != _VERSION:
            raise InvalidInput(f"Telemetry columns of version {whole['columns']!r} are not known.", field="columns")
        count = int(whole["count"])
        if not 1 <= count <= MAX_RECORDS:
            raise InvalidInput(f"A message holds 1 to {MAX_RECORDS} samples, not {count}.", field="count")
        return Head(whole.get("drone_id"), whole.get("boot_id"), count, whole["fields"])
    except _DAMAGES as error:
        raise _damaged(error) from error


def parse(payload: bytes) -> Parsed:
    """Return a packed message's columns; raises like ``unpack``."""
    drone_id, boot_id, count, fields = head(payload)
    try:
        columns = {name: _values(name, column, count) for name, column in fields.items()}
    except _DAMAGES as error:
        raise _damaged(error) from error
    return Parsed(drone_id, boot_id, count, columns)


def _damaged(error: Exception) -> InvalidInput:
    return InvalidInput(f"Not telemetry columns: {error}.", hint="See contracts/columns.py.")


def _inflate(payload: bytes) -> bytes:
    stream = zlib.decompressobj()
    text = stream.decompress(payload, _MAX_INFLATED_BYTES)
    if stream.unconsumed_tail:
        raise TooLarge(f"The message inflates to over {_MAX_INFLATED_BYTES} bytes.", hint="Send fewer samples.")
    if not stream.eof:
        raise InvalidInput("The deflated message breaks off.")
    return text


def _flat(name: str, value: Any) -> Any:
    """Return a time as microseconds since 1970, everything else as it is."""
    if name == _TIME and isinstance(value, str):
        return (datetime.fromisoformat(value) - _EPOCH) // _US
    return value


def _column(values: list[Any]) -> dict[str, Any]:
    if all(value == values[0] for value in values) and len({repr(value) for value in values}) == 1:
        return {"same": values[0]}
    if all(type(value) is int for value in values):
        return _differences(values)
    if not all(type(value) in (int, float) for value in values):
        return {"each": values}
    texts = [repr(float(value)) for value in values]
    decimals = max(len(text.partition(".")[2]) for text in texts)
    scale = 10 ** min(decimals, _MAX_DECIMALS)
    try:
        scaled = [round(value * scale) for value in values]
    except OverflowError:
        return {"each": values}
    if all(repr(whole / scale) == text for whole, text in zip(scaled, texts, strict=True)):
        return _differences(scaled) | {"decimals": min(decimals, _MAX_DECIMALS)}
    return {"each": values}


def _differences(values: list[int]) -> dict[str, Any]:
    return {"first": values[0], "steps": [b - a for a, b in pairwise(values)]}


def _values(name: str, column: Mapping[str, Any], count: int) -> list[Any]:
    if "same" in column:
        values = [column["same"]]
    else:
        values = list(column["each"]) if "each" in column else _summed(column)
        if len(values) != count:
            raise InvalidInput(f"Column {name} holds {len(values)} values, not {count}.", field=name)
    return [_EPOCH + value * _US for value in values] if name == _TIME else values


def _summed(column: Mapping[str, Any]) -> list[Any]:
    whole = list(accumulate(column["steps"], initial=column["first"]))
    if type(whole[-1]) is not int:  # one fraction makes every sum after it one
        wrong = next(value for value in (column["first"], *column["steps"]) if type(value) is not int)
        raise InvalidInput(f"A difference is a whole number, not {wrong!r}.")
    if "decimals" not in column:
        return whole
    decimals = int(column["decimals"])
    if decimals < 0:
        raise InvalidInput(f"A column has no fewer than 0 decimals, not {decimals}.")
    scale: int = 10 ** min(_MAX_DECIMALS, decimals)
    return [value / scale for value in whole]
