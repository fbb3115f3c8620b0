"""`kestrel-workflows`: the handlers behind the state machines."""

from __future__ import annotations

import json as jsonlib
import random
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from cloud.app import build_services
from cloud.logbook import log, log_failure, start_logging
from cloud.settings import Settings as CloudSettings
from contracts.errors import PlatformError
from workflows.definition import DEFINITIONS, problems
from workflows.settings import Settings
from workflows.worker import Worker

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")]


@app.command()
def work() -> None:
    """Answer tasks of the state machines until SIGTERM."""
    start_logging()
    settings = Settings()
    services = build_services(CloudSettings())
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    worker = Worker(services, wait_s=settings.wait_s)
    arguments = (worker.step, stop, settings.rest_s, settings.backoff_max_s)
    loops = [threading.Thread(target=run, args=arguments) for _ in range(settings.workers)]
    log("workflows_started", workers=settings.workers)
    for loop in loops:
        loop.start()
    for loop in loops:
        loop.join()
    log("workflows_stopped")


def run(step: Callable[[], bool | None], stop: threading.Event, rest_s: float, backoff_max_s: float) -> None:
    """Call ``step`` until ``stop``: rest when idle, back off with jitter while it fails."""
    failures = 0
    while not stop.is_set():
        try:
            done = step()
        except PlatformError as error:
            done = False
            if failures == 0:
                log("worker_failing", error=str(error))
        except Exception as error:  # noqa: BLE001 - one broken task must not end the worker
            done = False
            log_failure("worker_crashed", error)
        if done is not False and failures:
            log("worker_recovered", failures=failures)
        failures = failures + 1 if done is False else 0
        if not done:
            ceiling_s = min(backoff_max_s, rest_s * 2 ** min(failures, 10)) if failures else rest_s
            stop.wait(ceiling_s * random.uniform(0.5, 1.0))


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
