"""The verbs of ``kestrel-vision`` round a training: its data, its levels, and whether it comes into force."""

# ruff: noqa: PLC0415 - imports wait for their verb

from __future__ import annotations

import hashlib
import json
import sys
from collections import Counter
from contextlib import redirect_stdout
from datetime import UTC, datetime
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from contracts.training import Split
from vision.terminal import Json, Model, Threads, meter, needing_train, spoken

if TYPE_CHECKING:
    from vision.calibration import KindLevels
    from vision.card import Record
    from vision.detector import BoxFinder


Rendered = Annotated[list[Path] | None, typer.Option(help="Rendered sets; val is measured.")]
Real = Annotated[list[Path] | None, typer.Option(help="Real sets trained on; test is measured.")]
Unseen = Annotated[list[Path] | None, typer.Option(help="Sets never trained on; test is measured.")]


class LabelForm(StrEnum):
    """Whose files."""

    CVAT = "cvat"
    COCO = "coco"
    YOLO = "yolo"


def data_verb(
    source: Annotated[Path, typer.Argument(help="Folder of labelled sets in YOLO layout, SOURCE.json in each.")],
    out: Annotated[Path, typer.Option(help="Folder to write; it must not be there yet.")],
    leave_out: Annotated[bool, typer.Option("--leave-out", help="Leave out leaks instead of refusing them.")] = False,
    spec: Annotated[Path | None, typer.Option(help="Another training.yaml.")] = None,
    as_json: Json = False,
) -> None:
    """Gather labelled sets for training: licences, splits by source photo, near-duplicates across splits refused.

    Writes each set, manifest.json (every picture with its hashes and split) and report.md (how boxes are spread).
    Needs the extra ``train`` (make setup-train).
    """
    from vision.gathering import MANIFEST, Rules, gather
    from vision.train import DEFAULT_SPEC, read_spec

    with spoken(as_json=as_json), needing_train():
        chosen = read_spec(spec or DEFAULT_SPEC)
        own = frozenset(real.set for real in chosen.real if real.own_validation)
        rules = Rules(chosen.validation_share, own, leave_out)
        made = gather(source, out, rules, partial(meter, what="pictures"))
    counts = Counter(f"{picture.set}/{picture.split.value}" for picture in made.pictures)
    told = {
        "out": str(out),
        "manifest_sha256": hashlib.sha256((out / MANIFEST).read_bytes()).hexdigest(),
        "pictures": counts,
        "left_out": [leak.model_dump() for leak in made.leaks],
        "not_gathered": made.not_gathered,
    }
    typer.echo(json.dumps(told) if as_json else (out / "report.md").read_text())


def calibrate_verb(
    data: Annotated[list[Path], typer.Option(help="Sets in YOLO layout, or folders of such sets.")],
    split: Annotated[str, typer.Option(help="Which split; never the one it is tested on.")] = "val",
    model: Model = None,
    write: Annotated[bool, typer.Option("--write", help="Put the levels into the model's card.")] = False,
    threads: Threads = 2,
    as_json: Json = False,
) -> None:
    """Learn per kind from which confidence to accept, to ask a person, to drop; D-ECE before and after.

    Sets whose licence forbids it are refused: thresholds are part of what ships. Needs the extra ``train``.
    """
    from vision.calibration import calibrated
    from vision.card import write_levels
    from vision.datasets import read_yolo
    from vision.detector import SHIPPED, open_detector
    from vision.evaluate import judge

    with spoken(as_json=as_json), needing_train():
        roots = _to_learn_from(data, split)
        finder = open_detector(model or SHIPPED, threads=threads)
        judged = [one for root in roots for one in judge(finder, root, split, partial(meter, what=root.name))]
        groups = [sample.source for root in roots for sample in read_yolo(root, split)]
        made = calibrated(finder.card, judged, groups, [f"{root.name}/{split}" for root in roots])
        if write:
            write_levels(model or SHIPPED, made.card_levels())
    rows = {"all": made.of_all} | {kind.value: known for kind, known in made.by_kind.items()}
    lines = [f"{name}: {told_levels(known)}" for name, known in rows.items()]
    typer.echo(made.model_dump_json() if as_json else "\n".join(lines))


def _to_learn_from(folders: list[Path], split: str) -> list[Path]:
    """Return the sets in some folders; one whose licence forbids to learn from it is refused."""
    from vision.evaluate import sets_in
    from vision.licences import source_to_train_on

    roots = [root for folder in folders for root in sets_in(folder, split)]
    for root in roots:
        source_to_train_on(root)
    return roots


