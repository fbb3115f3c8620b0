"""The detector: images in, boxes out; weights are checked against their card."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, ValidationError

from contracts.errors import InvalidInput, NotFound
from contracts.findings import PlantedRate
from contracts.geo import Frozen
from contracts.ids import Sha256
from contracts.training import Level
from contracts.vocabulary import DefectKind
from vision.boxes import KINDS, Boxes, Floats, Image
from vision.merge import suppress
from vision.runtimes import Raw, Runtime, open_runtime
from vision.verifier import Fusion, Verifier

STRIDE_PX = 32
MODELS = Path(__file__).resolve().parent.parent / "models"
SHIPPED = MODELS / "kestrel-blade-n.onnx"


class Card(Frozen):
    """What the pipeline needs of a model card; ``models/<name>.json`` holds more for people."""

    name: str = Field(min_length=1, max_length=80)
    sha256: Sha256
    kinds: tuple[DefectKind, ...] = Field(description="the detector's classes, in order")
    verifier_sha256: Sha256 | None = Field(default=None, description="the second look's weights, where there is one")
    threshold: float = Field(gt=0, lt=1, description="boxes below this are of no finding")
    accept: float = Field(gt=0, lt=1, description="tracks below this mean confidence per look are dropped")
    accept_by_kind: dict[DefectKind, Level] = Field(
        default_factory=dict, description="the same of the kinds that have one of their own"
    )

    review: Level | None = Field(
        default=None, description="boxes from here to accept are for a person; none: there are no such"
    )
    review_by_kind: dict[DefectKind, Level] = Field(
        default_factory=dict, description="the same of the kinds that have one of their own"
    )

    fusion: Fusion | None = Field(
        default=None, description="of detector and second look: finds beside their product what is small"
    )
    planted: PlantedRate | None = Field(default=None, description="what it told of planted defects, at these levels")

    def accepts(self, kind: DefectKind) -> float:
        """Return the least mean confidence of a kind."""
        return self.accept_by_kind.get(kind, self.accept)

    def reviews(self, kind: DefectKind) -> float:
        """Return from which confidence on a kind is worth a person's look; never above ``accepts``."""
        accept = self.accepts(kind)
        return min(accept, self.review_by_kind.get(kind, self.review or accept))

    @property
    def proposal(self) -> float:
        """Return from which confidence of the detector on a box is looked at."""
        return self.fusion.proposal if self.fusion else self.threshold

    @property
    def levels(self) -> Floats:
        """Return it of every kind, in the order of ``KINDS``."""
        return np.array([self.accepts(kind) for kind in KINDS], np.float32)


class BoxFinder(Protocol):
    """Finds defects in pictures; the tests' fakes are this."""

    @property
    def card(self) -> Card:
        """Return which model speaks."""
        ...

    def find(self, images: Sequence[Image]) -> list[Boxes]:
        """Return the boxes of each image, in its own pixels."""
        ...

    def confirm(self, image: Image, boxes: Boxes) -> Boxes:
        """Return the boxes of a whole frame with confidence and kind as a second look has them."""
        ...

    def suspect(self, image: Image, boxes: Boxes) -> Boxes:
        """Return those that may be defects though they confirm too little: their confidence is that chance."""
        ...


class _Padded(NamedTuple):
    batch: NDArray[np.uint8]
    images: tuple[int, ...]


class Detector:
    """One network with its card, and the second look where the model has one."""

    def __init__(
        self, runtime: Runtime, card: Card, verifier: Verifier | None = None, *, batch_px: int = 4 * 640 * 640
    ) -> None:
        self._runtime = runtime
        self._card = card
        self._verifier = verifier
        self._batch_px = batch_px

    @property
    def card(self) -> Card:
        """Return which model speaks."""
        return self._card

    @property
    def engine(self) -> str:
        """Return what runs it."""
        return self._runtime.name

    def find(self, images: Sequence[Image]) -> list[Boxes]:
        """Return the boxes of each image, in its own pixels; images of one shape share batches."""
        found: dict[int, Boxes] = {}
        for padded in _batches(images, self._batch_px):
            raw = self._runtime.infer(padded.batch)
            _check(raw, len(padded.images), len(self._card.kinds))
            for row, index in enumerate(padded.images):
                height, width = images[index].shape[:2]
                found[index] = decode(raw[row], self._card.proposal, width, height)
        return [found[i] for i in range(len(images))]

    def confirm(self, image: Image, boxes: Boxes) -> Boxes:
        """Return the boxes as the second look has them; those it takes for nothing fall below the threshold."""
        if self._verifier is None:
            return boxes
        judged = self._verifier.confirm(image, boxes)
        return judged.take(judged.confidence >= self._card.threshold)

    def suspect(self, image: Image, boxes: Boxes) -> Boxes:
        """Return the boxes that both looks together, by the card's fusion, hold for likely; none without one."""
        fusion = self._card.fusion
        if self._verifier is None or fusion is None:
            return Boxes.none()
        judged = self._verifier.suspect(image, boxes, fusion)
        return judged.take(judged.confidence >= fusion.threshold)


