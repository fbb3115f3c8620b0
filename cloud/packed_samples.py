"""Packed messages straight into the rows of COPY, many messages at once, in arrays.

Reading a message a value at a time costs Python more than storing it costs Postgres. Here the differences of all
messages of a commit are summed, scaled and checked together. Only what is plainly in order is taken: for everything
else the answer is None, and ``contracts.topics.decode_samples`` reads that message with care and says what is wrong.
``tests/unit/cloud/test_packed_samples.py`` holds both ways to the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import accumulate
from typing import Annotated, Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict, TypeAdapter, ValidationError

from cloud import sample_rows
from cloud.sample_rows import Rows
from contracts import columns
from contracts.errors import PlatformError
from contracts.ids import BootId, DroneId
from contracts.sample_table import FIELDS
from contracts.telemetry import TelemetrySample
from contracts.topics import MAX_PAYLOAD_BYTES, parse_topic

_EXACT: Final = 2**53
"""Up to here a double holds every whole number, so that dividing arrays says what dividing Python's numbers says."""
_DECIMALS: Final = 9
_TIME: Final = "captured_at"
_SLOTS: Final = tuple(name for name in sample_rows.NAMES if sample_rows.CODE_OF.get(name))
"""The numbers of a row, in the order of its columns."""
_TEXTS: Final = tuple(name for name in sample_rows.NAMES if sample_rows.CODE_OF.get(name) == "")
_WHOLE: Final = frozenset(name for name in _SLOTS if sample_rows.CODE_OF[name] != "d")
_TYPES: Final = {"q": ">i8", "i": ">i4", "d": ">f8"}
_SIZES: Final = {name: np.dtype(_TYPES[sample_rows.CODE_OF[name]]).itemsize for name in _SLOTS}
_RECORD: Final = np.dtype(
    [part for name in _SLOTS for part in ((f"{name} size", ">i4"), (name, _TYPES[sample_rows.CODE_OF[name]]))]
)
_EMPTY: Final = np.array(tuple(part for name in _SLOTS for part in (_SIZES[name], 0)), _RECORD).tobytes()
_BEGINS: Final = tuple(accumulate((4 + _SIZES[name] for name in _SLOTS), initial=0))
"""Where each number's size begins in a record, and where the record ends."""
_MISSING: Final = b"\xff\xff\xff\xff"
_CONFIG: Final = ConfigDict(allow_inf_nan=False)
_FIELD: Final[dict[str, TypeAdapter[Any]]] = {
    # The type is made of the model, not written down.
    name: TypeAdapter(Annotated[field.annotation, name, *field.metadata], config=_CONFIG)  # type: ignore[arg-type]
    for name, field in TelemetrySample.model_fields.items()
}
"""The rule of each field, of ``TelemetrySample`` itself."""
_IDS: Final = TypeAdapter(tuple[DroneId, BootId])


def _limits(name: str) -> tuple[float, float]:
    """Return a field's own bounds, or those of its column."""
    rules = TelemetrySample.model_fields[name].metadata
    widest = 2.0**31 - 1 if sample_rows.CODE_OF[name] == "i" else np.inf
    low = next((float(rule.ge) for rule in rules if hasattr(rule, "ge")), -widest)
    return low, next((float(rule.le) for rule in rules if hasattr(rule, "le")), widest)


_LIMITS: Final = {name: _limits(name) for name in _SLOTS}


class _Run(NamedTuple):
    """A number of all samples of a message."""

    message: int
    values: list[Any]
    scale: int
    """0: the values themselves; otherwise the first and how each differs from the one before, times the scale."""


class _Draft(NamedTuple):
    """A message that is in order but for the size of its numbers."""

    head: columns.Head
    beginning: bytes
    """Of every row: the count of fields, and its texts."""
    fixed: dict[str, Any]
    """Numbers that all samples share; None is missing."""
    steps: dict[str, tuple[list[Any], int]]
    """Values and scale, as of a ``_Run``, of the others."""


