"""What people judged, as labels: confirmed and repaired findings are defects, rejected ones are hard negatives."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from cloud.tables import EvidenceRow, Finding
from contracts.errors import TooFewLabels
from contracts.geo import BoxNorm
from contracts.training import JUDGEMENTS, Judgement, LabelledBox, LabelledFrame, LabelSet, Split
from contracts.vocabulary import DefectKind, FindingStatus

LEAST_JUDGED = 40
"""Judged findings below which training on them teaches their chance."""
_HELD_OUT = {Split.TEST: 0.25, Split.VAL: 0.40}
"""Up to which share of names a split reaches: a quarter measures, fifteen per cent stops the training."""


def gather(session: Session, version: str, now: datetime, least: int = LEAST_JUDGED) -> LabelSet:
    """Return every stored frame that shows a judged finding, with all boxes known in it.

    Raises:
        TooFewLabels: People have judged too little, or nothing of one of the two sorts.

    """
    rows = session.execute(
        select(EvidenceRow.frame_key, EvidenceRow.box, Finding.kind, Finding.status, Finding.finding_id,
               Finding.link_group)
        .join(Finding, Finding.finding_id == EvidenceRow.finding_id)
        .where(EvidenceRow.frame_key != "")
        .order_by(EvidenceRow.frame_key, EvidenceRow.evidence_id)
    )  # fmt: skip
    boxes: dict[str, list[LabelledBox]] = defaultdict(list)
    splits: dict[str, Split] = {}
    for key, box, kind, status, finding_id, defect in rows:
        judgement = JUDGEMENTS.get(FindingStatus(status), Judgement.OPEN)
        made = LabelledBox(
            box=BoxNorm.model_validate(box), kind=DefectKind(kind), judgement=judgement, finding_id=finding_id
        )
        boxes[key].append(made)
        if judgement is not Judgement.OPEN:
            splits[key] = min(split_of(defect), splits.get(key, Split.TRAIN), key=_STRICTEST.index)
    frames = tuple(LabelledFrame(frame_key=key, split=splits[key], boxes=tuple(boxes[key])) for key in splits)
    made_set = LabelSet(version=version, made_at=now, frames=frames)
    _check(made_set, least)
    return made_set


_STRICTEST = (Split.TEST, Split.VAL, Split.TRAIN)


def split_of(defect: str) -> Split:
    """Return what the pictures of a defect are for; the same in every version, so no version learns its own test."""
    share = int.from_bytes(hashlib.sha256(defect.encode()).digest()[:6], "big") / 2**48
    return next((split for split, up_to in _HELD_OUT.items() if share < up_to), Split.TRAIN)


def _check(found: LabelSet, least: int) -> None:
    defects = sum(found.counts(Judgement.DEFECT).values())
    nothing = sum(found.counts(Judgement.NOTHING).values())
    if defects + nothing < least or not defects or not nothing:
        raise TooFewLabels(
            f"People have judged {defects} findings as defects and {nothing} as none; {least} in all are needed.",
            hint="Review more findings at the desk.",
        )
