"""Whether a new detector may come into force: it must not be worse than the one in force in anything, nor for any kind.

One rule for both doors: the retraining workflow asks it before a person, ``kestrel-vision promote`` before it writes.
"""

from __future__ import annotations

from contracts.training import Evaluation, KindMeasured

LEAST_IMAGES = 10
"""Fewer held-out images say nothing."""
_RECALL_SLACK = 0.01
_PRECISION_SLACK = 0.02
"""What measuring anew on few images moves by itself."""
MARGIN = 0.02
"""So much less of a kind may be found, and so much less average precision, before that kind counts as dropped."""


def objections(measured: Evaluation, margin: float = MARGIN) -> list[str]:
    """Return why a version must not be promoted, each as a sentence; empty when nothing speaks against it."""
    new, old = measured.candidate, measured.current
    found = []
    if new.images < LEAST_IMAGES or not new.boxes:
        found.append(f"It was measured on {new.images} images with {new.boxes} defects; {LEAST_IMAGES} are the least.")
    if new.recall < old.recall - _RECALL_SLACK:
        found.append(f"It finds {new.recall:.1%} of the defects, the one in force {old.recall:.1%}.")
    if new.precision < old.precision - _PRECISION_SLACK:
        found.append(f"{new.precision:.1%} of its boxes are right, {old.precision:.1%} of those of the one in force.")
    if (new.map50 or 0.0) <= (old.map50 or 0.0):
        found.append(f"Its mAP50 is {new.map50 or 0:.3f}, that of the one in force {old.map50 or 0:.3f}.")
    return found + dropped_kinds(measured, margin)


def dropped_kinds(measured: Evaluation, margin: float = MARGIN) -> list[str]:
    """Return a sentence for each kind whose recall or average precision falls by more than ``margin``."""
    found = []
    for kind, old in measured.current.by_kind.items():
        new = measured.candidate.by_kind.get(kind, KindMeasured(boxes=old.boxes, ap50=0.0, recall=0.0))
        of = f"of {old.boxes} {kind.value}; it may lose {margin:.1%}"
        if new.recall < old.recall - margin:
            found.append(f"It finds {new.recall:.1%}, the one in force {old.recall:.1%} {of}.")
        if new.ap50 < old.ap50 - margin:
            found.append(f"Its AP50 is {new.ap50:.3f}, that of the one in force {old.ap50:.3f} {of}.")
    return found
