"""The assistant says of a charge that was not told that it was not told."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from cloud.assistant import statements
from cloud.assistant.evidence import Citation, Row, RowKind, Value

AT = datetime(2026, 11, 28, 9, 0, tzinfo=UTC)


def measured(**values: Value) -> Row:
    told: dict[str, Value] = {
        "drone": "Kite 1", "group": "Kite 1", "samples": 600, "first_at": AT, "last_at": AT, "max_wind_mps": None,
        "mean_wind_mps": None, "max_alt_rel_m": 55.0, "max_speed_mps": 4.0, "min_link_percent": None,
    }  # fmt: skip
    cites = (Citation(kind=RowKind.DRONE, id="kite-01", label="Kite 1", href="/"),)
    return Row(ref="E1.1", kind=RowKind.TELEMETRY, label="Kite 1", values=told | values, cites=cites)


@pytest.mark.parametrize(
    ("least", "mean", "says"),
    [
        (80.0, 90.0, "battery from 80 % up, 90 % on average"),
        (0.0, 3.0, "battery from 0 % up, 3 % on average"),
        (None, None, "battery charge not told"),
    ],
)
def test_figures_of_a_charge(least: float | None, mean: float | None, says: str) -> None:
    [sentence] = statements.telemetry(
        (measured(min_battery_percent=least, mean_battery_percent=mean),), ZoneInfo("UTC")
    )
    assert f"Kite 1: {says};" in sentence.text
