"""The drone's own key, P-256, made and used by awscrt."""

from __future__ import annotations

import hashlib

from awscrt.crypto import EC, ECExportFormat, ECType
from awscrt.exceptions import AwsCrtError

_WHOLE_KEY_BYTES = 138  # PKCS #8 around a P-256 key of 32 bytes and its public point


class P256KeyPairs:
    """Private keys go in and out as PKCS #8 (DER), public ones as SubjectPublicKeyInfo (DER)."""

    def make(self) -> bytes:
        """Return a new private key.

        One in 256 begins with a zero byte, which awscrt (0.36) leaves out when it writes a key and then misses when it
        reads that key (RFC 5915 §3 asks for all 32 bytes). Such a key is thrown away: a drone could never use it.
        """
        while len(key := bytes(EC.new_generate(ECType.P_256).export_key(ECExportFormat.PKCS8))) != _WHOLE_KEY_BYTES:
            pass
        return key

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
