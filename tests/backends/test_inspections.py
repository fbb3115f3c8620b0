"""Batches into findings, in a real database: once each, in any order, from several sides at once."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from cloud import coverage, places
from cloud.api.findings import FindingOut
from cloud.assistant.evidence import Sentence
from cloud.assistant.grounding.citations import check
from cloud.assistant.tools import coverage_rows
from cloud.assistant.tools.finding_rows import findings
from cloud.assistant.tools.parameters import CoverageQuery, FindingsQuery
from cloud.assistant.writer import Writer, _of
from cloud.datasets.formats import as_kml
from cloud.datasets.rows import read
from cloud.db import Database
from cloud.inspections import RecordOutcome, record_batch
from cloud.line_towers import TowersSeen
from cloud.reporting.signed import _coverage_changed
from cloud.reviews import review
from cloud.tables import (
    Asset,
    Base,
    Coverage,
    DetectionRow,
    Drone,
    EvidenceRow,
    Finding,
    Flight,
    Media,
    Ticket,
    WorkflowRun,
)
from contracts.errors import InvalidInput, NotFound
from contracts.findings import CoverageCell, Detection, DetectionBatch, PartCell
from contracts.geo import Enu, LocalFrame
from contracts.ids import mint
from contracts.places import SpanPlace, TowerPlace
from contracts.powerline import LineTower, PowerLine
from contracts.shafts import shaft_of
from contracts.tower import TelecomTower
from contracts.turbine import TurbineGeometry
from contracts.vocabulary import Blade, BladeSide, DefectKind, FindingStatus, Verdict
from tests.clean_database import empty
from tests.factories import World
from tests.sightings import batch, detection

NOW = datetime(2026, 11, 20, 17, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def opened(database_url: str) -> Iterator[Database]:
    database = Database(database_url)
    yield database
    database.close()


@pytest.fixture
def database(opened: Database) -> Database:
    empty(opened)
    with opened.session() as session:
        world = World(session, NOW)
        world.site()
        world.drone()
        world.asset("T-01", 260.0, 0.0)
    return opened


def fly(database: Database, *, segments: int = 3, at: datetime = NOW) -> str:
    """Add a flight of T-01 with stored segments and return its id."""
    with database.session() as session:
        count = session.scalar(select(func.count()).select_from(Flight)) or 0
        world = World(session, at, seed=10 + count)
        asset = session.get_one(Asset, "t-01")
        world.geometries["t-01"] = TurbineGeometry.model_validate(asset.geometry)
        flight = world.flight(asset, session.scalars(select(Drone)).one(), at)
        for index in range(segments):
            world.segment(flight, index, at, state="queued")
        return flight.flight_id


def seen_in(flight_id: str, index: int, *detections: Detection) -> DetectionBatch:
    return batch(f"{flight_id}.{index:05d}", *detections)


def record(database: Database, *batches: DetectionBatch) -> list[RecordOutcome]:
    outcomes = []
    for each in batches:
        with database.session() as session:
            outcomes.append(record_batch(session, each))
    return outcomes


def groups(session: Session) -> set[frozenset[str]]:
    """Return the detections of each finding, and those held alone."""
    by_finding: dict[str, set[str]] = {}
    for row in session.scalars(select(DetectionRow)):
        by_finding.setdefault(row.finding_id or row.detection_id, set()).add(row.detection_id)
    return {frozenset(ids) for ids in by_finding.values()}


def everything(session: Session) -> list[tuple[object, ...]]:
    return [
        (table.name, *row)
        for table in Base.metadata.sorted_tables
        for row in sorted(session.execute(table.select()), key=repr)
    ]


def looks(flight_id: str) -> list[DetectionBatch]:
    """Return three passes: one crack seen thrice (once as two tracks), one burn, one erosion in two pieces."""

    def shown(index: int, name: str, **more: object) -> Detection:
        segment = f"{flight_id}.{index:05d}"
        return detection(f"{segment}-{name}", segment=segment, **more)  # type: ignore[arg-type]

    erosion = {"kind": DefectKind.LEADING_EDGE_EROSION, "side": BladeSide.LE, "length_mm": 800.0, "offset_m": 0.2}
    return [
        seen_in(flight_id, 0, shown(0, "crack", root_m=10.0), shown(0, "piece", root_m=15.0, **erosion)),
        seen_in(
            flight_id,
            1,
            shown(1, "crack-1", root_m=10.2),
            shown(1, "crack-2", root_m=10.1, confidence=0.4),
            shown(1, "burn", root_m=12.4, kind=DefectKind.LIGHTNING_BURN, length_mm=350.0),
        ),
        seen_in(flight_id, 2, shown(2, "piece", root_m=15.9, **erosion), shown(2, "far", root_m=20.0)),
    ]


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_the_order_of_batches_changes_no_finding(database: Database, order: tuple[int, ...]) -> None:
    flight_id = fly(database)
    batches = looks(flight_id)
    record(database, *[batches[i] for i in order])
    with database.session() as session:
        assert {frozenset(d.removeprefix(flight_id) for d in g) for g in groups(session)} == {
            frozenset({".00000-crack", ".00001-crack-1", ".00001-crack-2"}),
            frozenset({".00001-burn"}),
            frozenset({".00000-piece", ".00002-piece"}),
            frozenset({".00002-far"}),
        }
        rows = session.scalars(select(Finding).order_by(Finding.distance_to_root_m)).all()
        assert [(f.kind, f.severity_rank) for f in rows] == [
            ("crack", 3), ("lightning_burn", 5), ("leading_edge_erosion", 4), ("crack", 4),
        ]  # fmt: skip
        assert rows[2].length_mm == pytest.approx(1700.0)
        assert session.scalar(select(func.count()).select_from(EvidenceRow)) == 14
        wanted = set(session.scalars(select(WorkflowRun.execution_name)))
        assert wanted == {f.finding_id for f in rows if f.severity_rank >= 4}


def test_a_batch_again_changes_nothing(database: Database) -> None:
    flight_id = fly(database)
    batches = looks(flight_id)
    record(database, *batches)
    with database.session() as session:
        before = everything(session)
    for outcome in record(database, *batches, batches[0]):
        assert (outcome.new_findings, outcome.critical, outcome.merged, outcome.held) == ([], [], [], 0)
    with database.session() as session:
        assert everything(session) == before


def test_batches_of_one_flight_at_once_make_one_finding(database: Database) -> None:
    flight_id = fly(database, segments=8)
    barrier = threading.Barrier(8)

    def handle(index: int) -> None:
        segment = f"{flight_id}.{index:05d}"
        barrier.wait()
        record(database, seen_in(flight_id, index, detection(f"d{index}", segment=segment, root_m=10.0 + 0.02 * index)))

    threads = [threading.Thread(target=handle, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with database.session() as session:
        assert groups(session) == {frozenset(f"d{i}" for i in range(8))}
        assert session.scalar(select(func.count()).select_from(Finding)) == 1


def test_a_weak_look_is_held_until_another_agrees(database: Database) -> None:
    flight_id = fly(database)
    weak = {"confidence": 0.4, "incidence_deg": 78.0, "frames": 1}
    (first,) = record(database, seen_in(flight_id, 0, detection("w", segment=f"{flight_id}.00000", **weak)))  # type: ignore[arg-type]
    assert (first.held, first.new_findings) == (1, [])
    with database.session() as session:
        assert session.get_one(DetectionRow, "w").finding_id is None
        assert session.scalars(select(Finding)).first() is None
    (second,) = record(database, seen_in(flight_id, 1, detection("s", segment=f"{flight_id}.00001")))
    assert (second.held, len(second.new_findings)) == (-1, 1)
    with database.session() as session:
        assert groups(session) == {frozenset({"w", "s"})}
        assert session.scalar(select(func.count()).select_from(EvidenceRow)) == 3


def two_ends(database: Database, flight_id: str) -> tuple[str, str]:
    """Record two long cracks apart and return their findings' ids, the lower number first."""
    segment = f"{flight_id}.00000"
    ends = [
        detection(name, segment=segment, root_m=at, length_mm=600.0) for name, at in (("a-near", 10.0), ("b-far", 11.4))
    ]
    record(database, seen_in(flight_id, 0, *ends))
    with database.session() as session:
        near, far = session.scalars(select(Finding).order_by(Finding.distance_to_root_m)).all()
        return near.finding_id, far.finding_id


