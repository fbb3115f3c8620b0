"""Which detections are one defect, and what they say together."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloud.merging import alike, is_finding, is_weak, merged, same_defect
from contracts.findings import Detection
from contracts.geo import GeoPoint
from contracts.vocabulary import Blade, BladeSide, DefectKind
from tests.sightings import POINT, detection

NORTH_2_M = GeoPoint(lat_deg=POINT.lat_deg + 2 / 111_320, lon_deg=POINT.lon_deg, alt_m=POINT.alt_m)


@pytest.mark.parametrize(
    ("other", "same"),
    [
        ({}, True),
        ({"root_m": 10.45}, True),
        ({"root_m": 10.6}, False),
        ({"root_m": 10.6, "length_mm": 500.0}, True),
        ({"root_m": 10.6, "ce90_m": 0.6}, True),
        ({"offset_m": 0.9}, True),
        ({"offset_m": 1.1}, False),
        ({"side": BladeSide.SS}, False),
        ({"blade": Blade.B}, False),
        ({"kind": DefectKind.DELAMINATION}, True),
        ({"kind": DefectKind.LIGHTNING_BURN}, True),
        ({"kind": DefectKind.LIGHTNING_BURN, "root_m": 10.3}, False),
        ({"kind": DefectKind.DAMAGE}, True),
        ({"root_m": None}, True),
        ({"root_m": None, "point": NORTH_2_M}, False),
        ({"root_m": None, "point": NORTH_2_M, "ce90_m": 2.5}, True),
        ({"root_m": None, "point": None}, False),
    ],
)
def test_same_defect(other: dict[str, object], same: bool) -> None:
    one, two = detection("a"), detection("b", **other)  # type: ignore[arg-type]
    assert same_defect(one, two) is same
    assert same_defect(two, one) is same


def test_views_of_the_whole_give_the_longest_good_one_in_their_weighted_middle() -> None:
    near = detection("a", length_mm=200.0, root_m=10.0)
    cut_off = detection("b", length_mm=90.0, root_m=10.0)
    grazing = detection("c", length_mm=400.0, root_m=10.1, incidence_deg=75.0)
    defect = merged([near, cut_off, grazing])
    assert defect.length_mm == pytest.approx(200.0)
    assert defect.place is not None
    assert defect.place.along_m == pytest.approx(10.0, abs=0.02)


def test_pieces_of_a_long_defect_give_their_union() -> None:
    pieces = [
        detection(f"p{i}", kind=DefectKind.LEADING_EDGE_EROSION, side=BladeSide.LE, root_m=10.0 + i, length_mm=1000.0)
        for i in range(4)
    ]
    defect = merged(pieces)
    assert defect.length_mm == pytest.approx(4000.0)
    assert defect.place is not None
    assert defect.place.along_m == pytest.approx(11.5)


def test_the_kind_with_most_confidence_together_wins() -> None:
    one = detection("a", kind=DefectKind.DELAMINATION, confidence=0.9)
    two = [detection(n, kind=DefectKind.CRACK, confidence=0.5) for n in "bc"]
    assert merged([one, *two]).kind is DefectKind.CRACK
    assert merged([one, *two]).confidence == pytest.approx(0.5)


def test_only_one_unsure_grazing_frame_is_weak_and_two_such_agree() -> None:
    weak = detection("a", confidence=0.4, incidence_deg=75.0, frames=1)
    assert is_weak(weak)
    assert not is_finding([weak])
    assert is_finding([weak, weak.model_copy(update={"detection_id": "b"})])
    assert not is_weak(detection("c", confidence=0.4, incidence_deg=75.0, frames=2))
    assert not is_weak(detection("d", confidence=0.4, incidence_deg=60.0, frames=1))
    assert not is_weak(detection("e", confidence=0.6, incidence_deg=75.0, frames=1))


def test_what_the_card_leaves_to_a_person_changes_nothing_of_what_a_sure_look_says() -> None:
    sure = detection("sure", length_mm=200.0)
    vague = detection("vague", length_mm=900.0, root_m=10.2, confidence=0.95).model_copy(update={"for_review": True})
    assert merged([vague, sure]) == merged([sure])
    assert merged([vague]).length_mm == 900.0


@pytest.mark.parametrize(("for_review", "told"), [((True,), False), ((True, True), False), ((True, False), True)])
def test_what_the_card_leaves_to_a_person_is_no_finding_until_a_sure_look_agrees(
    for_review: tuple[bool, ...], told: bool
) -> None:
    seen = [detection(f"d{n}").model_copy(update={"for_review": each}) for n, each in enumerate(for_review)]
    assert is_finding(seen) is told


def test_a_defect_without_a_place_keeps_its_best_point() -> None:
    defect = merged([detection("a", root_m=None), detection("b", root_m=None, ce90_m=0.05, point=NORTH_2_M)])
    assert defect.place is None
    assert defect.point == NORTH_2_M


def test_likeness_is_symmetric_and_reflexive() -> None:
    for one, other in itertools.product(DefectKind, DefectKind):
        assert alike(one, other) == alike(other, one)
        assert alike(one, one)


detections = st.lists(
    st.builds(
        detection,
        st.uuids().map(str),
        kind=st.sampled_from(DefectKind),
        side=st.sampled_from((BladeSide.LE, BladeSide.PS)),
        root_m=st.one_of(st.none(), st.floats(9.0, 12.0)),
        offset_m=st.floats(0.0, 1.0),
        length_mm=st.floats(1.0, 900.0),
        width_mm=st.floats(1.0, 300.0),
        confidence=st.floats(0.05, 1.0),
        ce90_m=st.floats(0.0, 0.4),
        incidence_deg=st.floats(0.0, 89.0),
        frames=st.integers(1, 3),
    ),
    min_size=1,
    max_size=12,
    unique_by=lambda d: d.detection_id,
)


def grouped(arriving: Sequence[Detection]) -> set[frozenset[str]]:
    """Return groups made one by one, as batches arrive."""
    groups: list[list[Detection]] = []
    for new in arriving:
        touching = [g for g in groups if any(same_defect(new, old) for old in g)]
        groups = [g for g in groups if g not in touching]
        groups.append([new, *itertools.chain.from_iterable(touching)])
    return {frozenset(d.detection_id for d in g) for g in groups}


@settings(max_examples=150, deadline=None)
@given(detections, st.randoms(use_true_random=False))
def test_the_order_of_arrival_changes_no_group(arriving: list[Detection], random: object) -> None:
    shuffled = list(arriving)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert grouped(arriving) == grouped(shuffled)


@settings(max_examples=150, deadline=None)
@given(detections, st.randoms(use_true_random=False))
def test_the_order_within_a_group_changes_nothing_it_says(group: list[Detection], random: object) -> None:
    shuffled = list(group)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert merged(group) == merged(shuffled)


@settings(max_examples=150, deadline=None)
@given(detections)
def test_a_merged_defect_is_finite_and_no_larger_than_the_union(group: list[Detection]) -> None:
    defect = merged(group)
    assert math.isfinite(defect.length_mm)
    assert defect.confidence == max(d.confidence for d in group if d.kind is defect.kind)
    placed = [d for d in group if d.place is not None]
    if placed and defect.place is not None:
        ends = [(d.place.along_m, d.length_mm / 2000) for d in placed if d.place]
        first, last = min(c - h for c, h in ends), max(c + h for c, h in ends)
        assert defect.length_mm <= 1000 * (last - first) + 0.01
