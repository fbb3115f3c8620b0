"""``kestrel-cloud outlook``: the daily job: fit, predict, rank the fleet, keep the health index."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import typer

from cloud import health_index
from cloud.prediction.fitting import fit
from cloud.prediction.outlook import predict
from cloud.verbs import guard

app = typer.Typer()


@app.command()
def outlook(as_json: guard.Json = False) -> None:
    """Predict every defect, rank the fleet, keep today's health index (daily; the same day again replaces it)."""

    def act() -> dict[str, int]:
        now = datetime.now(UTC)
        with guard.unit() as session:
            return {**predict(session, now, fit), "health": health_index.keep(session, now)}

    done = guard.guarded(act)
    typer.echo(json.dumps(done) if as_json else "\n".join(f"{k}: {v}" for k, v in done.items()))
