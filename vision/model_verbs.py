"""The verbs of ``kestrel-vision`` round a training: its data, its levels, and whether it comes into force."""

# ruff: noqa: PLC0415 - imports wait for their verb

from __future__ import annotations

import hashlib
import json
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from vision.terminal import Json, meter, needing_train, spoken


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
