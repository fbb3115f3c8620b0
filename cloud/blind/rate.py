"""The miss rate that blind audits measure: of the defects people saw on random frames, how many no finding tells.

Frames of one flight share light, distance and camera, so their defects are not independent: the interval is the exact
one of a binomial share (Clopper and Pearson) for as many independent defects as the clustered ones are worth (E. L.
Korn and B. I. Graubard, Survey Methodology 24, 1998, p. 193): n over the design effect that the spread between flights
shows, times the square of Student's quotient for so few flights. Few misses show no spread, so the design effect is
never taken to be below that of an intraclass correlation of ``LEAST_ALIKE``.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import numpy as np
from pydantic import BaseModel, Field
from scipy.special import betaincinv, stdtrit
from sqlalchemy import select
from sqlalchemy.orm import Session

from cloud.blind.answers import MARK, AuditVerdict, marks_of
from cloud.blind.matching import Seen, Shown, defects, found
from cloud.merging import SHARED_CE90_M, is_finding
from cloud.miss_rate import CONFIDENCE, Share
from cloud.tables import Asset, AuditAnswer, AuditFrameRow, AuditMark, DetectionRow, Media
from contracts.findings import AuditFrame, Detection
from contracts.places import AnyPlace, on_blade
from contracts.vocabulary import AssetKind, DefectKind

LEAST_ALIKE = 0.1
LEAST_DEFECTS, LEAST_FLIGHTS = 20, 5
"""Below these no rate is published: its interval would say nothing, or stand on a handful of flights."""

_FARTHEST_M = math.hypot(SHARED_CE90_M, SHARED_CE90_M)
"""Between two extents that their own errors of place may still make one defect, at most."""
_AT_ONCE = 5_000


class KindMissed(BaseModel):
    """The same of one kind of defect."""

    kind: DefectKind
    missed: Share


class BlindRate(BaseModel):
    """What blind audits say of one class of asset."""

    asset_kind: AssetKind
    frames: int = Field(description="looked at by at least one person who could judge them")
    unclear: int = Field(description="answers that a picture cannot be judged; they count neither way")
    people: int
    flights: int = Field(description="with a frame that was looked at")
    marks: int = Field(description="rectangles drawn, by all people")
    missed: Share = Field(description="defects that no finding tells, of all that people marked, each counted once")
    enough: bool = Field(description="false: too little data, no rate is published; the counts are as they are")
    by_kind: list[KindMissed]
    last_answer_at: datetime | None


class _Answer(NamedTuple):
    answer_id: str
    frame_id: str
    flight_id: str
    asset_kind: AssetKind
    by: str
    at: datetime
    verdict: AuditVerdict


def clustered(counts: Iterable[tuple[int, int]]) -> Share:
    """Return the share of (hits, of) per flight with its 95 % interval; no estimate below the least that is published.

    One flight alone shows no spread: whatever it says, its interval is all there is.
    """
    pairs = np.array([(hits, of) for hits, of in counts if of], float).reshape(-1, 2)
    hits, of = int(pairs[:, 0].sum()), int(pairs[:, 1].sum())
    if len(pairs) < 2:
        return Share(hits=hits, of=of)
    share = hits / of
    worth = _worth(pairs, share)
    tail, x = (1 - CONFIDENCE) / 2, worth * share
    low = float(betaincinv(x, worth - x + 1, tail)) if hits else 0.0
    high = float(betaincinv(x + 1, worth - x, 1 - tail)) if hits < of else 1.0
    enough = of >= LEAST_DEFECTS and len(pairs) >= LEAST_FLIGHTS
    return Share(hits=hits, of=of, estimate=share if enough else None, low=low, high=high)


def _worth(pairs: np.ndarray, share: float) -> float:
    """Return how many independent defects those of some flights (hits, of) are worth."""
    of, flights = pairs[:, 1], len(pairs)
    total = of.sum()
    effect = 1 + LEAST_ALIKE * ((of**2).sum() / total - 1)
    if 0 < share < 1:
        apart = ((pairs[:, 0] - share * of) ** 2).sum() * flights / (flights - 1) / total**2
        effect = max(effect, apart * total / (share * (1 - share)))
    tail = (1 + CONFIDENCE) / 2
    few = (stdtrit(total - 1, tail) / stdtrit(flights - 1, tail)) ** 2
    return float(min(total, total / max(1.0, effect) * few))


def of_classes(session: Session, only: AssetKind | None = None) -> list[BlindRate]:
    """Return what blind audits found, by class of asset (all, or one); classes nobody looked at are left out."""
    answers = [one for one in _answers(session) if only in (None, one.asset_kind)]
    flights = {one.flight_id for one in answers if one.verdict is AuditVerdict.MARKED}
    marks = _marks(session, flights)
    seen = _seen_of(session, marks)
    classes = sorted({one.asset_kind for one in answers})
    return [_rate(kind, [a for a in answers if a.asset_kind is kind], seen, marks) for kind in classes]


def of_class(session: Session, kind: AssetKind) -> BlindRate | None:
    """Return what blind audits found on one class of asset; None where nobody looked."""
    return next(iter(of_classes(session, kind)), None)


def seen_of(session: Session, flights: Iterable[str]) -> dict[str, list[Seen]]:
    """Return the defects that people saw blind on some flights, and whether the flights' findings tell them."""
    return _seen_of(session, _marks(session, set(flights)))


