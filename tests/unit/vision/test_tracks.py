from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.vocabulary import Blade, BladeSide, DefectKind
from tests.vision_views import TURBINE, place_at
from vision.analysis import detection_name, support
from vision.georef import Placed
from vision.tracks import Look, Track, apart, estimate, group_by_place


def look(
    metres: float,
    share: float = 0.5,
    *,
    frame: int = 0,
    kind: DefectKind = DefectKind.CRACK,
    confidence: float = 0.8,
    side: BladeSide = BladeSide.PS,
    blade: Blade = Blade.A,
    length_mm: float = 300.0,
    clipped: bool = False,
    incidence_deg: float = 5.0,
) -> Look:
    place = place_at(side, metres, share, blade)
    placed = Placed(place, TURBINE.surface_point(place), length_mm, 100.0, 15.0, 0.04, 2.0, incidence_deg)
    return Look(frame, kind, confidence, (metres, share, metres + 1, share + 1), placed, clipped)


@pytest.mark.parametrize(
    ("looks", "count"),
    [
        pytest.param([look(10.0), look(10.1, frame=1), look(9.95, frame=2)], 1, id="same place"),
        pytest.param([look(10.0), look(11.2, frame=1)], 2, id="a metre apart"),
        pytest.param([look(10.0, 0.1), look(10.0, 0.9)], 2, id="other end of the chord"),
        pytest.param([look(10.0), look(10.0, blade=Blade.B)], 2, id="another blade"),
        pytest.param([look(10.0), look(10.0, kind=DefectKind.DAMAGE)], 1, id="kinds do not part them"),
        pytest.param([look(10.0, 0.02), look(10.0, 0.2, side=BladeSide.LE)], 1, id="over the leading edge"),
        pytest.param([look(10.0), look(10.0, side=BladeSide.SS)], 2, id="opposite sides"),
        pytest.param([look(9.0), look(11.0), look(10.0, length_mm=2500.0)], 1, id="a long one bridges"),
    ],
)
def test_grouping_by_place(looks: list[Look], count: int) -> None:
    assert len(group_by_place(looks)) == count


@given(st.permutations([look(10.0, frame=0), look(10.12, frame=1), look(10.25, frame=2), look(14.0, frame=3)]))
@settings(max_examples=24)
def test_grouping_does_not_depend_on_order(looks: list[Look]) -> None:
    groups = sorted(sorted(x.frame for x in t.looks) for t in group_by_place(looks))
    assert groups == [[0, 1, 2], [3]]


@pytest.mark.parametrize(
    ("side", "share", "believed"),
    [
        (BladeSide.LE, 0.5, True),
        (BladeSide.PS, 0.05, True),
        (BladeSide.PS, 0.6, False),
        (BladeSide.SS, 0.6, False),
        (BladeSide.TE, 0.5, False),
    ],
)
def test_what_looks_like_erosion_where_none_can_be_is_damage_of_a_kind_not_told(
    side: BladeSide, share: float, believed: bool
) -> None:
    [track] = group_by_place([look(10.0, share, side=side, kind=DefectKind.LEADING_EDGE_EROSION)])
    assert track.kind is (DefectKind.LEADING_EDGE_EROSION if believed else DefectKind.DAMAGE)


def test_looks_that_lie_on_no_track_are_apart() -> None:
    track = Track([look(10.0), look(10.1, frame=1)])
    elsewhere = [look(14.0), look(10.0, side=BladeSide.SS)]
    assert apart([look(10.05, kind=DefectKind.CORROSION, frame=2), *elsewhere], [track]) == elsewhere
    assert apart(elsewhere, []) == elsewhere


def test_kind_by_summed_confidence() -> None:
    kinds = [(DefectKind.CRACK, 0.9), (DefectKind.CORROSION, 0.5), (DefectKind.CORROSION, 0.6)]
    track = Track([look(10.0, kind=k, confidence=c) for k, c in kinds])
    assert track.kind is DefectKind.CORROSION
    assert track.confidence == 0.9


def test_estimate_averages_whole_looks_and_leaves_clipped_ones_out() -> None:
    track = Track([look(10.0, confidence=0.5), look(10.2, confidence=0.5, frame=1), look(12.0, clipped=True, frame=2)])
    found = estimate(track)
    assert found is not None
    assert found.placed.place.along_m == pytest.approx(10.1)
    assert found.placed.length_mm == pytest.approx(300.0)


def test_estimate_of_clipped_looks_is_their_hull() -> None:
    found = estimate(Track([look(10.0, length_mm=800, clipped=True), look(10.6, length_mm=800, clipped=True, frame=1)]))
    assert found is not None
    assert found.placed.place.along_m == pytest.approx(10.3)
    assert found.placed.length_mm == pytest.approx(1400.0)


def test_the_side_seen_square_on_wins() -> None:
    aslant = look(10.0, 0.02, incidence_deg=74.0, confidence=0.9)
    square = look(10.0, 0.2, side=BladeSide.LE, confidence=0.6, frame=1)
    found = estimate(Track([aslant, square]))
    assert found is not None
    assert found.placed.place.surface == "A/LE"


def test_best_look_is_whole_and_square_on() -> None:
    track = Track([look(10, confidence=0.9, clipped=True), look(10, confidence=0.7, frame=1)])
    assert track.best.frame == 1


@pytest.mark.parametrize(("chances", "expected"), [(1, 0.8), (2, 0.8), (4, 0.4)])
def test_support_counts_the_frames_that_did_not_show_it(chances: int, expected: float) -> None:
    track = Track([look(10, confidence=0.8), look(10, confidence=0.8, frame=1)])
    assert support(track, max(chances, 2)) == pytest.approx(expected)


def test_unplaced_looks_have_no_estimate() -> None:
    assert estimate(Track([Look(0, DefectKind.CRACK, 0.5, (0, 0, 1, 1), None, False)])) is None


def test_a_name_is_stable_and_tells_places_apart() -> None:
    names = {
        detection_name("flt-one.00000", "a" * 64, kind, place_at(metres=metres))
        for metres in (10.0, 10.001, 11.0)
        for kind in (DefectKind.CRACK, DefectKind.DAMAGE)
    }
    assert len(names) == 4
    assert all(len(n) <= 80 for n in names)
