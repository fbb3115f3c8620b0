"""`kestrel-edge run`."""

from __future__ import annotations

import signal

import typer

from contracts.errors import PlatformError
from edge import logbook
from edge.agent import Agent
from edge.verbs import guard
from edge.verbs.setup import settings

app = guard.verb()


@app.command()
def run(autopilot: guard.AutopilotUrl = None) -> None:
    """Fly, record and report until told to stop."""
    logbook.configure()
    given = settings(**({} if autopilot is None else {"autopilot_url": autopilot}))
    try:
        agent = Agent(given)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: agent.stop.set())
        agent.run()
    except PlatformError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(guard.RETRYABLE if error.retryable else guard.USAGE) from error
