"""The film of ``benchmarks.whole_flights`` is what the demo's aircraft would film."""

from __future__ import annotations

from itertools import pairwise

import pytest

from benchmarks.whole_flights import FPS, Filmed, recordings, route_of
from contracts.geo import LocalFrame
from contracts.vocabulary import Blade, BladeSide
from simulators.world import default_scene
from vision.coverage import Coverage
from vision.turbine_grid import Turbine

ASSET = default_scene(1).assets[0]


@pytest.fixture(scope="module")
def films() -> list[list[Filmed]]:
    return recordings(route_of(ASSET))


def test_a_recording_moves_as_fast_as_the_route_says(films: list[list[Filmed]]) -> None:
    for film in films:
        for one, other in pairwise(film):
            moved_m = LocalFrame(one.pose.point).to_enu(other.pose.point).norm()
            assert moved_m == pytest.approx(one.velocity.norm() / FPS, abs=0.01)
            assert moved_m <= 5.0 / FPS * 1.5


def test_the_recordings_together_show_every_side_of_every_blade(films: list[list[Filmed]]) -> None:
    scene, surface = default_scene(1), Turbine(ASSET.geometry)
    coverage = Coverage(surface, scene.camera)
    for film in films:
        for one in film[::FPS]:
            coverage.add(surface.sight(one.pose, scene.camera), 100.0)
    seen = {(c.blade, c.side) for c in coverage.cells() if c.seen_share > 0.8}
    assert seen == {(blade, side) for blade in Blade for side in BladeSide}
