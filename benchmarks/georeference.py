"""How well places are found without a model of the asset, on public photos of which only pose and pixels are known.

    python -m benchmarks.georeference --data ../shared/data --json

CPLID: photos of a tower, from several sides, through the gimbal's angles: how far the bearings of one site and day pass
the point where they cross, horizontally, beside plain least squares over all of them. Brighton: neighbouring photos
straight down: how far apart the same spots come out on flat ground at take-off height, each photo by its own pose. The
middle pass of that set is stored turned by 180 degrees without saying so: of both ways up the better one counts.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import timedelta
from itertools import pairwise, product
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np

from contracts.geo import GeoPoint, LocalFrame, Pose
from contracts.optics import CameraIntrinsics
from edge.captures.photo import read
from edge.captures.terms import Terms
from vision.triangulation import Bearing, Crossing, Reals, cross, meet_ground

CPLID_SENSOR_MM = 17.3
GIMBAL_SIGMA = (3.0, 2.0)
"""A consumer drone of 2016: GPS 3 m, gimbal and compass 2 degrees, 1 sigma."""
LEAST_VIEWS = 4
BAR_CPLID_M, BAR_BRIGHTON_M = 3.3, 1.5


class Site(NamedTuple):
    """One tower on one day."""

    name: str
    bearings: tuple[Bearing, ...]
    found: Crossing | None


def cplid_sites(data: Path) -> Iterator[Site]:
    """Yield every site-day with at least four views; each view is the bearing of its largest insulator."""
    days: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for line in (data / "eval_only/cplid/telemetry.jsonl").read_text().splitlines():
        row = json.loads(line)
        days[row["site"], row["utc_local"][:10]].append(row)
    for (site, day), rows in sorted(days.items()):
        if len(rows) >= LEAST_VIEWS:
            bearings = tuple(_bearing(row, rows[0]) for row in rows if row["insulators"])
            yield Site(f"{site} {day}", bearings, cross(bearings))


def _bearing(row: dict[str, Any], first: dict[str, Any]) -> Bearing:
    local = LocalFrame(GeoPoint(lat_deg=first["lat"], lon_deg=first["lon"], alt_m=0.0))
    camera = CameraIntrinsics(
        width_px=row["w"], height_px=row["h"], focal_px=row["focal_mm"] / CPLID_SENSOR_MM * row["w"]
    )
    pose = Pose(
        point=GeoPoint(lat_deg=row["lat"], lon_deg=row["lon"], alt_m=row["alt_rel"]),
        yaw_deg=row["gimbal_yaw"],
        pitch_deg=row["gimbal_pitch"],
        roll_deg=row["gimbal_roll"],
    )
    cx, cy, *_ = max(row["insulators"], key=lambda box: float(box[2] * box[3]))
    return Bearing.of_pixel(local.to_enu(pose.point), pose, camera, (cx * row["w"], cy * row["h"]), GIMBAL_SIGMA)


def _level_rays(bearings: tuple[Bearing, ...]) -> Reals:
    """Return the bearings' horizontal directions, (n, 2) unit vectors."""
    ray = np.array([b.ray[:2] for b in bearings])
    return np.asarray(ray / np.linalg.norm(ray, axis=1, keepdims=True))


def passed_m(bearings: tuple[Bearing, ...], point: Reals) -> Reals:
    """Return how far each bearing passes a point, horizontally."""
    ray = _level_rays(bearings)
    away = point[:2] - np.array([b.eye[:2] for b in bearings])
    return np.asarray(np.abs(away[:, 0] * ray[:, 1] - away[:, 1] * ray[:, 0]), np.float64)


def least_squares(bearings: tuple[Bearing, ...]) -> Reals:
    """Return the point with the least squared horizontal distance to all bearings: the plain alternative."""
    ray = _level_rays(bearings)
    across = np.eye(2) - ray[:, :, None] * ray[:, None, :]
    eyes = np.array([b.eye[:2] for b in bearings])
    return np.asarray(np.linalg.lstsq(across.sum(axis=0), np.einsum("nij,nj->i", across, eyes), rcond=None)[0])


def cplid(data: Path) -> dict[str, object]:
    """Return the figures over all site-days."""
    sites = list(cplid_sites(data))
    solved = [(s, s.found) for s in sites if s.found is not None]
    agreeing = [np.array(found.agreeing) for _, found in solved]
    ours = [passed_m(s.bearings, np.array(f.point))[a] for (s, f), a in zip(solved, agreeing, strict=True)]
    plain = [passed_m(s.bearings, least_squares(s.bearings)) for s in sites]
    return {
        "site_days": len(sites),
        "crossed": len(solved),
        "residual_m": _quartiles([float(np.median(r)) for r in ours]),
        "residual_rms_m": _quartiles([float(np.sqrt(np.mean(r**2))) for r in ours]),
        "plain_residual_m": _quartiles([float(np.median(r)) for r in plain]),
        "bearings_agreeing": round(float(np.concatenate(agreeing).mean()), 3),
        "ce90_m": _quartiles([found.ce90_m for _, found in solved]),
        "bar_m": BAR_CPLID_M,
    }


