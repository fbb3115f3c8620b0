"""``kestrel-cloud serve``."""

from __future__ import annotations

import gc
import threading

import typer
import uvicorn
from sqlalchemy.orm import configure_mappers

from cloud.app import create_app
from cloud.logbook import log, start_logging
from cloud.verbs import guard
from cloud.watching import watched
from cloud.web import rendering

app = typer.Typer()


@app.command()
def serve() -> None:
    """Serve the API and the pages."""
    start_logging()
    settings = guard.guarded(guard.settings)
    web = guard.guarded(lambda: create_app(settings))
    web.openapi()  # as for the pages: a second of work that else falls on who asks first
    threading.Thread(target=_warm, name="warm", daemon=True).start()
    log("api_starts", host=settings.host, port=settings.port)
    with watched("kestrel-api", web.state.readiness, settings):
        uvicorn.run(
            web,
            host=settings.host,
            port=settings.port,
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=2,
        )


def _warm() -> None:
    """Do now what else the first who ask wait for; then leave what stays out of every later collection.

    The collector looked at a million objects that nobody lets go, and all requests waited 0.3 s for it.
    """
    rendering.warm()
    configure_mappers()
    gc.collect()
    gc.freeze()
    log("api_warm", frozen=gc.get_freeze_count())