def fuse_verb(
    data: Annotated[list[Path], typer.Option(help="Sets in YOLO layout, or folders of such sets.")],
    split: Annotated[str, typer.Option(help="Which split; best one that neither look was trained on.")] = "val",
    model: Model = None,
    write: Annotated[bool, typer.Option("--write", help="Put the weights into the model's card.")] = False,
    threads: Threads = 2,
    as_json: Json = False,
) -> None:
    """Learn how much detector and second look are each worth together; its levels must be chosen anew after.

    Sets whose licence forbids it are refused. Needs the extra ``train``.
    """
    from vision.card import write_levels
    from vision.detector import SHIPPED
    from vision.fusion import joined, learnt, propose

    weights = model or SHIPPED
    with spoken(as_json=as_json), needing_train():
        roots = _to_learn_from(data, split)
        seen = [propose(weights, root, split, threads, partial(meter, what=root.name)) for root in roots]
        made = learnt(joined(seen), [f"{root.name}/{split}" for root in roots])
        if write:
            write_levels(weights, {"fusion": made.model_dump(mode="json")})
    told = f"detector {made.detector}, second look {made.second_look}, offset {made.offset} ({made.boxes} boxes)"
    typer.echo(made.model_dump_json() if as_json else told)


def second_look_verb(
    weights: Annotated[Path, typer.Argument(help="The detector (ONNX); the second look is written beside it.")],
    data: Annotated[list[Path], typer.Option(help="Sets in YOLO layout, or folders of such sets; split train.")],
    epochs: Annotated[int, typer.Option(min=1)] = 14,
    seed: Annotated[int, typer.Option()] = 0,
    threads: Threads = 2,
    as_json: Json = False,
) -> None:
    """Train the second look on labelled boxes and on what the detector wrongly points at, and put it into the card.

    Fusion and planted rate leave the card: they were of the one before. Sets whose licence forbids it are refused.
    Needs the extra ``train``.
    """
    from vision.card import source_of, write_second_look
    from vision.train_verifier import teach

    with spoken(as_json=as_json), needing_train(), redirect_stdout(sys.stderr):
        roots = _to_learn_from(data, "train")
        made = teach(weights, roots, epochs, seed, threads, meter)
        run = {
            "epochs": epochs,
            "seed": seed,
            "cutouts": {f"{root.name}/train": count for root, count in made.cutouts.items()},
            "judged": int(made.confusion.sum()),
            "right": made.right,
            "data": [source_of(root) for root in roots],
        }
        if weights.with_suffix(".json").exists():
            write_second_look(weights, run)
    told = {"model": str(made.file), "confusion": made.confusion.tolist()} | run
    typer.echo(json.dumps(told) if as_json else f"{made.file}: {made.right:.1%} of validation cut-outs judged right")


def exams(rendered: Rendered, real: Real, unseen: Unseen) -> list[tuple[Path, str, str]]:
    """Return which split of which set is measured, and what it is to the detector."""
    return [
        *((root, "val", "rendered, held out") for root in rendered or []),
        *((root, "test", "real, other photos of a set trained on") for root in real or []),
        *((root, "test", "real, never trained on") for root in unseen or []),
    ]


def measured(finder: BoxFinder, uses: list[tuple[Path, str, str]]) -> list[Record]:
    """Return how good a detector is on some sets, for its card."""
    from vision.evaluate import evaluate

    return [evaluate(finder, root, split, finder.card.accept) | {"use": use} for root, split, use in uses]


def measure_verb(
    weights: Annotated[Path, typer.Argument(help="ONNX file with its card beside it.")],
    rendered: Rendered = None,
    real: Real = None,
    unseen: Unseen = None,
    threads: Threads = 2,
    as_json: Json = False,
) -> None:
    """Measure a detector with the second look and the levels it has now; that replaces what its card says of it."""
    from vision.card import write_metrics
    from vision.detector import open_detector

    with spoken(as_json=as_json):
        made = measured(open_detector(weights, threads=threads), exams(rendered, real, unseen))
        write_metrics(weights, made)
    rows = [f"{m['data']}/{m['split']}: mAP50 {m['map50']}, {m['false_boxes_per_image']} false a picture" for m in made]
    typer.echo(json.dumps(made) if as_json else "\n".join(rows))