def rows(messages: Sequence[tuple[str, bytes]]) -> list[Rows | None]:
    """Return each (topic, payload) as rows of ``sample_rows.NAMES``; None where it is to be read with care."""
    found: list[Rows | None] = [None] * len(messages)
    alike: dict[int, dict[int, _Draft]] = {}
    for number, (topic, payload) in enumerate(messages):
        if (draft := _drafted(topic, payload)) is not None:
            alike.setdefault(draft.head.size, {})[number] = draft
    for drafts in alike.values():
        for number, one in zip(drafts, _stored(list(drafts.values())), strict=True):
            found[number] = one
    return found


def _stored(drafts: Sequence[_Draft]) -> list[Rows | None]:
    """Return the rows of messages of the same size."""
    shape = len(drafts), drafts[0].head.size
    records = np.frombuffer(bytearray(_EMPTY * (shape[0] * shape[1])), _RECORD).reshape(shape)
    try:
        wrong = _fill(records, drafts)
    except (TypeError, ValueError, OverflowError):
        # A message of these holds what is no number, or none that a row could hold.
        return [None] if len(drafts) == 1 else [one for draft in drafts for one in _stored([draft])]
    tables = records.view(np.uint8).reshape(*records.shape, _RECORD.itemsize)
    seqs = records["seq"].tolist()
    return [
        None if number in wrong else Rows(draft.head.drone_id, draft.head.boot_id, seqs[number], _joined(draft, table))
        for number, (draft, table) in enumerate(zip(drafts, tables, strict=True))
    ]


def _fill(records: NDArray[Any], drafts: Sequence[_Draft]) -> set[int]:
    """Write the numbers; return which messages have one that is out of its field's bounds."""
    wrong: set[int] = set()
    for name in _SLOTS:
        column, summed, told = records[name], list[_Run](), list[_Run]()
        for number, draft in enumerate(drafts):
            if name in draft.steps:
                (summed if draft.steps[name][1] else told).append(_Run(number, *draft.steps[name]))
            elif (value := draft.fixed[name]) is not None:
                column[number] = value
        for runs, reading in ((summed, _summed), (told, _as_told)):
            if runs:
                values, bad = reading(name, runs)
                column[[run.message for run in runs] if len(runs) < len(drafts) else ...] = values
                wrong.update(runs[at].message for at in bad)
    return wrong


def _summed(name: str, runs: Sequence[_Run]) -> tuple[NDArray[Any], list[int]]:
    """Return the values of runs that came as differences, and the places of those runs that break a bound."""
    steps = np.array([run.values for run in runs])
    if steps.dtype != np.int64:
        raise TypeError(name)
    whole = np.cumsum(steps, axis=1)
    values = whole if name in _WHOLE else whole / np.array([run.scale for run in runs])[:, None]
    # While the steps are exact, no sum of 200 of them has run over.
    bad = _beyond(steps, -_EXACT, _EXACT) + _beyond(whole, -_EXACT, _EXACT) + _beyond(values, *_LIMITS[name])
    return whole - sample_rows.EPOCH_US if name == _TIME else values, bad


def _as_told(name: str, runs: Sequence[_Run]) -> tuple[NDArray[Any], list[int]]:
    """Do the same for runs that came value by value."""
    values = np.array([run.values for run in runs])
    if values.dtype not in (np.float64, np.int64) or not np.isfinite(values).all():
        raise TypeError(name)
    return values, _beyond(values, *_LIMITS[name])


def _beyond(values: NDArray[Any], low: float, high: float) -> list[int]:
    if values.min() >= low and values.max() <= high:
        return []
    return np.flatnonzero(~np.all((values >= low) & (values <= high), axis=1)).tolist()


