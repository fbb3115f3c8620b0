"""`kestrel-edge status`: asked every half minute in a container, so it loads little."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Annotated

import typer

from edge.status import running_state
from edge.verbs import guard

app = guard.verb()


@app.command()
def status(
    state_dir: guard.StateDir,
    fresh: Annotated[bool, typer.Option("--fresh", help="Fail unless an agent said this within 10 s.")] = False,
    json_: guard.Json = False,
) -> None:
    """Say how the running agent is."""
    path = state_dir / "status.json"
    if not path.exists():
        typer.echo(f"No agent has run in {state_dir}.", err=True)
        raise typer.Exit(guard.USAGE)
    said = json.loads(path.read_text(encoding="utf-8"))
    if fresh and running_state(path, datetime.now(UTC)) is None:
        typer.echo(f"The agent in {state_dir} last spoke at {said.get('at')}.", err=True)
        raise typer.Exit(guard.RETRYABLE)
    if json_:
        typer.echo(json.dumps(said))
        return
    for name, value in said.items():
        typer.echo(f"{name:<10} {value}")
