"""``kestrel-cloud publish``."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import typer

from cloud.composition import build_services
from cloud.datasets.publish import publish as write
from cloud.verbs import guard

app = typer.Typer()


@app.command()
def publish(as_json: guard.Json = False) -> None:
    """Write the analysts' views to S3 as Parquet, with the Glue tables Athena and QuickSight read them by."""

    def act() -> dict[str, int]:
        built = build_services(guard.settings())
        with built.database.session() as session:
            return write(session, built.objects, built.settings.bucket, datetime.now(UTC))

    counts = guard.guarded(act)
    typer.echo(json.dumps(counts) if as_json else "\n".join(f"{k}: {v} rows" for k, v in counts.items()))
