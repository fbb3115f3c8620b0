"""``kestrel-cloud policy``: list, store and compare severity policies from a shell on this machine."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from cloud.policy import replay, versions
from cloud.verbs import guard

app = typer.Typer(help="Severity policies as data.", no_args_is_help=True)


@app.command("diff")
def diff(before: str, after: str, as_json: guard.Json = False) -> None:
    """Replay all history under two versions and say what would change; nothing is written."""

    def act() -> replay.PolicyDiff:
        with guard.unit() as session:
            return replay.diff(session, versions.policy_of(session, before), versions.policy_of(session, after))

    told = guard.guarded(act)
    typer.echo(told.model_dump_json() if as_json else "\n".join(said(told)))


@app.command("add")
def add(file: Path, by: Annotated[str, typer.Option(help="Who wrote it.")], as_json: guard.Json = False) -> None:
    """Store a policy file as a draft."""

    def act() -> str:
        with guard.unit() as session:
            return versions.store(session, file.read_text(encoding="utf-8"), by=by).version

    version = guard.guarded(act)
    typer.echo(json.dumps({"version": version}) if as_json else f"{version} is stored as a draft.")


def said(told: replay.PolicyDiff) -> Iterator[str]:
    """Yield a comparison as lines for people."""
    yield f"{told.before} -> {told.after}, replayed over {told.findings} findings ({told.manual} graded by hand, kept):"
    yield f"  {told.changed} findings change rank: {told.up} up, {told.down} down"
    yield from (f"    {count} from {move.replace('>', ' to ')}" for move, count in told.moves.items())
    yield f"  {told.tickets_opened} tickets would open, {told.tickets_closed} would close"
    yield f"  would stop: {', '.join(told.assets_stopped) or 'none'}"
    yield f"  would run again: {', '.join(told.assets_released) or 'none'}"
