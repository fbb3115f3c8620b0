"""Gathers labelled sets into one folder to train from: licences, splits by source photo, no picture in two splits."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from pydantic import Field

from contracts.errors import Conflict, InvalidInput
from contracts.geo import Frozen
from contracts.ids import Sha256
from contracts.training import Split
from vision.datasets import Sample, read_yolo, share_of
from vision.leaks import LIMIT_BITS, Prints, alike, fingerprint, grouped
from vision.licences import source_to_train_on

MANIFEST = "manifest.json"
SPLITS = tuple(split.value for split in Split)
_STRICTER = {split: rank for rank, split in enumerate(SPLITS)}
_TEST_SHARE = 0.15
_NAMED = 4
"""So many leaks are named in a refusal; the rest are counted."""
Progress = Callable[[int, int], None]


class Picture(Frozen):
    """One image of the gathered folder, and its box labels."""

    set: str
    split: Split
    file: str
    sha256: Sha256
    phash: str = Field(description="64 bits, hexadecimal")
    group: str = Field(description="pictures of one source photo, or nearly the same, share it")
    boxes: tuple[int, ...] = Field(description="boxes per class of the set, in the order of its names")
    small: int = Field(description="boxes of an area below 32 x 32 pixels of the picture, as COCO has them")


class Leak(Frozen):
    """Two pictures that are nearly the same, or of one source photo, in different splits."""

    kept: str
    left_out: str
    bits: int | None = Field(description="of 64, that their hashes differ in; none where the source photo is the same")


class Gathered(Frozen):
    """One set as gathered."""

    set: str
    source: dict[str, Any] = Field(description="its SOURCE.json")
    names: tuple[str, ...]


class DataManifest(Frozen):
    """What lies in a gathered folder; the same input gives the same bytes."""

    sets: tuple[Gathered, ...]
    pictures: tuple[Picture, ...]
    leaks: tuple[Leak, ...] = Field(description="found between splits; the picture left out is not in the folder")
    not_gathered: tuple[str, ...] = Field(description="folders beside the sets that hold no labelled images")


class _Found(NamedTuple):
    set: str
    split: str
    sample: Sample
    prints: Prints

    @property
    def name(self) -> str:
        return f"{self.set}/{self.split}/{self.sample.image.name}"


class Rules(NamedTuple):
    """How splits are made."""

    validation_share: float
    own_validation: frozenset[str] = frozenset()
    """Sets whose own validation split is of no use: ours is cut from what they train on."""
    leave_out: bool = False
    """Leaks are left out of the less strict split, not refused."""


def gather(source: Path, out: Path, rules: Rules, progress: Progress | None = None) -> DataManifest:
    """Write ``out``: a folder per set in YOLO layout, manifest.json; whole or not at all.

    Published splits are kept. A set without a validation or test split gets one, by groups: pictures of one source
    photo, or nearly the same, stay together.

    Raises:
        Conflict: ``out`` is there already.
        InvalidInput: No set, a licence that forbids training, a malformed label, or the same picture in two splits.

    """
    if out.exists():
        raise Conflict(f"{out} is there already.", hint="Name a new folder.", field="out")
    roots, others = _sets(source)
    sets = tuple(Gathered(set=r.name, source=source_to_train_on(r), names=_names(r)) for r in roots)
    found = _read(roots, sets, progress)
    pairs = [a for a in alike([f.prints for f in found]) if a.bits <= LIMIT_BITS]
    groups = _groups(found, [(a.one, a.other) for a in pairs])
    splits = _splits(found, groups, rules)
    bits = {(a.one, a.other): a.bits for a in pairs}
    leaks = _leaks(found, groups, splits, bits)
    if leaks and not rules.leave_out:
        _refuse(list(leaks.values()))
    kept = [n for n in range(len(found)) if n not in leaks]
    _check_names([(found[n].set, splits[n], found[n].sample.image) for n in kept])
    pictures = tuple(_picture(found[n], splits[n], groups[n], sets) for n in kept)
    made = DataManifest(sets=sets, pictures=pictures, leaks=tuple(leaks.values()), not_gathered=others)
    _write(out, roots, [(found[n].sample, found[n].set, splits[n]) for n in kept], made)
    return made


def _sets(source: Path) -> tuple[list[Path], tuple[str, ...]]:
    folders = sorted(p for p in source.glob("*") if p.is_dir()) if source.is_dir() else []
    sets = [p for p in folders if (p / "data.yaml").is_file() and (p / "images" / "train").is_dir()]
    if not sets:
        hint = "A set is a folder with data.yaml, images/train and labels/train."
        raise InvalidInput(f"{source} holds no labelled set.", hint=hint, field="source")
    return sets, tuple(p.name for p in folders if p not in sets)


def _names(root: Path) -> tuple[str, ...]:
    try:
        names = yaml.safe_load((root / "data.yaml").read_text(encoding="utf-8"))["names"]
    except (yaml.YAMLError, KeyError, TypeError, UnicodeDecodeError) as error:
        raise InvalidInput(f"{root / 'data.yaml'} names no classes: {error}.", field="names") from error
    return tuple(str(name) for name in (names.values() if isinstance(names, dict) else names))


def _read(roots: Sequence[Path], sets: Sequence[Gathered], progress: Progress | None) -> list[_Found]:
    samples = [
        (about, split, sample)
        for root, about in zip(roots, sets, strict=True)
        for split in SPLITS
        for sample in read_yolo(root, split)
    ]
    found = []
    for about, split, sample in samples:
        _check(sample, len(about.names))
        found.append(_Found(about.set, split, sample, fingerprint(sample.image)))
        if progress:
            progress(len(found), len(samples))
    return found


def _check(sample: Sample, classes: int) -> None:
    """Refuse labels that are no boxes.

    Raises:
        InvalidInput: A class the set does not name, or a box outside the picture.

    """
    for row in sample.rows:
        if row[0] not in range(classes):
            raise InvalidInput(f"{sample.image.name}: class {row[0]:g} is none of its {classes}.", field="labels")
        if not ((row[1:] >= 0) & (row[1:] <= 1)).all() or min(row[3:]) <= 0:
            raise InvalidInput(f"{sample.image.name}: the box {row[1:].tolist()} is no box.", field="labels")


def _groups(found: Sequence[_Found], pairs: Sequence[tuple[int, int]]) -> list[int]:
    first: dict[tuple[str, str], int] = {}
    same = [(first.setdefault((one.set, one.sample.source), n), n) for n, one in enumerate(found)]
    return grouped(len(found), [*same, *pairs])


def _splits(found: Sequence[_Found], groups: Sequence[int], rules: Rules) -> list[str]:
    """Return each picture's split: as published, or cut by group where the set brings none of use."""
    has = {(one.set, one.split) for one in found}
    made = []
    for one, group in zip(found, groups, strict=True):
        own = one.set in rules.own_validation
        split = "train" if own and one.split == "val" else one.split
        share = share_of(found[group].sample.source)
        if split == "train" and (one.set, "test") not in has and share > 1 - _TEST_SHARE:
            split = "test"
        elif split == "train" and (own or (one.set, "val") not in has) and share < rules.validation_share:
            split = "val"
        made.append(split)
    return made


