"""Puts a new detector into force in a registry folder, or says why not; killed anywhere, the old one stays in force.

The registry holds a folder per version (weights, card, second look, record.json), ``current.json``, and two files that
keep the exam honest: ``frozen.json`` has the digest of every set it is measured on, from the first attempt on, and
``openings.jsonl`` each time the test sets were opened, for whom and how it ended. They are opened only for a candidate
that passed on the validation sets.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import AwareDatetime, ValidationError

from contracts import promotion
from contracts.errors import Conflict, InvalidInput, ModelRefused
from contracts.geo import Frozen
from contracts.ids import Sha256
from contracts.training import Current, Evaluation, Split
from vision.card import sha256_of
from vision.datasets import read_yolo
from vision.detector import SHIPPED, BoxFinder, Card, open_detector, verifier_file
from vision.evaluate import Judged, judge
from vision.gathering import DataManifest
from vision.leaks import alike, fingerprint, prints_of
from vision.measurement import measurement

CURRENT, RECORD = "current.json", "record.json"
_FROZEN, _OPENINGS, _LOCK = "frozen.json", "openings.jsonl", ".lock"
_WEIGHTS = "detector.onnx"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


class Exam(NamedTuple):
    """What a candidate must pass."""

    validation: tuple[Path, ...]
    """Sets in YOLO layout; their split ``val`` counts."""
    test: tuple[Path, ...]
    """The same, split ``test``."""
    manifest: Path
    """Of the data the candidate was trained on: manifest.json of ``kestrel-vision data``."""
    margin: float = promotion.MARGIN


class Record(Frozen):
    """Why a version came into force."""

    version: str
    sha256: Sha256
    verifier_sha256: Sha256 | None
    before: str
    promoted_at: AwareDatetime
    promoted_by: str
    margin: float
    data_manifest_sha256: Sha256
    licence: str
    licences: dict[str, str]
    """Of the sets trained on."""
    validation: Evaluation
    test: dict[str, Evaluation]
    """By set."""
    openings: int
    """How often the test sets have been opened by now: the oftener, the less they say."""


def promote(candidate: Path, registry: Path, exam: Exam, by: str, now: datetime, threads: int = 2) -> Record:
    """Put a candidate into force and return why; the version in force already is returned as it was recorded.

    Raises:
        ModelRefused: It is worse in something, or learnt what it is measured on.
        Conflict: The sets are not those of the promotions before, or another promotion is under way.
        InvalidInput: The weights, a set, the manifest or the registry cannot be read, or they do not belong together.

    """
    registry.mkdir(parents=True, exist_ok=True)
    with _alone(registry):
        finder = open_detector(candidate, threads=threads)
        version = _version(finder.card)
        known = _current(registry)
        if known and known.version == version:
            return _record(registry / version)
        manifest = _manifest(exam.manifest, candidate)
        _freeze(registry, exam)
        _refuse_learnt(manifest, exam)
        before = open_detector(registry / known.version / _WEIGHTS if known else SHIPPED, threads=threads)
        validation, test = _examined(registry, finder, before, exam, version, now)
        record = Record(
            version=version, sha256=finder.card.sha256, verifier_sha256=finder.card.verifier_sha256,
            before=known.version if known else before.card.name, promoted_at=now, promoted_by=by, margin=exam.margin,
            data_manifest_sha256=sha256_of(exam.manifest), licence=_card_of(candidate)["licence"],
            licences={one.set: str(one.source["license"]) for one in manifest.sets},
            validation=validation, test=test, openings=_openings(registry),
        )  # fmt: skip
        _install(candidate, registry / version, record)
        chosen = Current(version=version, sha256=record.sha256, promoted_at=now, promoted_by=by)
        _write_whole(registry / CURRENT, chosen.model_dump_json(indent=1))
        return record


def _version(card: Card) -> str:
    if not _NAME.fullmatch(card.name):
        hint = "Letters, digits, dots, dashes: it names a folder."
        raise InvalidInput(f"The detector is called {card.name!r}.", hint=hint, field="name")
    return f"{card.name}-{card.sha256[:12]}"


@contextmanager
def _alone(registry: Path) -> Iterator[None]:
    with (registry / _LOCK).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Conflict(f"Another promotion works in {registry}.", hint="Wait for it.", field="registry") from error
        yield


def _current(registry: Path) -> Current | None:
    path = registry / CURRENT
    try:
        return Current.model_validate_json(path.read_text()) if path.exists() else None
    except ValidationError as error:
        raise InvalidInput(f"{path} cannot be read: {error.errors()[0]['msg']}.", field="registry") from error


def _record(folder: Path) -> Record:
    try:
        return Record.model_validate_json((folder / RECORD).read_text())
    except (OSError, ValidationError) as error:
        raise InvalidInput(f"{folder / RECORD} cannot be read.", hint="Restore it.", field="registry") from error


def _card_of(weights: Path) -> dict[str, Any]:
    return dict(json.loads(weights.with_suffix(".json").read_text()))


def _manifest(path: Path, candidate: Path) -> DataManifest:
    """Return the manifest of what the candidate learnt.

    Raises:
        InvalidInput: It is none, or not the one that the candidate's card names.

    """
    try:
        manifest = DataManifest.model_validate_json(path.read_text())
    except (OSError, ValidationError) as error:
        hint = "`kestrel-vision data` writes one."
        raise InvalidInput(f"{path} is no data manifest.", hint=hint, field="manifest") from error
    card = _card_of(candidate)
    if not card.get("licence"):
        raise InvalidInput("The card states no licence.", hint="`kestrel-vision card` writes it.", field="licence")
    named = card.get("training", {}).get("data_manifest_sha256")
    if named != sha256_of(path):
        raise InvalidInput(
            f"The card says that it learnt from data {str(named)[:12]}, the manifest is {sha256_of(path)[:12]}.",
            hint="Give the manifest it was trained with; `kestrel-vision card --run` writes its hash into the card.",
            field="manifest",
        )
    return manifest


def _sets(exam: Exam) -> Iterator[tuple[str, Path, str]]:
    for roots, split in ((exam.validation, Split.VAL.value), (exam.test, Split.TEST.value)):
        for root in roots:
            yield f"{root.name}/{split}", root, split


def digest(root: Path, split: str) -> str:
    """Return a hash of all pictures and labels of a split.

    Raises:
        InvalidInput: There are none.

    """
    files = sorted(p for kind in ("images", "labels") for p in (root / kind / split).glob("*") if p.is_file())
    if not files:
        raise InvalidInput(f"{root} holds no images/{split}.", field="data")
    lines = "".join(f"{p.relative_to(root).as_posix()} {sha256_of(p)}\n" for p in files)
    return hashlib.sha256(lines.encode()).hexdigest()


def _freeze(registry: Path, exam: Exam) -> None:
    """Keep the exam's digests, or compare them with those of the promotions before."""
    if not exam.validation or not exam.test:
        raise InvalidInput("A gate needs a validation and a test set.", hint="Give --val and --test.", field="data")
    asked = {name: digest(root, split) for name, root, split in _sets(exam)}
    path = registry / _FROZEN
    if not path.exists():
        _write_whole(path, json.dumps(asked, indent=1))
        return
    frozen = json.loads(path.read_text())
    if changed := sorted(name for name in asked.keys() | frozen.keys() if asked.get(name) != frozen.get(name)):
        raise Conflict(
            f"The exam is frozen, and {', '.join(changed)} is not what it was.",
            hint=f"Give the sets of {path}, unchanged; for another exam start another registry.",
            field="data",
        )


