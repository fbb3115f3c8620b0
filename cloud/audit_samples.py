"""The sampled frames of every segment, and which of them are a flight's own sample."""

from __future__ import annotations

from sqlalchemy import ColumnElement, Subquery, and_, func, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from cloud.tables import AuditFrameRow, Flight
from contracts.audits import LEAST, MOST
from contracts.findings import AuditFrame, DetectionBatch
from contracts.vocabulary import FlightState


def keep(session: Session, batch: DetectionBatch) -> None:
    """Keep a batch's sampled frames; another model's batch adds what it tells on the same frames."""
    for frame in batch.audit_frames:
        frame_id = f"{batch.segment_id}-{frame.frame.frame:06d}"
        row = session.get(AuditFrameRow, frame_id, with_for_update=True)
        if row is None:
            session.execute(insert(AuditFrameRow).on_conflict_do_nothing().values(_values(frame_id, batch, frame)))
        elif row.model_sha256 != batch.model.sha256:
            known = AuditFrame.model_validate(row.record).boxes
            boxes = (*known, *(box for box in frame.boxes if box not in known))[:200]
            row.record = frame.model_copy(update={"boxes": boxes}).model_dump(mode="json")
            row.model_sha256 = batch.model.sha256


def _values(frame_id: str, batch: DetectionBatch, frame: AuditFrame) -> dict[str, object]:
    return {
        "frame_id": frame_id,
        "segment_id": batch.segment_id,
        "flight_id": batch.flight_id,
        "asset_id": batch.asset_id,
        "captured_at": frame.frame.captured_at,
        "draw": frame.draw,
        "share": frame.share,
        "model_sha256": batch.model.sha256,
        "record": frame.model_dump(mode="json"),
    }


def samples() -> Subquery:
    """Return the frames of every complete flight's sample: frame_id, draw.

    A flight that still brings frames has no sample yet: each may put another one out.
    """
    place = func.row_number().over(partition_by=AuditFrameRow.flight_id, order_by=AuditFrameRow.draw)
    ranked = (
        select(AuditFrameRow.frame_id, AuditFrameRow.draw, AuditFrameRow.share, place.label("place"))
        .join(Flight, Flight.flight_id == AuditFrameRow.flight_id)
        .where(Flight.state == FlightState.COMPLETE.value)
        .subquery()
    )
    chosen: ColumnElement[bool] = or_(
        ranked.c.place <= LEAST, and_(ranked.c.draw < ranked.c.share, ranked.c.place <= MOST)
    )
    return select(ranked.c.frame_id, ranked.c.draw).where(chosen).subquery()
