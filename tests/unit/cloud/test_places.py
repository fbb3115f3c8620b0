"""Places on towers, lines and pipes: in words, in coverage's cells, and found again across seams."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from cloud import aims, language, parts_seen, places
from cloud.aims import Aim
from cloud.history.absences import GONE, NOT_VISIBLE, absence
from cloud.history.matching import match
from cloud.history.pairs import Known, Shift
from cloud.history.sightings import Sighting, sighting_of
from cloud.merging import merged, same_defect
from cloud.parts_seen import of_shape
from cloud.planning.wishes import Pattern
from cloud.tables import Asset, Finding, PartCoverage
from cloud.ticket_care import part_in_words
from cloud.web import labels, phrases, schematic
from contracts.findings import Detection
from contracts.geo import Enu, GeoPoint, LocalFrame
from contracts.parts import parts_of
from contracts.pipeline import Pipeline
from contracts.places import ChainagePlace, LineTowerPlace, PartPlace, SpanPlace, TowerPlace, in_words
from contracts.powerline import LineTower, PowerLine
from contracts.shafts import shaft_of
from contracts.shapes import AnyShape
from contracts.tower import TelecomTower
from contracts.turbine import TurbineGeometry
from contracts.vocabulary import DefectKind
from tests.sightings import detection

FOOT = GeoPoint(lat_deg=54.78, lon_deg=8.86, alt_m=3.0)
TURBINE = TurbineGeometry(foot=FOOT)
MAST = TelecomTower(foot=FOOT, face_bearing_deg=20.0)
AT = datetime(2026, 11, 20, tzinfo=UTC)


def on_tower(height_m: float, bearing_deg: float, geometry: TurbineGeometry | TelecomTower = TURBINE) -> TowerPlace:
    return shaft_of(geometry).place(height_m, bearing_deg)


def finding(place: PartPlace | None = None, *, name: str = "fnd-1", days: int = 0, **more: object) -> Finding:
    values: dict[str, object] = {
        "finding_id": name, "number": 7, "kind": "corrosion", "length_mm": 200.0, "width_mm": 100.0,
        "size_sigma_mm": 8.0, "detected_at": AT + timedelta(days=days),
    }  # fmt: skip
    found = Finding(**(values | more))
    if place is not None:
        places.keep(found, place)
    return found


def look(name: str, place: PartPlace, kind: DefectKind = DefectKind.CORROSION) -> Detection:
    return detection(name, kind=kind, root_m=None).model_copy(update={"place": place})


def sighting(place: PartPlace, name: str, days: int = 0, geometry: AnyShape = TURBINE) -> Sighting:
    seen = sighting_of(finding(place, name=name, days=days), geometry)
    assert seen is not None
    return seen


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (finding(on_tower(42.34, 225.0)), "tower, south-west face, 42.3 m up"),
        (finding(on_tower(3.0, 0.0, MAST)), "tower, north face, 3.0 m up"),
        (finding(blade="A", side="LE", distance_to_root_m=17.43), "blade A LE 17.4 m"),
        (finding(lat_deg=54.7812, lon_deg=8.861), "not on the asset's model, at 54.78120°, 8.86100°"),
        (finding(), "place not determined"),
    ],
    ids=["tower", "mast", "blade", "position", "nothing"],
)
def test_a_place_in_words(found: Finding, said: str) -> None:
    assert places.where(found) == said


def test_a_place_comes_back_from_its_row() -> None:
    place = on_tower(42.3, 359.0)
    kept = finding(place)
    assert places.part_place(kept) == place
    assert (kept.blade, kept.side, kept.distance_to_root_m) == (None, None, None)
    assert places.cell_of(kept) == ("face-0", 42)


@pytest.mark.parametrize(
    ("spoken", "said"), [("en", "Tower, south-west face, 42.3 m up"), ("de", "Turm, Südwestseite, 42.3 m hoch")]
)
def test_a_place_on_a_page(spoken: str, said: str) -> None:
    token = language._spoken.set(spoken)
    try:
        assert labels.part_place(finding(on_tower(42.34, 225.0))) == said
    finally:
        language._spoken.reset(token)


def test_a_detection_that_waits_is_shown_where_it_lies() -> None:
    assert places.where(places.as_found(look("a", on_tower(3.0, 90.0)))) == "tower, east face, 3.0 m up"
    assert places.where(places.as_found(detection("b", root_m=None))).startswith("not on the asset's model, at 54.78")


def test_what_an_order_asks_for_fits_its_operation() -> None:
    tall = TURBINE.model_copy(update={"hub_height_m": 160.0})
    said = f"Inspect {part_in_words(finding(on_tower(142.3, 225.0, tall)))}"
    assert said == "Inspect tower, south-west face, 142.3 m"
    assert len(said) <= 40
    assert part_in_words(finding()) == "the place"


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [((20.0, 359.0), (20.1, 2.0), True), ((20.0, 359.0), (20.0, 90.0), False), ((20.0, 10.0), (23.0, 10.0), False)],
    ids=["across north", "another face", "higher up"],
)
def test_looks_on_a_tower_are_one_defect(one: tuple[float, float], other: tuple[float, float], *, same: bool) -> None:
    assert same_defect(look("a", on_tower(*one)), look("b", on_tower(*other))) is same


def test_what_looks_across_north_show_lies_between_them() -> None:
    place = merged([look("a", on_tower(20.0, 358.0)), look("b", on_tower(20.0, 4.0))]).place
    assert isinstance(place, TowerPlace)
    assert place.bearing_deg == pytest.approx(1.0, abs=0.1)
    assert place.face == 0


@pytest.mark.parametrize(("bearing", "linked"), [(2.0, True), (90.0, False)], ids=["across north", "another face"])
def test_a_defect_is_found_again_where_the_tower_closes(bearing: float, *, linked: bool) -> None:
    before = (sighting(on_tower(20.0, 357.0), "old"), sighting(on_tower(20.1, 1.0), "old again", 100))
    known = [Known("old", before, (0, 1))]
    said = match(known, [sighting(on_tower(20.0, bearing), "new", 200)], Shift(np.zeros(9), 0.01 * np.eye(9)))
    assert ("new" in said.links) is linked


def test_the_mean_of_sightings_across_north_lies_in_the_north() -> None:
    defect = Known("old", (sighting(on_tower(20.0, 356.0), "a"), sighting(on_tower(20.0, 6.0), "b")), (0, 0))
    ring = defect.latest.ring
    assert ring is not None
    round_m = float(defect.mean(3)[0][1])
    assert 360.0 * round_m / ring.girth_m == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize(
    ("faces", "state"),
    [((0, 1, 7), GONE), ((0, 1), NOT_VISIBLE), ((2, 3, 4, 5, 6), NOT_VISIBLE)],
    ids=["its faces", "one of them not", "the others"],
)
def test_gone_is_said_where_every_face_it_may_lie_on_was_seen(faces: tuple[int, ...], state: str) -> None:
    defect = Known("old", (sighting(on_tower(20.0, 338.0), "old"),), (0,))
    seen = {(f"face-{face}", metre): 1.0 for face in faces for metre in range(50)}
    assert absence(defect, Shift(np.zeros(6), 1e-4 * np.eye(6)), seen, repaired=False).state == state


def test_a_mast_is_matched_by_its_own_faces() -> None:
    ring = sighting(on_tower(20.0, 20.0, MAST), "a", geometry=MAST).ring
    assert ring is not None
    here_m = np.radians(20.0) * ring.girth_m / (2 * np.pi)
    assert ring.parts(here_m - 0.1, here_m + 0.1) == ("face-0",)


def test_a_flight_off_to_the_east_moves_what_it_sees_in_the_north_round_the_tower() -> None:
    seen = sighting(on_tower(20.0, 0.0), "a")
    up, across = seen.lever @ np.array([1.0, 5.0, 2.0])
    assert up == 2.0
    assert across == pytest.approx(seen.ring.girth_m / (2 * np.pi * on_tower(20.0, 0.0).radius_m) if seen.ring else 0)


def test_a_finding_on_a_blade_is_in_no_cell_of_a_tower() -> None:
    assert places.cell_of(finding(blade="A", side="LE", distance_to_root_m=17.43)) is None


def test_a_masts_strips_name_their_faces_as_places_do_and_hold_what_lies_on_them() -> None:
    asset = Asset(asset_id="mast-7", kind="telecom_tower", geometry=MAST.model_dump(mode="json"))
    there = on_tower(31.0, 110.0, MAST)
    drawn = schematic.strips(asset, [finding(there, severity_rank=3)])
    assert drawn is not None
    assert [strip.name for strip in drawn.strips] == ["North face", "East face", "South face", "West face"]
    assert [len(strip.dots) for strip in drawn.strips] == [0, 1, 0, 0], "though it has no position in the world"
    assert drawn.strips[1].dots[0].x == pytest.approx(100 * 31.0 / MAST.height_m, abs=0.01)
    assert labels.part_place(finding(there)) == "Tower, east face, 31.0 m up"


def on_the_ground(*metres: float) -> list[GeoPoint]:
    frame = LocalFrame(FOOT)
    return [frame.to_geo(Enu(east, 0.0, 0.0)) for east in metres]


LINE = PowerLine(
    towers=tuple(LineTower(name=f"{12 + n}", foot=p) for n, p in enumerate(on_the_ground(0.0, 205.0, 410.0)))
)
PIPE = Pipeline(centre_line=tuple(on_the_ground(0.0, 2000.0)), start_chainage_m=1234.0)


def on_span(chainage_m: float, conductor: int | None = 1) -> SpanPlace:
    span = int(chainage_m // 205.0)
    return SpanPlace(
        span=span, from_tower=f"{12 + span}", to_tower=f"{13 + span}", conductor=conductor,
        offset_m=LINE.phase_offsets_m[conductor or 0], distance_m=chainage_m - 205.0 * span, chainage_m=chainage_m,
    )  # fmt: skip


def on_pipe(chainage_m: float, offset_m: float = 0.1, clock_h: float | None = None) -> ChainagePlace:
    return ChainagePlace(chainage_m=chainage_m, offset_m=offset_m, clock_h=clock_h)


LONG: dict[str, tuple[PartPlace, tuple[str, int] | None, str, str]] = {
    "span": (on_span(289.2), ("span-0001", 8), "Span 13–14, 84.2 m from tower 13",
             "Spannfeld 13–14, 84.2 m ab Mast 13"),
    "tower": (LineTowerPlace(tower=1, tower_name="13", height_m=21.4), None, "Tower 13, 21.4 m up",
              "Mast 13, 21.4 m hoch"),
    "pipe": (on_pipe(1240.3, clock_h=3.9), ("pipe", 124), "Pipe, chainage 1240.3 m, 4 o'clock",
             "Rohr, Stationierung 1240.3 m, 4 Uhr"),
    "left": (on_pipe(1240.3, 2.1), ("pipe", 124), "Pipe, chainage 1240.3 m, 2.1 m to the left",
             "Rohr, Stationierung 1240.3 m, 2.1 m links"),
    "right": (on_pipe(1240.3, -2.1), ("pipe", 124), "Pipe, chainage 1240.3 m, 2.1 m to the right",
              "Rohr, Stationierung 1240.3 m, 2.1 m rechts"),
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(LONG))
def test_a_place_along_is_kept_counted_and_said_in_two_languages(name: str) -> None:
    place, cell, english, german = LONG[name]
    kept = finding(place)
    assert places.part_place(kept) == place
    assert places.cell_of(kept) == cell
    assert places.where(kept) == in_words(place)
    said = []
    for spoken in ("en", "de"):
        token = language._spoken.set(spoken)
        said.append(labels.part_place(kept))
        language._spoken.reset(token)
    assert said == [english, german]
    assert len(f"Inspect {part_in_words(kept)}") <= 40


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (on_span(204.9), on_span(205.1), True), (on_span(204.9, 0), on_span(205.1, 2), False),
        (on_span(204.9, 0), on_span(205.1, None), True), (on_span(100.0), on_span(103.0), False),
        (on_pipe(1300.0, 0.1, 1.0), on_pipe(1300.2, 0.3), True), (on_pipe(1300.0), on_pipe(1300.0, 5.0), False),
        (on_span(205.0), LineTowerPlace(tower=1, tower_name="13", height_m=24.0), False),
    ],
    ids=["across a tower", "another wire", "a wire not told", "farther on", "pipe and ground", "beside it", "a tower"],
)  # fmt: skip
def test_looks_along_a_line_or_pipe_are_one_defect(one: PartPlace, other: PartPlace, *, same: bool) -> None:
    assert same_defect(look("a", one), look("b", other)) is same


@pytest.mark.parametrize(
    ("geometry", "before", "now", "said"),
    [
        (LINE, on_span(204.9), on_span(205.2), "same"), (LINE, on_span(204.9, 0), on_span(205.2, 2), "new"),
        (LINE, on_span(204.9, 0), on_span(205.2, None), "asked"), (PIPE, on_pipe(1300.0), on_pipe(1300.2, 0.2), "same"),
        (PIPE, on_pipe(1300.0), on_pipe(1300.0, 6.0), "new"),
    ],
    ids=["across a tower", "another wire", "a wire not told", "pipe", "beside the pipe"],
)  # fmt: skip
def test_a_defect_is_found_again_along_a_line_or_pipe(
    geometry: AnyShape, before: PartPlace, now: PartPlace, said: str
) -> None:
    known = [Known("old", (sighting(before, "old", geometry=geometry),), (0,))]
    found = match(known, [sighting(now, "new", 200, geometry)], Shift(np.zeros(6), 0.01 * np.eye(6)))
    assert ("new" in found.links, "new" in found.suggested) == (said == "same", said == "asked")


@pytest.mark.parametrize(
    ("geometry", "place", "cells"),
    [
        (LINE, on_span(205.0), {("span-0000", 20), ("span-0001", 0)}),
        (LINE, on_span(410.0 - 0.001), {("span-0001", 20)}),
        (PIPE, on_pipe(1240.0), {("pipe", 123), ("pipe", 124)}),
        (PIPE, on_pipe(1236.0), {("pipe", 123)}),
    ],
    ids=["at a tower", "at the last tower", "where two cells meet", "in the first, short cell"],
)
def test_gone_is_said_where_every_cell_along_was_seen(
    geometry: AnyShape, place: PartPlace, cells: set[tuple[str, int]]
) -> None:
    defect = Known("old", (sighting(place, "old", geometry=geometry),), (0,))
    shift = Shift(np.zeros(6), 1e-4 * np.eye(6))
    assert absence(defect, shift, dict.fromkeys(cells, 1.0), repaired=False).state == GONE
    for missing in cells:
        seen = {cell: 1.0 for cell in cells if cell != missing}
        assert absence(defect, shift, seen, repaired=False).state == NOT_VISIBLE


def test_what_lies_in_a_geometry_that_changed_is_matched_by_its_position() -> None:
    there = finding(on_span(300.0), lat_deg=FOOT.lat_deg, lon_deg=FOOT.lon_deg, alt_m=FOOT.alt_m)
    seen = sighting_of(there, PIPE)
    assert seen is not None
    assert seen.surface == "open"


LONGER = PowerLine(
    towers=tuple(
        LineTower(name=str(n + 1), foot=p) for n, p in enumerate(on_the_ground(*(205.0 * n for n in range(5))))
    )
)


def whole(shown: list[PartCoverage], but: tuple[str, int] | None = None) -> list[PartCoverage]:
    for cell in shown:
        cell.seen_share = 0.4 if (cell.part, cell.cell) == but else 0.97
    return shown


def rows(**cells_of: range) -> list[PartCoverage]:
    return [PartCoverage(part=p.replace("_", "-"), cell=n) for p, cells in cells_of.items() for n in cells]


@pytest.mark.parametrize(
    ("geometry", "shown", "unseen", "said"),
    [
        (LINE, rows(span_0000=range(15, 21), span_0001=range(3)), ("span-0000", 17), ["span 12–13, 170–180 m"]),
        (LINE, rows(span_0000=range(19, 21), span_0001=range(3)), ("span-0000", 20), ["span 12–13, 200–205 m"]),
        (PIPE, rows(pipe=range(123, 130)), ("pipe", 124), ["pipe, 1,240–1,250 m"]),
        (PIPE, rows(pipe=range(123, 130)), ("pipe", 123), ["pipe, 1,234–1,240 m"]),
        (PIPE, [], ("pipe", 124), []),
    ],
    ids=["in a span", "at its end", "in a pipe", "its first metres", "nothing was looked at"],
)
def test_gaps_lie_between_the_first_and_the_last_cell_that_was_shown(
    geometry: PowerLine | Pipeline, shown: list[PartCoverage], unseen: tuple[str, int], said: list[str]
) -> None:
    rest = of_shape(geometry, whole(shown, but=unseen), Aim())
    assert [str(gap) for gap in parts_seen.gaps(rest)] == said
    assert rest.whole_m - rest.seen_m == 10 * len(said)


def test_a_pipe_is_drawn_by_the_kilometre_with_what_was_seen_of_each() -> None:
    (part,) = parts_of(PIPE)
    shown = rows(pipe=range(220, 226))
    rest = of_shape(PIPE, whole(shown), Aim())
    drawn = [
        [(round(a), round(b), seen) for a, b, seen in rest.runs(part, *ends)] for ends in schematic.strips_of(part)
    ]
    assert drawn == [
        [(1234, 2200, False), (2200, 2234, True)],
        [(2234, 2260, True), (2260, 3234, False)],
    ]


@pytest.mark.parametrize(
    ("kind", "geometry", "place", "strip", "share"),
    [
        ("power_line", LINE, on_span(289.2), 1, 84.2 / 205.0),
        ("pipeline", PIPE, on_pipe(2334.0), 1, 0.1),
    ],
    ids=["span", "pipe"],
)
def test_a_finding_along_stands_on_its_strip(
    kind: str, geometry: AnyShape, place: PartPlace, strip: int, share: float
) -> None:
    asset = Asset(asset_id="long-7", kind=kind, geometry=geometry.model_dump(mode="json"))
    drawn = schematic.strips(asset, [finding(place, severity_rank=3)])
    assert drawn is not None
    assert [len(one.dots) for one in drawn.strips] == [int(n == strip) for n in range(2)]
    assert drawn.strips[strip].dots[0].x == pytest.approx(100 * share, abs=0.05)


@pytest.mark.parametrize(("tower", "rows_"), [(0, "T.."), (1, ".T."), (2, "..T")])
def test_a_finding_on_a_tower_of_a_line_is_drawn_on_it_between_its_spans(tower: int, rows_: str) -> None:
    asset = Asset(asset_id="long-7", kind="power_line", geometry=LINE.model_dump(mode="json"))
    there = LineTowerPlace(tower=tower, tower_name=str(12 + tower), height_m=15.0)
    told = of_shape(LINE, whole(rows(span_0000=range(21), span_0001=range(10))), Aim())
    drawn = schematic.strips(asset, [finding(there, severity_rank=3)], told)
    assert drawn is not None
    assert "".join("T" if strip.is_tower else "." for strip in drawn.strips) == rows_
    assert [len(strip.dots) for strip in drawn.strips] == [int(one == "T") for one in rows_]
    stands = drawn.strips[tower]
    assert (stands.name, stands.dots[0].x) == (
        f"Tower {12 + tower}",
        round(100 * 15.0 / LINE.towers[tower].height_m, 2),
    )
    assert (round(drawn.seen_m), round(drawn.whole_m)) == (305, 410)


@pytest.mark.parametrize(
    ("geometry", "aim", "shown", "gaps", "beyond"),
    [
        pytest.param(
            LINE, Aim(), rows(span_0000=range(15, 21), span_0001=range(3)),
            [], ["span 12–13, 0–150 m", "span 13–14, 30–205 m"], id="the ends of a line",
        ),
        pytest.param(
            LINE, Aim(range(2)), rows(span_0000=range(15, 21), span_0001=range(3)),
            ["span 12–13, 0–150 m", "span 13–14, 30–205 m"], [], id="ends that the plan asks for",
        ),
        pytest.param(
            LINE, Aim(range(1)), rows(span_0000=range(21)), [], ["span 13–14, 0–205 m"], id="one span of two",
        ),
        pytest.param(
            LONGER, Aim(), rows(span_0001=range(21)), [],
            ["span 1–2, 0–205 m", "spans 3–4 to 4–5, 0–410 m"], id="whole spans are told as one",
        ),
        pytest.param(PIPE, Aim(), rows(pipe=range(123, 200)), [], ["pipe, 2,000–3,234 m"], id="the end of a pipe"),
        pytest.param(PIPE, Aim(range(1)), rows(pipe=range(123, 200)), ["pipe, 2,000–3,234 m"], [], id="a planned end"),
        pytest.param(MAST, Aim(range(1, 2)), rows(face_1=range(45)), [],
                     [f"tower, {face} face 0-45 m" for face in ("north", "south", "west")], id="one face of a mast"),
    ],
)  # fmt: skip
def test_what_a_flight_was_not_to_look_at_is_told_and_is_no_gap(
    geometry: AnyShape, aim: Aim, shown: list[PartCoverage], gaps: list[str], beyond: list[str]
) -> None:
    rest = of_shape(geometry, whole(shown), aim)
    assert [str(gap) for gap in parts_seen.gaps(rest)] == gaps
    assert parts_seen.beyond(rest) == beyond


def test_a_flight_along_one_side_leaves_no_gap_where_it_saw_that_side() -> None:
    cells = whole(rows(span_0000=range(21)))
    for cell in cells:
        cell.seen_share = 0.1 if cell.cell == 4 else 2 / 3 if cell.cell < 10 else 0.9
    aim = aims.of_plan("corridor", {"params": {"sides": ["left"], "last_span": 0}}, LINE)
    rest = of_shape(LINE, cells, aim)
    assert [str(gap) for gap in parts_seen.gaps(rest)] == ["span 12–13, 40–50 m"]
    assert parts_seen.beyond(rest)[1:3] == [
        "seen from one side only: span 12–13, 0–40 m", "seen from one side only: span 12–13, 50–100 m",
    ]  # fmt: skip
    assert (rest.seen_m, rest.whole_m, rest.asset_m) == (110, 210, 420)


@pytest.mark.parametrize(
    ("pattern", "params", "geometry", "said"),
    [
        (Pattern.CORRIDOR, {"params": {"sides": ["left", "right"]}}, LINE, Aim(range(2))),
        (
            Pattern.CORRIDOR,
            {"params": {"first_span": 1, "last_span": 1, "sides": ["right"]}},
            LINE,
            Aim(range(1, 2), 2 / 3),
        ),
        (Pattern.RIGHT_OF_WAY, {"params": {}}, PIPE, Aim(range(1))),
        (Pattern.FACADE, {"params": {"face": 2}}, MAST, Aim(range(2, 3))),
        ("imported", {"route": {}}, LINE, Aim()),
        ("corridor", {"params": {}}, PIPE, Aim()),
    ],
)
def test_what_a_plan_asks_for(pattern: str, params: dict[str, object], geometry: AnyShape, said: Aim) -> None:
    assert aims.of_plan(pattern, params, geometry) == said


def test_a_strip_shows_what_was_seen_of_it() -> None:
    asset = Asset(asset_id="long-7", kind="power_line", geometry=LINE.model_dump(mode="json"))
    told = of_shape(LINE, whole(rows(span_0000=range(21), span_0001=range(10))), Aim())
    drawn = schematic.strips(asset, [], told)
    assert drawn is not None
    assert [[(r.state, round(r.start_m), round(r.end_m)) for r in strip.runs] for strip in drawn.strips] == [
        [("seen", 0, 205)], [("seen", 0, 100), ("unseen", 100, 205)],
    ]  # fmt: skip
    assert (round(drawn.seen_m), round(drawn.whole_m)) == (305, 410)


@pytest.mark.parametrize(
    ("place", "said"),
    [(on_span(100.0), True), (LineTowerPlace(tower=1, tower_name="13", height_m=21.4), False), (None, False)],
)
def test_whether_what_was_seen_of_a_place_is_counted(place: PartPlace | None, *, said: bool) -> None:
    assert places.is_counted(finding(place)) is said


@pytest.mark.parametrize(
    ("place", "said"),
    [
        (on_span(289.2), "13–14 84.2 m"),
        (LineTowerPlace(tower=1, tower_name="13", height_m=21.4), "Mast 13 21.4 m"),
        (on_pipe(1240.3, 2.1), "1240.3 m"),
        (on_tower(31.2, 92.0, MAST), "Ostseite 31.2 m"),
        (None, "Ort nicht bekannt"),
    ],
    ids=["span", "tower", "pipe", "mast", "nowhere"],
)
def test_a_list_has_room_for_the_figure_of_a_place(place: PartPlace | None, said: str) -> None:
    token = language._spoken.set("de")
    try:
        assert labels.short_place(finding(place)) == said
    finally:
        language._spoken.reset(token)


@pytest.mark.parametrize(
    ("place", "said"),
    [
        (on_span(289.2, 0), "Spannfeld 13–14, 84.2 m ab Mast 13, 6.0 m rechts"),
        (on_span(289.2, 1), "Spannfeld 13–14, 84.2 m ab Mast 13"),
        (on_span(289.2, None), "Spannfeld 13–14, 84.2 m ab Mast 13"),
        (on_pipe(1240.3, 0.1, 3.2), "Rohr, Stationierung 1240.3 m, 3 Uhr"),
        (on_pipe(1240.3, 6.4), "Rohr, Stationierung 1240.3 m, 6.4 m links"),
    ],
)
def test_a_crew_is_told_which_wire_and_which_side_of_a_pipe(place: PartPlace, said: str) -> None:
    assert phrases.place("de", finding(place)) == said
