"""Ed25519 signatures of commands, approvals and releases, checked by libsodium; keys as PEM files.

The form of a key is RFC 8410's: a SubjectPublicKeyInfo of 44 bytes, of which the last 32 are the key.
"""

from __future__ import annotations

import base64
import binascii

from nacl.exceptions import BadSignatureError
from nacl.signing import VerifyKey

_BEGIN, _END = b"-----BEGIN PUBLIC KEY-----", b"-----END PUBLIC KEY-----"
_HEAD = bytes.fromhex("302a300506032b6570032100")
_KEY_BYTES, _SIGNATURE_BYTES = 32, 64


def public_pem(raw: bytes) -> bytes:
    """Return a public key of 32 bytes as a PEM file."""
    return _BEGIN + b"\n" + base64.b64encode(_HEAD + raw) + b"\n" + _END + b"\n"


class PublicKey:
    """A key that signatures are checked with."""

    def __init__(self, pem: bytes) -> None:
        """Read a key.

        Raises:
            ValueError: It is none, or not an Ed25519 key.

        """
        _, begun, rest = pem.partition(_BEGIN)
        body, ended, _ = rest.partition(_END)
        try:
            der = base64.b64decode(b"".join(body.split()), validate=True)
        except binascii.Error as error:
            raise ValueError(f"no public key in PEM: {error}") from error
        if not (begun and ended) or not der.startswith(_HEAD) or len(der) != len(_HEAD) + _KEY_BYTES:
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
