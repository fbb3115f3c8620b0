"""`kestrel-edge check`."""

from __future__ import annotations

import json

import typer
from pydantic import ValidationError

from contracts.errors import PlatformError
from edge import logbook
from edge.check import Check, run_checks, run_probes
from edge.fittings import probe_of, probes
from edge.settings import Settings
from edge.verbs import guard
from edge.verbs.setup import settings

app = guard.verb()


@app.command()
def check(autopilot: guard.AutopilotUrl = None, json_: guard.Json = False) -> None:
    """Say whether this drone is fit to fly, and what to mend. With --autopilot and no settings: that one alone."""
    logbook.configure()
    if autopilot is not None and not _is_set_up(autopilot):
        results = _autopilot_alone(autopilot)
    else:
        given = settings(**({} if autopilot is None else {"autopilot_url": autopilot}))
        results = run_checks(given, probes(given))
    passed = all(result.passed for result in results)
    if json_:
        typer.echo(json.dumps({"passed": passed, "checks": [result._asdict() for result in results]}))
    else:
        for result in results:
            typer.echo(f"{'pass' if result.passed else 'FAIL'}  {result.name:<12} {result.detail}")
            if result.hint and not result.passed:
                typer.echo(f"      {'':<12} {result.hint}")
    raise typer.Exit(0 if passed else guard.RETRYABLE)


def _is_set_up(autopilot: str) -> bool:
    """Tell whether the settings of a whole agent are there."""
    try:
        Settings(autopilot_url=autopilot)
    except ValidationError:
        return False
    return True


def _autopilot_alone(url: str) -> list[Check]:
    missing = Check("settings", True, "Not those of an agent (EDGE_*): only the autopilot is asked.")
    try:
        return [missing, *run_probes(probe_of(url))]
    except PlatformError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(guard.USAGE) from error