def bridge(flight_id: str) -> DetectionBatch:
    middle = detection("middle", segment=f"{flight_id}.00001", root_m=10.7, length_mm=700.0)
    return seen_in(flight_id, 1, middle)


def ticketed(database: Database, *finding_ids: str) -> None:
    with database.session() as session:
        for finding_id in finding_ids:
            session.add(Ticket(ticket_id=mint("tkt"), finding_id=finding_id, link_group=finding_id, system="sap"))


def test_a_look_that_ties_two_findings_together_makes_them_one(database: Database) -> None:
    flight_id = fly(database)
    near, far = two_ends(database, flight_id)
    (outcome,) = record(database, bridge(flight_id))
    assert outcome.merged == [far]
    with database.session() as session:
        (kept,) = session.scalars(select(Finding)).all()
        assert kept.finding_id == near
        assert kept.length_mm == pytest.approx(2000.0)
        assert groups(session) == {frozenset({"a-near", "middle", "b-far"})}
        assert set(session.scalars(select(EvidenceRow.finding_id))) == {near}
        assert list(session.scalars(select(WorkflowRun.execution_name))) == [near]


def test_a_finding_that_was_rejected_takes_the_verdict_of_a_confirmed_one_that_it_turns_out_to_be(
    database: Database,
) -> None:
    flight_id = fly(database)
    near, far = two_ends(database, flight_id)
    with database.session() as session:
        session.get_one(Finding, near).status = FindingStatus.REJECTED.value
        session.get_one(Finding, far).status = FindingStatus.CONFIRMED.value
    record(database, bridge(flight_id))
    with database.session() as session:
        (kept,) = session.scalars(select(Finding)).all()
        assert (kept.finding_id, kept.status) == (near, "confirmed")


