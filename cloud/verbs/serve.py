"""``kestrel-cloud serve``."""

from __future__ import annotations

import typer
import uvicorn

from cloud.app import create_app
from cloud.logbook import log, start_logging
from cloud.verbs import guard
from cloud.watching import watched

app = typer.Typer()


@app.command()
def serve() -> None:
    """Serve the API and the pages."""
    start_logging()
    settings = guard.guarded(guard.settings)
    web = guard.guarded(lambda: create_app(settings))
    web.openapi()  # a second of work that would else fall on whoever asks first
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
