"""Go or no-go of a plan that another program made."""

from __future__ import annotations

import math

from cloud.planning import bodies, estimates, imported, rules
from cloud.planning.imported import Flown
from cloud.planning.obstacles import Cone
from cloud.planning.rules import Limits, Surroundings
from cloud.planning.surveys import AnyGeometry
from cloud.planning.terrain import Terrain
from cloud.planning.verdicts import Check, Row, Verdict, grade, place_of
from cloud.planning.zones import SiteZone
from contracts.geo import Enu, GeoPoint
from contracts.routes import Solid, ZoneKind
from interchange.mission import FenceCircle, FencePolygon, Mission

_RESERVE_PERCENT, _WARN_RESERVE_PERCENT = 30.0, 40.0
_PITCH_LIMITS_DEG = (-90.0, 45.0)


def judge(  # noqa: PLR0913 - what a plan is judged by, all by name
    mission: Mission,
    zones: tuple[SiteZone, ...],
    terrain: Terrain | None,
    *,
    home: GeoPoint | None = None,
    wind_mps: float = 0.0,
    limits: Limits | None = None,
    geometry: AnyGeometry | None = None,
    cones: tuple[Cone, ...] = (),
    solids: tuple[Solid, ...] = (),
) -> list[Check]:
    """Return every check of a mission that its time does not change. Its own fences are kept to as well.

    With the ``geometry`` of an asset, the ``solids`` of its neighbours, or any ``cones`` about home, its distance from
    those is judged too.

    Raises:
        InvalidInput: No take-off place, an altitude that cannot be converted, or nothing that flies; with the item.

    """
    flown = imported.flown(mission, home, terrain)
    places = [leg.start for leg in flown.track.legs] + [flown.track.legs[-1].end]
    cones = cones or bodies.near(bodies.of_asset(geometry, flown.track.frame), places)
    cones += bodies.Beside(solids).about(flown.track.frame, [Enu(0.0, 0.0, 0.0), *places])[0]
    around = Surroundings((*zones, *own_zones(mission)), terrain, cones, limits or Limits())
    found = rules.judge(flown.track, around)
    if terrain is None:
        found.append(
            Check(
                name="terrain",
                verdict=Verdict.WARN,
                sentence="No elevation file is configured: the ground below the route is unjudged.",
                mend="Set CLOUD_TERRAIN_DIR to a folder of elevation files.",
            )
        )
    return [*found, battery(flown, wind_mps), *_camera(flown), *_endless(flown), *_unjudged(flown)]


def own_zones(mission: Mission) -> tuple[SiteZone, ...]:
    """Return a mission's fences as zones."""
    zones = []
    for number, fence in enumerate(mission.fences):
        kind = ZoneKind.STAY_IN if fence.inside else ZoneKind.KEEP_OUT
        name = f"fence {number} of the plan"
        if isinstance(fence, FencePolygon):
            corners = tuple({"lat_deg": vertex.lat_deg, "lon_deg": vertex.lon_deg} for vertex in fence.vertices)
            zones.append(SiteZone.model_validate({"name": name, "kind": kind, "corners": corners}))
        elif isinstance(fence, FenceCircle):
            centre = {"lat_deg": fence.centre.lat_deg, "lon_deg": fence.centre.lon_deg}
            values = {"name": name, "kind": kind, "centre": centre, "radius_m": fence.radius_m}
            zones.append(SiteZone.model_validate(values))
    return tuple(zones)


def battery(flown: Flown, wind_mps: float) -> Check:
    """Say what a flight leaves of a full battery, the way home included."""
    seconds = duration_s(flown)
    speed_mps = max(leg.speed_mps for leg in flown.track.legs)
    left = 100.0 - estimates.battery_percent(seconds, speed_mps, wind_mps)
    row = Row(
        "battery", left, _RESERVE_PERCENT, "%",
        f"The flight takes {seconds:.0f} s and leaves {{value:.0f}} % of a full battery; {{limit:.0f}} % must be left.",
        "Split the plan.",
    )  # fmt: skip
    return row.decided(grade(-left, -_WARN_RESERVE_PERCENT, -_RESERVE_PERCENT))


def duration_s(flown: Flown) -> float:
    """Return how long a flight takes, the way home and the landing included."""
    legs = flown.track.legs
    seconds = sum(estimates.leg_s(leg.end.minus(leg.start), leg.speed_mps) for leg in legs)
    once = {circle.segment: circle for circle in flown.track.circles}
    seconds += sum((circle.turns - 1.0) * math.tau * circle.radius_m / circle.speed_mps for circle in once.values())
    home_s = legs[-1].end.norm() / estimates.RETURN_SPEED_MPS
    return seconds + flown.hover_s + home_s + estimates.landing_s(max(0.0, legs[-1].end_alt_m - flown.home.alt_m))


def _camera(flown: Flown) -> list[Check]:
    low, high = _PITCH_LIMITS_DEG
    if not flown.pitches_deg:
        return []
    number, worst = max(flown.pitches_deg, key=lambda pair: max(pair[1] - high, low - pair[1]))
    row = Row(
        "camera_limits", worst, high if worst > high else low, "deg",
        f"Item {number} turns the camera to {{value:.0f}} degrees; the gimbal reaches {low:.0f} to {high:.0f}.",
        "Keep the camera's pitch within the gimbal's reach.",
    )  # fmt: skip
    return [row.decided(Verdict.PASS if low <= worst <= high else Verdict.BLOCK)]


def _endless(flown: Flown) -> list[Check]:
    if not flown.endless:
        return []
    number = flown.endless[0]
    circle = next((one for one in flown.track.circles if one.segment == number), None)
    return [
        Check(
            name="loiter_turns",
            verdict=Verdict.WARN,
            sentence=f"The circle of segment {number} never ends by itself.",
            mend="Give it a number of turns or a time.",
            worst=place_of(number, 0.0, circle.centre) if circle else None,
        )
    ]


def _unjudged(flown: Flown) -> list[Check]:
    if not flown.unjudged:
        return []
    names = ", ".join(f"{number} ({name})" for number, name in flown.unjudged[:5])
    return [
        Check(
            name="unjudged_items",
            verdict=Verdict.WARN,
            sentence=f"Nobody here knows what these items do to the aircraft: {names}.",
            mend="Replace them by waypoints, or fly them only where you know them.",
            value=float(len(flown.unjudged)),
            limit=0.0,
            unit="items",
        )
    ]
