"""What cloud and vision exchange to train a detector: labels in, measurements out, and which version is in force.

Everything lies in the media bucket below ``models/<version>/``, so that a step that runs twice finds its own work.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Annotated, Final, TypeAlias

from pydantic import AwareDatetime, Field

from contracts.geo import BoxNorm, Frozen
from contracts.ids import Sha256
from contracts.vocabulary import DefectKind, FindingStatus

PREFIX: Final = "models"
CURRENT_KEY: Final = f"{PREFIX}/current.json"
"""Which version the workers run; absent: the one that ships."""
Level: TypeAlias = Annotated[float, Field(gt=0, lt=1)]
"""A confidence from which a box or a track is taken for a defect."""
TRAIN, EVALUATE = "train", "evaluate"
"""Tasks of the queue ``training-jobs``."""


class Split(StrEnum):
    """What an image is for. All pictures of one defect are in the same."""

    TRAIN = "train"
    VAL = "val"
    TEST = "test"


class Judgement(StrEnum):
    """What people said of a box."""

    DEFECT = "defect"
    NOTHING = "nothing"
    """Rejected, or not found by the crew: what the detector must learn to leave alone."""
    OPEN = "open"
    """Nobody has judged it: neither taught nor counted."""


JUDGEMENTS: Final[Mapping[FindingStatus, Judgement]] = MappingProxyType(
    {
        FindingStatus.CONFIRMED: Judgement.DEFECT,
        FindingStatus.REPAIRED: Judgement.DEFECT,
        FindingStatus.REJECTED: Judgement.NOTHING,
    }
)
"""What a finding's status says of its boxes; any other says `Judgement.OPEN`."""


class LabelledBox(Frozen):
    """One box in a frame."""

    box: BoxNorm
    kind: DefectKind
    judgement: Judgement
    finding_id: str


class LabelledFrame(Frozen):
    """One stored frame with every box known in it."""

    frame_key: str = Field(min_length=1, max_length=200)
    split: Split
    boxes: tuple[LabelledBox, ...] = Field(min_length=1)


class LabelSet(Frozen):
    """What people have judged, as a training run takes it."""

    version: str
    made_at: AwareDatetime
    frames: tuple[LabelledFrame, ...]

    def counts(self, judgement: Judgement) -> dict[DefectKind, int]:
        """Return how many findings of each kind have a judgement; each counts once, however many frames show it."""
        boxes = {box.finding_id: box.kind for f in self.frames for box in f.boxes if box.judgement is judgement}
        return dict(Counter(boxes.values()))


class KindMeasured(Frozen):
    """The same for one kind; recall is at the confidence that the detector accepts it from."""

    boxes: int = Field(ge=0)
    ap50: float = Field(ge=0, le=1)
    recall: float = Field(ge=0, le=1)


class Measured(Frozen):
    """How good a detector is on labelled images; shares are 0 to 1."""

    sha256: Sha256
    images: int = Field(ge=0)
    boxes: int = Field(ge=0)
    map50: float | None = Field(ge=0, le=1)
    precision: float = Field(ge=0, le=1)
    recall: float = Field(ge=0, le=1)
    false_boxes_per_image: float = Field(ge=0)
    accept: Level = Field(description="least mean confidence of a defect it was measured at")
    accept_by_kind: dict[DefectKind, Level] = Field(
        default_factory=dict, description="the same of the kinds that have one of their own; all others are at accept"
    )
    by_kind: dict[DefectKind, KindMeasured] = Field(
        default_factory=dict, description="of the kinds that the images show; older measurements have none"
    )


class Evaluation(Frozen):
    """A new detector beside the one in force, on the same images that neither was trained on."""

    version: str
    candidate: Measured
    current: Measured


class Current(Frozen):
    """Which detector the workers run."""

    version: str
    sha256: Sha256
    promoted_at: AwareDatetime
    promoted_by: str


def labels_key(version: str) -> str:
    """Return the key of a version's LabelSet."""
    return f"{PREFIX}/{version}/labels.json"


def weights_key(version: str) -> str:
    """Return the key of a version's weights (ONNX)."""
    return f"{PREFIX}/{version}/detector.onnx"


def second_look_key(version: str) -> str:
    """Return where a version's second look lies, where it has one."""
    return f"{PREFIX}/{version}/detector-second.onnx"


def card_key(version: str) -> str:
    """Return the key of a version's card."""
    return f"{PREFIX}/{version}/detector.json"


def checkpoint_key(version: str) -> str:
    """Return the key of the checkpoint that the weights were exported from; later versions start from it."""
    return f"{PREFIX}/{version}/checkpoint.pt"


def evaluation_key(version: str) -> str:
    """Return the key of a version's Evaluation."""
    return f"{PREFIX}/{version}/evaluation.json"
