"""The drone's own key, P-256, made and used by awscrt."""

from __future__ import annotations

import hashlib

from awscrt.crypto import EC, ECExportFormat, ECType
from awscrt.exceptions import AwsCrtError


class P256KeyPairs:
    """Private keys go in and out as PKCS #8 (DER), public ones as SubjectPublicKeyInfo (DER)."""

    def make(self) -> bytes:
        """Return a new private key."""
        return bytes(EC.new_generate(ECType.P_256).export_key(ECExportFormat.PKCS8))

    def public(self, key: bytes) -> bytes:
        """Return the public half; ValueError for what is no EC key."""
        return bytes(_read(key).export_key(ECExportFormat.SPKI))

    def sign(self, key: bytes, message: bytes) -> bytes:
        """Return the ECDSA signature (DER) over the SHA-256 of a message."""
        return bytes(_read(key).sign(hashlib.sha256(message).digest()))


def _read(key: bytes) -> EC:
    try:
        return EC.new_key_from_der_data(key)
    except (AwsCrtError, RuntimeError) as error:  # what it raises depends on where the key is wrong
        raise ValueError(f"no EC key: {error}") from error
