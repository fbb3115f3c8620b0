"""``kestrel-cloud consume``."""

from __future__ import annotations

import typer

from cloud import consume as consuming
from cloud import loop, readiness
from cloud.backends.hooks import HttpPost
from cloud.composition import build_services
from cloud.logbook import start_logging
from cloud.verbs import guard
from cloud.watching import watched
from cloud.webhooks.courier import Courier
from instruments.readiness import Pulse

app = typer.Typer()
_POLL_S, _COURIER_S = 0.1, 0.5
_LONGEST_S = 300.0
"""A segment of 4K is re-hashed within this time, or something hangs."""


@app.command()
def consume() -> None:
    """Turn stored segments into vision jobs and detections into findings; tell webhooks of changes."""
    start_logging()
    services = guard.guarded(lambda: build_services(guard.settings()))
    courier = Courier(services.database, HttpPost(private=services.settings.webhook_private_targets))
    queues = tuple(Pulse(c.queue, c.step, silent_after_s=_LONGEST_S) for c in consuming.consumers(services))
    webhooks = Pulse("webhooks", courier.step, silent_after_s=_LONGEST_S, failures_count=False)
    ready = readiness.of_daemon(services, readiness.OBJECT_STORE, watched=(*queues, webhooks))
    steps: list[tuple[loop.Step, float]] = [(queue, _POLL_S) for queue in queues * services.settings.consume_workers]
    with watched("kestrel-consume", ready, services.settings):
        loop.run_all([*steps, (webhooks, _COURIER_S)], loop.until_signalled())
