"""How many planted defects are found, by size in pixels, light and kind, and how many findings are false.

    python -m benchmarks.planted --seeds 50 --light all --jobs 2 --minutes 15 --json > planted.json
    kestrel-vision planted models/kestrel-blade-n.onnx planted.json    # into the detector's card

A flight here is the key frames of an inspection, without the frames between: for each seed a turbine with twelve
defects (two of each kind, lengths from 12 to 200 pixels at 10 m), two views of each defect and one of each of eight
places that have none, rendered with the simulator's camera (its focal length; the middle 1920 x 1080 of it; no codec)
and analysed as the worker does: strips, detector, second look, merge, tracks, acceptance. Poses are stated without
error. A defect is found where a finding lies within 0.3 m of its outline; a finding is false where it lies so near
none. A fifth or so of a turbine's surface is looked at, so false findings are told as counted, and scaled to all of it.
"""

from __future__ import annotations

import argparse
import json
import math
import multiprocessing
import os
import random
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from datetime import UTC, datetime
from functools import cache
from itertools import pairwise
from typing import Any, NamedTuple

import typer
from scipy.stats import binomtest

from contracts.findings import Detection
from contracts.geo import Pose
from contracts.optics import CameraIntrinsics
from contracts.places import AnyPlace, on_blade
from contracts.turbine import SurfacePlace, TurbineGeometry
from contracts.vocabulary import AssetKind, Blade, BladeSide, DefectKind
from simulators.defects import PAINTED_KINDS, PlantedDefect, Want, random_defect
from simulators.render import Renderer
from simulators.sensor import Shot
from simulators.truthboxes import Truth
from simulators.world import Asset, Weather, default_scene
from tests.vision_views import manifest_of, square_on
from vision.analysis import SegmentAnalyser
from vision.detector import SHIPPED, Detector, load_card, open_detector

CAMERA = CameraIntrinsics(width_px=1920, height_px=1080, focal_px=5120.0)
STANDOFF_M, NEAR_M, STEP_M, CLEARANCE_M = 10.0, 0.3, 0.8, 1.5
PX_PER_M = CAMERA.focal_px / STANDOFF_M
SIZES_PX = (12, 24, 48, 96, math.inf)
LIGHTS = {
    "noon": (Weather(sun_elevation_deg=58.0, sun_share=0.55), Shot(noise=1.0)),
    "low sun": (Weather(sun_azimuth_deg=120.0, sun_elevation_deg=9.0, sun_share=0.8, haze=0.7), Shot(noise=1.5)),
    "overcast": (Weather(sun_share=0.0, cloud_cover=0.95), Shot(noise=1.5)),
    "dusk": (Weather(sun_elevation_deg=3.0, sun_share=0.15, cloud_cover=0.7), Shot(exposure=0.72, noise=4.0)),
}
RECALL_BAR, FALSE_BAR = 0.95, 1.0
_SIDES = {DefectKind.LEADING_EDGE_EROSION: (BladeSide.LE,)}
_CLEAN = 8


class Planted(NamedTuple):
    """One planted defect after a flight."""

    kind: str
    light: str
    px: float
    """Longer side of its box in the picture that shows it largest."""
    found: bool
    shown: bool
    """Found, or left to a person."""


class Flown(NamedTuple):
    """One flight: its defects, its false findings, and how much of the blades was looked at."""

    planted: tuple[Planted, ...]
    false: tuple[str, ...]
    false_for_review: int
    looked_at_share: float


def plant(seed: int, asset: Asset) -> list[PlantedDefect]:
    """Return two defects of each kind, none near another, their lengths spread evenly over powers of two."""
    rng = random.Random(f"planted/{seed}")
    made: list[PlantedDefect] = []
    for kind in (*PAINTED_KINDS, *PAINTED_KINDS):
        length_mm = 1000 / PX_PER_M * 2 ** rng.uniform(math.log2(12.5), math.log2(200))
        while True:
            side = rng.choice(_SIDES.get(kind, (BladeSide.PS, BladeSide.SS, BladeSide.LE)))
            want = Want(kind, "small", rng.choice(list(Blade)), side)
            drawn = random_defect(rng, asset, want, f"{asset.asset_id}-p{len(made):02}")
            if drawn and all(_apart(drawn.place, other.place) > CLEARANCE_M for other in made):
                break
        scale = length_mm / max(drawn.length_mm, drawn.width_mm)
        size = {"length_mm": drawn.length_mm * scale, "width_mm": drawn.width_mm * scale}
        if scale > 1:
            size["width_mm"] = drawn.width_mm  # the room across is what random_defect found
        made.append(drawn.model_copy(update=size))
    return made


