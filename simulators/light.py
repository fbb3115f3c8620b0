"""Daylight on a surface: how bright a direction looks, and how a flat side is shaded to look curved."""

from __future__ import annotations

import math

import numpy as np

from contracts.geo import Enu
from contracts.turbine import Facet
from contracts.vocabulary import BladeSide
from simulators.noise import Image
from simulators.world import Weather

_SHARES = 33


class Light:
    """Sun and sky of a weather at one camera exposure."""

    def __init__(self, weather: Weather, exposure: float = 1.0) -> None:
        azimuth, elevation = math.radians(weather.sun_azimuth_deg), math.radians(weather.sun_elevation_deg)
        flat = math.cos(elevation)
        self.sun = Enu(math.sin(azimuth) * flat, math.cos(azimuth) * flat, math.sin(elevation))
        self.sun_share, self.exposure = weather.sun_share, exposure

    def brightness(self, normal: Enu) -> float:
        """Return the factor on a surface's own colour; about 1.1 in the sun, 0.64 in the shade."""
        sky = 0.95 - 0.62 * self.sun_share + 0.09 * normal.up
        return self.exposure * (sky + 0.95 * self.sun_share * max(0.0, normal.dot(self.sun)))

    def profile(self, facet: Facet, side: BladeSide) -> Image:
        """Return the factor at 33 shares of a side's width, first edge to second."""
        across = facet.second_root.minus(facet.first_root).unit()
        shares = np.linspace(0, 1, _SHARES)
        leans = [_lean_rad(side, float(s)) for s in shares]
        return np.array(
            [self.brightness(facet.normal.times(math.cos(t)).plus(across, -math.sin(t))) for t in leans], np.float32
        )


def _lean_rad(side: BladeSide, share: float) -> float:
    """Return how far the real, curved surface leans towards the side's first edge."""
    if side is BladeSide.LE:
        return math.radians(58.0 * (1 - 2 * share))
    if side is BladeSide.TE:
        return math.radians(20.0 * (1 - 2 * share))
    nose = max(0.0, 1 - share / 0.4) ** 2
    return math.radians(48.0 * nose - 9.0 * share)
