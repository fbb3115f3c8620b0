"""The program ``kestrel-vision``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, help="Finds defects in inspection video.")

Json = Annotated[bool, typer.Option("--json", help="Print JSON on stdout.")]


@app.callback()
def _program() -> None:
    """Find defects in inspection video."""


@app.command("train")
def train_verb(
    data: Annotated[list[Path], typer.Option(help="Folders of rendered tiles in YOLO layout.")],
    out: Annotated[Path, typer.Option(help="Folder for checkpoints; its data/ is rebuilt.")],
    real: Annotated[Path | None, typer.Option(help="Folder of the real sets named in training.yaml.")] = None,
    spec: Annotated[Path | None, typer.Option(help="Another training.yaml.")] = None,
    model: Annotated[str | None, typer.Option(help="Network architecture; default: training.yaml's.")] = None,
    imgsz: Annotated[int | None, typer.Option(help="Tile side in pixels; default: training.yaml's.")] = None,
    epochs: Annotated[int, typer.Option(min=1)] = 30,
    hours: Annotated[float | None, typer.Option(help="Stop after this long; overrides --epochs.")] = None,
    seed: Annotated[int, typer.Option()] = 0,
    threads: Annotated[int, typer.Option(min=1)] = 2,
    start_from: Annotated[Path | None, typer.Option("--from", help="Continue from this checkpoint.")] = None,
    as_json: Json = False,
) -> None:
    """Train the detector from scratch, or further from a checkpoint of ours."""
    from vision.train import DEFAULT_SPEC, Run, read_spec, train

    chosen = read_spec(spec or DEFAULT_SPEC)
    changed = {k: v for k, v in {"network": model, "tile_px": imgsz}.items() if v is not None}
    run = Run(tuple(data), real, out, epochs, seed, start_from, threads, hours)
    weights = train(chosen.model_copy(update=changed), run)
    typer.echo(json.dumps({"weights": str(weights / "best.pt")}) if as_json else f"{weights / 'best.pt'}")


if __name__ == "__main__":
    app()
