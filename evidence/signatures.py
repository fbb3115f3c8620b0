"""Signatures over a manifest: Ed25519 with a key of our own, ECDSA P-256 where a key service holds it."""

from __future__ import annotations

import base64
import binascii
import hashlib
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from contracts.errors import InvalidInput
from contracts.geo import Frozen


class Algorithm(StrEnum):
    """How a manifest was signed."""

    ED25519 = "ed25519"
    ECDSA_P256_SHA256 = "ecdsa-p256-sha256"


class Signature(Frozen):
    """Who signed a manifest, and the signature. The key is here to be compared with one that is trusted."""

    algorithm: Algorithm
    key_id: str
    public_key_pem: str
    signature_b64: str


class BundleSigner(Protocol):
    """Signs manifests."""

    def sign(self, manifest: bytes) -> Signature:
        """Return the signature over exactly these bytes.

        Raises:
            Unavailable: The key service does not answer.

        """


class LocalSigner:
    """Signs with an Ed25519 key in a file: for one machine, where no key service is."""

    def __init__(self, key: Ed25519PrivateKey, key_id: str) -> None:
        self._key = key
        self._key_id = key_id

    @classmethod
    def from_file(cls, path: Path, key_id: str = "evidence-1") -> LocalSigner:
        """Read a PEM private key.

        Raises:
            InvalidInput: The file holds another kind of key.

        """
        key = load_pem_private_key(path.read_bytes(), password=None)
        if not isinstance(key, Ed25519PrivateKey):
            raise InvalidInput(f"{path} is not an Ed25519 private key.", field="evidence_signing_key_file")
        return cls(key, key_id)

    def sign(self, manifest: bytes) -> Signature:
        """Return the signature over exactly these bytes."""
        public = self._key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        return Signature(
            algorithm=Algorithm.ED25519,
            key_id=self._key_id,
            public_key_pem=public.decode(),
            signature_b64=base64.b64encode(self._key.sign(manifest)).decode(),
        )


def holds(signature: Signature, manifest: bytes) -> bool:
    """Tell whether the signature is the key's own over exactly these bytes."""
    try:
        key = load_pem_public_key(signature.public_key_pem.encode())
        raw = base64.b64decode(signature.signature_b64, validate=True)
        if signature.algorithm is Algorithm.ED25519 and isinstance(key, Ed25519PublicKey):
            key.verify(raw, manifest)
        elif signature.algorithm is Algorithm.ECDSA_P256_SHA256 and isinstance(key, EllipticCurvePublicKey):
            key.verify(raw, manifest, ECDSA(hashes.SHA256()))
        else:
            return False
    except (InvalidSignature, UnsupportedAlgorithm, ValueError, binascii.Error):
        return False
    return True


def fingerprint(public_key_pem: str) -> str:
    """Return the SHA-256 of a public key's DER form: equal for the same key however its PEM is wrapped.

    Raises:
        InvalidInput: The text is no public key.

    """
    try:
        key = load_pem_public_key(public_key_pem.encode())
    except (ValueError, UnsupportedAlgorithm) as error:
        raise InvalidInput("This is no public key in PEM form.", hint="Give the signer's public key.") from error
    return hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()
