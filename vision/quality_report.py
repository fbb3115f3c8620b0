"""A measured detector for people: a page with tables, curves and what others published, and its pictures as PNG."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from vision.curves import curve
from vision.evaluate import Judged, any_kind, marked, strangers
from vision.quality import Report, quality, reliability

ANCHORS: Mapping[str, str] = {
    "iliad_blade": "aim: mAP50 0.60. Blades elsewhere, other sets: YOLOv9-C 0.849 (Appl. Sci. 14:6319)",
    "omu_quay_crack": "aim: F2 0.70; the set's own group with a verifier: F2 0.840 at 5 m (preprints 202604.1845)",
    "rust_phone": "loosely labelled household rust: read recall, and review what is called false",
    "cplid": "published 0.95 to 0.99 is mostly memorised paste-ups; an honest six-class line set: mAP50 0.768 to 0.839",
    "furb_grid": "every insulator of a bad photo is labelled bad",
    "pld_lines": "no defect at all: at most 1 false box in 20 images",
}
"""What was published or is aimed at, by the name of the set; other models, other data: an order of magnitude."""

_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem;color-scheme:light dark}"
    "table{border-collapse:collapse;margin:1rem 0}"
    "td,th{padding:.3rem .8rem;border-bottom:1px solid #8884;text-align:right}"
    "td:first-child,th:first-child{text-align:left}img{max-width:100%;background:#fff}.wide{overflow-x:auto}"
)


class Measured(NamedTuple):
    """One set, judged."""

    name: str
    """Set and the folder it lies in: sets of one name may be measured together."""
    split: str
    judged: Sequence[Judged]
    figures: Report


def measured(root: Path, split: str, judged: Sequence[Judged], at: float) -> Measured:
    """Return a judged set with its figures and what was published beside it."""
    about = {"data": root.name, "split": split, "classes_left_out": strangers(root), "anchor": ANCHORS.get(root.name)}
    return Measured(f"{root.parent.name}/{root.name}", split, judged, about | quality(judged, at))


def told(one: Measured) -> str:
    """Return a set's figures in two lines."""
    figures, together = one.figures, one.figures["any_kind"]
    lines = [
        f"{one.name}/{one.split}: {figures['images']} images, {figures['boxes']} boxes, any kind:",
        f"  mAP50 {_figure(together['ap50'])}, mAP50-95 {_figure(together['ap50_95'])}, recall {together['recall']}",
        f"  F2 {together['f2']} (best {together['best_f2']['f2']}), D-ECE {_figure(together['d_ece'])}",
    ]
    if figures["background_images"]:
        lines.append(f"  false boxes in 20 empty images: {figures['false_boxes_per_20_background_images']}")
    if figures["classes_left_out"]:
        lines.append(f"  not ours, left out: {', '.join(figures['classes_left_out'])}")
    if figures["anchor"]:
        lines.append(f"  {figures['anchor']}")
    return "\n".join(lines)


def write_report(model: str, sets: Sequence[Measured], folder: Path) -> Path:
    """Write index.html, one PNG per set and quality.json; return the page."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "quality.json").write_text(json.dumps([s.figures for s in sets], indent=2))
    for one in sets:
        _draw(one, folder / _picture(one))
    page = folder / "index.html"
    page.write_text(_page(model, sets), encoding="utf-8")
    return page


def _picture(one: Measured) -> str:
    return f"{one.name.replace('/', '-')}-{one.split}.png"


def _draw(one: Measured, path: Path) -> None:
    """Draw precision over recall, how often a confidence is right, and recall by size."""
    from matplotlib.figure import Figure  # noqa: PLC0415 - of the extra train

    images = marked([any_kind(j) for j in one.judged])
    figure = Figure(figsize=(12, 3.6), layout="constrained")
    precision, right, sizes = figure.subplots(1, 3)
    drawn = curve(images)
    precision.plot(drawn.recall, drawn.precision, drawstyle="steps-post")
    precision.set(title="Precision over recall", xlabel="recall", ylabel="precision", xlim=(0, 1), ylim=(0, 1.02))
    told = reliability(images)
    right.plot([0, 1], [0, 1], linestyle=":", color="grey")
    right.plot(told.confidence, told.right, marker="o")
    right.set(title="Right boxes by confidence", xlabel="confidence", ylabel="share right", xlim=(0, 1), ylim=(0, 1.02))
    known = {n: s for n, s in one.figures["any_kind"]["sizes"].items() if s["boxes"]}
    sizes.bar([f"{n}\n{s['boxes']} boxes" for n, s in known.items()], [s["recall50"] or 0 for s in known.values()])
    sizes.set(title="Recall by size", ylabel="recall at IoU 0.5", ylim=(0, 1.02))
    figure.savefig(path, dpi=110)


def _page(model: str, sets: Sequence[Measured]) -> str:
    body = "".join(_section(one) for one in sets)
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{escape(model)}: quality</title><style>{_STYLE}</style><h1>{escape(model)}</h1>"
        "<p>Each image is looked at as the worker does: whole and in strips. A box counts from IoU 0.5; intervals hold "
        "90 % over draws of the images. D-ECE is how far confidence and share of right boxes lie apart.</p>"
        f"{body}</html>"
    )


def _section(one: Measured) -> str:
    figures = one.figures
    rows = [(kind, row) for kind, row in figures["kinds"].items()]
    table = "".join(_row(name, row) for name, row in [*rows, ("any kind", figures["any_kind"])])
    head = "".join(
        f"<th>{h}</th>"
        for h in ("kind", "boxes", "mAP50", "mAP50-95", "recall", "precision", "F2", "recall, 0.5 false/image", "D-ECE")
    )
    empty = figures["false_boxes_per_20_background_images"]
    background = (
        "" if empty is None else f"<p>{figures['background_images']} empty images: {empty} false boxes in 20.</p>"
    )
    anchor = f"<p>Beside it: {escape(figures['anchor'])}.</p>" if figures["anchor"] else ""
    return (
        f"<h2>{escape(one.name)} / {escape(one.split)}</h2><p>{figures['images']} images, {figures['boxes']} boxes; "
        f"working confidence {figures['at']}.</p>{background}{anchor}"
        f'<div class="wide"><table><tr>{head}</tr>{table}</table></div>'
        f'<img src="{escape(_picture(one))}" alt="Precision over recall, calibration and recall by size of {one.name}">'
    )


def _row(name: str, told: Mapping[str, Any]) -> str:
    cells = [
        name, told["boxes"], _with(told["ap50"], told["ap50_interval_90"]), _figure(told["ap50_95"]),
        _with(told["recall"], told["recall_interval_90"]), _figure(told["precision"]), _figure(told["f2"]),
        _figure(told["recall_at_false_boxes_per_image"]["0.5"]), _figure(told["d_ece"]),
    ]  # fmt: skip
    return "<tr>" + "".join(f"<td>{escape(str(cell))}</td>" for cell in cells) + "</tr>"


def _figure(value: float | None) -> str:
    return "–" if value is None or np.isnan(value) else f"{value:.3f}"


def _with(value: float | None, around: Sequence[float] | None) -> str:
    return _figure(value) + (f" ({around[0]:.2f} to {around[1]:.2f})" if around else "")
