"""``kestrel-cloud outlook``: the daily job: fit, predict, rank the fleet, keep the health index."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated

import typer

from cloud import health_index
from cloud.db import Database
from cloud.prediction.outlook import predict

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Guarded = Callable[[Callable[[], object]], object]


def build(database: Callable[[], Database], guarded: Guarded) -> Callable[..., None]:
    """Return the verb; ``guarded`` turns failures into a line and an exit code."""

    def outlook(as_json: Json = False) -> None:
        """Predict every defect, rank the fleet, keep today's health index (daily; the same day again replaces it)."""

        def act() -> dict[str, int]:
            from cloud.prediction.fitting import fit  # noqa: PLC0415 - statsmodels is needed here only, and slow

            now, opened = datetime.now(UTC), database()
            with opened.session() as session:
                done = {**predict(session, now, fit), "health": health_index.keep(session, now)}
            opened.close()
            return done

        done = guarded(act)
        if isinstance(done, dict):
            typer.echo(json.dumps(done) if as_json else "\n".join(f"{k}: {v}" for k, v in done.items()))

    return outlook
