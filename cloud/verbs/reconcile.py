"""``kestrel-cloud reconcile``."""

from __future__ import annotations

from typing import Annotated

import typer

from cloud import loop, readiness
from cloud.composition import build_services
from cloud.intrusion.watch import Watch
from cloud.logbook import start_logging
from cloud.reconcile import Reconciler
from cloud.schedules.timetable import Timetable
from cloud.telemetry_store.retention import Rounds
from cloud.verbs import guard
from cloud.watching import watched
from instruments.readiness import Pulse

app = typer.Typer()
_RECONCILE_S, _TIMETABLE_S, _WATCH_S, _ROUNDS_S = 0.5, 5.0, 1.0, 5.0
_LONGEST_S = 600.0


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
        rounds = Rounds(services.database, services.objects, services.settings.telemetry_kept_days)
        # A part that fails (SAP is away) is told in the log: the others go on, and so does the program.
        passes, dates, guard_, kept = (
            Pulse(name, step, silent_after_s=_LONGEST_S, failures_count=False)
            for name, step in (
                ("reconcile", reconciler.step),
                ("timetable", timetable.step),
                ("watch", watch.step),
                ("telemetry", rounds.step),
            )
        )
        ready = readiness.of_daemon(services, readiness.OBJECT_STORE, watched=(passes, dates, guard_, kept))
        with watched("kestrel-reconcile", ready, services.settings):
            steps: list[tuple[loop.Step, float]] = [(passes, _RECONCILE_S), (dates, _TIMETABLE_S), (guard_, _WATCH_S),
                                                 (kept, _ROUNDS_S)]  # fmt: skip
            loop.run_all(steps, loop.until_signalled())
        return
    done, failed = reconciler.run()
    guard.say({**done, "failed": failed}, as_json=as_json)
    if failed:
        raise typer.Exit(guard.RETRY_EXIT)
