"""What of a flight's blind marks the platform had told, and which marks are one defect. Pure; the order never matters.

The unit is a defect of a flight, since that is what a report signs: what the flight's findings tell from another frame
counts as found, and a defect that two people marked, or one on two frames, counts once. A mark is

- **one with another mark** where the platform itself would take the two for one defect (``cloud.merging.same_defect``),
  or where both are on one frame and their rectangles agree;
- **found** where a detection that stands in a finding is the same defect by that rule, or shows on the very frame in a
  rectangle that agrees with the mark.

Two rectangles agree where they share half of the smaller one and the larger is at most ``LARGER`` times its size:
people draw generously, detectors tightly, and thin cracks make poor intersections over union; but a rectangle round
everything agrees with nothing in it. What kind each calls it does not matter for whether it was found.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from cloud.merging import same_defect
from contracts.findings import Detection
from contracts.geo import BoxNorm
from contracts.vocabulary import DefectKind

SHARED, LARGER = 0.5, 25.0


class Shown(NamedTuple):
    """A rectangle of something that is told, on a frame."""

    frame: str
    box: BoxNorm


class Seen(NamedTuple):
    """A defect of a flight that people saw blind."""

    kind: DefectKind
    marks: tuple[str, ...]
    found: bool


def agree(one: BoxNorm, other: BoxNorm) -> bool:
    """Return whether two rectangles of one frame are round the same thing. Symmetric."""
    small, large = sorted((_area(one), _area(other)))
    if not small or large > LARGER * small:
        return False
    width = min(one.x1, other.x1) - max(one.x0, other.x0)
    height = min(one.y1, other.y1) - max(one.y0, other.y0)
    return width > 0 and height > 0 and width * height >= SHARED * small


def defects(marks: Iterable[Detection], told: Sequence[Detection], shown: Iterable[Shown]) -> list[Seen]:
    """Return the defects of one flight that people marked: ``told`` stands in its findings, ``shown`` on its frames.

    A defect is called what most of its marks call it.
    """
    places = tuple(shown)
    groups: list[list[Detection]] = []
    for mark in sorted(marks, key=lambda m: m.detection_id):
        joined = [g for g in groups if any(_one(mark, other) for other in g)]
        groups = [g for g in groups if g not in joined] + [[mark, *(m for g in joined for m in g)]]
    return sorted((_seen(group, told, places) for group in groups), key=lambda seen: seen.marks)


def found(mark: Detection, told: Iterable[Detection], shown: Iterable[Shown]) -> bool:
    """Return whether the platform had told what a person marked."""
    frame = frame_of(mark)
    if any(s.frame == frame and agree(s.box, mark.evidence[0].box) for s in shown):
        return True
    return any(same_defect(mark, one) for one in told)


def frame_of(mark: Detection) -> str:
    """Return which frame a mark is on."""
    return f"{mark.evidence[0].frame.segment_id}-{mark.evidence[0].frame.frame:06d}"


def _one(mark: Detection, other: Detection) -> bool:
    if same_defect(mark, other):
        return True
    return frame_of(mark) == frame_of(other) and agree(mark.evidence[0].box, other.evidence[0].box)


def _seen(group: Sequence[Detection], told: Sequence[Detection], shown: Sequence[Shown]) -> Seen:
    kinds = [mark.kind for mark in group]
    kind = max(DefectKind, key=lambda k: (kinds.count(k), -list(DefectKind).index(k)))
    names = tuple(sorted(mark.detection_id for mark in group))
    return Seen(kind, names, any(found(mark, told, shown) for mark in group))


def _area(box: BoxNorm) -> float:
    return max(0.0, box.x1 - box.x0) * max(0.0, box.y1 - box.y0)
