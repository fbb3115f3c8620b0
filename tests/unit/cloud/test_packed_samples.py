"""A packed message read in arrays is stored as it is read with care, or left to that."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloud import packed_samples, sample_rows
from cloud.sample_rows import Rows
from contracts import columns
from contracts.errors import PlatformError
from contracts.sample_table import FIELDS
from contracts.telemetry import TelemetrySample
from contracts.topics import TELEMETRY, decode_samples
from tests.platform import sample

TOPIC = TELEMETRY.of("kite-01")
START = datetime(2026, 11, 20, 12, tzinfo=UTC)
ROWS = [
    sample(seq, yaw_deg=1.5 * seq, captured_at=START + timedelta(microseconds=99_999 * seq)).model_dump(mode="json")
    for seq in range(1, 9)
]
METRES = st.floats(-5000, 5000).map(lambda v: round(v, 3))
MESSAGES = st.lists(
    st.fixed_dictionaries(
        {"lat_deg": st.floats(-90, 90).map(lambda v: round(v, 8)), "alt_m": METRES, "vel_up_mps": METRES},
        optional={
            "gps_fix": st.integers(0, 6),
            "waypoint": st.none() | st.integers(0, 99),
            "wind_mps": st.none() | st.floats(0, 40).map(lambda v: round(v, 2)),
            "link_percent": st.none() | st.floats(0, 100),
            "battery_percent": st.none() | st.integers(0, 100).map(float),
            "battery_v": st.none() | st.floats(0, 60).map(lambda v: round(v, 3)),
            "flight_id": st.sampled_from([None, "flt-1", "flt-2"]),
            "monotonic_ms": st.integers(0, 2**60),
            "seq": st.integers(1, 2**60),
            "captured_at": st.integers(-(2**50), 2**50).map(
                lambda us: (START + timedelta(microseconds=us)).isoformat()
            ),
        },
    ),
    min_size=1,
    max_size=8,
)


def with_care(payload: bytes) -> Rows | None:
    try:
        return sample_rows.rows(decode_samples(TOPIC, payload))
    except PlatformError:
        return None


def in_arrays(*payloads: bytes) -> list[Rows | None]:
    return packed_samples.rows([(TOPIC, payload) for payload in payloads])


def packed(rows: list[dict[str, Any]], drone_id: str = "kite-01") -> bytes:
    return columns.pack(drone_id, "boot-1", rows)


def changed(change: Callable[[dict[str, Any]], object]) -> bytes:
    whole = json.loads(zlib.decompress(packed(ROWS)))
    change(whole)
    return zlib.compress(json.dumps(whole).encode())


def _put(name: str, column: dict[str, Any], whole: dict[str, Any]) -> None:
    whole["fields"][name] = column


@settings(max_examples=40)
@given(messages=st.lists(MESSAGES, min_size=1, max_size=5))
def test_messages_read_together_are_stored_as_each_is_read_with_care(messages: list[list[dict[str, Any]]]) -> None:
    payloads = [packed([ROWS[0] | {"seq": n} | row for n, row in enumerate(rows, 1)]) for rows in messages]
    for found, payload in zip(in_arrays(*payloads), payloads, strict=True):
        assert found is None or found == with_care(payload)


def test_what_aircraft_send_is_read_in_arrays() -> None:
    wind = [row | {"wind_mps": round(0.1 * n, 1), "wind_from_deg": 7.5} for n, row in enumerate(ROWS)]
    place = [row | {"waypoint": n, "flight_id": "flt-1", "battery_percent": 90.0 - n} for n, row in enumerate(ROWS)]
    level = [row | {"vel_up_mps": -0.0, "roll_deg": (0.0, -0.0)[n % 2]} for n, row in enumerate(ROWS)]
    untold = [{name: value for name, value in row.items() if not name.startswith("battery")} for row in ROWS]
    payloads = [packed(ROWS), packed(wind), packed(place), packed(level), packed(untold), packed(ROWS[:1])]
    assert in_arrays(*payloads) == [with_care(payload) for payload in payloads]
    assert None not in in_arrays(*payloads)


ODD: list[Any] = [
    None,
    -1,
    101,
    "north",
    "",
    1.5,
    3.0,
    [],
    {},
    True,
    -(10**30),
    float("nan"),
    float("inf"),
    2**31,
    2**63,
    2**60,
]
FORMS: dict[str, Callable[[Any], dict[str, Any]]] = {
    "same": lambda value: {"same": value},
    "first": lambda value: {"first": value, "steps": [1] * 7},
    "step": lambda value: {"first": 1, "steps": [1, 1, value, 1, 1, 1, 1]},
    "each": lambda value: {"each": [1.5, 0, value, 1, 2, 3, 4, 5]},
}


@pytest.mark.parametrize("name", FIELDS)
def test_no_message_is_taken_that_care_would_refuse_or_store_otherwise(name: str) -> None:
    columns_of = [form(value) for form in FORMS.values() for value in ODD]
    payloads = [changed(partial(_put, name, column)) for column in columns_of]
    for payload, column, found in zip(payloads, columns_of, in_arrays(*payloads), strict=True):
        assert found is None or found == with_care(payload), column


def test_a_message_with_a_number_that_is_none_spoils_no_other() -> None:
    broken = changed(lambda whole: whole["fields"].update(seq={"first": 1, "steps": ["1"] * 7}))
    too_high = changed(lambda whole: whole["fields"].update(lat_deg={"first": 89, "steps": [1] * 7}))
    found = in_arrays(packed(ROWS), broken, too_high, packed(ROWS[:3]))
    assert found == [with_care(packed(ROWS)), None, None, with_care(packed(ROWS[:3]))]


@pytest.mark.parametrize(
    "change",
    [
        lambda whole: whole.update(columns=2),
        lambda whole: whole.update(count=7),
        lambda whole: whole.update(count=0),
        lambda whole: whole.update(drone_id="kite-02"),
        lambda whole: whole.update(boot_id="No Boot"),
        lambda whole: whole.update(boot_id=["boot-1"]),
        lambda whole: whole.update(fields=[]),
        lambda whole: whole["fields"].update(mood={"same": "good"}),
        lambda whole: whole["fields"].update(mood={"first": 1, "steps": [1] * 7}),
        lambda whole: whole["fields"].pop("seq"),
        lambda whole: whole["fields"].update(seq=7),
        lambda whole: whole["fields"].update(seq="same"),
        lambda whole: whole["fields"].update(yaw_deg={"first": 1, "steps": [1] * 7, "decimals": -1}),
        lambda whole: whole["fields"].update(yaw_deg={"first": 1, "steps": [1] * 7, "decimals": 400}),
        lambda whole: whole["fields"].update(yaw_deg={"first": 1, "steps": "1111111"}),
        lambda whole: whole["fields"].update(yaw_deg={"first": 1}),
        lambda whole: whole["fields"].update(monotonic_ms={"first": 2**62, "steps": [2**62] * 7}),
    ],
)
def test_a_message_out_of_order_is_left_to_care(change: Callable[[dict[str, Any]], object]) -> None:
    assert in_arrays(changed(change)) == [None]


@pytest.mark.parametrize(
    "payload", [b"", b"{}", b"\x78", b"\x78\x9c\x00", zlib.compress(b"[]"), zlib.compress(b" " * 2_000_000)]
)
def test_what_is_no_packed_message_is_left_to_care(payload: bytes) -> None:
    assert in_arrays(payload) == [None]


def test_every_rule_of_a_number_is_a_bound_that_arrays_are_held_to() -> None:
    known = {"Ge", "Le", "AllowInfNan"}
    for name, field in TelemetrySample.model_fields.items():
        if sample_rows.CODE_OF[name]:
            assert {type(rule).__name__ for rule in field.metadata} <= known, name
