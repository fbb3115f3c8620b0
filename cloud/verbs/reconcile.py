"""``kestrel-cloud reconcile``."""

from __future__ import annotations

from typing import Annotated

import typer

from cloud import loop
from cloud.composition import build_services
from cloud.intrusion.watch import Watch
from cloud.logbook import start_logging
from cloud.reconcile import Reconciler
from cloud.schedules.timetable import Timetable
from cloud.verbs import guard

app = typer.Typer()
_RECONCILE_S, _TIMETABLE_S, _WATCH_S = 0.5, 5.0, 1.0


@app.command()
def reconcile(
    *, once: Annotated[bool, typer.Option("--once", help="One pass, then end.")] = False, as_json: guard.Json = False
) -> None:
    """Make everything follow that should have followed."""
    start_logging()
    services = guard.guarded(lambda: build_services(guard.settings()))
    reconciler = Reconciler(services, every_s=services.settings.reconcile_every_s)
    if not once:
        timetable = Timetable(services.database)
        watch = Watch(services)
        steps = [(reconciler.step, _RECONCILE_S), (timetable.step, _TIMETABLE_S), (watch.step, _WATCH_S)]
        loop.run_all(steps, loop.until_signalled())
        return
    done, failed = reconciler.run()
    guard.say({**done, "failed": failed}, as_json=as_json)
    if failed:
        raise typer.Exit(guard.RETRY_EXIT)
