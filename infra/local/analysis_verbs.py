"""``kestrel policy`` and ``kestrel export``: errands of the cloud's own program, with this instance's settings."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from infra.local import errand
from infra.local.exits import told
from infra.local.layout import DEFAULT_STATE_DIR
from infra.local.stack import Stack

StateDir = Annotated[Path, typer.Option("--state-dir", envvar="KESTREL_STATE_DIR", help="Where the instance lives.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
_LONG_S = 1800.0

policy = typer.Typer(help="Severity policies as data.", no_args_is_help=True)


@policy.command("diff")
def policy_diff(before: str, after: str, state_dir: StateDir = DEFAULT_STATE_DIR, as_json: Json = False) -> None:
    """Replay all history under two policy versions and say what would change; nothing is written."""
    _run(state_dir, "policy", "diff", before, after, *_json(as_json))


@policy.command("add")
def policy_add(
    file: Path,
    by: Annotated[str, typer.Option(help="Who wrote it.")],
    state_dir: StateDir = DEFAULT_STATE_DIR,
    as_json: Json = False,
) -> None:
    """Store a policy file as a draft; a second person activates it on the API."""
    _run(state_dir, "policy", "add", str(file.resolve()), "--by", by, *_json(as_json))


def export(
    form: Annotated[str, typer.Argument(metavar="FORMAT", help="csv, geojson, kml or coco")],
    out: Annotated[Path, typer.Option(help="File to write.")],
    view: Annotated[str, typer.Option(help="CSV: which view of docs/datasets.md.")] = "findings",
    asset: Annotated[str, typer.Option(help="Only this asset.")] = "",
    state_dir: StateDir = DEFAULT_STATE_DIR,
    as_json: Json = False,
) -> None:
    """Write findings (or for CSV any view for analysts) as a file other programs read."""
    only = ("--asset", asset) if asset else ()
    _run(state_dir, "export", form, "--out", str(out.resolve()), "--view", view, *only, *_json(as_json))


def _json(as_json: bool) -> tuple[str, ...]:
    return ("--json",) if as_json else ()


def _run(state_dir: Path, *arguments: str) -> None:
    with told():
        typer.echo(errand.run(Stack(state_dir), "cloud", "kestrel-cloud", *arguments, timeout_s=_LONG_S), nl=False)
