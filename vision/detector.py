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
from contracts.geo import Frozen
from contracts.ids import Sha256
from contracts.vocabulary import DefectKind
from vision.boxes import KINDS, Boxes
from vision.merge import suppress
from vision.runtimes import Raw, Runtime, open_runtime

STRIDE_PX = 32
MODELS = Path(__file__).resolve().parent.parent / "models"
SHIPPED = MODELS / "kestrel-blade-n.onnx"

Image = NDArray[np.uint8]
"""(height, width, 3), BGR."""


class Card(Frozen):
    """What the pipeline needs of a model card; ``models/<name>.json`` holds more for people."""

    name: str = Field(min_length=1, max_length=80)
    sha256: Sha256
    kinds: tuple[DefectKind, ...] = Field(description="the detector's classes, in order")
    threshold: float = Field(gt=0, lt=1, description="boxes below this are not looked at")
    accept: float = Field(gt=0, lt=1, description="tracks below this mean confidence per look are dropped")


class BoxFinder(Protocol):
    """Finds defects in pictures; the tests' fakes are this."""

    @property
    def card(self) -> Card:
        """Return which model speaks."""
        ...

    def find(self, images: Sequence[Image]) -> list[Boxes]:
        """Return the boxes of each image, in its own pixels."""
        ...


class _Padded(NamedTuple):
    batch: NDArray[np.uint8]
    images: tuple[int, ...]


class Detector:
    """One network with its card."""

    def __init__(self, runtime: Runtime, card: Card, *, batch_px: int = 4 * 640 * 640) -> None:
        self._runtime = runtime
        self._card = card
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
                found[index] = decode(raw[row], self._card.threshold, width, height)
        return [found[i] for i in range(len(images))]


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
    actual = hashlib.sha256(weights.read_bytes()).hexdigest()
    if actual != card.sha256:
        raise InvalidInput(
            f"{weights} has sha256 {actual[:12]}, its card says {card.sha256[:12]}.",
            hint="Run `kestrel-vision card` for these weights, or restore the file.",
            field="model",
        )
    if card.kinds != KINDS[: len(card.kinds)]:
        raise InvalidInput(f"{card_file}: the kinds differ from the vocabulary's order.", field="model")
    return card


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
    return Detector(open_runtime(weights, threads, engine), card)
