"""What is said of the towers of a line: which were seen, from which sides, how high; and where nothing tells."""

from __future__ import annotations

import pytest

from cloud import health_components, language, line_towers
from cloud.aims import Aim
from cloud.health_components import Seen
from cloud.line_towers import TowersSeen, of_towers, tally
from cloud.parts_seen import Cell, Parts, of_shape
from cloud.reporting import surfaces
from cloud.tables import Asset
from cloud.web import schematic
from contracts.geo import Enu, GeoPoint, LocalFrame
from contracts.parts import line_tower_of, parts_of, towers_of
from contracts.powerline import LineTower, PowerLine

FRAME = LocalFrame(GeoPoint(lat_deg=54.78, lon_deg=8.86, alt_m=3.0))
# It leads north; its towers are 32 m high, their strings hang from 24 m to 26.2 m.
LINE = PowerLine(
    towers=tuple(
        LineTower(name=name, foot=FRAME.to_geo(Enu(0.0, 200.0 * n, 0.0)))
        for n, name in enumerate(("11", "12, old", "13", "14", "15"))
    )
)
FACES, STRINGS = tuple(f"face-{n}" for n in range(4)), tuple(f"string-{n}" for n in range(3))
NORTH, EAST, SOUTH, WEST = FACES


def cells(tower: int, share: float = 1.0, **to_m: float) -> list[Cell]:
    """Return cells of a tower's parts up to a height, all of them where it is not told."""
    return [
        Cell(part.part, cell, share)
        for part in towers_of(LINE, [tower])
        for cell in part.cells
        if part.stretch(cell, cell + 1)[1] <= to_m.get(part.part[11:].replace("-", "_"), 99.0)
    ]


def told(*seen: list[Cell], is_told: bool = True) -> Parts:
    return of_towers(LINE, [cell for some in seen for cell in some], is_told=is_told)


def words(parts: Parts) -> list[str]:
    return [str(gap) for gap in line_towers.gaps(parts)]


NONE_OF_STRINGS = dict.fromkeys((name.replace("-", "_") for name in STRINGS), 0.0)


@pytest.mark.parametrize(
    ("seen", "gaps"),
    [
        (cells(2), []),
        (cells(2, face_0=18.0), ["tower 13, north face, 18–32 m"]),
        (cells(2, face_0=18.0, face_1=18.0, face_2=18.0, face_3=18.0), ["tower 13, all faces, 18–32 m"]),
        (cells(2, face_1=0.0, face_3=24.0), ["tower 13, east face, 0–32 m", "tower 13, west face, 24–32 m"]),
        (cells(2, string_1=0.0), ["tower 13, insulator string 2, 24–26 m"]),
        (cells(2, **NONE_OF_STRINGS), ["tower 13, all insulator strings, 24–26 m"]),
        (cells(1, face_2=30.0), ["tower 12, old, south face, 30–32 m"]),
        (cells(2, share=0.7), []),
        ([], []),
    ],
    ids=["all of it", "one face", "all faces alike", "two faces", "a string", "all strings", "a comma in its name",
         "seen too little", "nothing"],
)  # fmt: skip
def test_a_tower_of_which_anything_was_seen_has_gaps_by_side_and_height(seen: list[Cell], gaps: list[str]) -> None:
    assert words(told(seen)) == gaps


@pytest.mark.parametrize(
    ("seen", "said"),
    [
        ([], ["towers 11 to 15, with insulator strings"]),
        ([*cells(2)], ["towers 11 to 12, old, with insulator strings", "towers 14 to 15, with insulator strings"]),
        (
            [*cells(0), *cells(2), *cells(3)],
            ["tower 12, old, with insulator strings", "tower 15, with insulator strings"],
        ),
    ],
    ids=["none", "one", "all but two"],
)  # fmt: skip
def test_towers_of_which_nothing_was_seen_are_told_together(seen: list[Cell], said: list[str]) -> None:
    assert line_towers.beyond(told(seen)) == said


@pytest.mark.parametrize("seen", [[], cells(2)], ids=["no cell", "some cells"])
def test_of_a_flight_that_was_analysed_before_nothing_is_told_neither_seen_nor_not(seen: list[Cell]) -> None:
    before = told(seen, is_told=False)
    assert tally(before) is None
    assert words(before) == []
    assert line_towers.beyond(before) == [
        "towers and insulator strings: what was seen of them was not counted when the flight was analysed"
    ]