def test_the_ticketed_finding_survives_a_merge(database: Database) -> None:
    flight_id = fly(database)
    near, far = two_ends(database, flight_id)
    ticketed(database, far)
    (outcome,) = record(database, bridge(flight_id))
    assert outcome.merged == [near]


def test_two_ticketed_findings_stay_two(database: Database) -> None:
    flight_id = fly(database)
    near, far = two_ends(database, flight_id)
    ticketed(database, near, far)
    (outcome,) = record(database, bridge(flight_id))
    assert outcome.merged == []
    with database.session() as session:
        assert {f.finding_id for f in session.scalars(select(Finding))} == {near, far}


def test_a_finding_that_grows_critical_wants_its_workflow_once(database: Database) -> None:
    flight_id = fly(database)
    segment = f"{flight_id}.00000"
    (small,) = record(database, seen_in(flight_id, 0, detection("a", segment=segment, length_mm=150.0)))
    assert small.critical == []
    grown = [
        seen_in(
            flight_id, i, detection(f"b{i}", segment=f"{flight_id}.{i:05d}", root_m=10.0 + 0.4 * i, length_mm=400.0)
        )
        for i in (1, 2)
    ]
    first, second = record(database, *grown)
    assert (first.critical, second.critical) == (small.new_findings, [])


