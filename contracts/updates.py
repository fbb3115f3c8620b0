"""An update of the agent: which package, signed by whoever releases it."""

from __future__ import annotations

from pydantic import Field

from contracts.geo import Frozen
from contracts.ids import Sha256

UPDATE_PREFIX = b"kestrel-update-v1\n"
"""Goes before the payload in what is signed, so that no signature of a command is one of an update."""
MAX_PACKAGE_BYTES = 1_000_000_000


class UpdateOrder(Frozen):
    """One release: a zip of wheels, named by its hash."""

    version: str = Field(pattern=r"^\d{1,4}\.\d{1,4}\.\d{1,4}$")
    sha256: Sha256
    size_bytes: int = Field(gt=0, le=MAX_PACKAGE_BYTES)

    def order(self) -> tuple[int, ...]:
        """Return the version as numbers that sort."""
        return tuple(int(part) for part in self.version.split("."))


class SignedUpdate(Frozen):
    """An order as released: the exact JSON text that was signed, Ed25519 over ``UPDATE_PREFIX + payload``."""

    payload: str = Field(max_length=4_000)
    signature_b64: str = Field(min_length=88, max_length=88)
    key_id: str = Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")
