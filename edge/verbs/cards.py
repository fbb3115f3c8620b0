"""`kestrel-edge import`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from contracts.captures import HeightDatum
from contracts.errors import InvalidInput, PlatformError
from edge import logbook
from edge.backends.container import Mp4File
from edge.backends.film import Mp4Films
from edge.captures.command import CardImport, Stated, as_json, summary
from edge.captures.shelf import CaptureShelf
from edge.verbs import guard

app = guard.verb()


@app.command()
def import_(
    card: Annotated[Path, typer.Argument(help="Folder of the memory card. It is only read.")],
    state_dir: Annotated[Path | None, typer.Option(envvar="EDGE_STATE_DIR", help="Where captures wait.")] = None,
    drone: Annotated[str, typer.Option(envvar="EDGE_DRONE_ID", help="The drone that made the captures.")] = "",
    asset: Annotated[str, typer.Option(help="The asset they show.")] = "",
    utc_offset: Annotated[str, typer.Option(help="Zone of the camera's clock, such as +02:00.")] = "",
    datum: Annotated[HeightDatum, typer.Option(help="Above what its absolute heights are.")] = HeightDatum.UNSTATED,
    geoid_separation_m: Annotated[float | None, typer.Option(help="Ellipsoid minus sea level at the place.")] = None,
    take_off_alt_m: Annotated[float | None, typer.Option(help="Of the take-off point, above the ellipsoid.")] = None,
    focal_mm35: Annotated[float | None, typer.Option(help="Focal length on 36 mm film, if files lack it.")] = None,
    disk_floor_bytes: Annotated[int, typer.Option(help="Free space to leave.")] = 1024**3,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be taken.")] = False,
    json_: guard.Json = False,
) -> None:
    """Take a camera's memory card (MP4, SRT, JPEG) into captures for the cloud; every file gets a verdict."""
    logbook.configure()
    say = (lambda _: None) if json_ else typer.echo
    stated = Stated(drone, asset, utc_offset, datum, geoid_separation_m, take_off_alt_m, focal_mm35)
    try:
        if state_dir is None and not dry_run:
            raise InvalidInput("No state directory.", hint="Set EDGE_STATE_DIR or --state-dir, or use --dry-run.")
        shelf = CaptureShelf(state_dir / "captures") if state_dir is not None and not dry_run else None
        run_ = CardImport(card, shelf, Mp4Films(), stated)
        inventory = run_.look(say)
        captures = run_.take(inventory, Mp4File, disk_floor_bytes, say)
    except PlatformError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(guard.RETRYABLE if error.retryable else guard.USAGE) from error
    typer.echo(as_json(inventory, captures, dry_run=dry_run) if json_ else summary(inventory))
    raise typer.Exit(guard.REFUSED if inventory.refused else 0)