def told_levels(known: KindLevels) -> str:
    """Return a kind's levels in one line."""
    levels = f"accept from {known.accept}, review from {known.review}"
    return f"{levels}; D-ECE {known.d_ece_before} before, {known.d_ece_after} after ({known.boxes} boxes)"


def promote_verb(
    candidate: Annotated[Path, typer.Argument(help="Weights (ONNX), their card beside them.")],
    registry: Annotated[Path, typer.Option(help="Folder of the versions; made where it is missing.")],
    val: Annotated[list[Path], typer.Option(help="Frozen validation sets in YOLO layout; split val.")],
    test: Annotated[list[Path], typer.Option(help="Locked test sets in YOLO layout; split test.")],
    manifest: Annotated[Path, typer.Option(help="manifest.json of the data it was trained on.")],
    by: Annotated[str, typer.Option(help="Who answers for it.")],
    margin: Annotated[float, typer.Option(min=0, max=0.5, help="So much a kind may lose.")] = 0.02,
    threads: Threads = 2,
    as_json: Json = False,
) -> None:
    """Put a detector into force in a registry where it is not worse than the one there in anything, or say why not."""
    from vision.promotion import Exam, promote

    with spoken(as_json=as_json), needing_train():
        exam = Exam(tuple(val), tuple(test), manifest, margin)
        record = promote(candidate, registry, exam, by, datetime.now(UTC), threads)
    told = f"{record.version} is in force in {registry}, in place of {record.before}"
    typer.echo(record.model_dump_json() if as_json else told)


def quantize_verb(
    weights: Annotated[Path, typer.Argument(help="ONNX file with its card beside it.")],
    out: Annotated[Path, typer.Argument(help="ONNX file to write; its card and second look come beside it.")],
    data: Annotated[list[Path], typer.Option(help="Sets in YOLO layout, or folders of such sets: train and val.")],
    threads: Threads = 2,
    as_json: Json = False,
) -> None:
    """Make an eight-bit copy of a detector, refused where it loses more than a point of mAP50 on the sets' val.

    The time of both on this machine is told; without VNNI or AMX little is gained. Sets whose licence forbids to learn
    from them are refused. Needs the extra ``train``.
    """
    from vision.quantizing import quantize

    with spoken(as_json=as_json), needing_train():
        made = quantize(weights, _to_learn_from(data, "train"), out, threads, partial(meter, what="pictures"))
    told = {
        "model": str(made.file),
        "map50": made.eight_bit.map50,
        "map50_whole": made.whole.map50,
        "time_share": round(made.time_share, 2),
    }
    typer.echo(
        json.dumps(told)
        if as_json
        else f"{made.file}: mAP50 {made.eight_bit.map50:.3f} (whole {made.whole.map50:.3f}),"
        f" {made.time_share:.2f} of the time on this machine"
    )


def labels_verb(
    source: Annotated[
        Path, typer.Argument(help="labels.json of a version, CVAT XML, a COCO set, or a folder of YOLO labels.")
    ],
    out: Annotated[Path, typer.Option(help="File (cvat, coco) or folder (yolo) to write.")],
    form: Annotated[LabelForm, typer.Option("--as", help="cvat and coco keep everything; yolo knows defects only.")],
    split: Annotated[Split, typer.Option(help="Of pictures of a COCO set that do not say theirs.")] = Split.TRAIN,
    width: Annotated[int, typer.Option(min=1, help="Of the pictures, in pixels; for cvat and coco.")] = 3840,
    height: Annotated[int, typer.Option(min=1, help="The same, down.")] = 2160,
    as_json: Json = False,
) -> None:
    """Turn judged labels into CVAT, COCO or YOLO files and back; pictures of rejected places become hard negatives."""
    from vision.coco_files import as_coco
    from vision.label_files import as_cvat, write_yolo
    from vision.label_sources import read_labels

    with spoken(as_json=as_json):
        pictures, left_out = read_labels(source, split), []
        if form is LabelForm.YOLO:
            left_out = write_yolo(pictures, out)
        else:
            written = as_cvat if form is LabelForm.CVAT else as_coco
            out.write_text(written(pictures, width, height), encoding="utf-8")
    told = {"out": str(out), "pictures": len(pictures) - len(left_out), "left_out_unjudged": left_out}
    typer.echo(
        json.dumps(told) if as_json else f"{out}: {told['pictures']} pictures, {len(left_out)} unjudged left out"
    )