def _seen_of(session: Session, marks: Mapping[str, Sequence[Detection]]) -> dict[str, list[Seen]]:
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


def _marks(session: Session, flights: set[str]) -> dict[str, list[Detection]]:
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


def _answers(session: Session) -> list[_Answer]:
    rows = session.execute(
        select(AuditAnswer.answer_id, AuditAnswer.frame_id, AuditFrameRow.flight_id, Asset.kind,
               AuditAnswer.answered_by, AuditAnswer.answered_at, AuditAnswer.verdict)
        .join(AuditFrameRow, AuditFrameRow.frame_id == AuditAnswer.frame_id)
        .join(Asset, Asset.asset_id == AuditFrameRow.asset_id)
    )  # fmt: skip
    return [
        _Answer(answer, frame, flight, AssetKind(kind), by, at, AuditVerdict(verdict))
        for answer, frame, flight, kind, by, at, verdict in rows
    ]


def _rate(
    kind: AssetKind,
    answers: Sequence[_Answer],
    seen: Mapping[str, Sequence[Seen]],
    marks: Mapping[str, Sequence[Detection]],
) -> BlindRate:
    judged = [one for one in answers if one.verdict is not AuditVerdict.UNCLEAR]
    flights = sorted({one.flight_id for one in judged})
    by_flight = [seen.get(flight, ()) for flight in flights]
    missed = clustered(_counted(them) for them in by_flight)
    kinds = [k for k in DefectKind if any(one.kind is k for them in by_flight for one in them)]
    return BlindRate(
        asset_kind=kind,
        frames=len({one.frame_id for one in judged}),
        unclear=len(answers) - len(judged),
        people=len({one.by for one in judged}),
        flights=len(flights),
        marks=sum(len(marks.get(flight, ())) for flight in flights),
        missed=missed,
        enough=missed.estimate is not None,
        by_kind=[
            KindMissed(kind=k, missed=clustered(_counted(o for o in them if o.kind is k) for them in by_flight))
            for k in kinds
        ],
        last_answer_at=max((one.at for one in answers), default=None),
    )


def _counted(seen: Iterable[Seen]) -> tuple[int, int]:
    them = list(seen)
    return sum(not one.found for one in them), len(them)


def in_words(rate: BlindRate | None) -> str:
    """Return what a report says of it."""
    if rate is None or rate.last_answer_at is None:
        return "No frame of the random sample of this class of asset has been looked at blind yet."
    of, day = rate.missed, f"{rate.last_answer_at:%Y-%m-%d}"
    stands = (
        f"{rate.frames} random frames of {rate.flights} flights, looked at blind by {rate.people} "
        f"{'person' if rate.people == 1 else 'people'} until {day}"
    )
    if of.estimate is None:
        return f"Too little data: of {of.of} defects that people saw on {stands}, {of.hits} were no finding."
    return (
        f"{of.estimate:.0%} (95 % interval {of.low:.0%} to {of.high:.0%}, flights as clusters). Of {of.of} defects "
        f"that people saw on {stands}, {of.hits} were no finding."
    )