def _refuse_learnt(manifest: DataManifest, exam: Exam) -> None:
    """Refuse a candidate that learnt a picture it is measured on.

    Raises:
        ModelRefused: Named are the first few.

    """
    learnt = [p for p in manifest.pictures if p.split is not Split.TEST]
    asked = [(name, s.image) for name, root, split in _sets(exam) for s in read_yolo(root, split)]
    prints = [*(prints_of(p.phash) for p in learnt), *(fingerprint(image) for _, image in asked)]
    pairs = [(learnt[a.one], asked[a.other - len(learnt)]) for a in alike(prints) if a.one < len(learnt) <= a.other]
    # What stopped the training may be validated on, and not be tested on.
    both = [(p, of) for p, of in pairs if p.split is Split.TRAIN or of[0].endswith(f"/{Split.TEST.value}")]
    if both:
        named = "; ".join(f"{name}/{image.name} is {p.set}/{p.split.value}/{p.file}" for p, (name, image) in both[:4])
        raise ModelRefused(
            f"It learnt {len(both)} pictures of the exam: {named}.", hint="Gather the data anew with these sets in it."
        )


def _examined(
    registry: Path, finder: BoxFinder, before: BoxFinder, exam: Exam, version: str, now: datetime
) -> tuple[Evaluation, dict[str, Evaluation]]:
    def compared(judged: Sequence[Sequence[Judged]]) -> Evaluation:
        new, old = (measurement(f.card, j) for f, j in zip((finder, before), judged, strict=True))
        return Evaluation(version=version, candidate=new, current=old)

    def both(roots: Sequence[Path], split: str) -> list[list[Judged]]:
        return [[j for root in roots for j in judge(f, root, split)] for f in (finder, before)]

    validation = compared(both(exam.validation, Split.VAL.value))
    _pass("on the validation sets", promotion.objections(validation, exam.margin))
    test = {root.name: compared(both([root], Split.TEST.value)) for root in exam.test}
    said = [f"{name}: {line}" for name, one in test.items() for line in promotion.dropped_kinds(one, exam.margin)]
    with (registry / _OPENINGS).open("a") as log:
        log.write(json.dumps({"at": now.isoformat(), "version": version, "objections": said}) + "\n")
    _pass("on the test sets", said)
    return validation, test


def _pass(where: str, objections: Sequence[str]) -> None:
    if objections:
        raise ModelRefused(
            f"Not promoted {where}: {' '.join(objections)}", hint="Train on more of what it lost, or keep what is."
        )


def _openings(registry: Path) -> int:
    return len((registry / _OPENINGS).read_text().splitlines())


def _install(candidate: Path, folder: Path, record: Record) -> None:
    """Copy a version into the registry: built beside its place, moved there in one step."""
    building = folder.with_name(f".{folder.name}")
    shutil.rmtree(building, ignore_errors=True)
    building.mkdir()
    weights = building / _WEIGHTS
    pairs = [(candidate, weights), (candidate.with_suffix(".json"), weights.with_suffix(".json"))]
    if record.verifier_sha256:
        pairs.append((verifier_file(candidate), verifier_file(weights)))
    for source, target in pairs:
        shutil.copyfile(source, target)
        _sync(target)
    _write_whole(building / RECORD, record.model_dump_json(indent=1))
    open_detector(weights, threads=1)  # hashes and all, as a worker will
    shutil.rmtree(folder, ignore_errors=True)  # of a promotion that was killed: it is not in force
    building.rename(folder)
    _sync(folder.parent)


def _write_whole(path: Path, text: str) -> None:
    """Replace a file in one step."""
    partial = path.with_name(f".{path.name}.part")
    partial.write_text(text + "\n")
    _sync(partial)
    partial.replace(path)
    _sync(path.parent)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