def _apart(one: SurfacePlace, other: SurfacePlace) -> float:
    return abs(one.distance_to_root_m - other.distance_to_root_m) if one.blade is other.blade else math.inf


def views(seed: int, geometry: TurbineGeometry, defects: Sequence[PlantedDefect]) -> list[Pose]:
    """Return the key frames: two of each defect, one of each clean place."""
    rng = random.Random(f"views/{seed}")
    poses = [p for d in defects for p in _along(geometry, d.place, (-STEP_M / 2, STEP_M / 2), rng)]
    clean: list[SurfacePlace] = []
    while len(clean) < _CLEAN:
        blade, side = rng.choice(list(Blade)), rng.choice(list(BladeSide))
        place = SurfacePlace(blade=blade, side=side, distance_to_root_m=rng.uniform(3, 22), offset_m=0.0)
        if all(_apart(place, d.place) > 2 * CLEARANCE_M for d in defects) or rng.random() < 0.01:
            clean.append(place)
    return poses + [p for place in clean for p in _along(geometry, place, (0.0,), rng)]


def _along(
    geometry: TurbineGeometry, place: SurfacePlace, steps_m: Sequence[float], rng: random.Random
) -> Iterator[Pose]:
    shift = rng.uniform(-0.4, 0.4)
    for step in steps_m:
        along = min(max(0.5, place.distance_to_root_m + shift + step), geometry.blade_length_m - 0.3)
        middle = geometry.side_width_m(place.side, along) / 2
        aimed = place.model_copy(update={"distance_to_root_m": along, "offset_m": middle})
        yield square_on(geometry, aimed, STANDOFF_M)


@cache
def finder() -> Detector:
    """Open the detector once in each process, on one thread: flights run beside one another."""
    return open_detector(SHIPPED, threads=1)


def fly(seed: int, light: str) -> Flown:
    """Render and analyse one flight."""
    scene = default_scene(seed)
    asset, (weather, plain) = scene.assets[0], LIGHTS[light]
    geometry, defects = asset.geometry, plant(seed, scene.assets[0])
    poses, renderer = views(seed, geometry, defects), Renderer(scene, asset, defects)
    shots = [plain._replace(weather=weather, noise_seed=1000 * seed + n, shutter_s=1 / 2000) for n in range(len(poses))]
    images = (renderer.frame(pose, CAMERA, shot) for pose, shot in zip(poses, shots, strict=True))
    manifest = manifest_of(b"views", poses, CAMERA)
    detections, coverage = SegmentAnalyser(finder()).analyse_views(images, manifest, geometry)
    planted, wrong = compared(geometry, defects, detections, sizes_px(geometry, defects, poses), light)
    false = tuple(f.kind.value for f in wrong if not f.for_review)
    metres = sum(cell.seen_share for cell in coverage)
    return Flown(
        planted, false, len(wrong) - len(false), metres / (len(Blade) * len(BladeSide) * geometry.blade_length_m)
    )


def compared(
    geometry: TurbineGeometry,
    defects: Sequence[PlantedDefect],
    detections: Sequence[Detection],
    px: Mapping[str, float],
    light: str,
) -> tuple[tuple[Planted, ...], list[Detection]]:
    """Return what became of each defect that was seen (``px``: its size by its id), and the detections of none."""
    near = [[d.defect_id for d in defects if is_near(geometry, d, f.place)] for f in detections]
    shown = {name for names in near for name in names}
    found = {name for f, names in zip(detections, near, strict=True) for name in names if not f.for_review}
    seen = [d for d in defects if d.defect_id in px]
    planted = tuple(
        Planted(d.kind.value, light, px[d.defect_id], d.defect_id in found, d.defect_id in shown) for d in seen
    )
    return planted, [f for f, names in zip(detections, near, strict=True) if not names]


def sizes_px(
    geometry: TurbineGeometry,
    defects: Sequence[PlantedDefect],
    poses: Sequence[Pose],
    camera: CameraIntrinsics = CAMERA,
) -> dict[str, float]:
    """Return the longer side of each defect's box in the picture that shows it largest, by its id."""
    truth, largest = Truth(geometry, defects), dict[str, float]()
    for pose in poses:
        for box in truth.visible(pose, camera):
            side = max(box.x1 - box.x0, box.y1 - box.y0)
            largest[box.defect.defect_id] = max(side, largest.get(box.defect.defect_id, 0.0))
    return largest