def test_coverage_keeps_the_best_of_each_cell(database: Database) -> None:
    flight_id = fly(database)

    def cell(share: float, gsd: float, incidence: float, sharpness: float) -> CoverageCell:
        return CoverageCell(
            blade=Blade.A, side=BladeSide.PS, cell=3, seen_share=share, best_gsd_mm_px=gsd,
            best_incidence_deg=incidence, best_sharpness=sharpness,
        )  # fmt: skip

    one = batch(f"{flight_id}.00000", coverage=(cell(0.4, 1.2, 30.0, 200.0), cell(0.2, 9.0, 80.0, 1.0)))
    two = batch(f"{flight_id}.00001", coverage=(cell(0.9, 1.6, 12.0, 150.0),))
    record(database, two, one, two)
    with database.session() as session:
        row = session.scalars(select(Coverage)).one()
        best = (row.seen_share, row.best_gsd_mm_px, row.best_incidence_deg, row.best_sharpness)
        assert best == (0.9, 1.2, 12.0, 200.0)


def test_the_segment_is_analysed_with_its_numbers(database: Database) -> None:
    flight_id = fly(database)
    record(database, seen_in(flight_id, 0))
    with database.session() as session:
        media = session.get_one(Media, f"{flight_id}.00000")
        assert (media.state, media.processing_s, media.key_frames, media.model_sha256) == (
            "analysed",
            4.0,
            24,
            "ab" * 32,
        )


def test_the_same_place_in_a_later_flight_is_the_same_defect(database: Database) -> None:
    earlier = fly(database, at=NOW - timedelta(days=90))
    # Two that are seen again tie the later flight to the earlier one along the blade; one alone would be a suggestion.
    places = {"old": 10.0, "far": 20.0}
    record(
        database, seen_in(earlier, 0, *(detection(n, segment=f"{earlier}.00000", root_m=m) for n, m in places.items()))
    )
    later = fly(database)
    places = {"new": 10.1, "far again": 20.1, "other": 12.0}
    record(database, seen_in(later, 0, *(detection(n, segment=f"{later}.00000", root_m=m) for n, m in places.items())))
    with database.session() as session:
        of = {
            row.detection_id: session.get_one(Finding, row.finding_id) for row in session.scalars(select(DetectionRow))
        }
        assert of["new"].link_group == of["old"].link_group == of["old"].finding_id
        assert of["other"].link_group == of["other"].finding_id


def on_tower(flight_id: str, **places_of: TowerPlace) -> DetectionBatch:
    """Return what vision says of a tower: corrosion at places, and of every face the metres 5 to 40 seen."""
    segment = f"{flight_id}.00000"
    looks = [
        detection(name, segment=segment, kind=DefectKind.CORROSION, root_m=None).model_copy(
            update={"place": place, "le90_m": 0.2}
        )
        for name, place in places_of.items()
    ]
    parts = tuple(
        PartCell(part=f"face-{face}", cell=cell, seen_share=1.0, best_gsd_mm_px=1.5, best_incidence_deg=9.0,
                 best_sharpness=300.0)
        for face in range(4) for cell in range(5, 40) if (face, cell) != (2, 12)
    )  # fmt: skip
    return batch(segment, *looks).model_copy(update={"parts": parts})


def test_a_masts_finding_keeps_its_face_and_is_the_same_again_across_north(database: Database) -> None:
    with database.session() as session:
        asset = session.get_one(Asset, "t-01")
        mast = TelecomTower(foot=TurbineGeometry.model_validate(asset.geometry).foot, height_m=42.0)
    earlier, later = fly(database, at=NOW - timedelta(days=90)), fly(database)
    with database.session() as session:
        asset = session.get_one(Asset, "t-01")
        asset.kind, asset.geometry = "telecom_tower", mast.model_dump(mode="json")
    at = shaft_of(mast).place
    record(database, on_tower(earlier, old=at(10.0, 358.0), far=at(30.0, 200.0)))
    record(database, on_tower(later, new=at(10.1, 1.0), again=at(30.1, 201.0), other=at(10.0, 180.0)))
    with database.session() as session:
        of = {
            row.detection_id: session.get_one(Finding, row.finding_id) for row in session.scalars(select(DetectionRow))
        }
        assert of["new"].link_group == of["old"].link_group == of["old"].finding_id
        assert of["other"].link_group == of["other"].finding_id
        assert places.where(of["other"]) == "tower, south face, 10.0 m up"
        shown = FindingOut.model_validate(of["new"])
        assert isinstance(shown.place, TowerPlace)
        assert shown.place.bearing_deg == pytest.approx(1.0)
        assert (shown.place.face, shown.place.height_m, shown.le90_m) == (0, 10.1, 0.2)
        assert [str(gap) for gap in coverage.gaps(session, later)] == [
            "tower, south face 12-13 m",
            "tower, all faces 0-5 m",
            "tower, all faces 40-42 m",
        ]


