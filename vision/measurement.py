"""What a detector is worth on judged images, as the gate before its promotion takes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

from contracts.training import KindMeasured, Measured
from contracts.vocabulary import DefectKind
from vision.acceptance import accepted
from vision.detector import Card
from vision.evaluate import Judged, measure

_Scores = Mapping[str, Mapping[str, float]]


def measurement(card: Card, judged: Sequence[Judged]) -> Measured:
    """Return the figures of all images together: average precision of all boxes, the rest of those the card accepts."""
    scores = measure(judged, "", "", card.accept)
    kept = measure(accepted(judged, card), "", "", 0.0)
    together = cast("Mapping[str, float]", kept["any_kind"])
    all_boxes, accepted_boxes = cast("_Scores", scores["kinds"]), cast("_Scores", kept["kinds"])
    by_kind = {
        DefectKind(name): KindMeasured(
            boxes=int(of["truths"]), ap50=min(1.0, of["ap50"]), recall=accepted_boxes[name]["recall"]
        )
        for name, of in all_boxes.items()
    }
    return Measured(
        sha256=card.sha256,
        images=cast("int", scores["images"]),
        boxes=cast("int", scores["boxes"]),
        map50=cast("float | None", scores["map50"]),
        precision=together["precision"],
        recall=together["recall"],
        false_boxes_per_image=cast("float | None", kept["false_boxes_per_image"]) or 0.0,
        accept=card.accept,
        accept_by_kind=card.accept_by_kind,
        by_kind=by_kind,
    )
