"""Where a flight that was broken off is joined again: an aircraft comes straight from above its take-off."""

from __future__ import annotations

from cloud.planning import rules
from cloud.planning.bodies import cone_of
from cloud.planning.flying import TAKE_OFF_UP_M
from cloud.planning.obstacles import Cone
from cloud.planning.rules import Limits, Surroundings
from cloud.planning.tracks import Leg, Track, joined
from cloud.planning.verdicts import Verdict
from cloud.planning.zones import SiteZone, breaches
from contracts.geo import UP, LocalFrame
from contracts.routes import Route, Waypoint, ZoneKind

_TAKE_OFFS_M = (TAKE_OFF_UP_M, 2 * TAKE_OFF_UP_M)
"""How high an aircraft may have climbed when it sets off: its pilot says."""


def joins(route: Route, reached: int) -> int:
    """Return the last waypoint, of those up to ``reached``, to which the straight way from take-off is clear.

    The drone refuses a first leg through the asset. What lies between is flown again; the first waypoint is always
    clear, the route was planned from there.
    """
    frame = LocalFrame(route.home)
    cones = tuple(cone_of(solid, frame) for solid in route.solids)
    zones = tuple(SiteZone(name=f"zone {n}", **dict(zone)) for n, zone in enumerate(route.fence.zones))
    for waypoint in route.waypoints[reached:0:-1]:
        if _is_clear(Track(frame, _ways(frame, waypoint)), cones, zones):
            return waypoint.seq
    return 0


def _ways(frame: LocalFrame, waypoint: Waypoint) -> tuple[Leg, ...]:
    legs = []
    for up_m in _TAKE_OFFS_M:
        start = frame.to_geo(UP.times(up_m))
        end = joined(waypoint.point, waypoint.orbit.radius_m, start) if waypoint.orbit else waypoint.point
        ends = frame.to_enu(start), frame.to_enu(end)
        legs.append(Leg(waypoint.seq, 0.0, *ends, start.alt_m, end.alt_m, waypoint.speed_mps))
    return tuple(legs)


def _is_clear(track: Track, cones: tuple[Cone, ...], zones: tuple[SiteZone, ...]) -> bool:
    if any(breaches(track, zones, kind) for kind in ZoneKind):
        return False
    return not cones or rules.obstacles(track, Surroundings(cones=cones, limits=Limits())).verdict is Verdict.PASS
