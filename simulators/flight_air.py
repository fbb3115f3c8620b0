"""What the air and the sensors add to a flight: wind, sway and slowly varying measurement noise."""

from __future__ import annotations

import math
import random

from contracts.geo import Enu

_TONES = 4


class Wobble:
    """A smooth random function of time with a given standard deviation: a few sines of random phase.

    It has no state, so that a restarted simulator continues the same function.
    """

    def __init__(self, seed: str, sigma: float, shortest_s: float, longest_s: float) -> None:
        chance = random.Random(seed)
        self._amplitude = sigma * math.sqrt(2.0 / _TONES)
        self._tones = [
            (math.tau / chance.uniform(shortest_s, longest_s), chance.uniform(0.0, math.tau)) for _ in range(_TONES)
        ]

    def at(self, t_s: float) -> float:
        """Return the value at ``t_s``."""
        return self._amplitude * sum(math.sin(rate * t_s + phase) for rate, phase in self._tones)

    def rate(self, t_s: float) -> float:
        """Return the time derivative at ``t_s``, per second."""
        return self._amplitude * sum(rate * math.cos(rate * t_s + phase) for rate, phase in self._tones)


class Wobble3:
    """Three independent wobbles: east, north, up."""

    def __init__(self, seed: str, sigma: float, shortest_s: float, longest_s: float) -> None:
        self._axes = [Wobble(f"{seed}:{axis}", sigma, shortest_s, longest_s) for axis in "enu"]

    def at(self, t_s: float) -> Enu:
        """Return the vector at ``t_s``."""
        return Enu(*(axis.at(t_s) for axis in self._axes))

    def rate(self, t_s: float) -> Enu:
        """Return its time derivative, per second."""
        return Enu(*(axis.rate(t_s) for axis in self._axes))


class Air:
    """A steady wind with gusts, and the few centimetres by which it moves a hovering aircraft."""

    def __init__(self, seed: int, wind_mps: float, from_deg: float) -> None:
        self.wind_mps = wind_mps
        self.from_deg = from_deg % 360.0
        self._gust = Wobble(f"{seed}:gust", 0.1, 6.0, 30.0)
        self._sway = Wobble3(f"{seed}:sway", 0.004 * wind_mps, 4.0, 20.0)

    def speed_mps(self, t_s: float) -> float:
        """Return the wind speed now, never negative."""
        return max(0.0, self.wind_mps * (1.0 + self._gust.at(t_s)))

    def wind(self, t_s: float) -> Enu:
        """Return the wind as a velocity (where it blows to)."""
        speed, towards = self.speed_mps(t_s), math.radians(self.from_deg + 180.0)
        return Enu(speed * math.sin(towards), speed * math.cos(towards), 0.0)

    def sway(self, t_s: float, height_m: float) -> tuple[Enu, Enu]:
        """Return (offset, its velocity) of an aircraft at ``height_m``; nothing moves on the ground."""
        share = max(0.0, min(1.0, height_m / 2.0))
        return self._sway.at(t_s).times(share), self._sway.rate(t_s).times(share)


class Sensors:
    """Errors of an RTK receiver and a good inertial unit."""

    def __init__(self, seed: int, position_sigma_m: float = 0.015, attitude_sigma_deg: float = 0.05) -> None:
        self.position = Wobble3(f"{seed}:position", position_sigma_m, 3.0, 45.0)
        self.attitude = Wobble3(f"{seed}:attitude", attitude_sigma_deg, 2.0, 30.0)
        self.camera = Wobble3(f"{seed}:camera", attitude_sigma_deg, 2.0, 30.0)
