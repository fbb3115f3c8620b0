"""Altitudes of a plan of another program, above the WGS 84 ellipsoid, whatever it counts them from."""

from __future__ import annotations

import math

import numpy as np

from cloud.planning.datums import separation_m
from cloud.planning.terrain import Terrain
from contracts.errors import InvalidInput
from contracts.geo import GeoPoint
from interchange.mission import Altitude, AltitudeReference, LatLon, Mission


class Heights:
    """Altitudes and places of a plan that takes off at ``home``."""

    def __init__(self, terrain: Terrain | None, home: GeoPoint) -> None:
        self._terrain, self.home = terrain, home

    def point(self, at: LatLon | None, altitude: Altitude | None, here: GeoPoint, where: str) -> GeoPoint:
        """Return a place; what is left out of it stays as it is ``here``."""
        spot = at or LatLon(lat_deg=here.lat_deg, lon_deg=here.lon_deg)
        alt_m = here.alt_m if altitude is None else self.of(spot, altitude, where)
        return GeoPoint(lat_deg=spot.lat_deg, lon_deg=spot.lon_deg, alt_m=alt_m)

    def of(self, at: LatLon, altitude: Altitude, where: str) -> float:
        """Return an altitude above the ellipsoid; InvalidInput where the ground's height is needed and not known."""
        match altitude.reference:
            case AltitudeReference.ELLIPSOID:
                return altitude.value_m
            case AltitudeReference.AMSL:
                return altitude.value_m + separation_m(at.lat_deg, at.lon_deg)
            case AltitudeReference.TAKE_OFF:
                return altitude.value_m + self.home.alt_m
            case AltitudeReference.TERRAIN:
                return altitude.value_m + _ground_m(self._terrain, at, where)


def _ground_m(terrain: Terrain | None, at: LatLon, where: str) -> float:
    ground_m = math.nan
    if terrain is not None:
        ground_m = float(terrain.heights_m(np.array([at.lat_deg]), np.array([at.lon_deg]))[0])
    if math.isnan(ground_m):
        raise InvalidInput(
            f"{where}: the altitude is above the ground, and the ground's height is not known there.",
            hint="Add an elevation file that covers the place, or plan above sea level.",
            field=f"{where}.altitude",
        )
    return ground_m


def home_of(mission: Mission, terrain: Terrain | None) -> GeoPoint:
    """Return where a mission takes off; InvalidInput when it does not say, or not how high that is."""
    place = mission.home
    if place is None:
        raise InvalidInput("The plan has no take-off place.", hint="Give home.", field="home")
    if place.altitude is None or place.altitude.reference is AltitudeReference.TAKE_OFF:
        alt_m = _ground_m(terrain, place, "home")
    else:
        spot = GeoPoint(lat_deg=place.lat_deg, lon_deg=place.lon_deg, alt_m=0.0)
        alt_m = Heights(terrain, spot).of(place, place.altitude, "home")
    return GeoPoint(lat_deg=place.lat_deg, lon_deg=place.lon_deg, alt_m=alt_m)