def test_a_turbines_tower_is_told_of_where_the_flight_saw_it(database: Database) -> None:
    blades, tower = fly(database), fly(database)
    record(database, seen_in(blades, 0), on_tower(tower))
    with database.session() as session:
        said = {flight: [str(gap) for gap in coverage.gaps(session, flight)] for flight in (blades, tower)}
    assert not any("tower" in gap for gap in said[blades])
    assert "tower, south face 0-53 m" in said[tower]
    assert "tower, east face 12-13 m" in said[tower]


def on_line(flight_id: str, **places_of: SpanPlace) -> DetectionBatch:
    """Return what vision says of a line: corrosion at places, and the metres 150 to 300 of it seen but for ten."""
    segment = f"{flight_id}.00000"
    looks = [
        detection(name, segment=segment, kind=DefectKind.CORROSION, root_m=None).model_copy(update={"place": place})
        for name, place in places_of.items()
    ]
    cells = [("span-0000", n) for n in range(15, 20)] + [("span-0001", n) for n in range(10) if n != 4]
    parts = tuple(
        PartCell(part=part, cell=cell, seen_share=1.0, best_gsd_mm_px=3.5, best_incidence_deg=9.0,
                 best_sharpness=300.0)
        for part, cell in cells
    )  # fmt: skip
    return batch(segment, *looks).model_copy(update={"parts": parts})


