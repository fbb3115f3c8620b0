"""Which detections show one physical defect, and what they say of it together. Pure; the order never matters.

Two detections belong together when their extents overlap on the same surface (a side of a blade, a tower): within what
position and size errors allow where their kinds are alike, in good part where they are not (one spot, two opinions). A
defect is a connected group of such pairs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from contracts.findings import Detection, Evidence
from contracts.geo import GeoPoint, LocalFrame
from contracts.places import AnyPlace, across_between_m
from contracts.vocabulary import DefectKind

BASE_TOLERANCE_M = 0.3
"""Gap between two extents that may still be one defect, before position errors are added."""
SAME_SPOT = 0.5
"""Share of the smaller extent that two unlike kinds must have in common, along and across, to be one defect."""
DEFAULT_CE90_M = 1.0
"""For a detection that does not say how well it is placed."""
SHARED_CE90_M = 1.5
"""An error this large is the aircraft's position: it moves all a flight sees alike."""
WEAK_INCIDENCE_DEG = 70.0
WEAK_CONFIDENCE = 0.5
_ALIKE = (
    {DefectKind.CRACK, DefectKind.DELAMINATION},
    {DefectKind.LEADING_EDGE_EROSION, DefectKind.MISSING_COATING},
    {DefectKind.CORROSION, DefectKind.MISSING_COATING},
    {DefectKind.LIGHTNING_BURN, DefectKind.CORROSION},
)
"""Kinds a detector confuses on the same spot; DAMAGE goes with every kind."""


class Extent(NamedTuple):
    """An interval along or across a side, metres."""

    first_m: float
    last_m: float

    @property
    def centre_m(self) -> float:
        """Return the middle."""
        return (self.first_m + self.last_m) / 2


class Defect(NamedTuple):
    """What a group of detections says of one defect. ``best`` is the evidence to show first."""

    kind: DefectKind
    confidence: float
    place: AnyPlace | None
    point: GeoPoint | None
    ce90_m: float | None
    le90_m: float | None
    length_mm: float
    width_mm: float
    size_sigma_mm: float
    best: Evidence


def alike(one: DefectKind, other: DefectKind) -> bool:
    """Return whether two kinds may be the same defect seen twice."""
    return one is other or DefectKind.DAMAGE in (one, other) or any({one, other} <= pair for pair in _ALIKE)


def along(detection: Detection) -> Extent:
    """Return where a placed detection lies along its surface."""
    place = _place(detection)
    return _extent(place.along_m, detection.length_mm)


def across(detection: Detection) -> Extent:
    """Return where a placed detection lies across its surface."""
    return _extent(_place(detection).across_m, detection.width_mm)


def across_from(home: AnyPlace, detection: Detection) -> Extent:
    """Return where a detection lies across the surface of another place, the short way round from it."""
    return _extent(home.across_m + across_between_m(home, _place(detection)), detection.width_mm)


def same_defect(one: Detection, other: Detection) -> bool:
    """Return whether two detections show one physical defect. Symmetric."""
    are_alike = alike(one.kind, other.kind)
    if one.place is None or other.place is None:
        return are_alike and _near(one, other)
    if one.place.surface != other.place.surface:
        return False
    beside = across_from(one.place, other)
    if not are_alike:
        return _shared(along(one), along(other)) >= SAME_SPOT and _shared(across(one), beside) >= SAME_SPOT
    tolerance_m = _tolerance_m(one, other)
    return _gap_m(along(one), along(other)) <= tolerance_m and _gap_m(across(one), beside) <= tolerance_m


def _shared(one: Extent, other: Extent) -> float:
    """Return the overlap as a share of the smaller extent."""
    overlap_m = min(one.last_m, other.last_m) - max(one.first_m, other.first_m)
    smaller_m = min(one.last_m - one.first_m, other.last_m - other.first_m)
    return overlap_m / smaller_m if smaller_m > 0 else 0.0


def is_weak(detection: Detection) -> bool:
    """Return whether a detection alone is too little: one frame, low confidence, grazing view."""
    first = detection.evidence[0]
    return (
        len(detection.evidence) == 1
        and detection.confidence < WEAK_CONFIDENCE
        and first.incidence_deg > WEAK_INCIDENCE_DEG
    )


def is_finding(detections: Sequence[Detection]) -> bool:
    """Return whether a group is a finding: two detections agree, or one is not weak; not where all are for a person."""
    if all(detection.for_review for detection in detections):
        return False
    return len(detections) > 1 or not is_weak(detections[0])


def core(detections: Sequence[Detection]) -> Sequence[Detection]:
    """Return those that say what a defect is and where: what is for a person only where there is nothing else."""
    return [d for d in detections if not d.for_review] or detections


