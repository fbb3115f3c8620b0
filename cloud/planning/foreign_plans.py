"""Plans of other programs on the shelf: read, turned into a route of ours, judged, and stored like a planned one.

What is judged is the route that our aircraft will fly, not the file: what the file wanted besides is in the report, and
a warning (``imported_losses``) that must be acknowledged by name says so.
"""

from __future__ import annotations

import hashlib
import math
from typing import NamedTuple

import numpy as np
from pydantic import Field, StrictFloat
from sqlalchemy.orm import Session

from cloud.planning import (
    assets,
    bodies,
    checks,
    conditions,
    estimates,
    flying,
    imported,
    missions,
    neighbours,
    plans,
    site_zones,
)
from cloud.planning.adopted import Adopted, adopt
from cloud.planning.bodies import rounded
from cloud.planning.estimates import Estimates, Times
from cloud.planning.obstacles import Cone, distances_m
from cloud.planning.pattern import DEFAULT_CAMERA
from cloud.planning.photography import Shot
from cloud.planning.rules import Limits
from cloud.planning.splitting import MAX_SOLIDS
from cloud.planning.terrain import Terrain
from cloud.planning.tracks import Track, of_route
from cloud.planning.verdicts import Check, Verdict
from cloud.planning.zones import SiteZone
from cloud.services import Routes
from cloud.tables import Asset, Plan
from contracts.errors import InvalidInput
from contracts.geo import Enu, Frozen, GeoPoint, LocalFrame
from contracts.ids import AssetId, DroneId, PlanId, Sha256, mint
from contracts.optics import CameraIntrinsics
from contracts.routes import Route, Solid, WaypointAction, Zone
from interchange import conversion, formats, planned
from interchange.conversion import LossReport
from interchange.formats import Format
from interchange.losses import Ledger, Severity
from interchange.mission import Mission

_MOST_ZONES, _MOST_CORNERS = 40, 100
_STEP_M = 2.0
_CLEARANCE_M = Limits().clearance_m
_SHUTTER_S = 0.0005
"""As our own patterns have it."""


class ImportWish(Frozen):
    """What is known of a flight besides its file."""

    asset_id: AssetId = Field(description="what is inspected, and kept clear of", examples=["wt-01"])
    name: str = Field(default="", max_length=200, description="of the file", examples=["ridge.plan"])
    source: Format | None = Field(default=None, description="default: told from the file and its name")
    home: GeoPoint | None = Field(
        default=None, description="instead of the plan's own; where it names none or not how high, default: the site's"
    )
    wind_mps: StrictFloat | None = Field(default=None, ge=0, le=60, description="forecast; unchecked when left out")
    max_alt_rel_m: float = Field(default=120.0, ge=5, le=500, description="above home")
    return_alt_rel_m: float = Field(default=30.0, ge=5, le=500, description="the least height of the way home")
    drone_id: DroneId | None = Field(default=None, description="whose camera; default: the site's first drone")
    plan_id: PlanId | None = Field(default=None, description="which plan gets this as its next version")


class Import(Frozen):
    """What an imported plan was made of: kept as its parameters."""

    source: Format
    name: str
    sha256: Sha256
    """Of the file."""
    camera: CameraIntrinsics
    report: LossReport
    route: Route


class Shelved(NamedTuple):
    """A stored plan, and what of its file will not be flown."""

    row: Plan
    report: LossReport


