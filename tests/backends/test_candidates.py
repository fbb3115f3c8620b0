"""What the detector was not sure of, in a real database: in no finding until a person says what it is."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from cloud import candidates, grading
from cloud.db import Database
from cloud.inspections import record_batch
from cloud.reviews import undo
from cloud.tables import Audit, DetectionRow, EvidenceRow, Finding, Media, WorkflowRun
from contracts.errors import Conflict, InvalidInput, NotFound
from contracts.findings import Detection
from contracts.vocabulary import FindingStatus, Verdict
from tests.clean_database import empty
from tests.factories import World
from tests.sightings import MODEL, batch, detection

NOW = datetime(2026, 11, 20, 17, 0, tzinfo=UTC)
POLICY = grading.shipped_policy()


@pytest.fixture(scope="module")
def opened(database_url: str) -> Iterator[Database]:
    database = Database(database_url)
    yield database
    database.close()


@pytest.fixture
def session(opened: Database) -> Iterator[Session]:
    empty(opened)
    with opened.session() as unit:
        yield unit


@pytest.fixture
def segments(session: Session) -> list[Media]:
    world = World(session, NOW)
    world.site()
    flight = world.flight(world.asset("T-01", 260.0, 0.0), world.drone(), NOW)
    return [world.segment(flight, index, NOW, state="queued") for index in range(3)]


def unsure(name: str, segment: Media, *, root_m: float = 20.0) -> Detection:
    """Return a crack that is critical where it is, which the model card leaves to a person."""
    return detection(name, segment=segment.segment_id, root_m=root_m, confidence=0.6).model_copy(
        update={"for_review": True}
    )


def record(session: Session, segment: Media, *seen: Detection) -> list[str]:
    return record_batch(session, batch(segment.segment_id, *seen)).new_findings


def judged(session: Session, name: str, verdict: Verdict = Verdict.CONFIRM, rank: int | None = None) -> Finding:
    return candidates.judge(session, name, verdict, "Looked at it.", "ana", rank=rank, policy=POLICY)


def test_it_waits_and_starts_nothing(session: Session, segments: list[Media]) -> None:
    assert record(session, segments[0], unsure("a", segments[0]), unsure("b", segments[0], root_m=15.0)) == []
    assert [c.seen.detection_id for c in candidates.waiting(session, 10)] == ["a", "b"]
    assert session.scalars(select(Finding)).all() == []
    assert session.scalars(select(WorkflowRun)).all() == []


def test_the_surest_waits_first_and_the_list_goes_on_behind_one_of_it(session: Session, segments: list[Media]) -> None:
    sure = {"c": 0.7, "a": 0.6, "b": 0.6, "d": 0.5}
    seen = [unsure(n, segments[0], root_m=5.0 + 4 * i) for i, n in enumerate(sure)]
    record(session, segments[0], *(d.model_copy(update={"confidence": sure[d.detection_id]}) for d in seen))
    assert [c.seen.detection_id for c in candidates.waiting(session, 2)] == ["c", "a"]
    assert [c.seen.detection_id for c in candidates.waiting(session, 9, after=("0.6", "a"))] == ["b", "d"]
    with pytest.raises(InvalidInput, match="cursor"):
        candidates.waiting(session, 9, after=("nan", "a"))


def test_what_is_confirmed_is_a_finding_of_the_detector_that_saw_it(session: Session, segments: list[Media]) -> None:
    record(session, segments[0], unsure("a", segments[0]))
    made = judged(session, "a")
    assert (made.status, made.reviewed_by, made.severity_rank) == (FindingStatus.CONFIRMED, "ana", 4)
    assert (made.model_name, made.model_sha256, made.threshold) == (MODEL.name, MODEL.sha256, MODEL.threshold)
    assert session.scalars(select(WorkflowRun.finding_id)).all() == [made.finding_id]
    assert session.scalar(select(func.count()).select_from(EvidenceRow)) == 2
    assert candidates.waiting(session, 10) == []
    said = session.scalars(select(Audit.action).where(Audit.object == made.finding_id).order_by(Audit.id)).all()
    assert said == ["candidate.tell", "finding.confirm"]


def test_what_is_rejected_is_kept_as_rejected_and_starts_nothing(session: Session, segments: list[Media]) -> None:
    record(session, segments[0], unsure("a", segments[0]))
    assert judged(session, "a", Verdict.REJECT).status == FindingStatus.REJECTED
    assert session.scalars(select(WorkflowRun)).all() == []


def test_a_grade_is_a_persons(session: Session, segments: list[Media]) -> None:
    record(session, segments[0], unsure("a", segments[0]))
    made = judged(session, "a", Verdict.REGRADE, rank=2)
    assert (made.severity_rank, made.severity_source) == (2, "manual")


def test_taken_back_it_is_an_open_finding(session: Session, segments: list[Media]) -> None:
    record(session, segments[0], unsure("a", segments[0]))
    made = undo(session, judged(session, "a").finding_id, "ana", POLICY)
    assert (made.status, made.reviewed_at) == (FindingStatus.OPEN, None)


def test_two_looks_at_one_place_are_judged_together(session: Session, segments: list[Media]) -> None:
    for index, name in enumerate("ab"):
        assert record(session, segments[index], unsure(name, segments[index])) == []
    made = judged(session, "b")
    assert set(session.scalars(select(DetectionRow.finding_id))) == {made.finding_id}


def test_a_sure_look_makes_it_a_finding_without_anybody(session: Session, segments: list[Media]) -> None:
    record(session, segments[0], unsure("a", segments[0]))
    (finding_id,) = record(session, segments[1], detection("s", segment=segments[1].segment_id, root_m=20.0))
    assert session.get_one(DetectionRow, "a").finding_id == finding_id
    with pytest.raises(Conflict, match=finding_id):
        judged(session, "a")


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_a_vague_look_over_two_defects_does_not_make_them_one(
    session: Session, segments: list[Media], order: tuple[int, ...]
) -> None:
    ends = [detection(n, segment=segments[i].segment_id, root_m=10.0 + 2 * i) for i, n in enumerate(("near", "far"))]
    vague = unsure("vague", segments[2], root_m=11.0).model_copy(update={"length_mm": 2400.0})
    for index in order:
        record(session, segments[index], (*ends, vague)[index])
    findings = session.scalars(select(Finding).order_by(Finding.distance_to_root_m)).all()
    assert [f.distance_to_root_m for f in findings] == pytest.approx([10.0, 12.0])
    assert [f.length_mm for f in findings] == [200.0, 200.0]
    assert session.get_one(DetectionRow, "vague").finding_id in {f.finding_id for f in findings}


def test_later_looks_belong_to_what_a_person_confirmed(session: Session, segments: list[Media]) -> None:
    record(session, segments[0], unsure("a", segments[0]))
    made = judged(session, "a")
    assert record(session, segments[1], unsure("b", segments[1], root_m=20.1)) == []
    session.refresh(made)
    assert session.get_one(DetectionRow, "b").finding_id == made.finding_id
    assert (made.status, made.reviewed_by) == (FindingStatus.CONFIRMED, "ana")


def test_twice_judged_is_refused_and_an_unknown_one_too(session: Session, segments: list[Media]) -> None:
    record(session, segments[0], unsure("a", segments[0]))
    judged(session, "a")
    with pytest.raises(Conflict, match="by now"):
        judged(session, "a", Verdict.REJECT)
    with pytest.raises(NotFound, match="nowhere"):
        judged(session, "nowhere")


def test_what_was_held_before_detectors_were_written_down_says_so(session: Session, segments: list[Media]) -> None:
    record(session, segments[0], unsure("a", segments[0]))
    session.get_one(DetectionRow, "a").model = None
    session.flush()
    assert judged(session, "a").model_name == "not recorded"