def merged(detections: Sequence[Detection]) -> Defect:
    """Return what a non-empty group says together; the same for every order of the group."""
    ordered = sorted(core(detections), key=lambda d: d.detection_id)
    kind = _kind(ordered)
    placed = [d for d in ordered if d.place is not None]
    sigma_mm = min(d.size_sigma_mm for d in ordered)
    if placed:
        place, length_mm, width_mm = _measured(placed)
        nearest = min(placed, key=lambda d: (_distance_m(d, place), d.detection_id))
    else:
        nearest = min(ordered, key=lambda d: (d.ce90_m if d.ce90_m is not None else math.inf, d.detection_id))
        place, length_mm, width_mm = None, nearest.length_mm, nearest.width_mm
    return Defect(
        kind=kind,
        confidence=max(d.confidence for d in ordered if d.kind is kind),
        place=place,
        point=nearest.point,
        ce90_m=min((d.ce90_m for d in ordered if d.ce90_m is not None), default=None),
        le90_m=min((d.le90_m for d in ordered if d.le90_m is not None), default=None),
        length_mm=length_mm,
        width_mm=width_mm,
        size_sigma_mm=sigma_mm,
        best=max((e for d in ordered for e in d.evidence), key=_rank_of),
    )


def quality(*, confidence: float, gsd_mm_px: float, incidence_deg: float) -> float:
    """Return how well a frame shows a defect: sure, close and square on is best."""
    return confidence * math.cos(math.radians(min(incidence_deg, 89.0))) / gsd_mm_px


def _rank_of(evidence: Evidence) -> tuple[float, str, int]:
    worth = quality(confidence=evidence.confidence, gsd_mm_px=evidence.gsd_mm_px, incidence_deg=evidence.incidence_deg)
    return worth, evidence.frame.segment_id, -evidence.frame.frame


def _kind(detections: Sequence[Detection]) -> DefectKind:
    votes = {kind: math.fsum(d.confidence for d in detections if d.kind is kind) for kind in DefectKind}
    return max(DefectKind, key=lambda kind: votes[kind])


def _measured(placed: Sequence[Detection]) -> tuple[AnyPlace, float, float]:
    """Return place and size: the longest of the good views of the whole, the union where views show pieces."""
    best = max(placed, key=lambda d: (_weight(d), d.detection_id))
    home = _place(best)
    # Only the side of the best view: a group spans sides only where placeless detections tie them together.
    views = [d for d in placed if _place(d).surface == home.surface]
    weights, jitter_m = [_weight(d) for d in views], _jitter_m(views)
    distance = _combined([along(d) for d in views], weights, jitter_m)
    offset = _combined([across_from(home, d) for d in views], weights, jitter_m)
    return home.moved(distance.centre_m, offset.centre_m), _size_mm(distance), _size_mm(offset)


def _combined(extents: Sequence[Extent], weights: Sequence[float], jitter_m: float) -> Extent:
    """Return one extent: a view cut off by the frame's edge must not shrink it, a grazing one must not stretch it."""
    first, last = min(e.first_m for e in extents), max(e.last_m for e in extents)
    good = [e for w, e in zip(weights, extents, strict=True) if w >= max(weights) / 2]
    longest = max(e.last_m - e.first_m for e in good)
    if last - first > longest + 2 * jitter_m:
        return Extent(first, last)
    centre = math.fsum(w * e.centre_m for w, e in zip(weights, extents, strict=True)) / math.fsum(weights)
    return Extent(centre - longest / 2, centre + longest / 2)


def _weight(detection: Detection) -> float:
    first = detection.evidence[0]
    return quality(confidence=1.0, gsd_mm_px=first.gsd_mm_px, incidence_deg=first.incidence_deg) ** 2


def _jitter_m(detections: Sequence[Detection]) -> float:
    own = [ce90 for d in detections if (ce90 := _ce90_m(d)) < SHARED_CE90_M]
    return max((BASE_TOLERANCE_M / 2, *own))


def _tolerance_m(one: Detection, other: Detection) -> float:
    placing = math.hypot(*(ce90 for ce90 in (_ce90_m(one), _ce90_m(other)) if ce90 < SHARED_CE90_M))
    sizing = math.hypot(one.size_sigma_mm, other.size_sigma_mm) / 1000
    return max(BASE_TOLERANCE_M, placing) + sizing


def _near(one: Detection, other: Detection) -> bool:
    if one.point is None or other.point is None:
        return False
    # About one fixed point of the pair, so that swapping the two changes nothing.
    low, high = sorted((one.point, other.point), key=lambda p: (p.lat_deg, p.lon_deg, p.alt_m))
    gap = LocalFrame(low).to_enu(high)
    return math.hypot(gap.east, gap.north) <= math.hypot(_ce90_m(one), _ce90_m(other))


def _ce90_m(detection: Detection) -> float:
    return DEFAULT_CE90_M if detection.ce90_m is None else detection.ce90_m


def _gap_m(one: Extent, other: Extent) -> float:
    return max(one.first_m, other.first_m) - min(one.last_m, other.last_m)


def _extent(centre_m: float, size_mm: float) -> Extent:
    return Extent(centre_m - size_mm / 2000, centre_m + size_mm / 2000)


def _size_mm(extent: Extent) -> float:
    """Return an extent's size to a micrometre: thresholds must not hang on rounding."""
    return round(1000 * (extent.last_m - extent.first_m), 3)


def _distance_m(detection: Detection, place: AnyPlace) -> float:
    own = _place(detection)
    if own.surface != place.surface:
        return math.inf
    return math.hypot(own.along_m - place.along_m, across_between_m(place, own))


def _place(detection: Detection) -> AnyPlace:
    if detection.place is None:
        raise ValueError(f"{detection.detection_id} has no place")
    return detection.place
