"""Which blind marks are found, which are one defect, and what interval their share has."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.blind.matching import LARGER, Shown, agree, defects
from cloud.blind.placing import detection as placed
from cloud.blind.rate import LEAST_DEFECTS, LEAST_FLIGHTS, BlindRate, clustered, in_words
from cloud.blind.told import Outline, may_be
from cloud.merging import same_defect
from cloud.miss_rate import Share, share
from contracts.findings import Detection
from contracts.geo import BoxNorm, Enu, GeoPoint, LocalFrame, Pose
from contracts.optics import project
from contracts.pipeline import Pipeline
from contracts.places import ChainagePlace, LineTowerPlace, SpanPlace, TowerPlace, across_between_m
from contracts.powerline import LineTower, PowerLine
from contracts.shafts import shaft_of
from contracts.tower import TelecomTower
from contracts.turbine import SurfacePlace, TurbineGeometry
from contracts.vocabulary import AssetKind, Blade, BladeSide, DefectKind
from tests.factories import geometry
from tests.sightings import POINT, audit_frame, detection

FRAME = "flt-1.00000-000010"
sides = st.floats(0, 1, allow_nan=False)
boxes = st.tuples(sides, sides, sides, sides).map(
    lambda v: BoxNorm(x0=min(v[0], v[1]), x1=max(v[0], v[1]), y0=min(v[2], v[3]), y1=max(v[2], v[3]))
)


def box(x0: float, y0: float, x1: float, y1: float) -> BoxNorm:
    return BoxNorm(x0=x0, y0=y0, x1=x1, y1=y1)


@pytest.mark.parametrize(
    ("other", "agrees"),
    [
        pytest.param((0.4, 0.4, 0.5, 0.5), True, id="the same"),
        pytest.param((0.45, 0.4, 0.55, 0.5), True, id="half of it"),
        pytest.param((0.47, 0.4, 0.57, 0.5), False, id="less than half"),
        pytest.param((0.42, 0.42, 0.46, 0.46), True, id="tight within generous"),
        pytest.param((0.0, 0.0, 1.0, 1.0), False, id="round everything"),
        pytest.param((0.7, 0.7, 0.8, 0.8), False, id="elsewhere"),
        pytest.param((0.45, 0.45, 0.45, 0.5), False, id="of no area"),
    ],
)
def test_when_two_rectangles_are_round_the_same(other: tuple[float, float, float, float], agrees: bool) -> None:
    assert agree(box(0.4, 0.4, 0.5, 0.5), box(*other)) is agrees


@given(boxes, boxes)
def test_agreement_is_symmetric_and_never_that_of_unlike_sizes(one: BoxNorm, other: BoxNorm) -> None:
    areas = sorted((b.x1 - b.x0) * (b.y1 - b.y0) for b in (one, other))
    assert agree(one, other) == agree(other, one)
    assert not (agree(one, other) and areas[1] > LARGER * areas[0])


def mark(name: str, root_m: float | None = 10.0, kind: DefectKind = DefectKind.CRACK) -> Detection:
    return detection(name, root_m=root_m, kind=kind, point=None, frames=1)


@pytest.mark.parametrize(
    ("marks", "told", "shown", "found"),
    [
        pytest.param([mark("a")], [detection("d", root_m=10.1)], [], [True], id="told from another frame"),
        pytest.param([mark("a")], [detection("d", root_m=14.0)], [], [False], id="told elsewhere"),
        pytest.param([mark("a")], [], [], [False], id="nothing told"),
        pytest.param([mark("a", None)], [], [Shown(FRAME, box(0.4, 0.4, 0.5, 0.5))], [True], id="on this frame"),
        pytest.param([mark("a", None)], [], [Shown("f", box(0.4, 0.4, 0.5, 0.5))], [False], id="on another frame"),
        pytest.param([mark("a"), mark("b", 10.1)], [], [], [False], id="two people, one defect"),
        pytest.param([mark("a", 5.0), mark("b", 10.0)], [detection("d", root_m=5.0)], [], None, id="two defects"),
    ],
)
def test_what_counts_as_found(
    marks: list[Detection], told: list[Detection], shown: list[Shown], found: list[bool] | None
) -> None:
    if found is None:  # on one frame their rectangles differ
        other = marks[1].evidence[0].model_copy(update={"box": box(0.8, 0.8, 0.9, 0.9)})
        marks, found = [marks[0], marks[1].model_copy(update={"evidence": (other,)})], [True, False]
    assert [seen.found for seen in defects(marks, told, shown)] == found


@given(st.permutations(range(5)))
def test_the_order_of_marks_never_matters(order: list[int]) -> None:
    marks = [mark(f"m{n}", 3.0 * (n // 2) + 1) for n in range(5)]
    assert defects([marks[n] for n in order], [], []) == defects(marks, [], [])


@given(st.floats(4.0, 22.0), st.floats(0.25, 0.75), st.floats(0.005, 0.05))
def test_a_mark_lies_where_the_surface_is(root_m: float, across: float, half: float) -> None:
    turbine: TurbineGeometry = geometry(0.0, 0.0)
    width_m = turbine.side_width_m(BladeSide.PS, root_m)
    at = SurfacePlace(blade=Blade.A, side=BladeSide.PS, distance_to_root_m=root_m, offset_m=across * width_m)
    point, normal = turbine.surface_point(at), turbine.facet(Blade.A, BladeSide.PS).normal
    eye, back = point.plus(normal, 10.0), normal.times(-1.0)
    pose = Pose(
        point=turbine.frame().to_geo(eye),
        yaw_deg=math.degrees(math.atan2(back.east, back.north)),
        pitch_deg=math.degrees(math.asin(back.up)),
    )
    frame = audit_frame("flt-1.00000", pose=pose)
    pixel = project(pose, frame.camera, point.minus(eye))
    assert pixel is not None
    u, v = pixel[0] / 3840, pixel[1] / 2160
    drawn = box(u - half, v - half, u + half, v + half)
    seen = placed("aud-1", DefectKind.CRACK, drawn, frame, turbine)
    assert seen.place is not None
    assert seen.place.surface == "A/PS"
    assert seen.place.along_m == pytest.approx(root_m, abs=0.01)
    assert seen.place.across_m == pytest.approx(at.offset_m, abs=0.01)
    widest_mm = 2 * half * 3840 * 10_000 / 6000
    assert max(seen.length_mm, seen.width_mm) == pytest.approx(widest_mm, rel=0.45)


@pytest.mark.parametrize("body", [geometry(0.0, 0.0), TelecomTower(foot=geometry(0.0, 0.0).foot, height_m=48.0)])
@pytest.mark.parametrize(("height_m", "bearing_deg"), [(9.0, 2.0), (31.0, 181.0)])
def test_a_mark_on_a_tower_or_mast_lies_on_its_face(
    body: TurbineGeometry | TelecomTower, height_m: float, bearing_deg: float
) -> None:
    shaft = shaft_of(body)
    there = shaft.place(height_m, bearing_deg)
    point, normal = shaft.point_of(there), shaft.normal_at(bearing_deg)
    eye, back = point.plus(normal, 10.0), normal.times(-1.0)
    yaw_deg, pitch_deg = math.degrees(math.atan2(back.east, back.north)), math.degrees(math.asin(back.up))
    frame = audit_frame("flt-1.00000", pose=Pose(point=body.frame().to_geo(eye), yaw_deg=yaw_deg, pitch_deg=pitch_deg))
    seen = placed("aud-1", DefectKind.CORROSION, box(0.49, 0.48, 0.51, 0.52), frame, body)
    assert isinstance(seen.place, TowerPlace)
    assert seen.place.height_m == pytest.approx(height_m, abs=0.01)
    assert seen.place.face == there.face
    assert abs(across_between_m(there, seen.place)) < 0.01
    assert seen.length_mm == pytest.approx(0.04 * 2160 * 10_000 / 6000, rel=0.02)
    assert seen.width_mm == pytest.approx(0.02 * 3840 * 10_000 / 6000, rel=0.1)


_GROUND = [LocalFrame(POINT).to_geo(Enu(east, 0.0, 0.0)) for east in (0.0, 200.0, 400.0)]
LINE = PowerLine(towers=tuple(LineTower(name=f"M{n}", foot=foot) for n, foot in enumerate(_GROUND)))
PIPE = Pipeline(centre_line=tuple(_GROUND), start_chainage_m=1000.0)


def looking(eye: GeoPoint, at: GeoPoint) -> Pose:
    way = LocalFrame(eye).to_enu(at).unit()
    return Pose(
        point=eye, yaw_deg=math.degrees(math.atan2(way.east, way.north)), pitch_deg=math.degrees(math.asin(way.up))
    )


def marked(body: PowerLine | Pipeline, eye: Enu, at: Enu) -> Detection:
    """Return a small mark at a point of the local frame of the first tower or end."""
    local = LocalFrame(_GROUND[0])
    frame = audit_frame("flt-1.00000", pose=looking(local.to_geo(eye), local.to_geo(at)))
    return placed("aud-1", DefectKind.CORROSION, box(0.49, 0.48, 0.51, 0.52), frame, body)


@given(st.floats(5.0, 190.0), st.sampled_from([0, 1]), st.sampled_from([0, 2]))
def test_a_mark_on_a_wire_lies_along_the_line(distance_m: float, number: int, conductor: int) -> None:
    """Seen from below and outside, where no other wire is near the view."""
    span = LINE.span(number)
    at = span.at(distance_m / span.length_m, LINE.phase_offsets_m[conductor])
    at = LocalFrame(_GROUND[0]).to_enu(span.frame.to_geo(at))
    out = math.copysign(8.0, LINE.phase_offsets_m[conductor])
    seen = marked(LINE, at.plus(Enu(0.0, out, -9.0)), at)
    assert isinstance(seen.place, SpanPlace)
    assert (seen.place.span, seen.place.conductor) == (number, conductor)
    assert seen.place.distance_m == pytest.approx(distance_m, abs=0.1)
    assert seen.place.chainage_m == pytest.approx(200.0 * number + distance_m, abs=0.1)
    assert seen.length_mm == pytest.approx(0.02 * 3840 * 1000 * math.hypot(8.0, 9.0) / 6000, rel=0.1)


def test_three_wires_seen_level_are_one() -> None:
    span = LINE.span(0)
    at = span.at(0.25, 6.0)
    seen = marked(LINE, at.plus(Enu(0.0, 15.0, 0.0)), at)
    assert isinstance(seen.place, SpanPlace)
    assert seen.place.conductor is None
    assert same_defect(seen, seen.model_copy(update={"place": seen.place.model_copy(update={"conductor": 2})}))


def test_a_mark_on_a_tower_of_a_line_has_its_height() -> None:
    seen = marked(LINE, Enu(200.0, 14.0, 12.0), Enu(200.0, 0.0, 12.0))
    assert isinstance(seen.place, LineTowerPlace)
    assert (seen.place.tower_name, round(seen.place.height_m, 1)) == ("M1", 12.0)


@pytest.mark.parametrize(("east", "north", "met"), [(120.0, 0.0, True), (315.0, -7.5, True), (120.0, 14.0, False)])
def test_a_mark_along_a_pipe_lies_on_the_ground_of_its_right_of_way(east: float, north: float, *, met: bool) -> None:
    seen = marked(PIPE, Enu(east - 10.0, north, 30.0), Enu(east, north, 0.0))
    assert isinstance(seen.place, ChainagePlace) is met
    if isinstance(seen.place, ChainagePlace):
        assert seen.place.chainage_m == pytest.approx(1000.0 + east, abs=0.2)
        assert seen.place.offset_m == pytest.approx(north, abs=0.2)


def test_a_mark_on_the_sky_beside_a_line_has_no_place() -> None:
    assert marked(LINE, Enu(100.0, 20.0, 10.0), Enu(100.0, 60.0, 40.0)).place is None


def test_a_mark_beside_the_asset_has_no_place() -> None:
    frame = audit_frame("flt-1.00000", pose=Pose(point=geometry(0.0, 0.0).foot, yaw_deg=0.0, pitch_deg=-80.0))
    assert placed("aud-1", DefectKind.CRACK, box(0.1, 0.1, 0.2, 0.2), frame, geometry(0.0, 0.0)).place is None


@given(st.floats(0.0, 25.0), st.floats(0.0, 25.0), st.floats(0, 2500), st.floats(0, 2.0), st.floats(0, 300))
def test_what_is_left_unread_is_no_mark(
    root_m: float, mark_m: float, length_mm: float, ce90_m: float, sigma_mm: float
) -> None:
    changed = {"length_mm": length_mm, "ce90_m": ce90_m, "size_sigma_mm": sigma_mm}
    one = mark("det-1", root_m).model_copy(update=changed)
    drawn = mark("aud-1", mark_m).model_copy(update=changed)
    body = one.model_dump(mode="json")
    read = may_be(Outline("det-1", body["place"], body["length_mm"], body["size_sigma_mm"]), [drawn])
    assert read or not same_defect(one, drawn)


@pytest.mark.parametrize(
    ("place", "read"),
    [
        pytest.param({"blade": "A", "side": "PS", "distance_to_root_m": 10.4}, True, id="beside"),
        pytest.param({"blade": "A", "side": "PS", "distance_to_root_m": 19.0}, False, id="far along"),
        pytest.param({"blade": "A", "side": "TE", "distance_to_root_m": 10.4}, False, id="another side"),
        pytest.param({"face": 1, "height_m": 10.4}, True, id="no blade"),
        pytest.param(None, True, id="no place"),
    ],
)
def test_only_what_may_be_a_mark_is_read_whole(place: dict[str, object] | None, read: bool) -> None:
    assert may_be(Outline("det-1", place, 120.0, 4.0), [mark("aud-1", 10.0)]) is read


def test_flights_of_one_defect_each_give_almost_the_plain_interval() -> None:
    made, plain = clustered([(n < 3, 1) for n in range(60)]), share(3, 60)
    assert made.estimate == plain.estimate
    assert (made.low, made.high) == pytest.approx((plain.low, plain.high), abs=0.01)


def test_defects_that_lie_together_widen_it() -> None:
    together, spread = clustered([(9, 10), *[(0, 10)] * 5]), clustered([(3, 10), (2, 10), (1, 10), *[(1, 10)] * 3])
    assert together.hits == spread.hits
    assert together.high - together.low > 2 * (spread.high - spread.low) > 2 * (share(9, 60).high - share(9, 60).low)


@pytest.mark.parametrize(
    ("flights", "each", "published"),
    [(LEAST_FLIGHTS, LEAST_DEFECTS, True), (LEAST_FLIGHTS - 1, LEAST_DEFECTS, False), (LEAST_DEFECTS - 1, 1, False)],
)
def test_too_little_is_not_published(flights: int, each: int, published: bool) -> None:
    assert (clustered([(0, each)] * flights).estimate is not None) is published


@pytest.mark.parametrize("alike", [0.0, 0.2, 0.4])
@pytest.mark.parametrize("rate", [0.05, 0.2])
def test_the_interval_holds_the_truth_in_95_of_100_audits(rate: float, alike: float) -> None:
    """Flights differ by a beta distribution of that intraclass correlation; 600 audits of 20 flights each."""
    rng = np.random.default_rng(5)
    held, audits = 0, 600
    for _ in range(audits):
        of = rng.poisson(3.0, 20)
        spread = (1 - alike) / alike if alike else 0.0
        rates = rng.beta(rate * spread, (1 - rate) * spread, 20) if alike else np.full(20, rate)
        made = clustered(zip(rng.binomial(of, rates).tolist(), of.tolist(), strict=True))
        held += made.low <= rate <= made.high
    assert held / audits >= 0.95


def test_the_words_say_what_stands_behind_them() -> None:
    said = BlindRate(
        asset_kind=AssetKind.WIND_TURBINE, frames=30, unclear=1, people=2, flights=9, marks=44,
        missed=Share(hits=3, of=40, estimate=0.075, low=0.01, high=0.2), enough=True, by_kind=[],
        last_answer_at=audit_frame("flt-1.00000").frame.captured_at,
    )  # fmt: skip
    assert in_words(said).startswith("8% (95 % interval 1% to 20%, flights as clusters). Of 40 defects that people saw")
    assert "30 random frames of 9 flights, looked at blind by 2 people until 2026-11-20" in in_words(said)
    few = said.model_copy(update={"missed": Share(hits=1, of=3)})
    assert in_words(few).startswith("Too little data: of 3 defects")
    assert in_words(None).startswith("No frame of the random sample")
