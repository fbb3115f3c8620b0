"""`kestrel-edge export`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError

from contracts.errors import PlatformError
from contracts.media import SegmentManifest
from edge.backends.film import transport_stream
from edge.tracks import sidecars
from edge.verbs import guard

app = guard.verb()


@app.command()
def export(
    video: Annotated[Path, typer.Argument(help="A segment (MP4) whose manifest (JSON) lies beside it.")],
    out: Annotated[Path, typer.Option(help="Folder to write to.")] = Path(),
    json_: guard.Json = False,
) -> None:
    """Write a segment for other programs: MPEG-TS with a KLV track (STANAG 4609), KLV alone, and DJI-style SRT."""
    try:
        manifest = SegmentManifest.model_validate_json(video.with_suffix(".json").read_bytes())
        written = [out / f"{video.stem}{suffix}" for suffix in (".ts", ".klv", ".srt")]
        with written[0].open("wb") as stream:
            transport_stream(video, manifest, stream)
        for suffix, content in sidecars.contents(manifest):
            (out / f"{video.stem}{suffix}").write_bytes(content)
    except (PlatformError, OSError, ValidationError) as error:
        typer.echo(f"{video}: {error}", err=True)
        raise typer.Exit(guard.USAGE) from error
    made = [str(path) for path in written if path.exists()]
    typer.echo(json.dumps({"files": made}) if json_ else "\n".join(made))
