"""How long matching 10,000 findings of one site takes, beside plain nearest-neighbour linking; and how right each is.

    python -m benchmarks.identity --findings 10000

Both get the same simulated history. Nearest neighbour is the alternative: the same surface and an alike kind, the
nearest within three sigmas of the stated position error, one to one. ``--defects 40`` puts more on each turbine.
"""

from __future__ import annotations

import argparse
import json
import time
from typing import NamedTuple

import numpy as np
import scipy.optimize
import scipy.sparse.csgraph  # noqa: F401 - loaded before the clock starts, as in a running program

from cloud.history.matching import match
from cloud.history.pairs import Known, Shift
from cloud.history.sightings import Sighting
from cloud.merging import alike
from simulators.history import History, HistoryPlan, Inspection, history
from simulators.world import Asset


class Score(NamedTuple):
    """What a linker reached over a history."""

    precision: float
    recall: float
    close_pairs_merged: int
    seconds: float
    cpu_seconds: float


def sightings_of(asset: Asset, inspection: Inspection) -> list[Sighting]:
    """Return an inspection's findings as matching sees them."""
    return [
        Sighting(
            sighting_id=f"{inspection.number}/{s.defect_id}",
            surface=f"{s.place.blade}/{s.place.side}",
            kind=s.kind,
            place=np.array([s.place.distance_to_root_m, s.place.offset_m]),
            own=np.diag([0.12**2 + (0.08e-3 * s.length_mm) ** 2, (0.12**2 + (0.08e-3 * s.width_mm) ** 2) / 4]),
            lever=np.array([list(asset.geometry.blade_axes(s.place.blade)[0]), [0.0, 0.0, 0.0]]),
            length_mm=s.length_mm,
            size_sigma_mm=s.size_sigma_mm,
            seen_at=s.seen_at,
        )
        for s in inspection.sightings
    ]


Groups = dict[str, list[tuple[Sighting, int]]]


def joint(groups: Groups, new: list[Sighting], shifts: list[Shift]) -> dict[str, str]:
    """Return links as the platform makes them; appends the flight's shift and joins what turned out to be one."""
    before = shifts[-1] if shifts else Shift(np.zeros(0), np.zeros((0, 0)))
    size = len(before.mean)
    covariance = np.zeros((size + 3, size + 3))
    covariance[:size, :size] = before.covariance
    covariance[size:, size:] = np.eye(3) * 2.8**2
    known = [Known(g, tuple(s for s, _ in seen[-4:]), tuple(f for _, f in seen[-4:])) for g, seen in groups.items()]
    found = match(known, new, Shift(np.concatenate([before.mean, np.zeros(3)]), covariance))
    shifts.append(found.shift)
    for group, link in found.joined.items():
        groups[link.link_group] = sorted(groups[link.link_group] + groups.pop(group), key=lambda each: each[1])
    return {name: link.link_group for name, link in found.links.items()}


def nearest(groups: Groups, new: list[Sighting], shifts: list[Shift]) -> dict[str, str]:
    """Return links by nearest neighbour."""
    shifts.append(Shift(np.zeros(0), np.zeros((0, 0))))
    latest = {group: seen[-1][0] for group, seen in groups.items()}
    pairs = sorted(
        (abs(float(s.place[0] - old.place[0])), s.sighting_id, group)
        for s in new
        for group, old in latest.items()
        if s.surface == old.surface and alike(s.kind, old.kind)
    )
    links: dict[str, str] = {}
    for distance_m, name, group in pairs:
        if distance_m < 3 * 2.8 * 2**0.5 and name not in links and group not in links.values():
            links[name] = group
    return links


def scored(made: History, linker: object) -> Score:
    """Run a linker over a history, flight by flight, and compare with the truth."""
    right = wrong = again = merged = 0
    began, cpu = time.perf_counter(), time.process_time()
    by_asset: dict[str, list[Inspection]] = {}
    for inspection in made.inspections:
        by_asset.setdefault(inspection.asset_id, []).append(inspection)
    close = {frozenset((life.defect_id, life.close_to)) for life in made.lives if life.close_to}
    for asset in made.assets:
        groups: Groups = {}
        seen: set[str] = set()
        shifts: list[Shift] = []
        for index, inspection in enumerate(by_asset[asset.asset_id]):
            new = sightings_of(asset, inspection)
            links = linker(groups, new, shifts)  # type: ignore[operator]
            for sighting in new:
                defect = sighting.sighting_id.split("/")[1]
                again += defect in seen
                seen.add(defect)
                groups.setdefault(links.get(sighting.sighting_id, sighting.sighting_id), []).append((sighting, index))
        for group in groups.values():
            founder, *others = (sighting.sighting_id.split("/")[1] for sighting, _ in group)
            right += others.count(founder)
            wrong += len(others) - others.count(founder)
            merged += sum(frozenset((founder, defect)) in close for defect in set(others))
    took_s, cpu_s = time.perf_counter() - began, time.process_time() - cpu
    return Score(right / max(1, right + wrong), right / max(1, again), merged, round(took_s, 2), round(cpu_s, 2))


def main() -> None:
    """Make a history of the wanted size, link it both ways, print JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--findings", type=int, default=10_000)
    parser.add_argument("--defects", type=int, default=9, help="per turbine; the number of turbines follows")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--own-sigma-m", type=float, default=0.12)
    options = parser.parse_args()
    turbines = max(1, min(500, round(options.findings * 0.28 / options.defects)))
    made = history(
        HistoryPlan(seed=options.seed, turbines=turbines, defects=options.defects, own_sigma_m=options.own_sigma_m)
    )
    count = sum(len(i.sightings) for i in made.inspections)
    ours, plain = scored(made, joint), scored(made, nearest)
    answer = {
        "findings": count,
        "turbines": turbines,
        "joint": ours._asdict(),
        "nearest_neighbour": plain._asdict(),
        "cpu_over_nearest": round(ours.cpu_seconds / max(plain.cpu_seconds, 1e-3), 1),
    }
    print(json.dumps(answer, indent=2))


if __name__ == "__main__":
    main()
