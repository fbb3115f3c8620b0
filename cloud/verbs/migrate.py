"""``kestrel-cloud migrate``."""

from __future__ import annotations

import typer

from cloud import schema
from cloud.verbs import guard

app = typer.Typer()


@app.command()
def migrate(*, as_json: guard.Json = False) -> None:
    """Bring the database's schema to this version; harmless when it is."""
    version = guard.guarded(lambda: schema.migrate(guard.database()))
    guard.say({"schema": version}, as_json=as_json)
