"""`kestrel-edge update`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from contracts.errors import PlatformError
from edge import logbook
from edge.life.jobs import JobFolder
from edge.life.slots import Slots
from edge.life.updates import checks, install, verified, wheels_into
from edge.status import require_landed, status_file
from edge.verbs import guard

app = guard.verb()


@app.command()
def update(
    package: Annotated[Path, typer.Argument(help="The release: a zip of wheels.")],
    order: Annotated[Path, typer.Argument(help="Its signed order (JSON).")],
    slots: Annotated[Path, typer.Option(envvar="EDGE_SLOTS_DIR", help="Where versions lie side by side.")],
    keys: Annotated[Path, typer.Option(help="Folder of the release keys, <key_id>.pem.")],
    state_dir: guard.StateDir,
    handed: Annotated[Path | None, typer.Option(help="The agent's update folder: answer its job there.")] = None,
    json_: guard.Json = False,
) -> None:
    """Install a signed release beside the one in use, check it, and put it into use on trial from the next start on."""
    logbook.configure()
    job = JobFolder(handed) if handed else None
    try:
        require_landed(status_file(state_dir))
    except PlatformError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(guard.RETRYABLE if job else guard.USAGE) from error
    try:
        wanted = verified(order, keys)
        build = wheels_into(package, wanted.version)
        changed = install(package, wanted, Slots(slots, state_dir), build, checks)
    except (PlatformError, OSError) as error:
        typer.echo(str(error), err=True)
        if job:
            job.answer(str(error))
        retryable = job is None and getattr(error, "retryable", False)
        raise typer.Exit(guard.RETRYABLE if retryable else guard.USAGE) from error
    if job:
        job.answer("")
    said = "in use from the next start on, on trial" if changed else "in use already"
    typer.echo(json.dumps({"version": wanted.version, "changed": changed}) if json_ else f"{wanted.version}: {said}")
