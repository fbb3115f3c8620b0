"""The blind rate is read from kept rows, and says what a computation from every mark and detection would."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from cloud.blind import kept
from cloud.db import Database
from cloud.tables import AuditAnswer, AuditFrameRow, AuditMark, BlindChange, DetectionRow, Finding, Flight
from contracts.findings import AuditBox, AuditFrame
from contracts.geo import BoxNorm
from contracts.vocabulary import DefectKind
from tests.factories import World
from tests.scenes import utc_now
from tests.sightings import audit_frame, detection

pytestmark = pytest.mark.backends

STEPS = st.lists(
    st.tuples(
        st.sampled_from(("answer", "answer", "detect", "detect", "tell", "lose", "move", "undo", "show", "fold")),
        st.integers(0, 3),
        st.integers(0, 4),
    ),
    min_size=1,
    max_size=14,
)


@pytest.fixture(scope="module")
def database(database_url: str) -> Iterator[Database]:
    """Two flights of one segment each, of which two frames are in the sample."""
    made = Database(database_url)
    with made.session() as session:
        world = World(session, utc_now())
        world.site()
        asset, drone = world.asset("T-01", 240.0, 10.0), world.drone()
        for _ in range(2):
            flight = world.flight(asset, drone, world.now)
            segment = world.segment(flight, 0, world.now)
            for finding in range(2):
                world.finding(flight, DefectKind.CRACK, root_m=5.0 + finding)
            for number in (7, 8):
                record = audit_frame(segment.segment_id, number)
                world.add(
                    AuditFrameRow(
                        frame_id=f"{segment.segment_id}-{number:06d}", segment_id=segment.segment_id,
                        flight_id=flight.flight_id, asset_id=asset.asset_id, captured_at=world.now, draw=record.draw,
                        share=record.share, model_sha256="ab" * 32, record=record.model_dump(mode="json"),
                    )
                )  # fmt: skip
    yield made
    made.close()


@settings(max_examples=20, deadline=None)
@given(STEPS)
def test_what_is_kept_is_what_every_mark_and_detection_come_to(
    database: Database, steps: list[tuple[str, int, int]]
) -> None:
    with database.session() as session:
        flights = list(session.scalars(select(Flight.flight_id)))
        for number, (step, which, value) in enumerate(steps):
            _take(session, number, step, which, value)
            session.flush()
            session.expire_all()
            marked = kept._marked(session, set(flights))
            assert kept.counts(session, marked) == kept.counted(session, marked)
        session.rollback()


def _take(session: Session, number: int, step: str, which: int, value: int) -> None:
    frames = session.scalars(select(AuditFrameRow).order_by(AuditFrameRow.frame_id)).all()
    rows = session.scalars(select(DetectionRow).order_by(DetectionRow.detection_id)).all()
    frame = frames[which]
    if step == "fold":
        kept.fold(session)
    elif step == "answer":
        _answer(session, frame, number, value)
    elif step == "detect":
        _detect(session, frame, number, value)
    elif step == "undo":
        session.execute(delete(AuditAnswer).where(AuditAnswer.frame_id == frame.frame_id))
    elif step == "show":
        box = AuditBox(detection_id=f"det-{value}", kind=DefectKind.CRACK, box=BoxNorm(x0=0.4, y0=0.4, x1=0.5, y1=0.5))
        shown = AuditFrame.model_validate(frame.record).model_copy(update={"boxes": (box,)})
        frame.record = shown.model_dump(mode="json")
    elif rows:
        _change(session, rows[which % len(rows)], step, value)


def _answer(session: Session, frame: AuditFrameRow, number: int, value: int) -> None:
    said: dict[str, Any] = {"answered_at": utc_now(), "verdict": "marked" if value else "nothing"}
    given = AuditAnswer(answer_id=f"ans-{number}", frame_id=frame.frame_id, answered_by=f"p{number}", **said)
    session.add(given)
    session.flush()
    for mark in range(value):
        body = detection(f"aud-{number}-{mark}", segment=frame.segment_id, root_m=3.0 * (value + mark), frames=1)
        seen = body.model_dump(mode="json")
        session.add(AuditMark(mark_id=body.detection_id, answer_id=given.answer_id, kind="crack", body=seen))


def _detect(session: Session, frame: AuditFrameRow, number: int, value: int) -> None:
    body = detection(f"det-{number}", segment=frame.segment_id, root_m=3.0 * value, confidence=0.9)
    row = {"segment_id": frame.segment_id, "kind": "crack", "confidence": 0.9, "body": body.model_dump(mode="json")}
    session.add(DetectionRow(detection_id=body.detection_id, finding_id=None, **row))


def _change(session: Session, row: DetectionRow, step: str, value: int) -> None:
    if step == "tell":
        row.finding_id = _findings(session, row.segment_id.rpartition(".")[0])[value % 2]
    elif step == "lose":
        row.finding_id = None
    else:
        moved = detection(row.detection_id, segment=row.segment_id, root_m=3.0 * value)
        row.body = moved.model_dump(mode="json")


def _findings(session: Session, flight_id: str) -> list[str]:
    query = select(Finding.finding_id).where(Finding.flight_id == flight_id).order_by(Finding.number)
    return list(session.scalars(query))


def test_what_a_slower_writer_changes_while_rows_are_folded_is_not_lost(database: Database) -> None:
    with database.session() as session:
        frame = session.scalars(select(AuditFrameRow).order_by(AuditFrameRow.frame_id)).first()
        assert frame is not None
        _answer(session, frame, 90, 1)
        _detect(session, frame, 91, 1)
        flight = frame.flight_id
    with database.session() as slow:
        row = slow.get_one(DetectionRow, "det-91")
        row.finding_id = _findings(slow, flight)[0]
        slow.flush()
        with database.session() as session:
            assert kept.fold(session) > 0
            assert kept.counts(session, [flight])[flight].total == (1, 1)
    with database.session() as session:
        assert kept.counts(session, [flight])[flight].total == (0, 1)
        assert kept.fold(session) == 1
        assert kept.fold(session) == 0
        assert session.scalars(select(BlindChange)).all() == []
        assert kept.counts(session, [flight])[flight].total == (0, 1)
