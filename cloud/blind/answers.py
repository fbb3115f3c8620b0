"""What a person says of a sampled frame: given once, taken back by who gave it, and what it can become."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import NamedTuple

from pydantic import Field, model_validator
from sqlalchemy import exists, func, select
from sqlalchemy.orm import Session

from cloud import audit, audit_samples, grading, inspections
from cloud.blind import placing
from cloud.policy.versions import active_policy
from cloud.tables import Asset, AuditAnswer, AuditFrameRow, AuditMark, DetectionRow, Finding, Media
from contracts.errors import Conflict, InvalidInput, NotFound
from contracts.findings import AuditFrame, Detection, DetectionBatch, ModelCard
from contracts.geo import BoxNorm, Frozen
from contracts.ids import mint
from contracts.vocabulary import NEVER_ON, AssetKind, DefectKind

MOST_MARKS = 40
MARK = "aud"
"""What the ids of marks begin with, and so those of detections that are people's."""
_LEAST_SIDE = 0.0005
"""Share of the frame: two pixels of a 4K picture. What is smaller was a slip of the hand."""


class AuditVerdict(StrEnum):
    """What a person says of a frame."""

    MARKED = "marked"
    NOTHING = "nothing"
    UNCLEAR = "unclear"
    """The picture cannot be judged; it counts neither way."""


class MarkIn(Frozen):
    """A defect that a person sees: a rectangle and what it is."""

    kind: DefectKind
    box: BoxNorm

    @model_validator(mode="after")
    def _is_a_rectangle(self) -> MarkIn:
        if min(self.box.x1 - self.box.x0, self.box.y1 - self.box.y0) < _LEAST_SIDE:
            raise ValueError("a mark needs two corners apart: x0 < x1 and y0 < y1")
        return self


class AuditAnswerIn(Frozen):
    """All that a person says of a frame."""

    verdict: AuditVerdict
    marks: tuple[MarkIn, ...] = Field(default=(), max_length=MOST_MARKS)

    @model_validator(mode="after")
    def _says_one_thing(self) -> AuditAnswerIn:
        if bool(self.marks) != (self.verdict is AuditVerdict.MARKED):
            raise ValueError("marks go with the verdict 'marked', and with no other")
        return self


class Offer(NamedTuple):
    """The next frame for a person, and how many are left for her."""

    frame: AuditFrameRow | None
    left: int


def offer(session: Session, by: str) -> Offer:
    """Return the next frame of the samples that a person has not answered: those nobody has looked at come first."""
    sample = audit_samples.samples()
    mine = exists().where(AuditAnswer.frame_id == sample.c.frame_id, AuditAnswer.answered_by == by)
    looked = select(func.count()).where(AuditAnswer.frame_id == sample.c.frame_id).scalar_subquery()
    open_ = select(sample.c.frame_id).where(~mine)
    left = session.scalar(select(func.count()).select_from(open_.subquery())) or 0
    first = session.scalars(open_.order_by(looked, sample.c.draw).limit(1)).first()
    return Offer(session.get(AuditFrameRow, first) if first else None, left)


def answer(session: Session, frame_id: str, said: AuditAnswerIn, by: str) -> AuditAnswer:
    """Record what a person says of a frame of the sample; the same again changes nothing.

    Raises:
        NotFound: No such frame in the sample.
        InvalidInput: A kind that this class of asset cannot have.
        Conflict: She has answered it otherwise.

    """
    frame = _frame(session, frame_id)
    known = _known(session, frame_id, by)
    if known is not None:
        if said != _said(session, known):
            raise Conflict(f"{by} has answered frame {frame_id} already.", hint="Take that answer back first.")
        return known
    asset = session.get_one(Asset, frame.asset_id)
    never = NEVER_ON[AssetKind(asset.kind)].intersection(mark.kind for mark in said.marks)
    if never:
        raise InvalidInput(f"A {asset.kind} has no {min(never)}.", hint="Choose another kind.", field="marks")
    geometry = asset.shape
    record = AuditFrame.model_validate(frame.record)
    made = AuditAnswer(
        answer_id=mint("ans"), frame_id=frame_id, answered_by=by, answered_at=datetime.now(UTC), verdict=said.verdict
    )
    session.add(made)
    session.flush()
    for mark in said.marks:
        name = mint(MARK)
        body = placing.detection(name, mark.kind, mark.box, record, geometry).model_dump(mode="json")
        session.add(AuditMark(mark_id=name, answer_id=made.answer_id, kind=mark.kind.value, body=body))
    session.flush()
    audit.record(session, by, "blind_audit.answer", frame_id, after=said.model_dump(mode="json"))
    return made


