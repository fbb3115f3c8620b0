"""The model card: what a detector was made of, how good it is, and what it cannot do; as JSON and as text."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field, ValidationError

from contracts.errors import InvalidInput
from contracts.findings import PlantedRate
from contracts.ids import Sha256
from contracts.vocabulary import DefectKind
from vision.boxes import KINDS
from vision.detector import STRIDE_PX, Card, load_card, verifier_file
from vision.runtimes import open_runtime
from vision.verifier import Fusion

Record = dict[str, Any]
"""JSON of another program: a training run, a data set's source, a measurement."""

LIMITS = (
    "Trained from scratch, mostly on rendered blades: figures on rendered frames say nothing of field performance.",
    "On real blade photos it finds next to nothing yet, as the table shows. It is made for the simulated world.",
    "Real test photos are few, of one class each, and loosely labelled: orders of magnitude, not promises.",
    "Knows blades. Power lines, towers and pipelines are not among what it was shown.",
    "Works at the scale it was trained on: about 1 to 4 mm per pixel.",
    "Planted defects below 12 pixels are not counted; of 68 from 12 to 24 two were missed, of larger ones none.",
    "A defect seen edge-on, from the pass along the side beside it, may be told once more, as a crack of that side.",
    "Confidence is not severity: severity is graded by policy from measured size and place.",
    "A place without a finding is sound only where coverage says it was seen.",
)


class FullCard(Card):
    """A card with everything a person wants to know beside what the pipeline needs."""

    input: str = "frames: (batch, height, width, 3) uint8 BGR, sides multiples of 32"
    output: str = "(batch, 4 + kinds, anchors): centre x, centre y, width, height in pixels, one score per kind"
    checkpoint_sha256: Sha256 | None = None
    training: Record = Field(default_factory=dict)
    second_look: Record = Field(default_factory=dict, description="how the second look was trained, and on what")
    eight_bit: Record = Field(default_factory=dict, description="which detector this is the eight-bit copy of")
    data: tuple[Record, ...] = ()
    metrics: tuple[Record, ...] = ()
    limits: tuple[str, ...] = LIMITS
    licence: str = "AGPL-3.0-or-later (trained with Ultralytics, which is AGPL-3.0)"


def kinds_of(weights: Path) -> tuple[DefectKind, ...]:
    """Return the kinds a weights file tells apart, as many as it answers with: an older one knows fewer.

    Raises:
        InvalidInput: It tells more than there are.

    """
    raw = open_runtime(weights, 1).infer(np.zeros((1, STRIDE_PX, STRIDE_PX, 3), np.uint8))
    count = raw.shape[1] - 4
    if not 0 < count <= len(KINDS):
        raise InvalidInput(f"{weights} tells {count} kinds apart; there are {len(KINDS)}.", field="weights")
    return KINDS[:count]


def plain_card(weights: Path, kinds: tuple[DefectKind, ...], threshold: float, accept: float) -> Card:
    """Return what the pipeline needs to run a weights file, and its second look where one lies beside it."""
    second = verifier_file(weights)
    return Card(
        name=weights.stem,
        sha256=sha256_of(weights),
        verifier_sha256=sha256_of(second) if second.exists() else None,
        kinds=kinds,
        threshold=threshold,
        accept=accept,
    )


