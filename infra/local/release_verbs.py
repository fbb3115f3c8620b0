"""`kestrel release verify`: whether a folder is the release that was signed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from contracts.errors import InvalidInput
from evidence.signatures import fingerprint
from infra.local.exits import told

app = typer.Typer(help="Releases of the platform.", no_args_is_help=True)


@app.callback()
def releases() -> None:
    """Releases of the platform."""


@app.command()
def verify(
    folder: Annotated[Path, typer.Argument(help="The release, unpacked.")],
    trust: Annotated[list[Path] | None, typer.Option(help="Public key (PEM) of a releaser you trust.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Check a release offline: 0 whole and signed by a trusted key, 1 broken, 2 whole, signer not known."""
    from infra.local.release import verified  # noqa: PLC0415 - a tool of the releaser, and loads slowly

    with told():
        verdict = verified(folder, [_fingerprint(path) for path in trust or []])
    whole = verdict.release is not None and not verdict.breaks
    if as_json:
        plain = {"whole": whole, "trusted": verdict.trusted, "signed_by": verdict.signed_by,
                 "version": verdict.release.version if verdict.release else None,
                 "breaks": [each._asdict() for each in verdict.breaks]}  # fmt: skip
        typer.echo(json.dumps(plain, indent=1))
    elif not whole:
        typer.echo("\n".join([f"{folder}: BROKEN", *(f"  {each.file} {each.why}" for each in verdict.breaks)]))
    else:
        who = {True: "signed by a key you trust", False: "signed by a key you do NOT trust",
               None: "no key to compare with was given (--trust)"}[verdict.trusted]  # fmt: skip
        number = verdict.release.version if verdict.release else ""
        typer.echo(f"{folder}: version {number}, whole, {who}: {verdict.signed_by[:16]}…")
    raise typer.Exit(1 if not whole else 0 if verdict.trusted else 2)


def _fingerprint(path: Path) -> str:
    try:
        return fingerprint(path.read_text("ascii", errors="replace"))
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read: {error.strerror}.", field="trust") from error
