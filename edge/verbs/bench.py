"""`kestrel-edge bench`."""

from __future__ import annotations

import json
import sys
from typing import Annotated, Any

import typer

from contracts.errors import PlatformError
from edge.bench import WORDS
from edge.fittings import bench_session
from edge.verbs import guard

app = guard.verb()


@app.command()
def bench(
    autopilot: Annotated[str, typer.Option(help="tcp:HOST:PORT, udpin:…, udpout:… or serial:/dev/DEVICE:BAUD.")],
    altitude_m: Annotated[float, typer.Option(min=5, max=100, help="Above home; keep 100 m around it free.")] = 15.0,
    do: Annotated[str, typer.Option(help="Words between semicolons; without it they are read from the keyboard.")] = "",
    json_: guard.Json = False,
) -> None:
    """Command an autopilot by words, with nothing but its address; THE AIRCRAFT TAKES OFF when told. Ends at home."""
    lines = iter(do.split(";")) if do else sys.stdin
    if not json_ and not do:
        typer.echo(f"Words: {', '.join(WORDS)}, wait STATE, wait waypoint N, look, quit.")
    say = (lambda row: typer.echo(json.dumps(row))) if json_ else _print_said
    try:
        good = bench_session(autopilot, altitude_m, lines, say)
    except PlatformError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(guard.RETRYABLE if error.retryable else guard.USAGE) from error
    raise typer.Exit(0 if good else guard.FAILED)


def _print_said(row: dict[str, Any]) -> None:
    said = "  ".join(f"{name} {value}" for name, value in row.items() if name != "s" and value != "")
    typer.echo(f"{row['s']:7.1f} s  {said}")
