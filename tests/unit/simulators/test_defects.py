from __future__ import annotations

import itertools
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.vocabulary import BladeSide, DefectKind
from simulators.defects import PAINTED_KINDS, PlantedDefect, planted_in, write_truth
from simulators.dense import dense_defects, dense_scene
from simulators.world import default_scene

SEEDS = st.integers(min_value=0, max_value=10_000)


def first_turbine(seed: int, inspection: int = 1) -> list[PlantedDefect]:
    return [d for d in planted_in(default_scene(seed), inspection) if d.asset_id == "wt-01"]


@given(SEEDS)
@settings(max_examples=20, deadline=None)
def test_ten_defects_inside_their_side_apart_from_each_other(seed: int) -> None:
    geometry = default_scene(seed).asset("wt-01").geometry
    defects = first_turbine(seed, inspection=4)
    assert len(defects) == 10
    assert len({(d.place.blade, d.place.side) for d in defects}) >= 7
    for defect in defects:
        first_s, last_s, first_o, last_o = defect.corners()
        assert first_o >= 0
        assert last_o <= geometry.side_width_m(defect.place.side, last_s)
        assert last_s <= geometry.blade_length_m
        assert first_s >= 3.0
    for one, other in itertools.combinations(first_turbine(seed), 2):
        if one.place.blade is other.place.blade:
            gap = abs(one.place.distance_to_root_m - other.place.distance_to_root_m)
            assert gap - (one.length_mm + other.length_mm) / 2000 >= 1.0


@given(SEEDS)
@settings(max_examples=20, deadline=None)
def test_kinds_are_where_they_belong_and_as_big_as_meant(seed: int) -> None:
    defects = first_turbine(seed)
    assert sum(d.severity == "critical" for d in defects) >= 3
    assert sum(d.severity == "small" for d in defects) >= 2
    for defect in defects:
        if defect.kind is DefectKind.LEADING_EDGE_EROSION:
            assert defect.place.side is BladeSide.LE
            assert 300 <= defect.length_mm <= 1200
        if defect.kind is DefectKind.LIGHTNING_BURN:
            assert defect.place.distance_to_root_m > 18
        if defect.kind is DefectKind.CORROSION:
            assert defect.place.distance_to_root_m < 9


def test_same_seed_same_world_other_seed_another() -> None:
    assert planted_in(default_scene(5), 1) == planted_in(default_scene(5), 1)
    assert planted_in(default_scene(5), 1) != planted_in(default_scene(6), 1)


def test_defects_grow_from_one_inspection_to_the_next_and_stay_in_place() -> None:
    for before, after in zip(first_turbine(3, 1), first_turbine(3, 3), strict=True):
        assert after.place == before.place
        assert after.length_mm == pytest.approx(before.length_mm * (1 + before.growth) ** 2, abs=0.2)
        assert after.width_mm >= before.width_mm


def test_truth_file_has_a_row_per_defect(tmp_path: Path) -> None:
    defects = planted_in(default_scene(1), 2)
    write_truth(defects, 2, tmp_path / "truth.json")
    rows = json.loads((tmp_path / "truth.json").read_text())
    assert [r["defect_id"] for r in rows] == [d.defect_id for d in defects]
    assert all(r["inspection"] == 2 and r["length_mm"] > 0 for r in rows)
    assert {"asset_id", "kind", "blade", "side", "distance_to_root_m", "offset_m", "width_mm"} <= rows[0].keys()


def test_dense_worlds_hold_every_kind_and_nothing_overlaps() -> None:
    defects = dense_defects(dense_scene(1))
    assert {d.kind for d in defects} == set(PAINTED_KINDS)
    for one, other in itertools.combinations(defects, 2):
        if (one.place.blade, one.place.side) == (other.place.blade, other.place.side):
            a, b = one.corners(), other.corners()
            assert a[1] <= b[0] or b[1] <= a[0]
