"""Frames of the blind audits' sample: some that a person has answered, some that wait."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import select

from cloud.tables import Asset, AuditAnswer, AuditFrameRow, AuditMark, DetectionRow, Finding, Flight, Media
from contracts.findings import AuditBox
from contracts.geo import BoxNorm
from contracts.media import audit_key
from contracts.vocabulary import DefectKind
from tests.drawings import draw_frame, jpeg
from tests.factories import BOX, World
from tests.sightings import audit_frame, detection

TOLD = (BOX, {"x0": 0.12, "y0": 0.2, "x1": 0.18, "y1": 0.3}, {"x0": 0.7, "y0": 0.5, "x1": 0.74, "y1": 0.6})
SEEN = (*TOLD, {"x0": 0.3, "y0": 0.6, "x1": 0.34, "y1": 0.7})
"""Where Rita sees something; the detector had all but the last."""


def fill(world: World) -> None:
    """Draw two frames of every complete flight that has video; Rita has answered the first of each."""
    query = (
        select(Media).join(Flight, Flight.flight_id == Media.flight_id).join(Asset, Asset.asset_id == Media.asset_id)
    )
    complete = query.where(Flight.state == "complete", Media.index == 0, Asset.kind == "wind_turbine")
    for number, segment in enumerate(world.session.scalars(complete.order_by(Media.segment_id)).all()):
        told = _told(world, segment)
        for frame in (7, 31):
            _frame(world, segment, frame, number, told)
        _answer(world, segment, number)


def _told(world: World, segment: Media) -> str:
    """Let a detection of the segment stand in a finding of its flight, so that what it shows is told."""
    name = f"det-{segment.segment_id}"
    finding = world.session.scalars(select(Finding).where(Finding.flight_id == segment.flight_id)).first()
    body = detection(name, segment=segment.segment_id, root_m=None, point=None).model_dump(mode="json")
    values: dict[str, Any] = {"kind": "crack", "confidence": 0.9, "body": body}
    row = DetectionRow(detection_id=name, segment_id=segment.segment_id, finding_id=None, **values)
    row.finding_id = finding.finding_id if finding else None
    world.add(row)
    return name


def _frame(world: World, segment: Media, frame: int, number: int, told: str) -> None:
    key = audit_key(segment.segment_id, frame)
    world.objects.put(key, jpeg(draw_frame("crack", 50 + number + frame, BOX)), "image/jpeg")
    shown = tuple(AuditBox(detection_id=told, kind=DefectKind.CRACK, box=BoxNorm(**box)) for box in TOLD)
    record = audit_frame(segment.segment_id, frame, boxes=shown, key=key, draw=frame / 10_000)
    world.add(
        AuditFrameRow(
            frame_id=f"{segment.segment_id}-{frame:06d}", segment_id=segment.segment_id, flight_id=segment.flight_id,
            asset_id=segment.asset_id, captured_at=segment.started_at, draw=record.draw, share=record.share,
            model_sha256="ab" * 32, record=record.model_dump(mode="json"),
        )
    )  # fmt: skip


def _answer(world: World, segment: Media, number: int) -> None:
    name = f"ans-stock-{number:04d}"
    frame_id = f"{segment.segment_id}-{7:06d}"
    at = world.now - timedelta(hours=number + 1)
    world.add(AuditAnswer(answer_id=name, frame_id=frame_id, answered_by="rita", answered_at=at, verdict="marked"))
    for i, box in enumerate(SEEN):
        seen = detection(f"aud-stock-{number:04d}-{i}", segment=segment.segment_id, root_m=None, point=None, frames=1)
        evidence = seen.evidence[0]
        on_it = evidence.model_copy(
            update={"frame": evidence.frame.model_copy(update={"frame": 7}), "box": BoxNorm(**box)}
        )
        body = seen.model_copy(update={"evidence": (on_it,)}).model_dump(mode="json")
        world.add(AuditMark(mark_id=seen.detection_id, answer_id=name, kind="crack", body=body))
