"""`kestrel-edge exercise`."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from contracts.errors import PlatformError
from edge.exercise import Row
from edge.fittings import acceptance_flight
from edge.verbs import guard

app = guard.verb()


@app.command()
def exercise(
    autopilot: Annotated[str, typer.Option(help="tcp:HOST:PORT, udpin:…, udpout:… or serial:/dev/DEVICE:BAUD.")],
    altitude_m: Annotated[float, typer.Option(min=5, max=100, help="Above home; keep 40 m around it free.")] = 15.0,
    json_: guard.Json = False,
) -> None:
    """Fly a short acceptance flight with nothing but an autopilot; THE AIRCRAFT TAKES OFF. Ctrl-C brings it home."""
    if not json_:
        typer.echo(f"Acceptance flight on {autopilot}, {altitude_m:.0f} m above home.")
    try:
        rows = acceptance_flight(autopilot, altitude_m, (lambda _: None) if json_ else _print_row)
    except PlatformError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(guard.RETRYABLE if error.retryable else guard.USAGE) from error
    passed = all(row.passed for row in rows)
    if json_:
        typer.echo(json.dumps({"passed": passed, "steps": [row._asdict() for row in rows]}))
    raise typer.Exit(0 if passed else guard.FAILED)


def _print_row(row: Row) -> None:
    typer.echo(f"{'pass' if row.passed else 'FAIL'}  {row.step:<17} {row.seconds:6.1f} s  {row.detail}")
    for text in row.said:
        typer.echo(f"      {'':<17}           autopilot: {text}")
