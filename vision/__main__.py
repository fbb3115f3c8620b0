"""The program ``kestrel-vision``: one verb per function; each imports what it needs, so detection needs no torch."""

# ruff: noqa: PLC0415 - imports wait for their verb

from __future__ import annotations

import json
import sys
from contextlib import redirect_stdout
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from contracts import resources, training
from contracts.errors import InvalidInput
from contracts.vocabulary import AssetKind
from vision import model_verbs
from vision.terminal import Engine, Json, Model, Threads, meter, needing_train, spoken

_LONGEST_S = 1800.0
"""Longer no segment is analysed, on the slowest machine."""
app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
app.command("data")(model_verbs.data_verb)
app.command("calibrate")(model_verbs.calibrate_verb)
app.command("fuse")(model_verbs.fuse_verb)
app.command("labels")(model_verbs.labels_verb)
app.command("promote")(model_verbs.promote_verb)
app.command("quantize")(model_verbs.quantize_verb)
app.command("measure")(model_verbs.measure_verb)
app.command("second-look")(model_verbs.second_look_verb)


@app.callback()
def _program() -> None:
    """Find defects in inspection video."""


@app.command("work")
def work_verb() -> None:
    """Analyse recorded segments as they arrive, until told to stop; settings come from VISION_*."""
    from instruments import traces
    from instruments.readiness import Pulse, Readiness, pulses
    from instruments.status import served
    from vision import logbook
    from vision.backends.jobs import SqsJobs
    from vision.backends.objects import S3Objects
    from vision.detector import open_detector
    from vision.settings import Settings
    from vision.takeover import Following
    from vision.worker import Worker, run, stop_on_signals

    logbook.start()
    stop = stop_on_signals()
    settings = Settings()
    opened = partial(open_detector, threads=settings.threads, engine=settings.engine)
    with spoken(as_json=True):
        detector = opened(settings.model_file)
        end_traces = traces.start("kestrel-vision", settings.traces_url)
    store = S3Objects(settings.bucket)
    worker = Worker(SqsJobs(wait_s=settings.poll_s), store, detector, settings.state_dir, settings.audit_share)
    following = Following(worker, store, settings.state_dir / "versions", opened)
    jobs = Pulse(resources.VISION_JOBS_QUEUE, following.step, silent_after_s=_LONGEST_S)
    ready = Readiness({"object store": store.reach} | pulses(jobs))
    logbook.log("vision_started", model=detector.card.name, sha256=detector.card.sha256, engine=detector.engine)
    with served(ready, settings.status_host, settings.status_port):
        run(jobs, stop)
    end_traces()
    logbook.log("vision_stopped")


@app.command("learn")
def learn_verb(
    once: Annotated[str | None, typer.Option(help="Run one step (train or evaluate) and end.")] = None,
    version: Annotated[str, typer.Option(help="Of which version, with --once.")] = "",
) -> None:
    """Train and measure new versions of the detector as they are asked for, until told to stop; VISION_* sets it."""
    from vision import logbook, school, trainer
    from vision.backends.jobs import SqsJobs
    from vision.backends.objects import S3Objects
    from vision.backends.tokens import TaskTokens
    from vision.settings import Settings
    from vision.train import read_spec
    from vision.worker import run, stop_on_signals

    logbook.start()
    settings = Settings()
    settings.state_dir.mkdir(parents=True, exist_ok=True)
    place = school.School(
        S3Objects(settings.bucket), settings.state_dir, read_spec(), settings.model_file, settings.rendered,
        settings.start_from, settings.epochs, settings.threads,
    )  # fmt: skip
    lessons: dict[str, trainer.Lesson] = {
        training.TRAIN: partial(school.train_version, place),
        training.EVALUATE: partial(school.evaluate_version, place),
    }
    if once is not None:
        with spoken(as_json=True), redirect_stdout(sys.stderr):  # ultralytics talks on stdout
            trainer.once(lessons, once, version)
        return
    stop = stop_on_signals()
    queue = SqsJobs(wait_s=settings.poll_s, queue=resources.TRAINING_JOBS_QUEUE)
    logbook.log("trainer_started")
    with redirect_stdout(sys.stderr):
        run(trainer.Trainer(queue, TaskTokens(), lessons), stop)
    logbook.log("trainer_stopped")


