"""`kestrel verify`: is an evidence bundle what was signed? Needs nothing but the file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from contracts.errors import InvalidInput
from evidence.signatures import fingerprint
from evidence.verification import Verdict, verify
from infra.local.certificates import Keys
from infra.local.layout import DEFAULT_STATE_DIR, layout_of


def verify_verb(
    bundle: Annotated[Path, typer.Argument(help="The .zip from GET /v1/findings/{id}/bundle.")],
    trust: Annotated[list[Path] | None, typer.Option(help="Public key (PEM) of a signer you trust.")] = None,
    state_dir: Annotated[
        Path, typer.Option("--state-dir", envvar="KESTREL_STATE_DIR", help="Whose own key is trusted without --trust.")
    ] = DEFAULT_STATE_DIR,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Check an evidence bundle offline: 0 whole and signed by a trusted key, 1 broken, 2 whole, signer not known."""
    try:
        verdict = verify(_read(bundle), _fingerprints(trust, state_dir))
    except InvalidInput as error:
        _refuse(error)
    typer.echo(json.dumps(_plain(verdict), indent=1) if as_json else _told(bundle, verdict))
    raise typer.Exit(1 if not verdict.intact else 0 if verdict.trusted else 2)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read: {error.strerror}.", field="bundle") from error


def _fingerprints(trust: list[Path] | None, state_dir: Path) -> list[str]:
    own = Keys(layout_of(state_dir).certificates).evidence_public_key_file
    files = trust or ([own] if own.exists() else [])
    return [fingerprint(_read(path).decode("ascii", errors="replace")) for path in files]


def _plain(verdict: Verdict) -> dict[str, object]:
    return {
        "intact": verdict.intact,
        "trusted": verdict.trusted,
        "subject": verdict.subject,
        "signed_by": verdict.signed_by,
        "breaks": [b._asdict() for b in verdict.breaks],
        "links": [str(link) for link in verdict.links],
    }


def _told(path: Path, verdict: Verdict) -> str:
    if not verdict.intact:
        return "\n".join([f"{path}: BROKEN", *(f"  {b.member}: {b.why}. {b.link}".rstrip() for b in verdict.breaks)])
    chain = [f"  {number:>2}. {link}" for number, link in enumerate(verdict.links, start=1)]
    who = {
        True: "signed by a key you trust",
        False: "signed by a key you do NOT trust",
        None: "no key to compare with was given (--trust)",
    }[verdict.trusted]
    return "\n".join([f"{path}: whole, {who}: {verdict.signed_by[:16]}…", *chain])


def _refuse(error: InvalidInput) -> NoReturn:
    typer.echo(f"kestrel: {error}", err=True)
    raise typer.Exit(1) from error