def brighton(data: Path) -> dict[str, object]:
    """Return how far apart neighbouring photos place the same spots of the ground."""
    photos = sorted((data / "clean/brighton_georef/images").glob("*.JPG"))
    steps = [made for a, b in pairwise(photos) if (made := _step_m(a, b)) is not None]
    return {
        "pairs": len(photos) - 1,
        "registered": len(steps),
        "stored_turned": sum(turned for _, turned in steps),
        "step_error_m": _quartiles([step for step, _ in steps]),
        "bar_m": BAR_BRIGHTON_M,
    }


class Shot(NamedTuple):
    """A photo and how its camera stood; the height is above take-off."""

    grey: Any
    pose: Pose
    camera: CameraIntrinsics


def _shot(path: Path) -> Shot:
    known = read(path, Terms("brighton", "ground", timedelta(0)))
    if known.place is None or known.direction is None or known.camera is None or known.place.alt_rel_m is None:
        raise SystemExit(f"{path} states no pose.")
    grey = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    place = known.place
    point = GeoPoint(lat_deg=place.lat_deg, lon_deg=place.lon_deg, alt_m=place.alt_rel_m)
    turned = known.direction
    pose = Pose(point=point, yaw_deg=turned.yaw_deg, pitch_deg=turned.pitch_deg, roll_deg=turned.roll_deg)
    return Shot(grey, pose, known.camera)


def _step_m(first: Path, second: Path) -> tuple[float, bool] | None:
    """Return the median distance between both photos' places of the same spots, and whether one is stored turned."""
    shots = _shot(first), _shot(second)
    pixels = matched(*(s.grey for s in shots))
    if pixels is None:
        return None
    local = LocalFrame(shots[0].pose.point.model_copy(update={"alt_m": 0.0}))
    tried = {
        turns: _apart_m(local, [_turned(s, turn) for s, turn in zip(shots, turns, strict=True)], pixels)
        for turns in product((0.0, 180.0), repeat=2)
    }
    best = min(tried, key=lambda turns: tried[turns])
    return tried[best], any(best)


def _turned(shot: Shot, by_deg: float) -> Shot:
    return shot._replace(pose=shot.pose.model_copy(update={"roll_deg": shot.pose.roll_deg + by_deg}))


def _apart_m(local: LocalFrame, shots: Sequence[Shot], pixels: Reals) -> float:
    on_ground = []
    for shot, spots in zip(shots, pixels, strict=True):
        eye = local.to_enu(shot.pose.point)
        bearings = [Bearing.of_pixel(eye, shot.pose, shot.camera, (float(x), float(y)), (1.0, 0.5)) for x, y in spots]
        met = [meet_ground(b, lambda _east, _north: 0.0) for b in bearings]
        on_ground.append([m.point if m else (np.nan,) * 3 for m in met])
    return float(np.nanmedian(np.linalg.norm(np.array(on_ground[0]) - np.array(on_ground[1]), axis=1)))


def matched(one: Any, two: Any, most: int = 40) -> Reals | None:
    """Return pixels (2, n, 2) of the same spots in both pictures (SIFT, a homography's inliers); None: too few."""
    sift = cv2.SIFT.create(3000)
    halves = [cv2.resize(g, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA) for g in (one, two)]
    (keys_a, told_a), (keys_b, told_b) = (sift.detectAndCompute(g, None) for g in halves)
    pairs = [m for m, n in cv2.BFMatcher().knnMatch(told_a, told_b, k=2) if m.distance < 0.75 * n.distance]
    if len(pairs) < 30:
        return None
    ends = 2.0 * np.array([[keys_a[m.queryIdx].pt for m in pairs], [keys_b[m.trainIdx].pt for m in pairs]])
    _, inside = cv2.findHomography(ends[0], ends[1], cv2.USAC_MAGSAC, 6.0)
    kept = ends[:, inside.ravel().astype(bool)]
    return kept[:, :: max(1, kept.shape[1] // most)] if kept.shape[1] >= 30 else None


def _quartiles(values: list[float]) -> dict[str, float]:
    return {f"p{q}": round(float(np.percentile(values, q)), 2) for q in (25, 50, 75, 90)}


def main() -> int:
    """Print the figures; exit 1 where a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    if not given.data.is_dir():
        sys.stdout.write(f"no public data at {given.data}: nothing measured\n")
        return 0
    report: dict[str, Any] = {"cplid": cplid(given.data), "brighton": brighton(given.data)}
    print(json.dumps(report) if given.json else _text(report))
    held = report["cplid"]["residual_m"]["p50"] <= BAR_CPLID_M
    return 0 if held and report["brighton"]["step_error_m"]["p50"] <= BAR_BRIGHTON_M else 1


def _text(report: dict[str, Any]) -> str:
    return "\n".join(f"{part}: {name} {value}" for part, told in report.items() for name, value in told.items())


if __name__ == "__main__":
    raise SystemExit(main())