def at_chainage(chainage_m: float) -> SpanPlace:
    span = int(chainage_m // 200.0)
    return SpanPlace(
        span=span, from_tower=f"{12 + span}", to_tower=f"{13 + span}", conductor=1, offset_m=0.0,
        distance_m=chainage_m - 200.0 * span, chainage_m=chainage_m,
    )  # fmt: skip


@pytest.fixture
def flown_line(database: Database) -> str:
    """Inspect a line twice, and return the later flight."""
    with database.session() as session:
        foot = TurbineGeometry.model_validate(session.get_one(Asset, "t-01").geometry).foot
    feet = [LocalFrame(foot).to_geo(Enu(east, 0.0, 0.0)) for east in (0.0, 200.0, 400.0)]
    line = PowerLine(towers=tuple(LineTower(name=f"{12 + n}", foot=at) for n, at in enumerate(feet)))
    earlier, later = fly(database, at=NOW - timedelta(days=90)), fly(database)
    with database.session() as session:
        asset = session.get_one(Asset, "t-01")
        asset.kind, asset.geometry = "power_line", line.model_dump(mode="json")
    record(database, on_line(earlier, old=at_chainage(199.9), far=at_chainage(260.0)))
    looks = {"new": 200.1, "again": 260.2, "other": 230.0}
    record(database, on_line(later, **{name: at_chainage(metres) for name, metres in looks.items()}))
    return later


def test_a_lines_finding_keeps_its_span_and_is_the_same_again_across_a_tower(
    database: Database, flown_line: str
) -> None:
    with database.session() as session:
        of = {
            row.detection_id: session.get_one(Finding, row.finding_id) for row in session.scalars(select(DetectionRow))
        }
        assert of["new"].link_group == of["old"].link_group == of["old"].finding_id
        assert of["other"].link_group == of["other"].finding_id
        assert places.where(of["again"]) == "span 13–14, 60.2 m from tower 13"
        assert FindingOut.model_validate(of["new"]).place == at_chainage(200.1)
        assert [str(gap) for gap in coverage.gaps(session, flown_line)] == ["span 13–14, 40–50 m"]


def test_the_assistant_says_where_on_a_line_and_what_was_not_seen_of_it(database: Database, flown_line: str) -> None:
    with database.session() as session:
        rows = coverage_rows.coverage(session, "E1", CoverageQuery(flight_ids=(flown_line,)))
        rows += findings(session, "E2", FindingsQuery(flight_ids=(flown_line,)))
    writer, by_ref = Writer(ZoneInfo("UTC")), {row.ref: row for row in rows}
    said = [*writer._coverage(tuple(rows[:2])), *(_of(writer._finding(r), r) for r in rows if "place" in r.values)]
    assert "140 of 150 m of spans (93.3 %) were seen" in said[0].text
    assert said[1].text == "Not seen on T-01: span 13–14, 40–50 m."
    assert any("on T-01, span 13–14, 60.2 m from tower 13;" in sentence.text for sentence in said)
    assert all(isinstance(check(sentence, by_ref, ZoneInfo("UTC")), Sentence) for sentence in said)


def round_a_tower(flight_id: str, number: int, *, top_m: float = 99.0) -> DetectionBatch:
    """Return what vision says of a line of which it sees a tower all round, and of one face no more than so high."""
    asset_faces = [(f"tower-{number:04d}-face-{face}", 32.0 if face else top_m) for face in range(4)]
    parts = tuple(
        PartCell(part=part, cell=cell, seen_share=1.0, best_gsd_mm_px=3.0, best_incidence_deg=9.0, best_sharpness=300.0)
        for part, high_m in [*asset_faces, *((f"tower-{number:04d}-string-{n}", 99.0) for n in range(3))]
        for cell in ([8] if "string" in part else range(11))
        if 3.0 * cell < high_m
    )
    spans = on_line(flight_id)
    return spans.model_copy(update={"parts": (*spans.parts, *parts), "counts_towers": True})


def test_a_flight_round_one_tower_tells_of_all_and_one_of_before_of_none(database: Database, flown_line: str) -> None:
    with database.session() as session:
        line = session.get_one(Asset, "t-01").shape
        assert isinstance(line, PowerLine)
        assert coverage.tallies(session, {flown_line: line}) == {}
        assert coverage.beyond(session, flown_line)[-1].startswith("towers and insulator strings: what was seen")
    record(database, round_a_tower(flown_line, 1, top_m=18.0))
    with database.session() as session:
        assert [str(gap) for gap in coverage.gaps(session, flown_line)] == [
            "span 13–14, 40–50 m", "tower 13, east face, 18–32 m",
        ]  # fmt: skip
        assert coverage.beyond(session, flown_line)[-2:] == [
            "tower 12, with insulator strings", "tower 14, with insulator strings",
        ]  # fmt: skip
        assert coverage.tallies(session, {flown_line: line}) == {flown_line: TowersSeen(whole=0, part=1, unseen=2)}
        gaps = coverage.not_seen(session, [flown_line])[flown_line].told["gaps"]
        assert gaps == {"span-0001": [[40, 50]], "tower-0001-face-0": [[18, 32]]}
        rows = coverage_rows.coverage(session, "E1", CoverageQuery(flight_ids=(flown_line,)))
    said = Writer(ZoneInfo("UTC"))._coverage(tuple(rows))
    assert said[1].text == "Towers of T-01: 0 of 3 seen whole, 1 in part, 2 not at all."
    by_ref = {row.ref: row for row in rows}
    assert all(isinstance(check(sentence, by_ref, ZoneInfo("UTC")), Sentence) for sentence in said)


def test_a_segment_looked_at_by_an_older_vision_leaves_towers_untold(database: Database, flown_line: str) -> None:
    record(database, round_a_tower(flown_line, 1))
    record(database, on_line(flown_line))
    with database.session() as session:
        assert [str(gap) for gap in coverage.gaps(session, flown_line)] == ["span 13–14, 40–50 m"]
        assert coverage.beyond(session, flown_line)[-1].startswith("towers and insulator strings: what was seen")


def test_who_signed_a_lines_report_is_told_that_a_tower_was_not_seen(database: Database, flown_line: str) -> None:
    with database.session() as session:
        then = coverage.not_seen(session, [flown_line])[flown_line].told
    record(database, round_a_tower(flown_line, 1, top_m=18.0))
    with database.session() as session:
        now = coverage.not_seen(session, [flown_line])[flown_line]
    said = str(_coverage_changed(then, now))
    assert said == (
        "Coverage: other stretches were not seen, 10 m as before (now not seen: tower 13, east face, 18–32 m)"
    )


def test_a_place_on_a_line_is_in_the_views_and_in_words_in_kml(database: Database, flown_line: str) -> None:
    with database.session() as session:
        table = read(session, "findings", "t-01")
    told = next(r for r in table.records() if r["flight_id"] == flown_line and 20 < (r["span_distance_m"] or 0) < 40)
    assert (told["span_distance_m"], told["chainage_m"]) == pytest.approx((30.0, 230.0))
    assert (told["span_from_tower"], told["span_to_tower"]) == ("13", "14")
    assert (told["line_tower"], told["pipe_offset_m"], told["tower_height_m"]) == (None, None, None)
    assert ", span 13–14, 30.0 m from tower 13, rank" in as_kml(table)


def test_a_batch_of_another_video_is_refused(database: Database) -> None:
    flight_id = fly(database)
    stale = seen_in(flight_id, 0).model_copy(update={"video_sha256": "1" * 64})
    with pytest.raises(InvalidInput, match="another video"):
        record(database, stale)


def test_a_batch_of_an_unknown_segment_or_a_foreign_asset_is_refused(database: Database) -> None:
    flight_id = fly(database, segments=1)
    with pytest.raises(NotFound):
        record(database, seen_in(flight_id, 5))
    with pytest.raises(InvalidInput, match="another flight or asset"):
        record(database, batch(f"{flight_id}.00000", asset_id="t-02"))


def one_finding(database: Database, length_mm: float = 150.0) -> str:
    flight_id = fly(database)
    look = detection("a", segment=f"{flight_id}.00000", length_mm=length_mm)
    (outcome,) = record(database, seen_in(flight_id, 0, look))
    return outcome.new_findings[0]


@pytest.mark.parametrize(("verdict", "status"), [(Verdict.CONFIRM, "confirmed"), (Verdict.REJECT, "rejected")])
def test_a_verdict_sets_the_status(database: Database, verdict: Verdict, status: str) -> None:
    finding_id = one_finding(database)
    with database.session() as session:
        row = review(session, finding_id, verdict, "I looked.", "ana")
        assert (row.status, row.reviewed_by, row.review_reason) == (status, "ana", "I looked.")


def test_a_regrade_survives_later_evidence_and_can_start_the_workflow(database: Database) -> None:
    finding_id = one_finding(database)
    with database.session() as session:
        review(session, finding_id, Verdict.REGRADE, "Structural.", "ana", rank=5)
    with database.session() as session:
        assert list(session.scalars(select(WorkflowRun.execution_name))) == [finding_id]
        flight_id = session.get_one(Finding, finding_id).flight_id
    record(database, seen_in(flight_id, 1, detection("b", segment=f"{flight_id}.00001", length_mm=140.0)))
    with database.session() as session:
        row = session.get_one(Finding, finding_id)
        assert (row.severity_rank, row.severity_source, row.action) == (5, "manual", "Stop the turbine and repair.")


def test_a_regrade_needs_a_rank_and_a_finding(database: Database) -> None:
    finding_id = one_finding(database)
    with database.session() as session, pytest.raises(InvalidInput, match="needs a rank"):
        review(session, finding_id, Verdict.REGRADE, "Hm.", "ana")
    with database.session() as session, pytest.raises(NotFound):
        review(session, "fnd-none", Verdict.CONFIRM, "Hm.", "ana")
