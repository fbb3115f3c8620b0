"""A packed message read as columns says what it says read as samples, and refuses what they refuse."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts import columns, sample_table
from contracts.errors import InvalidInput
from contracts.sample_table import FIELDS, SampleTable, of_batch
from contracts.telemetry import TelemetryBatch, TelemetrySample
from tests.platform import sample

ROWS = [
    sample(seq, waypoint=seq if seq > 2 else None, wind_mps=0.1 * seq).model_dump(mode="json") for seq in range(1, 9)
]
PLACES = st.floats(-90, 90, allow_nan=False)


def packed(rows: list[dict[str, Any]]) -> bytes:
    return columns.pack("kite-01", "boot-1", rows)


def each(table: SampleTable, name: str) -> list[Any]:
    column = table.columns[name]
    return column if len(column) == table.size else column * table.size


@settings(max_examples=60)
@given(
    changes=st.lists(
        st.fixed_dictionaries(
            {"lat_deg": PLACES, "battery_percent": st.none() | st.floats(0, 100), "gps_fix": st.integers(0, 6)},
            optional={"waypoint": st.none() | st.integers(0, 99), "link_percent": st.none() | st.floats(0, 100)},
        ),
        min_size=1,
        max_size=12,
    )
)
def test_both_readings_make_the_same_rows(changes: list[dict[str, Any]]) -> None:
    rows = [ROWS[0] | {"seq": seq} | change for seq, change in enumerate(changes, 1)]
    payload = packed(rows)
    by_sample = of_batch(TelemetryBatch.model_validate(columns.unpack(payload)))
    table = sample_table.read(payload)
    assert [each(table, name) for name in FIELDS] == [each(by_sample, name) for name in FIELDS]
    assert table.seqs == by_sample.seqs
    assert (table.drone_id, table.boot_id, table.size) == ("kite-01", "boot-1", len(rows))


def _fields(change: Callable[[dict[str, Any]], object]) -> bytes:
    whole = json.loads(zlib.decompress(packed(ROWS)))
    change(whole["fields"])
    return zlib.compress(json.dumps(whole).encode())


@pytest.mark.parametrize("name", FIELDS)
@pytest.mark.parametrize(
    "value", [None, -1, 101, "north", "", 1.5, [], 1e400, float("nan"), True, -(10**30), "a\tb\nc"], ids=repr
)
def test_what_one_reading_refuses_the_other_refuses(name: str, value: object) -> None:
    payload = _fields(lambda fields: fields.update({name: {"each": [value] * len(ROWS)}}))
    outcomes = []
    for reading in (lambda: TelemetryBatch.model_validate(columns.unpack(payload)), lambda: sample_table.read(payload)):
        try:
            reading()
            outcomes.append("taken")
        except (InvalidInput, ValueError):
            outcomes.append("refused")
    assert outcomes[0] == outcomes[1]


@pytest.mark.parametrize("name", FIELDS)
def test_a_missing_field_is_refused_or_has_its_default(name: str) -> None:
    payload = _fields(lambda fields: fields.pop(name, None))
    if TelemetrySample.model_fields[name].is_required():
        with pytest.raises(InvalidInput, match=name):
            sample_table.read(payload)
    else:
        assert sample_table.read(payload).columns[name] == [TelemetrySample.model_fields[name].default]


def test_an_unknown_field_is_refused() -> None:
    with pytest.raises(InvalidInput, match="mood"):
        sample_table.read(_fields(lambda fields: fields.update(mood={"same": "good"})))
