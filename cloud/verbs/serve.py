"""``kestrel-cloud serve``."""

from __future__ import annotations

import gc
import threading

import typer
import uvicorn
from sqlalchemy.orm import configure_mappers

from cloud.app import create_app
from cloud.db import Database
from cloud.logbook import log, start_logging
from cloud.verbs import guard
from cloud.watching import watched
from cloud.web import rendering
from contracts.errors import Unavailable

app = typer.Typer()


@app.command()
def serve() -> None:
    """Serve the API and the pages."""
    start_logging()
    settings = guard.guarded(guard.settings)
    web = guard.guarded(lambda: create_app(settings))
    web.openapi()  # as for the pages: a second of work that else falls on who asks first
    threading.Thread(target=_warm, args=(web.state.services.database,), name="warm", daemon=True).start()
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


def _warm(database: Database) -> None:
    """Do now what else the first who ask wait for; then leave what stays out of every later collection.

    The collector looked at a million objects that nobody lets go, and all requests waited 0.3 s for it.
    """
    try:
        database.open_pool()
    except Unavailable as error:
        log("api_pool_not_opened", why=str(error))
    rendering.warm()
    configure_mappers()
    gc.collect()
    gc.freeze()
    log("api_warm", frozen=gc.get_freeze_count())
