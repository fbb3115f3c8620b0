"""A sample says what the autopilot tells, and nothing for what it does not."""

from __future__ import annotations

import json
from typing import Any

import pytest

from contracts import columns
from contracts.telemetry import TelemetrySample
from contracts.topics import TELEMETRY, decode_samples
from contracts.vocabulary import AircraftState
from edge.telemetry import sample_of
from tests.unit.edge.world import in_flight


def sampled(seq: int, **told: Any) -> TelemetrySample:
    seen = in_flight(**told)
    assert seen.fix is not None
    return sample_of(seen, seen.fix, (AircraftState.ON_ROUTE, "flt-1", 2), seq, 100 * seq)


@pytest.mark.parametrize(
    ("percent", "volts"),
    [(63.0, 22.4), (0.0, 19.8), (None, 22.4), (None, None)],
    ids=["told", "empty", "volts", "none"],
)
def test_a_charge_is_what_the_autopilot_told(percent: float | None, volts: float | None) -> None:
    sample = sampled(1, battery_percent=percent, battery_v=volts)
    assert (sample.battery_percent, sample.battery_v) == (percent, volts)
    carried = json.loads(sample.model_dump_json(exclude_none=True))
    assert ("battery_percent" in carried, "battery_v" in carried) == (percent is not None, volts is not None)


def test_a_charge_lost_on_the_way_stays_unknown_through_the_packed_form() -> None:
    told: list[float | None] = [63.0, 62.0, None, None]
    rows = [
        json.loads(sampled(seq, battery_percent=percent).model_dump_json(exclude_none=True))
        for seq, percent in enumerate(told, 1)
    ]
    table = decode_samples(TELEMETRY.of("kite-01"), columns.pack("kite-01", "boot-1", rows))
    assert table.columns["battery_percent"] == told
