"""Telemetry as an aircraft makes it: a slow pass along a blade with the noise of real sensors, the same every time."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from contracts.telemetry import TelemetrySample
from contracts.vocabulary import AircraftState

_START = datetime(2026, 11, 20, 12, tzinfo=UTC)


def samples(count: int, seed: int = 1) -> Iterator[TelemetrySample]:
    """Yield 10 Hz samples: centimetre positions, hundredths of a degree, the jitter of a busy computer."""
    rng = random.Random(seed)
    east_mps, north_mps, up_mps, yaw_deg, wind_mps = 1.5, 0.3, 0.1, 90.0, 6.0
    lat_deg, lon_deg, alt_m = 54.9, 8.3, 100.0
    for seq in range(1, count + 1):
        east_mps, north_mps, up_mps = (0.99 * v + rng.gauss(0, 0.03) for v in (east_mps, north_mps, up_mps))
        lat_deg, lon_deg, alt_m = lat_deg + north_mps / 1.11e6, lon_deg + east_mps / 6.4e5, alt_m + up_mps / 10
        yaw_deg = (yaw_deg + rng.gauss(0.2, 0.15)) % 360
        wind_mps = max(0.0, wind_mps + rng.gauss(0, 0.05))
        yield TelemetrySample(
            seq=seq,
            captured_at=_START + timedelta(milliseconds=100 * seq, microseconds=rng.randint(-3000, 3000)),
            monotonic_ms=100 * seq + rng.randint(-2, 2),
            flight_id="flt-0199e0c3b5d7-9f3a2c1e",
            state=AircraftState.ON_ROUTE,
            lat_deg=round(lat_deg + rng.gauss(0, 1e-7), 8),
            lon_deg=round(lon_deg + rng.gauss(0, 1e-7), 8),
            alt_m=round(alt_m + rng.gauss(0, 0.01), 3),
            alt_rel_m=round(alt_m - 45 + rng.gauss(0, 0.01), 3),
            yaw_deg=round(yaw_deg, 2),
            pitch_deg=round(rng.gauss(2, 0.5), 2),
            roll_deg=round(rng.gauss(0, 0.5), 2),
            gimbal_yaw_deg=round(yaw_deg + rng.gauss(0, 0.02), 2),
            gimbal_pitch_deg=round(rng.gauss(-10, 0.02), 2),
            vel_east_mps=round(east_mps, 2),
            vel_north_mps=round(north_mps, 2),
            vel_up_mps=round(up_mps, 2),
            battery_percent=float(max(0, 98 - seq // 180)),
            battery_v=round(22 + rng.gauss(0, 0.02), 3),
            gps_fix=6,
            satellites=18 + rng.randint(0, 1),
            wind_mps=round(wind_mps, 2),
            wind_from_deg=round(240 + rng.gauss(0, 2), 1),
            waypoint=seq // 200,
        )
