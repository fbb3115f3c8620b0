"""A release of the platform as one folder: wheel, exact requirements, bill of materials, notes; hashed and signed.

``release.json`` names every file with its size and SHA-256; ``release.sig.json`` is an Ed25519 signature over
``PREFIX`` and the bytes of ``release.json``, so that no signature of an update or of evidence is one of a release.
``make release KEY=…`` makes it, ``kestrel release verify`` says whether a folder is what was signed.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Final, NamedTuple

import typer
from pydantic import Field, ValidationError

from contracts.errors import Conflict, InvalidInput, Unavailable
from contracts.geo import Frozen
from contracts.ids import Sha256
from evidence.signatures import LocalSigner, Signature, fingerprint, holds
from infra import audit
from infra.local.exits import told

PREFIX: Final = b"kestrel-release-v1\n"
MANIFEST, SIGNATURE, SUMS = "release.json", "release.sig.json", "SHA256SUMS"
NOTES: Final = ("CHANGELOG.md", "LICENSE", "requirements.lock", "docs/upgrade.md")
_MAX_MANIFEST_BYTES = 1_000_000
_BUILD_S = 600
_KEY_ID = "release-1"


class ReleasedFile(Frozen):
    """A file of a release."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._+-]{0,199}$")
    size_bytes: int = Field(ge=0)
    sha256: Sha256


class Release(Frozen):
    """What is signed."""

    format: int = Field(default=1, ge=1, le=1)
    version: str
    commit: str
    files: tuple[ReleasedFile, ...] = Field(min_length=1)


class Break(NamedTuple):
    """What is not as it was signed."""

    file: str
    why: str


class Verdict(NamedTuple):
    """What a folder is. ``trusted`` is None where no key was given to compare with."""

    release: Release | None
    signed_by: str
    trusted: bool | None
    breaks: list[Break]


def sealed(folder: Path, number: str, commit: str, signer: LocalSigner) -> Release:
    """Hash and sign every file of a folder; return what was signed. Sealing again replaces the seal."""
    names = sorted(path.name for path in folder.iterdir() if path.name not in {MANIFEST, SIGNATURE, SUMS})
    release = Release(version=number, commit=commit, files=tuple(_released(folder / name) for name in names))
    (folder / SUMS).write_text("".join(f"{file.sha256}  {file.name}\n" for file in release.files))
    text = release.model_dump_json(indent=1).encode()
    (folder / MANIFEST).write_bytes(text)
    (folder / SIGNATURE).write_text(signer.sign(PREFIX + text).model_dump_json(indent=1))
    return release


def verified(folder: Path, trusted_keys: list[str]) -> Verdict:
    """Return whether a folder is what was signed, with everything that is not; ``trusted_keys`` are fingerprints."""
    try:
        text, signature = _read(folder / MANIFEST), Signature.model_validate_json(_read(folder / SIGNATURE))
        signed_by = fingerprint(signature.public_key_pem)
    except InvalidInput as error:
        return Verdict(None, "", None, [Break(error.field or SIGNATURE, str(error))])
    except ValidationError:
        return Verdict(None, "", None, [Break(SIGNATURE, "is no signature")])
    trusted = signed_by in trusted_keys if trusted_keys else None
    if not holds(signature, PREFIX + text):
        return Verdict(
            None, signed_by, trusted, [Break(SIGNATURE, f"does not fit {MANIFEST}: one of them was changed")]
        )
    try:
        release = Release.model_validate_json(text)
    except ValidationError as error:
        why = f"is signed, and is no release that this version reads: {error.errors(include_url=False)[0]['msg']}"
        return Verdict(None, signed_by, trusted, [Break(MANIFEST, why)])
    return Verdict(release, signed_by, trusted, [*_changed(folder, release), *_left_over(folder, release)])


def _changed(folder: Path, release: Release) -> list[Break]:
    found = []
    for file in release.files:
        path = folder / file.name
        if not path.is_file():
            found.append(Break(file.name, "is missing"))
        elif (size := path.stat().st_size) != file.size_bytes:
            found.append(Break(file.name, f"has {size} bytes, {file.size_bytes} were signed"))
        elif _sha256(path) != file.sha256:
            found.append(Break(file.name, "is not the file that was signed"))
    return found


def _left_over(folder: Path, release: Release) -> list[Break]:
    known = {file.name for file in release.files} | {MANIFEST, SIGNATURE, SUMS}
    return [Break(path.name, "was not signed") for path in sorted(folder.iterdir()) if path.name not in known]


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            text = file.read(_MAX_MANIFEST_BYTES + 1)
    except OSError as error:
        raise InvalidInput(f"cannot be read: {error.strerror}", field=path.name) from error
    if len(text) > _MAX_MANIFEST_BYTES:
        raise InvalidInput(f"is larger than {_MAX_MANIFEST_BYTES} bytes", field=path.name)
    return text


def _released(path: Path) -> ReleasedFile:
    return ReleasedFile(name=path.name, size_bytes=path.stat().st_size, sha256=_sha256(path))


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def built(folder: Path) -> str:
    """Build what belongs into a release into an empty folder; return the commit that it is of.

    Raises:
        Conflict: The folder is not empty, or the working tree has changes that no commit holds.
        Unavailable: The wheel could not be built.

    """
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise Conflict(f"{folder} is not empty.", hint="Give an empty folder, or remove it.")
    if changed := _said("git", "status", "--porcelain", "--untracked-files=no"):
        raise Conflict(f"{len(changed.splitlines())} files are changed.", hint="Commit them: a release is of a commit.")
    _said(sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", str(folder), ".")
    audit.bill(folder / "sbom.cdx.json")
    for name in NOTES:
        shutil.copyfile(audit.REPOSITORY / name, folder / Path(name).name)
    return _said("git", "rev-parse", "HEAD").strip()


def _said(*command: str) -> str:
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_BUILD_S, check=True, cwd=audit.REPOSITORY
        )
    except subprocess.CalledProcessError as error:
        raise Unavailable(f"`{' '.join(command[:4])}` failed: {error.stderr.strip()[-400:]}") from error
    except subprocess.TimeoutExpired as error:
        raise Unavailable(f"`{' '.join(command[:4])}` did not end in {_BUILD_S} s.", hint="Try again.") from error
    return done.stdout


def main(
    key: Annotated[Path, typer.Option(help="Ed25519 private key (PEM) of whoever releases.")],
    out: Annotated[Path | None, typer.Option(help="Empty folder; default dist/kestrel-VERSION.")] = None,
    key_id: Annotated[str, typer.Option(help="What the key is called where it is published.")] = _KEY_ID,
) -> None:
    """Build a release of this commit, hash and sign it."""
    number = version("kestrel")
    folder = out or audit.REPOSITORY / "dist" / f"kestrel-{number}"
    with told():
        if not key.is_file():
            raise InvalidInput(f"{key} is no file.", hint="openssl genpkey -algorithm ed25519 -out KEY", field="key")
        signer = LocalSigner.from_file(key, key_id)
        release = sealed(folder, number, built(folder), signer)
    typer.echo(f"{folder}: version {number}, {len(release.files)} files, signed by {key_id}")


if __name__ == "__main__":
    typer.run(main)
