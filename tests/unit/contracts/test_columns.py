"""Telemetry columns give back exactly what went in, and refuse what is not theirs."""

from __future__ import annotations

import json
import zlib
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts import columns
from contracts.errors import InvalidInput, PlatformError, TooLarge
from contracts.telemetry import TelemetryBatch, TelemetrySample
from contracts.topics import TELEMETRY, decode
from contracts.vocabulary import AircraftState

TOPIC = TELEMETRY.of("kite-01")
START = datetime(2026, 11, 20, 12, tzinfo=UTC)
metres = st.floats(-5000, 5000).map(lambda v: round(v, 3)) | st.floats(-5000, 5000)
samples = st.builds(
    TelemetrySample,
    seq=st.integers(1, 2**53),
    captured_at=st.integers(0, 2**42).map(lambda us: START + timedelta(microseconds=us)),
    monotonic_ms=st.integers(0, 2**40),
    flight_id=st.sampled_from([None, "flt-1", "flt-2"]),
    state=st.sampled_from(AircraftState),
    lat_deg=st.floats(-90, 90).map(lambda v: round(v, 8)),
    lon_deg=st.floats(-180, 180),
    **dict.fromkeys(("alt_m", "alt_rel_m", "yaw_deg", "pitch_deg", "roll_deg", "gimbal_yaw_deg"), metres),
    **dict.fromkeys(("gimbal_pitch_deg", "vel_east_mps", "vel_north_mps", "vel_up_mps"), metres),
    battery_percent=st.none() | st.integers(0, 100).map(float) | st.floats(0, 100),
    battery_v=st.none() | st.floats(0, 60).map(lambda v: round(v, 3)),
    gps_fix=st.integers(0, 6),
    satellites=st.integers(0, 40),
    wind_mps=st.none() | st.floats(0, 40).map(lambda v: round(v, 2)),
    waypoint=st.none() | st.integers(0, 500),
)


def packed(*rows: TelemetrySample) -> bytes:
    return columns.pack("kite-01", "boot-1", [json.loads(row.model_dump_json(exclude_none=True)) for row in rows])


@settings(max_examples=60, deadline=None)
@given(rows=st.lists(samples, min_size=1, max_size=6))
def test_every_digit_survives(rows: list[TelemetrySample]) -> None:
    _, batch = decode(TOPIC, packed(*rows))
    assert isinstance(batch, TelemetryBatch)
    assert batch.samples == tuple(rows)
    assert (
        batch.model_dump_json()
        == TelemetryBatch(drone_id="kite-01", boot_id="boot-1", samples=tuple(rows)).model_dump_json()
    )


@settings(max_examples=200, deadline=None)
@given(noise=st.binary(max_size=60), at=st.integers(0, 400), bit=st.integers(0, 7))
def test_damage_is_refused_or_changes_nothing(noise: bytes, at: int, bit: int) -> None:
    with pytest.raises(PlatformError):
        decode(TOPIC, b"\x78" + noise)
    good = packed(samples_of_one())
    bad = bytearray(good)
    bad[at % len(bad)] ^= 1 << bit
    try:
        read = decode(TOPIC, bytes(bad))
    except PlatformError:
        return
    # The last deflate block is padded to a whole byte; nothing reads those bits (RFC 1951, section 3.2.3).
    assert read == decode(TOPIC, good)


def samples_of_one() -> TelemetrySample:
    return TelemetrySample.model_validate(WHOLE)


WHOLE: dict[str, Any] = {
    "seq": 1,
    "captured_at": START.isoformat(),
    "monotonic_ms": 5,
    "state": "on_route",
    "gps_fix": 6,
    **dict.fromkeys(("lat_deg", "lon_deg", "alt_m", "alt_rel_m", "yaw_deg", "pitch_deg", "roll_deg"), 1.5),
    **dict.fromkeys(("gimbal_yaw_deg", "gimbal_pitch_deg", "vel_east_mps", "vel_north_mps", "vel_up_mps"), 0.5),
    "battery_percent": 80.0,
    "battery_v": 22.1,
    "satellites": 12,
}


def hand_made(**changes: object) -> bytes:
    fields = {name: {"same": value} for name, value in WHOLE.items()} | {"captured_at": {"same": 0}}
    whole = {"columns": 1, "drone_id": "kite-01", "boot_id": "boot-1", "count": 1, "fields": fields} | changes
    return zlib.compress(json.dumps(whole).encode())


@pytest.mark.parametrize(
    ("payload", "error", "words"),
    [
        (hand_made(columns=2), InvalidInput, "version 2"),
        (hand_made(count=10**9), InvalidInput, "1 to 200"),
        (hand_made(count=0), InvalidInput, "1 to 200"),
        (hand_made(fields={"seq": {"each": [1, 2]}}), InvalidInput, "seq holds 2 values"),
        (hand_made(fields={"seq": {"first": 1.5, "steps": []}}), InvalidInput, "whole number"),
        (hand_made(fields={"seq": {"first": 1, "steps": [], "decimals": -400}}), InvalidInput, "fewer than 0 decimals"),
        (hand_made(fields={"seq": {"same": 1}}), InvalidInput, "captured_at"),
        (hand_made(fields=[1]), InvalidInput, "Not telemetry columns"),
        (hand_made(fields={"captured_at": {"same": 10**30}}), InvalidInput, "Not telemetry columns"),
        (hand_made(drone_id="kite-02"), InvalidInput, "kite-02"),
        (zlib.compress(b" " * 50_000_000), TooLarge, "inflates to over"),
        (hand_made()[:-6], InvalidInput, "breaks off"),
    ],
)
def test_a_malformed_message_is_refused_with_the_reason(payload: bytes, error: type[PlatformError], words: str) -> None:
    with pytest.raises(error, match=words):
        decode(TOPIC, payload)


def test_the_hand_made_message_is_a_good_one() -> None:
    assert decode(TOPIC, hand_made())[0] == "kite-01"
