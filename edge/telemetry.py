"""Ten times a second, what the aircraft is doing, into the outbox."""

from __future__ import annotations

import time
from collections.abc import Callable

from contracts.telemetry import ClockQuality, Stream, TelemetrySample
from contracts.vocabulary import AircraftState
from edge.aircraft import Aircraft, Fix
from edge.clock import from_us
from edge.outbox import Make

PERIOD_S = 0.1
Situation = tuple[AircraftState, str | None, int | None]
"""What the aircraft is doing, on which flight, towards which waypoint."""


class Sampler:
    """Takes one sample per period while the autopilot talks; silent when it is silent."""

    def __init__(
        self,
        look: Callable[[], Aircraft],
        situation: Callable[[], Situation],
        append: Callable[[Stream, Make], object],
    ) -> None:
        self._look = look
        self._situation = situation
        self._append = append
        self._started_at = self._due_at = time.monotonic()
        self._last_fix_us = 0

    def step(self) -> bool | None:
        """Append a sample when one is due."""
        now = time.monotonic()
        if now < self._due_at:
            return None
        self._due_at = max(self._due_at + PERIOD_S, now - PERIOD_S)
        aircraft = self._look()
        if not aircraft.connected or aircraft.fix is None or aircraft.fix.t_us == self._last_fix_us:
            return None
        self._last_fix_us = aircraft.fix.t_us
        monotonic_ms = round((now - self._started_at) * 1000)
        situation, fix = self._situation(), aircraft.fix
        self._append(Stream.TELEMETRY, lambda seq: sample_of(aircraft, fix, situation, seq, monotonic_ms))
        return True


def sample_of(aircraft: Aircraft, fix: Fix, situation: Situation, seq: int, monotonic_ms: int) -> TelemetrySample:
    """Return a telemetry sample of a picture that has a position."""
    state, flight_id, waypoint = situation
    return TelemetrySample(
        seq=seq,
        captured_at=from_us(fix.t_us),
        monotonic_ms=monotonic_ms,
        clock=ClockQuality.GPS if aircraft.clock_set else ClockQuality.FREE,
        flight_id=flight_id,
        state=state,
        lat_deg=round(fix.point.lat_deg, 8),
        lon_deg=round(fix.point.lon_deg, 8),
        alt_m=round(fix.point.alt_m, 3),
        alt_rel_m=fix.alt_rel_m,
        yaw_deg=round(aircraft.attitude.yaw_deg, 2),
        pitch_deg=round(aircraft.attitude.pitch_deg, 2),
        roll_deg=round(aircraft.attitude.roll_deg, 2),
        gimbal_yaw_deg=round(aircraft.camera.yaw_deg, 2),
        gimbal_pitch_deg=round(aircraft.camera.pitch_deg, 2),
        vel_east_mps=fix.vel_east_mps,
        vel_north_mps=fix.vel_north_mps,
        vel_up_mps=fix.vel_up_mps,
        battery_percent=aircraft.battery_percent,
        battery_v=aircraft.battery_v,
        gps_fix=aircraft.gps_fix,
        satellites=aircraft.satellites,
        wind_mps=None if aircraft.wind_mps is None else round(aircraft.wind_mps, 2),
        wind_from_deg=None if aircraft.wind_from_deg is None else round(aircraft.wind_from_deg, 1),
        waypoint=waypoint,
    )