def store(
    session: Session, routes: Routes, content: bytes, wish: ImportWish, by: str, terrain: Terrain | None = None
) -> Shelved:
    """Import a plan: its route, its checks, its estimates.

    Raises:
        NotFound: No such asset, drone or plan.
        InvalidInput: The file breaks its format's rules, or something in it cannot be flown; line or item is named.
        TooLarge: It is over a limit.

    """
    asset = assets.asset(session, wish.asset_id)
    source = wish.source or formats.of_content(content, wish.name)
    mission, on_reading = conversion.read(content, source)
    ledger = Ledger()
    adopted = adopt(mission, ledger, _home(session, asset, mission, wish), terrain)
    zones = site_zones.of_site(session, asset.site_id)
    enforced = (*_zones(mission), *site_zones.for_the_drone(zones))[:_MOST_ZONES]
    plan_id, version = wish.plan_id or mint("pln"), plans.next_version(session, wish.plan_id)
    around = _around(session, asset, adopted)
    route = _route(adopted, wish, enforced, around, (plan_id, version))
    made = Import(
        source=source,
        name=wish.name,
        sha256=hashlib.sha256(content).hexdigest(),
        camera=assets.camera_on_site(session, asset.site_id, wish.drone_id) or DEFAULT_CAMERA,
        report=conversion.report(source, None, mission, (*on_reading, *ledger.losses)),
        route=route,
    )
    flies = planned.mission_of(route, Ledger())
    row = Plan(
        plan_id=plan_id,
        version=version,
        asset_id=wish.asset_id,
        pattern=plans.IMPORTED,
        params=made.model_dump(mode="json"),
        content_hash=route.content_hash(),
        checks=[check.model_dump(mode="json") for check in _judged(made, flies, zones, terrain, around, wish)],
        estimates=estimate(made, flies, around.cones, wish.wind_mps or 0.0).model_dump(mode="json"),
        part=1,
        parts=1,
        created_by=by,
    )
    plans.shelve(session, routes, [row], [route], by)
    return Shelved(row, made.report)


def _judged(
    made: Import,
    flies: Mission,
    zones: tuple[SiteZone, ...],
    terrain: Terrain | None,
    around: _Around,
    wish: ImportWish,
) -> list[Check]:
    limits = Limits(max_alt_rel_m=wish.max_alt_rel_m, return_alt_rel_m=wish.return_alt_rel_m)
    cones = around.cones + around.beside
    found = missions.judge(flies, zones, terrain, wind_mps=wish.wind_mps or 0.0, limits=limits, cones=cones)
    found += [flying.floor(made.route), recording(made.route), losses(made.report), checks.message_size(made.route)]
    return found if wish.wind_mps is None else [*found, conditions.wind(wish.wind_mps)]


def _home(session: Session, asset: Asset, mission: Mission, wish: ImportWish) -> GeoPoint | None:
    """Return the take-off where the plan's own is not to be taken: None where it is."""
    known = mission.home is not None and mission.home.altitude is not None
    if wish.home is not None or known:
        return wish.home
    return assets.home_of(assets.site(session, asset.site_id))


def _zones(mission: Mission) -> tuple[Zone, ...]:
    """Return a plan's own fences as zones that the drone keeps.

    Raises:
        InvalidInput: There are too many, or one has too many corners, for a drone to keep.

    """
    for number, fence in enumerate(mission.fences):
        if number >= _MOST_ZONES or len(getattr(fence, "vertices", ())) > _MOST_CORNERS:
            raise InvalidInput(
                f"Fence {number} of the plan is too much for a drone: {_MOST_ZONES} fences of {_MOST_CORNERS} corners.",
                hint="Draw them with fewer corners.",
                field=f"fences.{number}",
            )
    owned = missions.own_zones(mission)
    return tuple(Zone(kind=z.kind, corners=z.corners, centre=z.centre, radius_m=z.radius_m) for z in owned)


class _Around(NamedTuple):
    """What stands about a plan, in metres about its take-off."""

    cones: tuple[Cone, ...]
    """Of the asset, near the plan."""
    beside: tuple[Cone, ...]
    """Of other assets."""
    passed: tuple[Solid, ...]
    """Those of them that go with the route."""


def _around(session: Session, asset: Asset, adopted: Adopted) -> _Around:
    """Return what of the asset and of its neighbours the plan passes.

    Raises:
        InvalidInput: There is more than a drone keeps away from.

    """
    frame = LocalFrame(rounded(adopted.home))
    places = [Enu(0.0, 0.0, 0.0), *(frame.to_enu(waypoint.point) for waypoint in adopted.waypoints)]
    cones = bodies.near(bodies.of_asset(assets.geometry_of(asset), frame), places)
    area = neighbours.area_over(frame, places)
    solids = neighbours.of_site(session, asset.site_id, but=asset.asset_id, area=area)
    beside, passed = bodies.Beside(solids).about(frame, places)
    if len(cones) + len(passed) > MAX_SOLIDS:
        raise InvalidInput(
            f"The plan passes {len(cones) + len(passed)} parts of {asset.asset_id} and its neighbours; {MAX_SOLIDS} are"
            " sound.",
            hint="Split it into several plans.",
            field="content_base64",
        )
    return _Around(cones, beside, passed)


