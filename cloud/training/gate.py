"""Whether a new detector may be put before a person at all: it must not be worse than the one in force in anything."""

from __future__ import annotations

from contracts.training import Evaluation

LEAST_IMAGES = 10
"""Fewer held-out images say nothing."""
_RECALL_SLACK = 0.01
_PRECISION_SLACK = 0.02
"""What measuring anew on few images moves by itself."""


def objections(measured: Evaluation) -> list[str]:
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
    return found