@app.command("detect")
def detect_verb(
    video: Annotated[Path, typer.Argument(help="Any video FFmpeg can read.")],
    out: Annotated[Path, typer.Option(help="Folder for findings.json and annotated pictures.")] = Path("detections"),
    manifest: Annotated[Path | None, typer.Option(help="SegmentManifest JSON: times and poses.")] = None,
    geometry: Annotated[Path | None, typer.Option(help="JSON: the geometry of the turbine or mast.")] = None,
    model: Model = None,
    threads: Threads = 2,
    engine: Engine = "auto",
    as_json: Json = False,
) -> None:
    """Find defects in one video; with a manifest each gets a point, with a geometry too a place on the asset.

    Writes findings.json, annotated frames, and for video without poses outline.svg, which holds no pixel of it.
    """
    from vision import detect
    from vision.detector import SHIPPED, open_detector
    from vision.outline import outline_svg

    with spoken(as_json=as_json):
        if geometry and not manifest:
            raise InvalidInput(
                "A geometry places nothing without poses.", hint="Give --manifest too.", field="manifest"
            )
        finder = open_detector(model or SHIPPED, threads=threads, engine=engine)
        if manifest and geometry:
            known = detect.read_manifest(manifest), detect.read_geometry(geometry)
            found = detect.detect_placed(finder, video, *known, meter)
        elif manifest:
            found = detect.detect_located(finder, video, detect.read_manifest(manifest), meter)
        else:
            found = detect.detect_plain(finder, video, meter)
        pictures = detect.draw(video, found.marks, out)
    report = found.report | {"engine": finder.engine, "pictures": [str(p) for p in pictures]}
    out.mkdir(parents=True, exist_ok=True)
    if not geometry:
        report |= {"outline": str(out / "outline.svg")}
        (out / "outline.svg").write_text(outline_svg(report))
    (out / "findings.json").write_text(json.dumps(report, indent=2))
    typer.echo(json.dumps(report) if as_json else _told(report))


def _told(report: dict[str, object]) -> str:
    findings = report["findings"]
    lines = [f"{report['video']}: {report['key_frames']} of {report['frames_total']} frames looked at"]
    for item in findings if isinstance(findings, list) else []:
        place = item.get("place") or {}
        where = f" at {place['blade']} {place['side']} {place['distance_to_root_m']:.2f} m" if place else _at(item)
        when = f" {item['first_s']}-{item['last_s']} s" if "first_s" in item else ""
        when += "" if item.get("sure", True) else " (unsure: to be reviewed)"
        lines.append(f"  {item['kind']} {item['confidence']:.2f}{where}{when}")
    lines.append(f"pictures: {', '.join(map(str, report['pictures'])) or 'none'}")  # type: ignore[call-overload]
    return "\n".join(lines)


def _at(item: dict[str, Any]) -> str:
    """Return the point of a finding that no asset places, with its error; empty where there is none."""
    point = None if item.get("place") else item.get("point")
    if not point:
        return ""
    return f" at {point['lat_deg']:.7f} {point['lon_deg']:.7f} {point['alt_m']:.1f} m (CE90 {item['ce90_m']:.1f} m)"


@app.command("export")
def export_verb(
    checkpoint: Annotated[Path, typer.Argument(help="best.pt of `kestrel-vision train`.")],
    out: Annotated[Path, typer.Argument(help="ONNX file to write.")],
    as_json: Json = False,
) -> None:
    """Turn a checkpoint into the ONNX file the worker runs."""
    from vision.export import export

    with spoken(as_json=as_json), redirect_stdout(sys.stderr):  # ultralytics talks on stdout
        export(checkpoint, out)
    typer.echo(json.dumps({"model": str(out), "bytes": out.stat().st_size}) if as_json else str(out))


@app.command("evaluate")
def evaluate_verb(
    data: Annotated[list[Path], typer.Option(help="Sets in YOLO layout, or folders of such sets.")],
    split: Annotated[str, typer.Option(help="Which split.")] = "test",
    report: Annotated[Path | None, typer.Option(help="Folder for index.html, PNG curves and quality.json.")] = None,
    asset: Annotated[AssetKind, typer.Option(help="What the pictures show.")] = AssetKind.WIND_TURBINE,
    model: Model = None,
    threads: Threads = 2,
    engine: Engine = "auto",
    as_json: Json = False,
) -> None:
    """Measure a detector on labelled images: mAP per kind and size, recall at a budget of false boxes, calibration.

    Needs the extra ``train`` (make setup-train): COCO's figures are computed by pycocotools.
    """
    from vision.asset_class import OnAsset
    from vision.detector import SHIPPED, open_detector
    from vision.evaluate import judge, sets_in
    from vision.quality_report import measured, told, write_report

    with spoken(as_json=as_json), needing_train():
        roots = [root for folder in data for root in sets_in(folder, split)]
        finder = open_detector(model or SHIPPED, threads=threads, engine=engine)
        sets = []
        for root in roots:
            judged = judge(OnAsset(finder, asset), root, split, partial(meter, what=root.name))
            sets.append(measured(root, split, judged, finder.card.accept))
        page = write_report(finder.card.name, sets, report) if report else None
    if as_json:
        about = {"model": finder.card.name, "engine": finder.engine, "report": page and str(page)}
        typer.echo(json.dumps(about | {"results": [s.figures for s in sets]}))
        return
    typer.echo("\n".join(told(s) for s in sets))
    if page:
        typer.echo(f"report: {page}")