def _route(adopted: Adopted, wish: ImportWish, zones: tuple[Zone, ...], around: _Around, of: tuple[str, int]) -> Route:
    home = rounded(adopted.home)
    points = [waypoint.point for waypoint in adopted.waypoints]
    widest_m = max((waypoint.orbit.radius_m for waypoint in adopted.waypoints if waypoint.orbit), default=0.0)
    return Route(
        plan_id=of[0],
        version=of[1],
        asset_id=wish.asset_id,
        pattern=plans.IMPORTED,
        home=home,
        standoff_m=_CLEARANCE_M,
        fence=flying.fence_round(home, points, wish.max_alt_rel_m, zones, widest_m),
        waypoints=adopted.waypoints,
        solids=(*bodies.solids_of(around.cones, LocalFrame(home), _CLEARANCE_M), *around.passed),
    )


def recording(route: Route) -> Check:
    """Say whether anything is recorded; what starts also stops, the reading saw to that."""
    if any(waypoint.action is WaypointAction.START_VIDEO for waypoint in route.waypoints):
        return Check(name="recording", verdict=Verdict.PASS, sentence="Each recording that starts also stops.")
    return Check(
        name="recording",
        verdict=Verdict.WARN,
        sentence="Nothing is recorded: the plan starts neither video nor a series of photos.",
        mend="Add the start and stop of a recording where the asset is to be looked at.",
    )


def losses(report: LossReport) -> Check:
    """Say what of the file will not be flown."""
    dropped = [loss for loss in report.losses if loss.severity is Severity.DROPPED]
    if not dropped:
        return Check(name="imported_losses", verdict=Verdict.PASS, sentence="Everything in the file is flown.")
    said = " ".join(f"{loss.kind}{'' if loss.item is None else f' {loss.item}'}: {loss.words}" for loss in dropped[:3])
    return Check(
        name="imported_losses",
        verdict=Verdict.WARN,
        sentence=f"{len(dropped)} things in the file will not be done, among them {said}",
        mend="Read the report, and fly it only if the rest is what you want.",
        value=float(len(dropped)),
        limit=0.0,
        unit="losses",
    )


def estimate(made: Import, flies: Mission, cones: tuple[Cone, ...], wind_mps: float) -> Estimates:
    """Return what flying takes. A pixel is counted at the mean distance from the asset, else from the take-off."""
    flown, legs = imported.flown(flies), of_route(made.route, 0.0).legs
    filmed, video_s, on = [], 0.0, False
    for leg, waypoint in zip(legs, made.route.waypoints, strict=True):
        if on:
            filmed.append(leg)
            video_s += estimates.leg_s(leg.end.minus(leg.start), leg.speed_mps)
        on = on if waypoint.action is WaypointAction.NONE else waypoint.action is WaypointAction.START_VIDEO
        if on and waypoint.orbit:
            video_s += waypoint.orbit.turns * math.tau * waypoint.orbit.radius_m / waypoint.speed_mps
    speed_mps, duration_s = max(leg.speed_mps for leg in legs), missions.duration_s(flown)
    times = Times(
        duration_s=duration_s,
        distance_m=sum(leg.length_m for leg in flown.track.legs),
        video_s=video_s,
        battery_percent=estimates.battery_percent(duration_s, speed_mps, wind_mps),
    )
    points = Track(flown.track.frame, tuple(filmed or legs)).samples(_STEP_M).points
    away_m = distances_m(cones, points).min(axis=1) if cones else np.maximum(points[:, 2], 0.0)
    shot = Shot(made.camera, max(1.0, float(away_m.mean())))
    inspected_m = sum(leg.length_m for leg in filmed)
    return estimates.of_flight(times, shot, shot.blur_px(speed_mps, _SHUTTER_S), inspected_m)
