"""Makes a new version of the detector, and measures it beside the one in force. Each step finds its own work again.

Everything goes into the media bucket under ``models/<version>/`` (`contracts/training.py`), so that the same steps run
as jobs of a queue on one machine and as jobs of SageMaker on AWS.
"""

# ruff: noqa: PLC0415 - torch belongs to the training extra; measuring does without

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

from pydantic import ValidationError

from contracts import training
from contracts.errors import CorruptMedia, InvalidInput, NotFound
from contracts.training import Current, Evaluation, LabelSet, Measured, Split
from vision import acceptance, lessons
from vision.card import kinds_of, plain_card
from vision.detector import BoxFinder, Card, open_detector, verifier_file
from vision.evaluate import Judged, any_kind, judge, score
from vision.measurement import measurement
from vision.train import Run, TrainingSpec, train

_ONNX, _JSON, _CHECKPOINT = "application/octet-stream", "application/json", "application/octet-stream"
_THRESHOLD = 0.15


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
    card = _card(weights, version)
    if data.tiles[Split.VAL.value]:
        levels = acceptance.advised(_taught(school, weights, version, data.root))
        card = _card(weights, version)
        card = card.model_copy(update={"accept": levels.of_all, "accept_by_kind": levels.by_kind})
    if card.verifier_sha256:
        school.store.put(training.second_look_key(version), verifier_file(weights).read_bytes(), _ONNX)
    school.store.put(training.checkpoint_key(version), checkpoint.read_bytes(), _CHECKPOINT)
    school.store.put(training.weights_key(version), weights.read_bytes(), _ONNX)
    school.store.put(training.card_key(version), card.model_dump_json().encode(), _JSON)


def _taught(school: School, weights: Path, version: str, root: Path) -> list[Judged]:
    """Train a second look and keep it where the validation images are judged better with it; return what is found."""
    from vision.train_verifier import EPOCHS, teach

    alone = judge(open_detector(weights, threads=school.threads), root, Split.VAL.value)
    second = teach(weights, (root, *school.rendered), EPOCHS, 0, school.threads).file
    _card(weights, version)
    together = judge(open_detector(weights, threads=school.threads), root, Split.VAL.value)
    if _ap50(together) > _ap50(alone):
        return together
    second.unlink()
    return alone


def _ap50(judged: Sequence[Judged]) -> float:
    return score([any_kind(one) for one in judged], _THRESHOLD).ap50


def _card(weights: Path, version: str) -> Card:
    """Write and return the card of what lies there, a second look among it."""
    card = plain_card(weights, kinds_of(weights), _THRESHOLD, acceptance.SHIPPED).model_copy(update={"name": version})
    weights.with_suffix(".json").write_text(card.model_dump_json())
    return card


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
    return measurement(finder.card, judge(finder, root, Split.TEST.value))


def fetched(store: Store, version: str, folder: Path) -> Path:
    """Bring a version's weights and card here; opening them checks one against the other.

    Raises:
        NotFound: They are not there.
        Unavailable: The store does not answer.

    """
    folder.mkdir(parents=True, exist_ok=True)
    weights = folder / "detector.onnx"
    weights.write_bytes(store.get(training.weights_key(version)))
    card = store.get(training.card_key(version))
    weights.with_suffix(".json").write_bytes(card)
    if _names_second_look(card):
        verifier_file(weights).write_bytes(store.get(training.second_look_key(version)))
    return weights


def _names_second_look(card: bytes) -> bool:
    try:
        return bool(json.loads(card).get("verifier_sha256"))
    except (ValueError, AttributeError):  # opening the weights says what is wrong with their card
        return False


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
