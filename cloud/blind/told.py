"""What the findings of some flights tell of the blind marks on them, read from the database.

A flight may have thousands of detections: only those that may be one of its marks are read whole.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from cloud.blind.answers import MARK, marks_of
from cloud.blind.matching import Seen, Shown, defects, found
from cloud.merging import SHARED_CE90_M, is_finding
from cloud.tables import AuditAnswer, AuditFrameRow, AuditMark, DetectionRow, Media
from contracts.findings import AuditFrame, Detection
from contracts.places import AnyPlace, on_blade

_FARTHEST_M = math.hypot(SHARED_CE90_M, SHARED_CE90_M)
"""Between two extents that their own errors of place may still make one defect, at most."""
_AT_ONCE = 5_000


def seen_of(session: Session, flights: Iterable[str]) -> dict[str, list[Seen]]:
    """Return the defects that people saw blind on some flights, and whether the flights' findings tell them."""
    marks = marks_on(session, set(flights))
    told = told_of(session, marks)
    shown = _shown(session, marks, {flight: them.names for flight, them in told.items()})
    return {
        flight: defects(them, told[flight].near if flight in told else [], shown.get(flight, []))
        for flight, them in marks.items()
    }


class Told(NamedTuple):
    """What a flight's findings tell: the names of all their detections, and those that may be one of its marks."""

    names: set[str]
    near: list[Detection]


class Outline(NamedTuple):
    """What of a detection it takes to see that it is none of the marks: a flight may have thousands of them."""

    detection_id: str
    place: dict[str, Any] | None
    length_mm: float
    size_sigma_mm: float


def told_of(session: Session, marks: Mapping[str, Sequence[Detection]]) -> dict[str, Told]:
    """Return what the findings of some flights tell that would stand without the marks of an audit.

    What was held until a mark made a finding of it had not been told: the mark stays missed.

    Args:
        session: The unit of work.
        marks: By flight, what people marked.

    """
    body = DetectionRow.body
    groups: dict[tuple[str, str], list[Outline]] = defaultdict(list)
    rows = session.execute(
        select(Media.flight_id, DetectionRow.finding_id, DetectionRow.detection_id, body["place"],
               body["length_mm"].as_float(), body["size_sigma_mm"].as_float())
        .join(DetectionRow, DetectionRow.segment_id == Media.segment_id)
        .where(Media.flight_id.in_(marks.keys()), DetectionRow.finding_id.is_not(None))
    )  # fmt: skip
    for flight_id, finding_id, *outline in rows:
        groups[flight_id, finding_id].append(Outline(*outline))
    made: dict[str, Told] = defaultdict(lambda: Told(set(), []))
    near: dict[str, str] = {}
    for (flight_id, _), group in groups.items():
        own = [one for one in group if not one.detection_id.startswith(f"{MARK}-")]
        if len(own) == len(group) or (own and is_finding(list(_whole(session, [o.detection_id for o in own])))):
            made[flight_id].names.update(one.detection_id for one in own)
            near |= {one.detection_id: flight_id for one in own if may_be(one, marks[flight_id])}
    for detection in _whole(session, sorted(near)):
        made[near[detection.detection_id]].near.append(detection)
    return made


def may_be(one: Outline, marks: Sequence[Detection]) -> bool:
    """Return whether ``same_defect`` could say that a detection is one of the marks; false only where it cannot."""
    place = one.place
    if place is None or "distance_to_root_m" not in place:
        return True
    return any(mark.place is None or _beside(one, place, mark, mark.place) for mark in marks)


def _beside(one: Outline, place: Mapping[str, Any], mark: Detection, at: AnyPlace) -> bool:
    blade = on_blade(at)
    if blade is None or (place["blade"], place["side"]) != (blade.blade.value, blade.side.value):
        return False
    sizes_m = (one.length_mm + mark.length_mm) / 2000 + (one.size_sigma_mm + mark.size_sigma_mm) / 1000
    return abs(float(place["distance_to_root_m"]) - blade.distance_to_root_m) <= sizes_m + _FARTHEST_M


def _whole(session: Session, names: Sequence[str]) -> Iterator[Detection]:
    for start in range(0, len(names), _AT_ONCE):
        some = DetectionRow.detection_id.in_(names[start : start + _AT_ONCE])
        for body in session.scalars(select(DetectionRow.body).where(some).order_by(DetectionRow.detection_id)):
            yield Detection.model_validate(body)


def judged(session: Session, given: AuditAnswer) -> list[tuple[Detection, bool]]:
    """Return the marks of an answer in the order they were drawn, each with whether the platform had told it."""
    frame = session.get_one(AuditFrameRow, given.frame_id)
    marks = [Detection.model_validate(mark.body) for mark in marks_of(session, given)]
    told = told_of(session, {frame.flight_id: marks}).get(frame.flight_id, Told(set(), []))
    boxes = AuditFrame.model_validate(frame.record).boxes
    shown = [Shown(frame.frame_id, box.box) for box in boxes if box.detection_id in told.names]
    return [(mark, found(mark, told.near, shown)) for mark in marks]


def marks_on(session: Session, flights: set[str]) -> dict[str, list[Detection]]:
    """Return what people marked, by flight."""
    made: dict[str, list[Detection]] = defaultdict(list)
    rows = session.execute(
        select(AuditFrameRow.flight_id, AuditMark.body)
        .join(AuditAnswer, AuditAnswer.frame_id == AuditFrameRow.frame_id)
        .join(AuditMark, AuditMark.answer_id == AuditAnswer.answer_id)
        .where(AuditFrameRow.flight_id.in_(flights))
    )
    for flight_id, body in rows:
        made[flight_id].append(Detection.model_validate(body))
    return made


def _shown(session: Session, flights: Iterable[str], told: Mapping[str, set[str]]) -> dict[str, list[Shown]]:
    """Return where what is told shows on the sampled frames themselves, by flight."""
    made: dict[str, list[Shown]] = defaultdict(list)
    rows = session.execute(
        select(AuditFrameRow.flight_id, AuditFrameRow.frame_id, AuditFrameRow.record).where(
            AuditFrameRow.flight_id.in_(set(flights))
        )
    )
    for flight_id, frame_id, record in rows:
        boxes = AuditFrame.model_validate(record).boxes
        known = told.get(flight_id, set())
        made[flight_id] += [Shown(frame_id, box.box) for box in boxes if box.detection_id in known]
    return made
