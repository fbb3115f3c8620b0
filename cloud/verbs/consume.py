"""``kestrel-cloud consume``."""

from __future__ import annotations

import typer

from cloud import consume as consuming
from cloud import loop
from cloud.backends.hooks import HttpPost
from cloud.composition import build_services
from cloud.logbook import start_logging
from cloud.verbs import guard
from cloud.webhooks.courier import Courier

app = typer.Typer()
_POLL_S, _COURIER_S = 0.1, 0.5


@app.command()
def consume() -> None:
    """Turn stored segments into vision jobs and detections into findings; tell webhooks of changes."""
    start_logging()
    services = guard.guarded(lambda: build_services(guard.settings()))
    courier = Courier(services.database, HttpPost(private=services.settings.webhook_private_targets))
    side_by_side = consuming.consumers(services) * services.settings.consume_workers
    steps = [(consumer.step, _POLL_S) for consumer in side_by_side]
    steps.append((courier.step, _COURIER_S))
    loop.run_all(steps, loop.until_signalled())
