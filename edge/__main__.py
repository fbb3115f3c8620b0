"""`kestrel-edge`: the agent on the drone."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError

from contracts.errors import PlatformError
from edge import logbook
from edge.agent import Agent, probes
from edge.check import run_checks
from edge.settings import Settings

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")]
_RETRYABLE, _USAGE = 75, 2


@app.command()
def run() -> None:
    """Fly, record and report until told to stop."""
    logbook.configure()
    settings = _settings()
    try:
        agent = Agent(settings)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: agent.stop.set())
        agent.run()
    except PlatformError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(_RETRYABLE if error.retryable else _USAGE) from error


@app.command()
def check(json_: Json = False) -> None:
    """Say whether this drone is fit to fly, and what to mend."""
    logbook.configure()
    settings = _settings()
    results = run_checks(settings, probes(settings))
    passed = all(result.passed for result in results)
    if json_:
        typer.echo(json.dumps({"passed": passed, "checks": [result._asdict() for result in results]}))
    else:
        for result in results:
            typer.echo(f"{'pass' if result.passed else 'FAIL'}  {result.name:<12} {result.detail}")
            if result.hint and not result.passed:
                typer.echo(f"      {'':<12} {result.hint}")
    raise typer.Exit(0 if passed else _RETRYABLE)


@app.command()
def status(
    state_dir: Annotated[Path, typer.Option(envvar="EDGE_STATE_DIR", help="The agent's state directory.")],
    json_: Json = False,
) -> None:
    """Say how the running agent is."""
    path = state_dir / "status.json"
    if not path.exists():
        typer.echo(f"No agent has run in {state_dir}.", err=True)
        raise typer.Exit(_USAGE)
    said = json.loads(path.read_text(encoding="utf-8"))
    if json_:
        typer.echo(json.dumps(said))
        return
    for name, value in said.items():
        typer.echo(f"{name:<10} {value}")


def _settings() -> Settings:
    try:
        return Settings()
    except ValidationError as error:
        for problem in error.errors(include_url=False, include_input=False):
            name = "_".join(str(part) for part in problem["loc"]).upper()
            typer.echo(f"EDGE_{name}: {problem['msg']}" if name else problem["msg"], err=True)
        raise typer.Exit(_USAGE) from error


if __name__ == "__main__":
    app()