def decode(raw: Raw, threshold: float, width: int, height: int) -> Boxes:
    """Return the boxes of one raw output (4 + kinds, anchors), clipped to the image, duplicates removed."""
    scores = raw[4:].max(axis=0)
    keep = scores >= threshold
    centre, half = raw[:2, keep].T, raw[2:4, keep].T / 2
    xyxy = np.clip(np.hstack([centre - half, centre + half]), 0, (width, height, width, height))
    return suppress(Boxes.of(xyxy, np.clip(scores[keep], 0, 1), raw[4:, keep].argmax(axis=0)))


def _check(raw: Raw, images: int, kinds: int) -> None:
    if raw.ndim != 3 or raw.shape[:2] != (images, 4 + kinds):
        raise InvalidInput(
            f"The model answered with shape {raw.shape}, expected ({images}, {4 + kinds}, anchors).",
            hint="The weights and their card belong to different models.",
        )


def _batches(images: Sequence[Image], most_px: int) -> list[_Padded]:
    """Group images by padded shape, at most ``most_px`` pixels together; padding is grey, right and below."""
    groups: dict[tuple[int, int], list[int]] = {}
    for index, image in enumerate(images):
        height, width = (-(-side // STRIDE_PX) * STRIDE_PX for side in image.shape[:2])
        groups.setdefault((height, width), []).append(index)
    made = []
    for (height, width), indexes in groups.items():
        limit = max(1, most_px // (height * width))
        for start in range(0, len(indexes), limit):
            part = indexes[start : start + limit]
            batch = np.full((len(part), height, width, 3), 114, np.uint8)
            for row, index in enumerate(part):
                batch[row, : images[index].shape[0], : images[index].shape[1]] = images[index]
            made.append(_Padded(batch, tuple(part)))
    return made


def load_card(weights: Path) -> Card:
    """Return the card beside a weights file, its hash checked.

    Raises:
        NotFound: The weights or the card are missing.
        InvalidInput: The card is malformed, is another file's, or names kinds that are not ours in order.

    """
    card_file = weights.with_suffix(".json")
    for path in (weights, card_file):
        if not path.exists():
            raise NotFound(f"No detector at {path}.", hint="Train one, or name another with --model.", field="model")
    try:
        card = Card.model_validate_json(_card_part(card_file))
    except ValidationError as error:
        raise InvalidInput(f"{card_file} is not a model card: {error.errors()[0]['msg']}.", field="model") from error
    _check_hash(weights, card.sha256)
    if card.kinds != KINDS[: len(card.kinds)]:
        raise InvalidInput(f"{card_file}: the kinds differ from the vocabulary's order.", field="model")
    return card


def _check_hash(file: Path, expected: str) -> None:
    if not file.exists():
        raise NotFound(f"No detector at {file}.", hint="Train one, or name another with --model.", field="model")
    actual = hashlib.sha256(file.read_bytes()).hexdigest()
    if actual != expected:
        raise InvalidInput(
            f"{file} has sha256 {actual[:12]}, its card says {expected[:12]}.",
            hint="Run `kestrel-vision card` for these weights, or restore the file.",
            field="model",
        )


def _card_part(card_file: Path) -> str:
    whole = json.loads(card_file.read_text())
    return json.dumps({key: whole[key] for key in Card.model_fields if key in whole})


def open_detector(weights: Path, *, threads: int = 2, engine: str = "auto") -> Detector:
    """Open the detector of a weights file on the fastest installed engine.

    Raises:
        NotFound: The weights or the card are missing.
        InvalidInput: The card does not fit the weights, or no engine is installed.

    """
    card = load_card(weights)
    verifier = None
    if card.verifier_sha256:
        second = verifier_file(weights)
        _check_hash(second, card.verifier_sha256)
        verifier = Verifier(open_runtime(second, threads, engine))
    return Detector(open_runtime(weights, threads, engine), card, verifier)


def verifier_file(weights: Path) -> Path:
    """Return where the second look's weights lie: beside the detector's."""
    return weights.with_name(f"{weights.stem}-second.onnx")
