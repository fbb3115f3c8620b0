"""Whether what is declared seen was seen: key frames at stated poses against the simulator's own lines of sight.

    python -m benchmarks.coverage --flights 20 --json

Each flight passes along three sides of a turbine with a random rotor, at random standoffs and over random stretches.
Kestrel has the poses as stated (with their errors) and its key frames. The truth has every recorded frame's true pose,
a denser grid and the simulator's lines of sight (blades, tower, nacelle). A metre of a side is seen from 80 % of its
area on.
"""

from __future__ import annotations

import argparse
import json
from typing import Any, NamedTuple

import numpy as np

from contracts.geo import Enu, GeoPoint, Pose
from contracts.media import FrameTime, PoseSample, SegmentManifest
from contracts.optics import CameraIntrinsics
from contracts.turbine import SurfacePlace, TurbineGeometry
from contracts.vocabulary import Blade, BladeSide
from simulators.truthboxes import hidden
from simulators.views import View
from vision.coverage import MAX_INCIDENCE_DEG, Coverage
from vision.frames import Timeline, choose, fill, footprints
from vision.turbine_grid import Turbine

Cell = tuple[Blade, BladeSide, int]
CAMERA = CameraIntrinsics(width_px=3840, height_px=2160, focal_px=5120.0)
POSITION_SIGMA_M, ATTITUDE_SIGMA_DEG = 0.03, 0.1
SEEN_SHARE = 0.8
BAR = 0.98
STEP_M, FRAMES_PER_S, START_US = 0.2, 10, 1_790_000_000_000_000
ALONG, ACROSS = 6, 6
"""Truth's points per metre of a side, and over its width."""


class Flight(NamedTuple):
    """One turbine, and the camera's true poses in order."""

    geometry: TurbineGeometry
    poses: tuple[Pose, ...]


def flight(seed: int, sides: int) -> Flight:
    """Return a random flight past so many sides."""
    rng = np.random.default_rng(seed)
    foot = GeoPoint(lat_deg=56.7, lon_deg=8.2, alt_m=45.0)
    geometry = TurbineGeometry(
        foot=foot, rotor_azimuth_deg=float(rng.uniform(0, 360)), blade_pitch_deg=float(rng.choice([0.0, 45.0, 90.0]))
    )
    every = [(b, s) for b in Blade for s in BladeSide]
    flown = [every[i] for i in rng.choice(len(every), sides, replace=False)]
    poses = [pose for blade, side in flown for pose in _pass(geometry, blade, side, rng)]
    return Flight(geometry, tuple(poses))


def _pass(geometry: TurbineGeometry, blade: Blade, side: BladeSide, rng: np.random.Generator) -> list[Pose]:
    first_m, last_m = float(rng.uniform(0.0, 6.0)), float(rng.uniform(14.0, geometry.blade_length_m))
    standoff_m, lean_deg = float(rng.uniform(7.0, 19.0)), float(rng.uniform(-35.0, 35.0))
    span, _, _ = geometry.blade_axes(blade)
    normal = geometry.facet(blade, side).normal
    across = span.cross(normal)
    lean = np.radians(lean_deg)
    away = normal.times(float(np.cos(lean))).plus(across, float(np.sin(lean)))
    poses = []
    for metres in np.arange(first_m, last_m, STEP_M):
        offset = 0.5 * geometry.side_width_m(side, float(metres))
        place = SurfacePlace(blade=blade, side=side, distance_to_root_m=float(metres), offset_m=offset)
        target = geometry.surface_point(place)
        poses.append(_looking(geometry, target.plus(away, standoff_m), target))
    return poses


def _looking(geometry: TurbineGeometry, eye: Enu, target: Enu) -> Pose:
    axis = target.minus(eye).unit()
    yaw = float(np.degrees(np.arctan2(axis.east, axis.north))) % 360.0
    return Pose(point=geometry.frame().to_geo(eye), yaw_deg=yaw, pitch_deg=float(np.degrees(np.arcsin(axis.up))))


