"""``kestrel-cloud export``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from cloud.datasets.exports import Format, exported
from cloud.verbs import guard

app = typer.Typer()


@app.command()
def export(
    form: Annotated[Format, typer.Argument(metavar="FORMAT", help="csv, geojson, kml or coco")],
    out: Annotated[Path, typer.Option(help="File to write.")],
    view: Annotated[str, typer.Option(help="CSV: which view of docs/datasets.md.")] = "findings",
    asset: Annotated[str | None, typer.Option(help="Only this asset.")] = None,
    as_json: guard.Json = False,
) -> None:
    """Write findings (or for CSV any view) as a file other programs read."""

    def act() -> int:
        with guard.unit() as session:
            return out.write_text(exported(session, form, view, asset), encoding="utf-8")

    size = guard.guarded(act)
    typer.echo(json.dumps({"file": str(out), "characters": size}) if as_json else f"{out}: {size} characters")