def _leaks(
    found: Sequence[_Found], groups: Sequence[int], splits: Sequence[str], bits: dict[tuple[int, int], int]
) -> dict[int, Leak]:
    """Return for each picture to be left out why: of a group only what is in its strictest split stays."""
    members: dict[int, list[int]] = {}
    for number, group in enumerate(groups):
        members.setdefault(group, []).append(number)
    leaks = {}
    for numbers in members.values():
        strictest = max(numbers, key=lambda n: (_STRICTER[splits[n]], -n))
        for n in numbers:
            if splits[n] != splits[strictest]:
                apart = bits.get((min(n, strictest), max(n, strictest)))
                leaks[n] = Leak(kept=found[strictest].name, left_out=found[n].name, bits=apart)
    return leaks


def _refuse(leaks: Sequence[Leak]) -> None:
    named = "; ".join(f"{leak.left_out} is {leak.kept}" for leak in leaks[:_NAMED])
    more = f"; and {len(leaks) - _NAMED} more" if len(leaks) > _NAMED else ""
    raise InvalidInput(
        f"{len(leaks)} pictures are in two splits: {named}{more}.",
        hint="--leave-out drops each from the split that is less strict (test before val before train).",
        field="source",
    )


def _check_names(files: Sequence[tuple[str, str, Path]]) -> None:
    """Refuse pictures that would share a label file."""
    seen: dict[tuple[str, str, str], Path] = {}
    for name, split, image in files:
        other = seen.setdefault((name, split, image.stem), image)
        if other != image:
            raise InvalidInput(f"{image} and {other} have one name in {split}.", hint="Rename one.", field="source")


