"""A route of our own planner as a mission, for other programs.

Heights are said above take-off, as the aircraft flies them (`edge.itinerary`). A waypoint with an orbit is its circle:
the aircraft joins that at its nearest point and never flies to the centre.
"""

from __future__ import annotations

from collections.abc import Iterator

from contracts.geo import GeoPoint
from contracts.routes import Fence, Route, WaypointAction, Zone, ZoneKind
from contracts.routes import Waypoint as Planned
from interchange.losses import Ledger
from interchange.mission import (
    Altitude,
    AltitudeReference,
    FenceCircle,
    FencePolygon,
    LatLon,
    Mission,
    Orbit,
    Place,
    PointCamera,
    ReturnToLaunch,
    SetSpeed,
    StartVideo,
    Step,
    StopVideo,
    TakeOff,
    Waypoint,
)

_ACTIONS: dict[WaypointAction, Step] = {
    WaypointAction.START_VIDEO: StartVideo(),
    WaypointAction.STOP_VIDEO: StopVideo(),
}


def mission_of(route: Route, ledger: Ledger) -> Mission:
    """Return the mission of a route. What only our own aircraft knows is booked."""
    ledger.dropped("standoff_m", f"{route.standoff_m:g} m from the asset is checked by our own aircraft only.")
    ledger.dropped("fence.max_alt_rel_m", f"The fence's ceiling of {route.fence.max_alt_rel_m:g} m has no place.")
    if route.fence.min_alt_rel_m is not None:
        ledger.dropped("fence.min_alt_rel_m", f"The fence's floor of {route.fence.min_alt_rel_m:g} m has no place.")
    if route.solids:
        ledger.dropped("solids", f"{len(route.solids)} parts of the asset are known to our own aircraft only.")
    home = route.home
    sea = Altitude(value_m=home.alt_m, reference=AltitudeReference.ELLIPSOID)
    return Mission(
        name=f"{route.plan_id} version {route.version}",
        home=Place(lat_deg=home.lat_deg, lon_deg=home.lon_deg, altitude=sea),
        speed_mps=route.waypoints[0].speed_mps,
        items=tuple(_items(route)),
        fences=tuple(_fences(route.fence)),
    )


def _items(route: Route) -> Iterator[Step]:
    first = _height(route.waypoints[0].point, route.home)
    if first.value_m > 0:
        yield TakeOff(altitude=first)
    speed = route.waypoints[0].speed_mps
    for planned in route.waypoints:
        if planned.speed_mps != speed:
            speed = planned.speed_mps
            yield SetSpeed(speed_mps=speed)
        yield _place(planned, route.home)
        yield PointCamera(pitch_deg=planned.camera_pitch_deg, yaw_deg=planned.camera_yaw_deg)
        if planned.action in _ACTIONS:
            yield _ACTIONS[planned.action]
    yield ReturnToLaunch()


def _height(point: GeoPoint, home: GeoPoint) -> Altitude:
    return Altitude(value_m=round(point.alt_m - home.alt_m, 6), reference=AltitudeReference.TAKE_OFF)


def _place(planned: Planned, home: GeoPoint) -> Step:
    point = LatLon(lat_deg=planned.point.lat_deg, lon_deg=planned.point.lon_deg)
    altitude = _height(planned.point, home)
    if planned.orbit is None:
        return Waypoint(point=point, altitude=altitude, heading_deg=planned.camera_yaw_deg)
    circle = planned.orbit
    return Orbit(
        point=point,
        altitude=altitude,
        radius_m=circle.radius_m,
        clockwise=circle.clockwise,
        turns=float(circle.turns),
        speed_mps=planned.speed_mps,
    )


def _fences(fence: Fence) -> Iterator[FencePolygon | FenceCircle]:
    centre = LatLon(lat_deg=fence.centre.lat_deg, lon_deg=fence.centre.lon_deg)
    yield FenceCircle(centre=centre, radius_m=fence.radius_m, inside=True)
    for zone in fence.zones:
        yield _zone(zone)


def _zone(zone: Zone) -> FencePolygon | FenceCircle:
    inside = zone.kind is ZoneKind.STAY_IN
    if zone.centre is not None and zone.radius_m is not None:
        centre = LatLon(lat_deg=zone.centre.lat_deg, lon_deg=zone.centre.lon_deg)
        return FenceCircle(centre=centre, radius_m=zone.radius_m, inside=inside)
    corners = tuple(LatLon(lat_deg=corner.lat_deg, lon_deg=corner.lon_deg) for corner in zone.corners)
    return FencePolygon(vertices=corners, inside=inside)