@pytest.mark.parametrize(
    ("seen", "counted"),
    [
        ([], (0, 0, 5)),
        (cells(2), (1, 0, 4)),
        ([*cells(0), *cells(2, face_0=18.0), *cells(3, string_0=0.0)], (1, 2, 2)),
    ],
)
def test_towers_are_counted(seen: list[Cell], counted: tuple[int, int, int]) -> None:
    found = tally(told(seen))
    assert found is not None
    assert (found.whole, found.part, found.unseen) == counted
    assert found.of == 5


def test_how_many_were_seen_in_words() -> None:
    assert str(TowersSeen(whole=1, part=2, unseen=2)) == "1 of 5 seen whole, 2 in part, 2 not at all"


def test_what_was_seen_of_towers_changes_nothing_of_what_was_seen_of_spans() -> None:
    spans = [Cell("span-0001", n, 1.0) for n in range(20)]
    one, other = (of_shape(LINE, seen, Aim()) for seen in (spans, [*spans, *cells(2)]))
    assert one == other
    assert not [part for part in parts_of(LINE) if line_tower_of(part.part) is not None]


@pytest.mark.parametrize(
    ("surface", "english", "german"),
    [
        ("tower-0002-face-0", "tower 13, north face, 18–24 m", "Mast 13, Nordseite, 18–24 m"),
        ("tower-0002-face-3", "tower 13, west face, 18–24 m", "Mast 13, Westseite, 18–24 m"),
        ("tower-0002-string-1", "tower 13, insulator string 2, 18–24 m", "Mast 13, Isolatorkette 2, 18–24 m"),
        ("tower-0009-face-0", "tower-0009-face-0 18–24 m", "tower-0009-face-0 18–24 m"),
    ],
    ids=["its first face", "its last", "a string", "a tower that the line has no more"],
)
def test_what_changed_on_a_tower_is_said_in_the_readers_language(surface: str, english: str, german: str) -> None:
    (found,) = surfaces.without({surface: [[18, 24]]}, {}, LINE)
    said = []
    for spoken in ("en", "de"):
        with language.speaking(spoken):
            said.append(str(found))
    assert said == [english, german]


@pytest.mark.parametrize(
    ("towers", "share"), [(frozenset({"line"}), 1.0), (frozenset(), None)], ids=["counted", "analysed before"]
)
def test_the_health_of_a_tower_tells_how_much_of_it_was_ever_seen(towers: frozenset[str], share: float | None) -> None:
    asset = Asset(asset_id="line", kind="power_line", geometry=LINE.model_dump(mode="json"))
    ever = frozenset((cell.part, cell.cell) for cell in cells(2))
    found = {one.key: one.seen_share for one in health_components.of_asset(asset, Seen({}, {"line": ever}, towers))}
    assert found["tower-0002"] == share
    assert found["tower-0001"] == (None if share is None else 0.0)
    assert found["span-0000"] == 0.0


def test_a_tower_is_drawn_where_anything_was_seen_of_it_seen_where_it_was_from_all_sides() -> None:
    asset = Asset(asset_id="line", kind="power_line", geometry=LINE.model_dump(mode="json"))
    spans = of_shape(LINE, [Cell("span-0001", n, 1.0) for n in range(20)], Aim())
    drawn = schematic.strips(asset, [], spans, told(cells(2, face_0=18.0, string_2=0.0)))
    assert drawn is not None
    (tower,) = (strip for strip in drawn.strips if strip.is_tower)
    assert (tower.name, drawn.strips.index(tower)) == ("Tower 13", 2)
    assert [(run.state, run.start_m, run.end_m, run.missing) for run in tower.runs] == [
        ("seen", 0, 18, ""),
        ("unseen", 18, 24, "north face"),
        ("unseen", 24, 27, "north face, insulator string 3"),
        ("unseen", 27, 32, "north face"),
    ]
    assert (round(drawn.seen_m), round(drawn.whole_m)) == (200, 800)
    assert drawn.towers == TowersSeen(whole=0, part=1, unseen=4)