def _picture(one: _Found, split: str, group: int, sets: Sequence[Gathered]) -> Picture:
    classes = len(next(s for s in sets if s.set == one.set).names)
    counts = Counter(int(row[0]) for row in one.sample.rows)
    return Picture(
        set=one.set,
        split=Split(split),
        file=one.sample.image.name,
        sha256=hashlib.sha256(one.sample.image.read_bytes()).hexdigest(),
        phash=one.prints[0].tobytes().hex(),
        group=f"{one.set}-{group:05d}",
        boxes=tuple(counts[c] for c in range(classes)),
        small=_small(one.sample),
    )


def _small(sample: Sample) -> int:
    from PIL import Image  # noqa: PLC0415 - of the training extra

    with Image.open(sample.image) as picture:
        area = picture.width * picture.height
    return int((sample.rows[:, 3] * sample.rows[:, 4] * area < 32**2).sum()) if len(sample.rows) else 0


def _write(out: Path, roots: Sequence[Path], files: Sequence[tuple[Sample, str, str]], made: DataManifest) -> None:
    """Build the folder beside its place and move it there in one step."""
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}-") as place:
        whole = Path(place) / "data"
        for root, about in zip(roots, made.sets, strict=True):
            for folder in (f"{kind}/{split}" for kind in ("images", "labels") for split in SPLITS):
                (whole / root.name / folder).mkdir(parents=True)
            layout = {split: f"images/{split}" for split in SPLITS} | {"names": dict(enumerate(about.names))}
            (whole / root.name / "data.yaml").write_text(yaml.safe_dump({"path": "."} | layout))
            shutil.copyfile(root / "SOURCE.json", whole / root.name / "SOURCE.json")
        for sample, name, split in files:
            shutil.copyfile(sample.image, whole / name / "images" / split / sample.image.name)
            lines = "".join(f"{int(r[0])} {' '.join(f'{v:.6f}' for v in r[1:])}\n" for r in sample.rows)
            (whole / name / "labels" / split / f"{sample.image.stem}.txt").write_text(lines)
        (whole / MANIFEST).write_text(made.model_dump_json(indent=1) + "\n")
        (whole / "report.md").write_text(report(made))
        whole.rename(out)


def report(made: DataManifest) -> str:
    """Return how the gathered pictures and boxes are spread, and what was left out, as Markdown."""
    lines = ["# Data", "", "| set | split | pictures | of them empty | groups | boxes | of them small | classes |"]
    lines.append("|---|---|--:|--:|--:|--:|--:|---|")
    for about in made.sets:
        for split in Split:
            mine = [p for p in made.pictures if (p.set, p.split) == (about.set, split)]
            boxes = [sum(p.boxes[c] for p in mine) for c in range(len(about.names))]
            classes = ", ".join(f"{name} {n}" for name, n in zip(about.names, boxes, strict=True))
            empty, groups = sum(not any(p.boxes) for p in mine), len({p.group for p in mine})
            small = sum(p.small for p in mine)
            row = (about.set, split.value, len(mine), empty, groups, sum(boxes), small, classes)
            lines.append(f"| {' | '.join(map(str, row))} |")
    lines += ["", "| set | licence | attribution |", "|---|---|---|"]
    lines += [f"| {s.set} | {s.source['license']} | {s.source.get('attribution') or '-'} |" for s in made.sets]
    lines += ["", f"Left out because they are in a stricter split too: {len(made.leaks)}.", ""]
    lines += [f"- {leak.left_out}: {leak.kept} ({_why(leak)})" for leak in made.leaks]
    return "\n".join(lines) + "\n"


def _why(leak: Leak) -> str:
    return "the same source photo, or over others" if leak.bits is None else f"{leak.bits} of 64 bits differ"
