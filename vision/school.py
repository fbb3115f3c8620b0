"""Makes a new version of the detector, and measures it beside the one in force. Each step finds its own work again.

Everything goes into the media bucket under ``models/<version>/`` (`contracts/training.py`), so that the same steps run
as jobs of a queue on one machine and as jobs of SageMaker on AWS.
"""

# ruff: noqa: PLC0415 - torch belongs to the training extra; measuring does without

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple, Protocol, cast

from pydantic import ValidationError

from contracts import training
from contracts.errors import CorruptMedia, InvalidInput, NotFound
from contracts.training import Current, Evaluation, LabelSet, Measured, Split
from vision import lessons
from vision.card import plain_card
from vision.detector import BoxFinder, open_detector
from vision.evaluate import Judged, judge, measure
from vision.train import Run, TrainingSpec, train

_ONNX, _JSON, _CHECKPOINT = "application/octet-stream", "application/json", "application/octet-stream"
_THRESHOLD = 0.15
_ACCEPT = 0.35
"""What a defect's mean confidence must reach where validation images do not say otherwise."""
_LEAST_PRECISION = 0.8
_ACCEPTS = tuple(step / 100 for step in range(20, 75, 5))


class Store(lessons.Frames, Protocol):
    """The media bucket."""

    def put(self, key: str, body: bytes, content_type: str) -> None:
        """Store an object."""
        ...

    def exists(self, key: str) -> bool:
        """Tell whether an object is there."""
        ...


class School(NamedTuple):
    """What training on this machine takes."""

    store: Store
    scratch: Path
    spec: TrainingSpec
    shipped: Path
    """Weights in force where no version was ever promoted."""
    rendered: tuple[Path, ...] = ()
    """Folders of rendered tiles that every version learns from besides."""
    start_from: Path | None = None
    """A checkpoint to start from where no version before has left one."""
    epochs: int = 20
    threads: int = 2


def train_version(school: School, version: str) -> None:
    """Train a version on its labels and store weights, card and checkpoint; nothing where that was done.

    Raises:
        NotFound: The labels are not there.
        InvalidInput: They leave nothing to train on.
        Unavailable: The store does not answer.

    """
    if school.store.exists(training.card_key(version)):
        return
    labels = _labels(school.store, version)
    with tempfile.TemporaryDirectory(dir=school.scratch) as place:
        folder = Path(place)
        data = lessons.write(labels, school.store, folder / "lessons", school.spec.tile_px)
        if not data.tiles[Split.TRAIN.value]:
            raise InvalidInput(f"No tile of {version} could be cut.", hint=f"{data.missing} frames are gone.")
        before = _checkpoint(school, folder)
        run = Run((data.root, *school.rendered), None, folder / "run", school.epochs, 0, before, school.threads)
        checkpoint = train(school.spec, run) / "best.pt"
        _store(school, version, checkpoint, folder / "detector.onnx", data)


def _store(school: School, version: str, checkpoint: Path, weights: Path, data: lessons.Lessons) -> None:
    """Export and store what was trained; the card last, as it says that all is there."""
    from vision.export import export

    export(checkpoint, weights)
    weights.with_suffix(".json").write_text(plain_card(weights, _THRESHOLD, _ACCEPT).model_dump_json())
    held_out = Split.VAL.value
    accept = _ACCEPT
    if data.tiles[held_out]:
        accept = advised_accept(judge(open_detector(weights, threads=school.threads), data.root, held_out))
    card = plain_card(weights, _THRESHOLD, accept).model_copy(update={"name": version})
    school.store.put(training.checkpoint_key(version), checkpoint.read_bytes(), _CHECKPOINT)
    school.store.put(training.weights_key(version), weights.read_bytes(), _ONNX)
    school.store.put(training.card_key(version), card.model_dump_json().encode(), _JSON)


def advised_accept(judged: list[Judged]) -> float:
    """Return the lowest confidence from which four of five boxes are right on these images, hard negatives included.

    Where none is high enough, the highest looked at; where nothing is found at all, what ships.
    """
    if not any(len(one.found) for one in judged):
        return _ACCEPT
    for at in _ACCEPTS:
        together = cast("Mapping[str, float]", measure(judged, "", "", at)["any_kind"])
        if together["found"] and together["precision"] >= _LEAST_PRECISION:
            return at
    return _ACCEPTS[-1]


def evaluate_version(school: School, version: str) -> Evaluation:
    """Measure a version and the one in force on the version's test images, and store both figures.

    Raises:
        NotFound: The labels or the weights are not there.
        InvalidInput: The labels hold no test image.
        Unavailable: The store does not answer.

    """
    labels = _labels(school.store, version)
    with tempfile.TemporaryDirectory(dir=school.scratch) as place:
        folder = Path(place)
        data = lessons.write(labels, school.store, folder / "lessons", school.spec.tile_px)
        candidate = fetched(school.store, version, folder / "candidate")
        current = in_force(school.store, folder / "current") or school.shipped
        made = Evaluation(
            version=version,
            candidate=_measured(open_detector(candidate, threads=school.threads), data.root),
            current=_measured(open_detector(current, threads=school.threads), data.root),
        )
    school.store.put(training.evaluation_key(version), made.model_dump_json().encode(), _JSON)
    return made


def _measured(finder: BoxFinder, root: Path) -> Measured:
    card = finder.card
    scores = measure(judge(finder, root, Split.TEST.value), root.name, Split.TEST.value, card.accept)
    together = cast("Mapping[str, float]", scores["any_kind"])
    return Measured(
        sha256=card.sha256,
        images=cast("int", scores["images"]),
        boxes=cast("int", scores["boxes"]),
        map50=cast("float | None", scores["map50"]),
        precision=together["precision"],
        recall=together["recall"],
        false_boxes_per_image=cast("float | None", scores["false_boxes_per_image"]) or 0.0,
        accept=card.accept,
    )


def fetched(store: Store, version: str, folder: Path) -> Path:
    """Bring a version's weights and card here; opening them checks one against the other.

    Raises:
        NotFound: They are not there.
        Unavailable: The store does not answer.

    """
    folder.mkdir(parents=True, exist_ok=True)
    weights = folder / "detector.onnx"
    weights.write_bytes(store.get(training.weights_key(version)))
    weights.with_suffix(".json").write_bytes(store.get(training.card_key(version)))
    return weights


def current(store: Store) -> Current | None:
    """Return which version is in force; None where the shipped one is.

    Raises:
        CorruptMedia: The record cannot be read.
        Unavailable: The store does not answer.

    """
    try:
        return Current.model_validate_json(store.get(training.CURRENT_KEY))
    except NotFound:
        return None
    except ValidationError as error:
        raise CorruptMedia(f"{training.CURRENT_KEY} cannot be read.", hint="Promote a version again.") from error


def in_force(store: Store, folder: Path) -> Path | None:
    """Bring the version in force here; None where it is the shipped one."""
    known = current(store)
    return None if known is None else fetched(store, known.version, folder)


def _checkpoint(school: School, folder: Path) -> Path | None:
    """Return where training starts: the checkpoint of the version in force, or the one this machine names."""
    known = current(school.store)
    if known is None or not school.store.exists(training.checkpoint_key(known.version)):
        return school.start_from
    path = folder / "before.pt"
    path.write_bytes(school.store.get(training.checkpoint_key(known.version)))
    return path


def _labels(store: Store, version: str) -> LabelSet:
    try:
        return LabelSet.model_validate_json(store.get(training.labels_key(version)))
    except ValidationError as error:
        raise InvalidInput(f"{training.labels_key(version)}: {error.errors()[0]['msg']}.", field="labels") from error