@app.command("card")
def card_verb(
    weights: Annotated[Path, typer.Argument(help="ONNX file; the card is written beside it.")],
    run: Annotated[Path | None, typer.Option(help="run.json of the training run.")] = None,
    checkpoint: Annotated[Path | None, typer.Option(help="The checkpoint it was exported from.")] = None,
    rendered: model_verbs.Rendered = None,
    real: model_verbs.Real = None,
    unseen: model_verbs.Unseen = None,
    threshold: Annotated[float, typer.Option(min=0.01, max=0.99, help="Boxes below it are dropped.")] = 0.2,
    accept: Annotated[float, typer.Option(min=0.01, max=0.99, help="Least mean confidence of a defect.")] = 0.35,
    limit: Annotated[list[str] | None, typer.Option(help="What it cannot do; default: the shipped one's.")] = None,
    threads: Threads = 2,
    as_json: Json = False,
) -> None:
    """Measure a weights file and write its card: <name>.json and README.md beside it."""
    from vision.card import LIMITS, FullCard, card_text, kinds_of, plain_card, sha256_of, sources_of
    from vision.detector import open_detector

    uses = model_verbs.exams(rendered, real, unseen)
    with spoken(as_json=as_json):
        plain = plain_card(weights, kinds_of(weights), threshold, accept)
        weights.with_suffix(".json").write_text(plain.model_dump_json())
        finder = open_detector(weights, threads=threads)
        metrics = model_verbs.measured(finder, uses)
    told = json.loads(run.read_text()) if run else {}
    card = FullCard(
        **plain.model_dump(),
        checkpoint_sha256=sha256_of(checkpoint) if checkpoint else None,
        training=told,
        data=sources_of(told, [*(rendered or []), *(real or [])]),
        metrics=tuple(metrics),
        limits=tuple(limit or LIMITS),
    )
    weights.with_suffix(".json").write_text(card.model_dump_json(indent=2) + "\n")
    (weights.parent / "README.md").write_text(card_text(card))
    typer.echo(card.model_dump_json() if as_json else str(weights.with_suffix(".json")))


@app.command("planted")
def planted_verb(
    weights: Annotated[Path, typer.Argument(help="ONNX file with its card beside it.")],
    figures: Annotated[Path, typer.Argument(help="What `python -m benchmarks.planted --json` printed.")],
    as_json: Json = False,
) -> None:
    """Put into a detector's card how many planted defects it told; the cloud publishes it beside blind audits."""
    from vision.card import write_planted

    with spoken(as_json=as_json):
        rate = write_planted(weights, json.loads(figures.read_text()))
    typer.echo(rate.model_dump_json() if as_json else f"{rate.found} of {rate.of} planted defects told")


@app.command("train")
def train_verb(
    out: Annotated[Path, typer.Option(help="Folder for checkpoints; its data/ is rebuilt.")],
    data: Annotated[list[Path] | None, typer.Option(help="Folders of rendered tiles in YOLO layout.")] = None,
    real: Annotated[Path | None, typer.Option(help="Folder of the real sets named in training.yaml.")] = None,
    spec: Annotated[Path | None, typer.Option(help="Another training.yaml.")] = None,
    model: Annotated[str | None, typer.Option(help="Network architecture; default: training.yaml's.")] = None,
    imgsz: Annotated[int | None, typer.Option(help="Tile side in pixels; default: training.yaml's.")] = None,
    epochs: Annotated[int, typer.Option(min=1)] = 30,
    hours: Annotated[float | None, typer.Option(help="Stop after this long; overrides --epochs.")] = None,
    seed: Annotated[int, typer.Option()] = 0,
    threads: Threads = 2,
    start_from: Annotated[Path | None, typer.Option("--from", help="Continue from this checkpoint.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in --out after a kill.")] = False,
    as_json: Json = False,
) -> None:
    """Train the detector from scratch, or further from a checkpoint of ours."""
    from vision.train import DEFAULT_SPEC, Run, read_spec, train

    chosen = read_spec(spec or DEFAULT_SPEC)
    changed = {k: v for k, v in {"network": model, "tile_px": imgsz}.items() if v is not None}
    run = Run(tuple(data or ()), real, out, epochs, seed, start_from, threads, hours, resume)
    with spoken(as_json=as_json), redirect_stdout(sys.stderr):  # ultralytics talks on stdout
        weights = train(chosen.model_copy(update=changed), run)
    typer.echo(json.dumps({"weights": str(weights / "best.pt")}) if as_json else f"{weights / 'best.pt'}")


if __name__ == "__main__":
    app()
