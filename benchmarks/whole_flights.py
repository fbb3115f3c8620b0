"""How many defects a whole inspection finds, and how many of its findings are false.

    python -m benchmarks.whole_flights --seeds 4 --light all --jobs 2 --json

A flight here is all that the demo flies, without its platform: the planned route round a turbine's three blades with
the ten defects of ``kestrel demo --seed``, filmed in 4K at 6 frames a second, each recording's key frames chosen,
rendered with motion blur and H.264, and analysed as the worker does. So it has what ``benchmarks.planted`` has not:
passes along the edges, the sides seen aslant from them, roots and tips. It does not have the codec's memory between
frames nor the aircraft's sway. Found and false mean what they do there; what a turbine shows twice in one place (two
passes over an edge) is counted once.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

from benchmarks.planted import LIGHTS, NEAR_M, Flown, asked, compared, finder, flights, sizes_px, told
from cloud.planning import planner
from cloud.planning.pattern import BladesParams, PlanInputs
from contracts.findings import CoverageCell, Detection
from contracts.geo import Enu, LocalFrame, Pose, interpolate_yaw_deg
from contracts.places import on_blade
from contracts.routes import Route, Waypoint, WaypointAction
from contracts.turbine import TurbineGeometry
from contracts.vocabulary import Blade, BladeSide
from simulators.aging import h264_still
from simulators.defects import planted_in
from simulators.render import Renderer
from simulators.world import Asset, default_scene
from tests.vision_views import manifest_of
from vision.analysis import SegmentAnalyser
from vision.frames import choose, fill, footprints
from vision.turbine_grid import Turbine

FPS, CRF = 6, 21.0
_FLOWN = BladesParams(speed_mps=5.0, transit_speed_mps=10.0, max_camera_pitch_deg=90)


class Filmed(NamedTuple):
    """One frame of a recording."""

    pose: Pose
    velocity: Enu


def recordings(route: Route) -> list[list[Filmed]]:
    """Return the frames of each recording of a route flown as planned."""
    made: list[list[Filmed]] = []
    running = False
    for before, after in pairwise(route.waypoints):
        if before.action is WaypointAction.START_VIDEO:
            running = True
            made.append([])
        if before.action is WaypointAction.STOP_VIDEO:
            running = False
        if running:
            made[-1] += _leg(before, after)
    return [frames for frames in made if frames]


def _leg(before: Waypoint, after: Waypoint) -> Iterator[Filmed]:
    frame = LocalFrame(before.point)
    way = frame.to_enu(after.point)
    steps = max(1, round(way.norm() / after.speed_mps * FPS))
    velocity = way.times(FPS / steps)
    for step in range(steps):
        share = step / steps
        pitch_deg = before.camera_pitch_deg + share * (after.camera_pitch_deg - before.camera_pitch_deg)
        yaw_deg = interpolate_yaw_deg(before.camera_yaw_deg % 360.0, after.camera_yaw_deg % 360.0, share)
        yield Filmed(Pose(point=frame.to_geo(way.times(share)), yaw_deg=yaw_deg, pitch_deg=pitch_deg), velocity)


def fly(seed: int, light: str) -> Flown:
    """Plan, film and analyse one flight."""
    scene = default_scene(seed)
    asset, defects = scene.assets[0], [d for d in planted_in(scene, 1) if d.asset_id == scene.assets[0].asset_id]
    geometry, renderer = asset.geometry, Renderer(scene, asset, defects)
    weather, plain = LIGHTS[light]
    surface, analyser = Turbine(geometry), SegmentAnalyser(finder())
    detections: list[Detection] = []
    cells: dict[tuple[object, ...], CoverageCell] = {}
    looked: list[Pose] = []
    for filmed in recordings(route_of(asset)):
        whole = manifest_of(b"film", [one.pose for one in filmed], scene.camera, FPS)
        prints = footprints(surface, whole, len(filmed))
        keys = [filmed[i] for i in fill(choose(prints.shown), prints.well)]
        shots = [
            plain._replace(weather=weather, velocity=one.velocity, noise_seed=len(looked) + n, shutter_s=1 / 2000)
            for n, one in enumerate(keys)
        ]
        poses = [one.pose for one in keys]
        looked += poses
        images = (h264_still(renderer.frame(p, scene.camera, s), CRF) for p, s in zip(poses, shots, strict=True))
        found, coverage = analyser.analyse_views(images, manifest_of(b"views", poses, scene.camera), geometry)
        detections += found
        for cell in coverage:
            key = (cell.blade, cell.side, cell.cell)
            cells[key] = max(cell, cells.get(key, cell), key=lambda c: c.seen_share)
    px = sizes_px(geometry, defects, looked, scene.camera)
    planted, wrong = compared(geometry, defects, detections, px, light)
    false = _distinct(geometry, [f for f in wrong if not f.for_review])
    metres = sum(cell.seen_share for cell in cells.values())
    return Flown(
        planted,
        tuple(f"{seed} {light}: {_said(f)}" for f in false),
        len(_distinct(geometry, [f for f in wrong if f.for_review])),
        metres / (len(Blade) * len(BladeSide) * geometry.blade_length_m),
    )


def route_of(asset: Asset) -> Route:
    """Return the route that the demo flies."""
    inputs = PlanInputs(asset_id=asset.asset_id, geometry=asset.geometry, home=asset.home, blades=_FLOWN)
    return planner.plan(inputs, "pln-1", 1).route


def _distinct(geometry: TurbineGeometry, found: list[Detection]) -> list[Detection]:
    """Return one detection of each place."""
    kept: list[Detection] = []
    for one in sorted(found, key=lambda f: -f.confidence):
        place = on_blade(one.place)
        if place is None:
            kept.append(one)
            continue
        at = geometry.surface_point(place)
        others = [geometry.surface_point(p) for other in kept if (p := on_blade(other.place)) is not None]
        if all(at.minus(other).norm() > NEAR_M + one.length_mm / 2000 for other in others):
            kept.append(one)
    return kept


def _said(found: Detection) -> str:
    place = on_blade(found.place)
    where = f"{place.blade} {place.side} {place.distance_to_root_m:.1f} m" if place else "tower"
    return f"{found.kind.value} {where} {found.length_mm:.0f} mm {found.confidence:.2f}"


def main() -> int:
    """Print the figures; exit 1 where a bar is missed."""
    given = asked(__doc__, seeds=1, first_seed=1)
    made = flights(given.flights, given.jobs, given.minutes, fly)
    figures = told(made) | {"false": [said for flown in made for said in flown.false]}
    given.tell(figures)
    bars = figures["bars"]
    good = figures["all"].get("recall", 0) >= bars["recall"]
    return 0 if good and figures["false_per_flight_as_looked_at"] <= bars["false_per_flight"] else 1


if __name__ == "__main__":
    raise SystemExit(main())
