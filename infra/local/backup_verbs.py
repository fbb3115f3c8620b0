"""``kestrel backup`` and ``kestrel restore``."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from infra.local.exits import told
from infra.local.layout import DEFAULT_STATE_DIR
from infra.local.stack import Stack

StateDir = Annotated[Path, typer.Option("--state-dir", envvar="KESTREL_STATE_DIR", help="Where the instance lives.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def backup(
    target: Annotated[Path, typer.Argument(metavar="FILE|DIR", help="New file (.tar) or folder. It holds keys.")],
    state_dir: StateDir = DEFAULT_STATE_DIR,
    as_json: Json = False,
) -> None:
    """Write database, objects, keys and configuration of a running instance to one place."""
    from infra.local.backup import capture  # noqa: PLC0415 - boto3 and psycopg2 load slowly

    began = time.monotonic()
    with told():
        made = capture.take(Stack(state_dir), target, _progress)
    seconds = time.monotonic() - began
    said = {
        "backup": str(target),
        "snapshot_at": made.snapshot_at.isoformat(),
        "schema": made.schema_version,
        "rows": sum(state.rows for state in made.tables.values()),
        "objects": len(made.objects),
        "routes": made.routes,
        "size_bytes": made.size_bytes(),
        "seconds": round(seconds, 2),
    }
    _say(
        said,
        f"{target}: {said['rows']:,} rows, {said['objects']:,} objects, {made.size_bytes() / 1e6:,.1f} MB"
        f" in {seconds:.1f} s. Keep it as you keep the keys in it.",
        as_json=as_json,
    )


def restore(
    source: Annotated[Path, typer.Argument(metavar="FILE|DIR", help="What `kestrel backup` wrote.")],
    state_dir: StateDir = DEFAULT_STATE_DIR,
    check: Annotated[bool, typer.Option("--check", help="Only read it through and compare every hash.")] = False,
    as_json: Json = False,
) -> None:
    """Rebuild an instance from a backup in an empty state directory; `kestrel up` starts it then."""
    from infra.local.backup import restoration  # noqa: PLC0415 - boto3 and psycopg2 load slowly
    from infra.local.backup.parcel import Parcel  # noqa: PLC0415 - the same

    began = time.monotonic()
    with told():
        if check:
            with Parcel(source) as parcel:
                restoration.refuse_newer(parcel.manifest)
                found = restoration.check(parcel, _progress)
        else:
            found = restoration.restore(source, state_dir, _progress)
    seconds = time.monotonic() - began
    said = {
        "restored": not check,
        "schema": found.schema_version,
        "rows": sum(state.rows for state in found.tables.values()),
        "objects": len(found.objects),
        "snapshot_at": found.snapshot_at.isoformat(),
        "snapshot_age_s": round(found.age_s(datetime.now(UTC)), 1),
        "seconds": round(seconds, 2),
    }
    what = "Whole" if check else f"Restored to {state_dir}"
    text = f"{what}: {said['rows']:,} rows, {said['objects']:,} objects as of {found.snapshot_at:%Y-%m-%d %H:%M:%S} UTC"
    _say(said, f"{text}, in {seconds:.1f} s." + ("" if check else " Start it with `kestrel up`."), as_json=as_json)


def _progress(said: str) -> None:
    typer.echo(said, err=True)


def _say(said: dict[str, object], text: str, *, as_json: bool) -> None:
    typer.echo(json.dumps(said, indent=2) if as_json else text)