def sha256_of(path: Path) -> str:
    """Return a file's SHA-256."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def source_of(root: Path) -> dict[str, object]:
    """Return where a data set came from, from its SOURCE.json; rendered sets have none."""
    path = root / "SOURCE.json"
    if not path.exists():
        return {"set": root.name, "origin": "rendered by this repository's simulators", "license": "AGPL-3.0-or-later"}
    source = json.loads(path.read_text())
    if "origin" in source:  # rendered: the command that makes it again
        return {"set": root.name, "origin": source["origin"], "license": source.get("license")}
    return {"set": root.name} | {k: source.get(k) for k in ("repo", "commit", "license", "attribution")}


def sources_of(training: Mapping[str, Any], roots: Sequence[Path]) -> tuple[Record, ...]:
    """Return where all that a detector learnt from came from: features learnt elsewhere first, then its data sets."""
    features = [run.get("spec", {}).get("pretrained") for run in _runs(training)]
    return (*(f for n, f in enumerate(features) if f and f not in features[:n]), *map(source_of, roots))


def card_text(card: FullCard) -> str:
    """Return the card as Markdown."""
    lines = [
        f"# Model card: {card.name}",
        "",
        f"SHA-256 `{card.sha256}`, {_second(card)}. Licence: {card.licence}.",
        "",
        *_works(card),
        "",
        *_eight_bit(card.eight_bit),
        "## How it was made",
        "",
        *(_run_line(number, run) for number, run in enumerate(_runs(card.training), start=1)),
        "",
        *_second_run(card.second_look),
        "Every choice of the last run, as its training file had it:",
        "",
        "```json",
        json.dumps(card.training.get("spec", {}), indent=2),
        "```",
        "",
        "## Data",
        "",
        "| set | origin | licence | attribution |",
        "|---|---|---|---|",
        *(_data_row(d) for d in (*card.data, *card.second_look.get("data", ()))),
        "",
        *_quality(card.metrics),
        *_planted(card.planted),
        "## Limits",
        "",
        *(f"- {limit}" for limit in card.limits),
        "",
    ]
    return "\n".join(lines)


def _second(card: Card) -> str:
    return f"second look `{card.verifier_sha256}`" if card.verifier_sha256 else "no second look"


def _eight_bit(made: Record) -> list[str]:
    if not made:
        return []
    sets = ", ".join(made["ranges_from"])
    return [f"An eight-bit copy of the detector `{made['of']}`; ranges from {made['pictures']} pictures of {sets}.", ""]


def _works(card: FullCard) -> tuple[str, ...]:
    finds, accepted = ", ".join(f"`{kind.value}`" for kind in card.kinds), _accepted(card)
    if card.verifier_sha256 is None:
        return (
            f"Its classes are {finds}; it was shown those of its data. Input: {card.input}.",
            f"Boxes below {card.threshold} are dropped; a defect needs a confidence of {accepted}.",
        )
    return (
        f"Finds {finds} on wind-turbine blades in drone video.",
        "A detector points at places; a small classifier (the second look) then judges each cut-out by itself, and",
        f"its verdict multiplies the confidence. Input: {card.input}. Boxes below {card.threshold} are dropped;",
        f"a defect needs a mean confidence of {accepted} over the key frames that could have shown it.",
        *_fused(card.fusion),
    )


def _fused(fusion: Fusion | None) -> tuple[str, ...]:
    if fusion is None:
        return ()
    return (
        f"Where that finds nothing, a logistic function of both may (of {', '.join(fusion.assets)} only), learnt from",
        f"{fusion.boxes} boxes of {', '.join(fusion.learnt_from)}: boxes from {fusion.proposal} on are looked at,",
        f"and a mean chance of {fusion.accept} makes a defect; from {fusion.review} on it is for a person to judge.",
    )


def _accepted(card: Card) -> str:
    own = ", ".join(f"{kind.value} {level}" for kind, level in card.accept_by_kind.items())
    looked_at = f", and from {card.review} on is for a person to judge" if card.review else ""
    return (f"{card.accept} ({own})" if own else f"{card.accept}") + looked_at


def write_levels(weights: Path, levels: Mapping[str, Any]) -> None:
    """Put other levels into the card beside a weights file, and into its text where it has one."""
    path = weights.with_suffix(".json")
    # What was told of planted defects was told at the levels of then.
    _rewrite(weights, json.loads(path.read_text()) | dict(levels) | {"planted": None})


def write_second_look(weights: Path, run: Record) -> None:
    """Put a second look that lies beside a weights file into its card, and how it was trained.

    What was learnt or measured with the one before is no longer true: it is taken out.
    """
    whole = json.loads(weights.with_suffix(".json").read_text())
    gone: Record = {"fusion": None, "planted": None} | ({"metrics": []} if "metrics" in whole else {})
    _rewrite(weights, whole | gone | {"verifier_sha256": sha256_of(verifier_file(weights)), "second_look": run})


def write_metrics(weights: Path, metrics: Sequence[Record]) -> None:
    """Put other measurements into the card beside a weights file, and into its text where it has one."""
    _rewrite(weights, json.loads(weights.with_suffix(".json").read_text()) | {"metrics": list(metrics)})


def write_planted(weights: Path, figures: Mapping[str, Any]) -> PlantedRate:
    """Put what ``benchmarks.planted`` measured of a detector into its card, and into its text where it has one.

    Raises:
        InvalidInput: The figures are of other weights, or lack something.
        NotFound: The weights or their card are missing.

    """
    card = load_card(weights)
    if figures.get("detector_sha256") != card.sha256:
        raise InvalidInput(
            f"The figures are of a detector {str(figures.get('detector_sha256'))[:12]}, not of {weights.name}.",
            hint="Measure this one: python -m benchmarks.planted --json.",
            field="figures",
        )
    wanted = ("asset_kind", "flights", "from_px", "measured_at")
    told = figures.get("all") or {}
    said = {name: figures.get(name) for name in wanted} | {name: told.get(name) for name in ("found", "of")}
    try:
        rate = PlantedRate.model_validate(said)
    except ValidationError as error:
        raise InvalidInput(
            f"The figures are not whole: {error.errors()[0]['loc']}: {error.errors()[0]['msg']}.",
            hint="Measure again: python -m benchmarks.planted --json.",
            field="figures",
        ) from error
    whole = json.loads(weights.with_suffix(".json").read_text())
    _rewrite(weights, whole | {"planted": rate.model_dump(mode="json")})
    return rate


def _rewrite(weights: Path, whole: Record) -> None:
    if "limits" in whole:
        (weights.parent / "README.md").write_text(card_text(FullCard.model_validate(whole)))
    weights.with_suffix(".json").write_text(json.dumps(whole, indent=2) + "\n")


def _planted(rate: PlantedRate | None) -> tuple[str, ...]:
    if rate is None:
        return ()
    of = f"{rate.of} planted defects of {rate.from_px:g} pixels and more on {rate.flights} simulated flights"
    return (f"Of {of} it told {rate.found} ({rate.measured_at:%Y-%m-%d}).", "")


def _runs(last: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the training runs a model stands on, the first one first."""
    before = last.get("before")
    return [*(_runs(before) if before else []), last]


