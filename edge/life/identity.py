"""The drone's certificate on disk: the one in use, the one being made, the one just replaced.

``current/`` is in use, ``next/`` is in the making, ``previous/`` waits to be revoked, ``gone/`` is being deleted. Each
step is one rename or one durable write, so a drone killed anywhere starts with a whole identity.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import NamedTuple, Protocol

from pydantic import Field

from contracts.errors import InvalidInput
from contracts.geo import Frozen
from edge import pem
from edge.files import rename_durably, write_durably
from edge.life import der

_PRIVATE_FOLDER, _PRIVATE_FILE = 0o700, 0o600
_KEY = "PRIVATE KEY"


class KeyPairs(Protocol):
    """Makes and uses keys: private as PKCS #8, public as SubjectPublicKeyInfo, both DER."""

    def make(self) -> bytes:
        """Return a new private key."""

    def public(self, key: bytes) -> bytes:
        """Return the public half; ValueError for what is no EC key."""

    def sign(self, key: bytes, message: bytes) -> bytes:
        """Return the signature over a message."""


class Identity(Frozen):
    """Who the drone is, as the cloud said when it issued the certificate."""

    thing_name: str = Field(min_length=1, max_length=128)
    certificate_id: str = Field(min_length=1, max_length=128)


class Papers(NamedTuple):
    """The files of one identity."""

    folder: Path

    @property
    def key_file(self) -> Path:
        """Return the private key's file."""
        return self.folder / "key.pem"

    @property
    def cert_file(self) -> Path:
        """Return the certificate's file."""
        return self.folder / "cert.pem"

    @property
    def whole(self) -> bool:
        """Tell whether the cloud has accepted this identity."""
        return (self.folder / "identity.json").exists()

    def identity(self) -> Identity:
        """Return who this is."""
        return Identity.model_validate_json((self.folder / "identity.json").read_bytes())


class Wallet:
    """The folder of identities."""

    def __init__(self, folder: Path, key_pairs: KeyPairs) -> None:
        self._key_pairs = key_pairs
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(_PRIVATE_FOLDER)
        self._gone = folder / "gone"
        self.current, self.next, self.previous = (Papers(folder / n) for n in ("current", "next", "previous"))
        self._sweep()
        if not self.current.folder.exists() and self._proved():
            self._promote()  # killed between the two renames of a switch

    def prepare(self, common_name: str) -> str:
        """Return a signing request (PEM) for the key in the making; the key is made once and never leaves the disk."""
        self.next.folder.mkdir(exist_ok=True)
        self.next.folder.chmod(_PRIVATE_FOLDER)
        if not self.next.key_file.exists():
            write_durably(self.next.key_file, pem.wrapped(_KEY, self._key_pairs.make()), mode=_PRIVATE_FILE)
        try:
            key = pem.unwrapped(_KEY, self.next.key_file.read_bytes())
            return der.request(common_name, self._key_pairs.public(key), lambda info: self._key_pairs.sign(key, info))
        except ValueError as error:
            raise InvalidInput(
                f"{self.next.key_file} is no EC key: {error}.", hint="Remove the folder and provision again."
            ) from error

    def accept(self, certificate_pem: str, identity: Identity) -> None:
        """Keep what the cloud issued for the key in the making.

        Raises:
            InvalidInput: The certificate is for another key, or for another drone than this one is.

        """
        if self.current.whole and identity.thing_name != (mine := self.current.identity().thing_name):
            raise InvalidInput(
                f"The issued certificate is for {identity.thing_name!r}; this drone is {mine!r}.",
                hint="Correct what the provisioning template makes of its serial number.",
            )
        try:
            certificate = der.certificate(certificate_pem.encode())
        except ValueError as error:
            raise InvalidInput(f"The issued certificate cannot be read: {error}.") from error
        if certificate.public_key != self._key_pairs.public(pem.unwrapped(_KEY, self.next.key_file.read_bytes())):
            raise InvalidInput("The issued certificate is for another key.", hint="Provision again.")
        write_durably(self.next.cert_file, certificate_pem.encode())
        write_durably(self.next.folder / "identity.json", identity.model_dump_json().encode())

    def switch(self) -> None:
        """Put the proved identity into use; the replaced one waits in ``previous``."""
        write_durably(self.next.folder / "proved", b"")
        if self.current.folder.exists():
            self._drop(self.previous)
            rename_durably(self.current.folder, self.previous.folder)
        self._promote()

    def forget_previous(self) -> None:
        """Delete the replaced identity; the cloud has been asked to revoke it."""
        self._drop(self.previous)

    def discard_next(self) -> None:
        """Drop an identity in the making that does not work."""
        self._drop(self.next)

    def _drop(self, papers: Papers) -> None:
        """Delete papers in one step: a half of them would begin another rotation, or be tried out for ever."""
        self._sweep()
        if papers.folder.exists():
            rename_durably(papers.folder, self._gone)
            self._sweep()

    def _sweep(self) -> None:
        shutil.rmtree(self._gone, ignore_errors=True)

    def _proved(self) -> bool:
        return self.next.whole and (self.next.folder / "proved").exists()

    def _promote(self) -> None:
        rename_durably(self.next.folder, self.current.folder)


def open_to_others(paths: tuple[Path, ...]) -> list[str]:
    """Return what is wrong with the rights of private files and folders: 600 and 700 are right."""
    found = []
    for path in paths:
        if path.exists() and (mode := path.stat().st_mode & 0o777) & 0o077:
            right = "700" if path.is_dir() else "600"
            found.append(f"{path} has mode {mode:o}: chmod {right} {path}")
    return found
