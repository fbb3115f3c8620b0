"""``kestrel-cloud ingest``."""

from __future__ import annotations

import sys

import typer

from cloud import loop, readiness
from cloud.composition import build_link, build_services
from cloud.dispatch import Dispatch
from cloud.ingest import Ingest
from cloud.logbook import log, start_logging
from cloud.verbs import guard
from cloud.watching import watched
from instruments.readiness import Pulse

app = typer.Typer()
_INBOUND_S, _OUTBOUND_S = 0.01, 0.1


@app.command()
def ingest() -> None:
    """Carry messages between the broker and the database."""
    start_logging()
    settings = guard.guarded(guard.settings)
    services = guard.guarded(lambda: build_services(settings))
    signer = services.signer
    if signer is None:
        sys.stderr.write("kestrel-cloud: CLOUD_COMMAND_SIGNING_KEY_FILE is not set.\n")
        raise typer.Exit(guard.FAILED_EXIT)
    link = guard.guarded(lambda: build_link(settings))
    stop = loop.until_signalled()
    link.start()
    inbound = Pulse("ingest", Ingest(services.database, link).step)
    outbound = Pulse("dispatch", Dispatch(services.database, link, services.routes, signer).step)
    with watched("kestrel-ingest", readiness.of_daemon(services, watched=(inbound, outbound), link=link), settings):
        loop.run_all([(inbound, _INBOUND_S), (outbound, _OUTBOUND_S)], stop)
    link.stop()
    log("ingest_stopped")
