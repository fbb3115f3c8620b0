"""Which stretches were seen in one account and not in another, and how they are said."""

from __future__ import annotations

import pytest

from cloud.language import speaking
from cloud.reporting import surfaces
from cloud.reporting.surfaces import Gaps
from contracts.shapes import AnyShape
from tests.unit.cloud.test_places import LINE, MAST, PIPE


@pytest.mark.parametrize(
    ("gaps", "others", "left"),
    [
        ([[0, 10]], [], [(0, 10)]),
        ([[0, 10]], [[0, 10]], []),
        ([[0, 10]], [[2, 3], [5, 7]], [(7, 10), (0, 2), (3, 5)]),
        ([[4, 6], [8, 20]], [[0, 5], [12, 30]], [(8, 12), (5, 6)]),
        ([[4, 6]], [[6, 9], [0, 4]], [(4, 6)]),
    ],
    ids=["of nothing", "the same", "within", "over both ends", "beside"],
)
def test_what_is_in_no_other_stretch_is_left_longest_first(
    gaps: list[list[int]], others: list[list[int]], left: list[tuple[int, int]]
) -> None:
    found = surfaces.without({"A/LE": gaps}, {"A/LE": others, "B/LE": [[0, 99]]}, None)
    assert [(one.first_m, one.last_m) for one in found] == left


@pytest.mark.parametrize(
    ("shape", "surface", "english", "german"),
    [
        (None, "A/LE", "blade A leading edge 3–9 m", "Blatt A Vorderkante 3–9 m"),
        (MAST, "face-1", "tower east face 3–9 m", "Turm Ostseite 3–9 m"),
        (LINE, "span-0001", "span 13–14 from 3 to 9 m", "Spannfeld 13–14 von 3 bis 9 m"),
        (PIPE, "pipe", "chainage 3–9 m", "Stationierung 3–9 m"),
        (LINE, "span-0099", "span-0099 3–9 m", "span-0099 3–9 m"),
    ],
    ids=["blade", "face", "span", "pipe", "what the asset has no more"],
)
def test_a_stretch_is_said_as_people_of_the_field_do(
    shape: AnyShape | None, surface: str, english: str, german: str
) -> None:
    [stretch] = surfaces.without({surface: [[3, 9]]}, {}, shape)
    assert str(stretch) == english
    with speaking("de"):
        assert str(stretch) == german


def test_the_longest_few_are_said_and_the_rest_counted() -> None:
    gaps: Gaps = {"A/LE": [[0, 2], [10, 19], [30, 35]], "B/PS": [[4, 7], [9, 10]]}
    said = surfaces.few(surfaces.without(gaps, {}, None))
    assert said == "blade A leading edge 10–19 m, blade A leading edge 30–35 m, blade B pressure side 4–7 m and 2 more"