def stated(flown: Flight, seed: int) -> SegmentManifest:
    """Return what the drone says: each pose with its error."""
    rng, frame = np.random.default_rng([seed, 1]), flown.geometry.frame()
    samples = []
    for number, pose in enumerate(flown.poses):
        eye = frame.to_enu(pose.point).plus(Enu(*map(float, rng.normal(0, POSITION_SIGMA_M, 3))))
        turn = rng.normal(0, ATTITUDE_SIGMA_DEG, 2)
        said = Pose(
            point=frame.to_geo(eye),
            yaw_deg=(pose.yaw_deg + float(turn[0])) % 360.0,
            pitch_deg=float(np.clip(pose.pitch_deg + turn[1], -90, 90)),
        )
        samples.append(PoseSample(t_us=START_US + number * 1_000_000 // FRAMES_PER_S, pose=said))
    return SegmentManifest(
        segment_id="flt-one.00000", flight_id="flt-one", drone_id="drone-1", asset_id="wt-01", index=0,
        sha256="0" * 64, size_bytes=1, codec="h264", started_at="2026-09-21T00:00:00Z",
        frames=tuple(FrameTime(pts_ms=1000 * i / FRAMES_PER_S, t_us=s.t_us) for i, s in enumerate(samples)),
        poses=tuple(samples), camera=CAMERA, pose_sigma_m=POSITION_SIGMA_M, attitude_sigma_deg=ATTITUDE_SIGMA_DEG,
    )  # fmt: skip


class Declared(NamedTuple):
    """What Kestrel says was seen, and how many frames it looked at: chosen by movement, and to fill gaps."""

    cells: set[Cell]
    chosen: int
    filled: int


def declared(geometry: TurbineGeometry, manifest: SegmentManifest) -> Declared:
    """Return the cells that Kestrel says were seen."""
    surface = Turbine(geometry)
    coverage, timeline = Coverage(surface, manifest.camera), Timeline(manifest)
    prints = footprints(surface, manifest, len(manifest.frames))
    chosen = choose(prints.shown)
    looked = fill(chosen, prints.well)
    for index in looked:
        coverage.add(surface.sight(timeline.pose(index), manifest.camera), 100.0)
    cells = {(c.blade, c.side, c.cell) for c in coverage.cells() if c.seen_share >= SEEN_SHARE}
    return Declared(cells, len(chosen), len(looked) - len(chosen))


def truth(flown: Flight) -> set[Cell]:
    """Return the cells that some recorded frame truly shows."""
    views = [View(flown.geometry, pose, CAMERA) for pose in flown.poses]
    return {
        (blade, side, cell)
        for blade in Blade
        for side in BladeSide
        for cell in _seen_of(flown.geometry, views, blade, side)
    }


def _seen_of(geometry: TurbineGeometry, views: list[View], blade: Blade, side: BladeSide) -> set[int]:
    cells = int(np.ceil(geometry.blade_length_m))
    places = [
        SurfacePlace(blade=blade, side=side, distance_to_root_m=m, offset_m=s * geometry.side_width_m(side, m))
        for m in (np.arange(cells * ALONG) + 0.5) / ALONG
        if m < geometry.blade_length_m
        for s in (np.arange(ACROSS) + 0.5) / ACROSS
    ]
    points = [geometry.surface_point(p) for p in places]
    array, normal = np.array(points), np.array(geometry.facet(blade, side).normal)
    seen = np.zeros(len(places), np.bool_)
    for view in views:
        for index in np.nonzero(_shown(view, array, normal) & ~seen)[0]:
            seen[index] = not hidden(geometry, view.eye, points[index], places[index])
    cell = np.array([int(p.distance_to_root_m) for p in places])
    return {int(c) for c in np.unique(cell) if seen[cell == c].mean() >= SEEN_SHARE}


def _shown(view: View, points: Any, normal: Any) -> Any:
    pixels, depth = view.project(points)
    ray = np.array(view.eye) - points
    distance = np.linalg.norm(ray, axis=1)
    steep = (ray @ normal) / distance > np.cos(np.radians(MAX_INCIDENCE_DEG))
    inside = (pixels >= 0).all(axis=1) & (pixels[:, 0] < CAMERA.width_px) & (pixels[:, 1] < CAMERA.height_px)
    return inside & steep & (depth > 0) & (1000 * distance / CAMERA.focal_px <= Turbine.max_gsd_mm_px)


def compared(seeds: range, sides: int = 3) -> dict[str, Any]:
    """Return precision and recall of the declared cells over flights, with the cells that were invented or lost."""
    right = invented = lost = chosen = filled = 0
    wrong: list[tuple[int, str, list[Any]]] = []
    for seed in seeds:
        flown = flight(seed, sides)
        said, true = declared(flown.geometry, stated(flown, seed)), truth(flown)
        ours, chosen, filled = said.cells, chosen + said.chosen, filled + said.filled
        right, invented, lost = right + len(ours & true), invented + len(ours - true), lost + len(true - ours)
        wrong += [(seed, "invented", list(c)) for c in sorted(ours - true)]
        wrong += [(seed, "lost", list(c)) for c in sorted(true - ours)]
    return {
        "flights": len(seeds),
        "cells_seen": right + lost,
        "precision": round(right / max(right + invented, 1), 4),
        "recall": round(right / max(right + lost, 1), 4),
        "bar": BAR,
        "key_frames": {"by_movement": chosen, "to_fill_gaps": filled},
        "wrong": wrong,
    }


def main() -> int:
    """Print the figures; exit 1 where a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--flights", type=int, default=20)
    parser.add_argument("--first-seed", type=int, default=100)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    told = compared(range(given.first_seed, given.first_seed + given.flights))
    lines = (f"{name}: {value}" for name, value in told.items() if name != "wrong")
    print(json.dumps(told) if given.json else "\n".join(lines))
    return 0 if min(told["precision"], told["recall"]) >= BAR else 1


if __name__ == "__main__":
    raise SystemExit(main())