def undo(session: Session, frame_id: str, by: str) -> AuditAnswerIn:
    """Take back what the asker said of a frame, which is returned; it may be shown to her again.

    Raises:
        NotFound: No such frame in the sample.
        Conflict: She has not answered it, or a mark of hers is a finding by now.

    """
    _frame(session, frame_id)
    known = _known(session, frame_id, by)
    if known is None:
        raise Conflict(f"{by} has not answered frame {frame_id}.", hint="There is nothing to take back.")
    names = [mark.mark_id for mark in marks_of(session, known)]
    if session.scalar(select(exists().where(DetectionRow.detection_id.in_(names)))):
        raise Conflict(f"A mark on {frame_id} is a finding by now.", hint="Reject the finding at the desk instead.")
    said = _said(session, known)
    session.delete(known)
    session.flush()
    audit.record(session, by, "blind_audit.undo", frame_id, before=said.model_dump(mode="json"))
    return said


def latest(session: Session, by: str) -> AuditAnswer | None:
    """Return a person's newest answer; None where she has given none."""
    mine = select(AuditAnswer).where(AuditAnswer.answered_by == by)
    return session.scalars(mine.order_by(AuditAnswer.answered_at.desc()).limit(1)).first()


def add_finding(session: Session, mark_id: str, by: str, shipped: grading.Policy) -> Finding:
    """Make a mark of the asker a finding that waits for review, graded by the policy; the same again changes nothing.

    Where the flight has a finding of this defect by now, the mark becomes evidence of it.

    Raises:
        NotFound: No such mark.
        Conflict: It is somebody else's mark.

    """
    mark = session.get(AuditMark, mark_id, with_for_update=True)
    if mark is None:
        raise NotFound(f"No mark {mark_id!r}.", hint="Answers to a frame name its marks.")
    given = session.get_one(AuditAnswer, mark.answer_id)
    if given.answered_by != by:
        raise Conflict(f"Mark {mark_id} is {given.answered_by}'s.", hint="Who drew it makes it a finding.")
    row = session.get(DetectionRow, mark_id)
    if row is None:
        frame = session.get_one(AuditFrameRow, given.frame_id)
        batch = _batch(session.get_one(Media, frame.segment_id), Detection.model_validate(mark.body))
        inspections.add_seen(session, batch, active_policy(session, frame.asset_id, shipped))
        row = session.get_one(DetectionRow, mark_id, populate_existing=True)
        audit.record(session, by, "blind_audit.finding", row.finding_id or mark_id, after={"mark_id": mark_id})
    return session.get_one(Finding, row.finding_id)


def marks_of(session: Session, given: AuditAnswer) -> Sequence[AuditMark]:
    """Return the marks of an answer in the order they were drawn."""
    return session.scalars(
        select(AuditMark).where(AuditMark.answer_id == given.answer_id).order_by(AuditMark.mark_id)
    ).all()


def _batch(media: Media, seen: Detection) -> DetectionBatch:
    return DetectionBatch(
        segment_id=media.segment_id, flight_id=media.flight_id, asset_id=media.asset_id, video_key=media.video_key,
        video_sha256=media.sha256, model=ModelCard(name="seen in a blind audit", sha256=64 * "0", threshold=0.0),
        analysed_at=datetime.now(UTC), frames_total=0, key_frames=0, video_s=0.0, processing_s=0.0, detections=(seen,),
    )  # fmt: skip


def _frame(session: Session, frame_id: str) -> AuditFrameRow:
    """Return a frame of the sample, locked, so that two answers of one person come one after the other."""
    frame = session.get(AuditFrameRow, frame_id, with_for_update=True)
    sample = audit_samples.samples()
    if frame is None or not session.scalar(select(exists().where(sample.c.frame_id == frame_id))):
        raise NotFound(f"No frame {frame_id!r} in the sample.", hint="Ask GET /v1/blind-audits/next which is yours.")
    return frame


def _known(session: Session, frame_id: str, by: str) -> AuditAnswer | None:
    return session.scalars(
        select(AuditAnswer).where(AuditAnswer.frame_id == frame_id, AuditAnswer.answered_by == by)
    ).first()


def _said(session: Session, given: AuditAnswer) -> AuditAnswerIn:
    marks = [Detection.model_validate(mark.body) for mark in marks_of(session, given)]
    return AuditAnswerIn(
        verdict=AuditVerdict(given.verdict),
        marks=tuple(MarkIn(kind=mark.kind, box=mark.evidence[0].box) for mark in marks),
    )