def _run_line(number: int, run: Mapping[str, Any]) -> str:
    images = ", ".join(f"{name} {count}" for name, count in run.get("images", {}).items())
    begun = "the run before" if run.get("before") else run.get("started_from", "random weights")
    note = f" ({run['note']})" if run.get("note") else ""
    return f"{number}. {run.get('epochs')} epochs from {begun}, seed {run.get('seed')}{note}. Images: {images}."


def _second_run(run: Mapping[str, Any]) -> list[str]:
    if not run:
        return []
    cutouts = ", ".join(f"{name} {count}" for name, count in run["cutouts"].items())
    told = f"Of {run['judged']} cut-outs of the validation splits it judges {run['right']:.1%} right."
    return [f"The second look: {run['epochs']} epochs, seed {run['seed']}. Cut-outs: {cutouts}. {told}", ""]


def _data_row(data: Record) -> str:
    origin = data.get("origin") or f"{data.get('repo')} @ {str(data.get('commit'))[:7]}"
    return f"| {data['set']} | {origin} | {data['license']} | {data.get('attribution') or '-'} |"


def _quality(metrics: Sequence[Mapping[str, Any]]) -> list[str]:
    if not metrics:
        return ["## How good it is", "", "Not measured yet: `kestrel-vision measure`.", ""]
    return [
        "## How good it is",
        "",
        "AP at IoU 0.5. *any kind* leaves kinds aside, as most real sets say only `damage`.",
        "",
        "| data | use | images | boxes | mAP50 | any kind: AP50 | precision | recall | false boxes per image |",
        "|---|---|--:|--:|--:|--:|--:|--:|--:|",
        *(_metric_row(m) for m in metrics),
        "",
        *_kinds_table(metrics),
    ]


def _metric_row(m: Mapping[str, Any]) -> str:
    any_kind = " | ".join(f"{m['any_kind'][k]:.3f}" for k in ("ap50", "precision", "recall"))
    average = "-" if m["map50"] is None else f"{m['map50']:.3f}"
    return (
        f"| {m['data']}/{m['split']} | {m.get('use', '')} | {m['images']} | {m['boxes']} | {average} | {any_kind} |"
        f" {m['false_boxes_per_image']} |"
    )


def _kinds_table(metrics: Sequence[Mapping[str, Any]]) -> list[str]:
    return [
        f"Per kind on {metrics[0]['data']}/{metrics[0]['split']}:",
        "",
        "| kind | boxes | AP50 | precision | recall |",
        "|---|--:|--:|--:|--:|",
        *(
            f"| {name} | {s['truths']:.0f} | {s['ap50']:.3f} | {s['precision']:.3f} | {s['recall']:.3f} |"
            for name, s in metrics[0]["kinds"].items()
        ),
        "",
    ]