def is_near(geometry: TurbineGeometry, defect: PlantedDefect, found: AnyPlace | None) -> bool:
    """Return whether a finding is of a defect."""
    place = on_blade(found)
    if place is None:
        return False
    apart = geometry.surface_point(defect.place).minus(geometry.surface_point(place)).norm()
    return apart <= NEAR_M + max(defect.length_mm, defect.width_mm) / 2000


def flights(
    wanted: Sequence[tuple[int, str]], jobs: int, minutes: float, fly: Callable[[int, str], Flown]
) -> list[Flown]:
    """Fly as many as the time allows, a few at once, in the order asked for."""
    ends, todo, made = time.monotonic() + 60 * minutes, list(reversed(wanted)), list[Flown]()
    running: set[Future[Flown]] = set()
    with (
        ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn")) as pool,
        typer.progressbar(length=len(wanted), label="flights", file=sys.stderr) as bar,
    ):
        while todo or running:
            while todo and len(running) < jobs and time.monotonic() < ends:
                running.add(pool.submit(fly, *todo.pop()))
            if time.monotonic() >= ends:
                todo.clear()
            done, running = wait(running, return_when=FIRST_COMPLETED)
            made += [one.result() for one in done]
            bar.update(len(done))
    return made


def recall(planted: Sequence[Planted]) -> dict[str, Any]:
    """Return a recall with its exact 95 % interval."""
    hits = sum(p.found for p in planted)
    if not planted:
        return {"found": 0, "of": 0}
    between = binomtest(hits, len(planted)).proportion_ci(method="exact")
    interval = [round(float(v), 3) for v in between]
    return {"found": hits, "of": len(planted), "recall": round(hits / len(planted), 3), "interval_95": interval}


def told(made: Sequence[Flown]) -> dict[str, Any]:
    """Return the figures of all flights."""
    planted = [p for flown in made for p in flown.planted if p.px >= SIZES_PX[0]]
    false, looked_at = sum(len(f.false) for f in made), sum(f.looked_at_share for f in made)
    kinds = sorted({p.kind for p in planted})
    return {
        "detector_sha256": load_card(SHIPPED).sha256,
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "asset_kind": AssetKind.WIND_TURBINE.value,
        "from_px": SIZES_PX[0],
        "flights": len(made),
        "all": recall(planted),
        "by_size": {
            f"{low} to {high} px": recall([p for p in planted if low <= p.px < high])
            for low, high in pairwise(SIZES_PX)
        },
        "by_light": {name: recall([p for p in planted if p.light == name]) for name in LIGHTS},
        "by_kind": {name: recall([p for p in planted if p.kind == name]) for name in kinds},
        "found_or_for_review": recall([p._replace(found=p.shown) for p in planted]),
        "false_for_review": sum(f.false_for_review for f in made),
        "false_findings": false,
        "false_per_flight_as_looked_at": round(false / max(len(made), 1), 3),
        "looked_at_share_of_a_turbine": round(looked_at / max(len(made), 1), 3),
        "false_per_whole_turbine": round(false / looked_at, 3) if looked_at else None,
        "bars": {"recall": RECALL_BAR, "false_per_flight": FALSE_BAR},
    }


class Asked(NamedTuple):
    """What the command line asks for."""

    flights: list[tuple[int, str]]
    """Seed and light of each."""
    jobs: int
    minutes: float
    as_json: bool

    def tell(self, figures: dict[str, Any]) -> None:
        """Print figures."""
        print(json.dumps(figures) if self.as_json else "\n".join(f"{name}: {value}" for name, value in figures.items()))


def asked(description: str | None, *, seeds: int, first_seed: int) -> Asked:
    """Return what the command line asks for, so many seeds where it does not say."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=seeds)
    parser.add_argument("--first-seed", type=int, default=first_seed)
    parser.add_argument("--light", choices=["all", *LIGHTS], default="all")
    parser.add_argument("--jobs", type=int, default=min(2, os.cpu_count() or 1))
    parser.add_argument("--minutes", type=float, default=math.inf)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    lights = list(LIGHTS) if given.light == "all" else [given.light]
    numbers = range(given.first_seed, given.first_seed + given.seeds)
    return Asked([(seed, light) for seed in numbers for light in lights], given.jobs, given.minutes, given.json)


def main() -> int:
    """Print the figures; exit 1 where a bar is missed."""
    given = asked(__doc__, seeds=5, first_seed=900)
    figures = told(flights(given.flights, given.jobs, given.minutes, fly))
    given.tell(figures)
    good = figures["all"].get("recall", 0) >= RECALL_BAR and (figures["false_per_whole_turbine"] or 0) <= FALSE_BAR
    return 0 if good else 1


if __name__ == "__main__":
    raise SystemExit(main())
