"""`kestrel-workflows`: the handlers behind the state machines."""

from __future__ import annotations

import json as jsonlib
import sys
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError

from cloud import loop, readiness
from cloud.composition import build_services
from cloud.logbook import log, start_logging
from cloud.settings import Settings as CloudSettings
from cloud.watching import watched
from contracts.errors import PlatformError
from contracts.resources import WORKFLOW_TASKS_QUEUE
from instruments.readiness import Pulse
from workflows.definition import DEFINITIONS, problems
from workflows.settings import Settings
from workflows.worker import Worker

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)

_LONGEST_S = 600.0
"""Longer no handler takes: a report of a big flight is the longest."""
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")]


@app.command()
def work() -> None:
    """Answer tasks of the state machines until SIGTERM."""
    start_logging()
    try:
        settings = Settings()
        services = build_services(CloudSettings())
    except (ValidationError, PlatformError) as error:
        sys.stderr.write(f"kestrel-workflows: {error}\n")
        raise typer.Exit(1) from error
    stop = loop.until_signalled()
    tasks = Pulse(WORKFLOW_TASKS_QUEUE, Worker(services, wait_s=settings.wait_s).step, silent_after_s=_LONGEST_S)
    log("workflows_started", workers=settings.workers)
    with watched("kestrel-workflows", readiness.of_daemon(services, watched=(tasks,)), services.settings):
        loop.run_all([(tasks, settings.rest_s)] * settings.workers, stop)
    log("workflows_stopped")


@app.command()
def lint(
    files: Annotated[list[Path] | None, typer.Argument(help="ASL files; by default all that ship.")] = None,
    json: Json = False,
) -> None:
    """Check the definitions of the state machines."""
    chosen = files or sorted(DEFINITIONS.glob("*.asl.json"))
    found = {str(file.name): problems(file.read_text(encoding="utf-8")) for file in chosen}
    if json:
        typer.echo(jsonlib.dumps({"files": found, "ok": not any(found.values())}))
    else:
        for name, sentences in found.items():
            typer.echo("\n".join(f"{name}: {s}" for s in sentences) or f"{name}: sound")
    raise typer.Exit(1 if any(found.values()) else 0)


if __name__ == "__main__":
    app()
