"""Ed25519 signatures of commands, approvals and releases, checked by libsodium; keys as PEM files.

The form of a key is RFC 8410's: a SubjectPublicKeyInfo of 44 bytes, of which the last 32 are the key.
"""

from __future__ import annotations

from nacl.exceptions import BadSignatureError
from nacl.signing import VerifyKey

from edge import pem

_LABEL = "PUBLIC KEY"
_HEAD = bytes.fromhex("302a300506032b6570032100")
_KEY_BYTES, _SIGNATURE_BYTES = 32, 64


def public_pem(raw: bytes) -> bytes:
    """Return a public key of 32 bytes as a PEM file."""
    return pem.wrapped(_LABEL, _HEAD + raw)


class PublicKey:
    """A key that signatures are checked with."""

    def __init__(self, text: bytes) -> None:
        """Read a key from its PEM file.

        Raises:
            ValueError: It is none, or not an Ed25519 key.

        """
        der = pem.unwrapped(_LABEL, text)
        if not der.startswith(_HEAD) or len(der) != len(_HEAD) + _KEY_BYTES:
            raise ValueError("not an Ed25519 public key in PEM")
        self.raw = der[len(_HEAD) :]
        self._key = VerifyKey(self.raw)

    def fits(self, signature: bytes, message: bytes) -> bool:
        """Tell whether exactly this message was signed with the private half."""
        if len(signature) != _SIGNATURE_BYTES:
            return False
        try:
            self._key.verify(message, signature)
        except BadSignatureError:
            return False
        return True