def _joined(draft: _Draft, table: NDArray[np.uint8]) -> bytes:
    """Return the rows: what all begin with, and their numbers but the missing ones."""
    parts: list[bytes | NDArray[np.uint8]] = [draft.beginning]
    after = 0
    for at in [at for at, name in enumerate(_SLOTS) if name in draft.fixed and draft.fixed[name] is None]:
        parts += table[:, _BEGINS[after] : _BEGINS[at]], _MISSING
        after = at + 1
    parts.append(table[:, _BEGINS[after] :])
    widths = [len(part) if isinstance(part, bytes) else part.shape[1] for part in parts]
    rows, end = np.empty((len(table), sum(widths)), np.uint8), 0
    for part, width in zip(parts, widths, strict=True):
        rows[:, end : end + width] = np.frombuffer(part, np.uint8) if isinstance(part, bytes) else part
        end += width
    return rows.tobytes()


def _drafted(topic: str, payload: bytes) -> _Draft | None:
    if len(payload) > MAX_PAYLOAD_BYTES or not columns.is_deflated(payload):
        return None
    try:
        head = columns.head(payload)
        if head.drone_id != parse_topic(topic)[0]:
            return None
        steps = dict(_steps(head))
        told = {name: _told(head.fields, name) for name in FIELDS if name not in steps}
        fixed = {name: _constant(name, value, repr(value)) for name, value in told.items()}
        beginning = _beginning(head.drone_id, head.boot_id, tuple(fixed[name] for name in _TEXTS))
    except (PlatformError, ValidationError, AttributeError, KeyError, TypeError, ValueError):
        return None
    return _Draft(head, beginning, fixed, steps)


def _steps(head: columns.Head) -> Iterator[tuple[str, tuple[list[Any], int]]]:
    """Yield the numbers that change, as they came."""
    for name, column in head.fields.items():
        if name not in _FIELD:
            raise KeyError(name)
        if "same" in column:
            continue
        whole = name in _WHOLE
        told = _singly(column, whole=whole) if "each" in column else _differing(column, whole=whole)
        if len(told[0]) != head.size:
            raise ValueError(name)
        yield name, told


def _differing(column: Mapping[str, Any], *, whole: bool) -> tuple[list[Any], int]:
    first, steps, decimals = column["first"], column["steps"], column.get("decimals", 0)
    if type(first) is not int or type(steps) is not list or ("decimals" in column and whole):
        raise TypeError(first)
    if type(decimals) is not int or not 0 <= decimals <= _DECIMALS:
        raise ValueError(decimals)
    return [first, *steps], 10**decimals


def _singly(column: Mapping[str, Any], *, whole: bool) -> tuple[list[Any], int]:
    """Return values that came one by one, as they do where one is minus zero."""
    each = column["each"]
    if whole or type(each) is not list or None in each:
        raise TypeError(each)
    return each, 0


def _told(fields: Mapping[str, Any], name: str) -> Any:
    """Return what all samples share; KeyError where the message must say it and does not."""
    if name in fields:
        return fields[name]["same"]
    field = TelemetrySample.model_fields[name]
    if field.is_required():
        raise KeyError(name)
    return field.get_default()


@lru_cache(maxsize=4096, typed=True)
def _constant(name: str, value: Any, _written: str) -> Any:
    """Return a value that has passed its field's rule, as it is stored; zeros of two signs are two values here."""
    if name == _TIME:
        if type(value) is not int or abs(value) > _EXACT:
            raise ValueError(name)
        return value - sample_rows.EPOCH_US
    value = _FIELD[name].validate_python(value)
    if value is not None and name in _LIMITS and not _LIMITS[name][0] <= value <= _LIMITS[name][1]:
        raise ValueError(name)
    return value


@lru_cache(maxsize=4096, typed=True)
def _beginning(drone_id: Any, boot_id: Any, texts: tuple[str | None, ...]) -> bytes:
    drone_id, boot_id = _IDS.validate_python((drone_id, boot_id))
    return sample_rows.beginning(drone_id, boot_id, texts)
