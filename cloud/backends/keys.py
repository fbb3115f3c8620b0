"""Signatures from AWS KMS: the private key never leaves it."""

from __future__ import annotations

import base64
import hashlib

import boto3
from botocore.exceptions import BotoCoreError, ClientError
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

from contracts.errors import Unavailable
from evidence.signatures import Algorithm, Signature


class KmsSigner:
    """Signs with a KMS key of usage SIGN_VERIFY and spec ECC_NIST_P256. Needs kms:Sign and kms:GetPublicKey."""

    def __init__(self, key_id: str) -> None:
        self._key_id = key_id
        self._client = boto3.client("kms")
        self._public_pem: str | None = None

    def sign(self, manifest: bytes) -> Signature:
        """Return the signature over exactly these bytes; KMS takes their SHA-256, so any length will do.

        Raises:
            Unavailable: KMS does not answer, or refuses the key.

        """
        try:
            raw = self._client.sign(
                KeyId=self._key_id,
                Message=hashlib.sha256(manifest).digest(),
                MessageType="DIGEST",
                SigningAlgorithm="ECDSA_SHA_256",
            )["Signature"]
            public = self._public()
        except (BotoCoreError, ClientError) as error:
            raise Unavailable(
                f"KMS did not sign with {self._key_id}: {error}", hint="Check the key, its policy and the network."
            ) from error
        return Signature(
            algorithm=Algorithm.ECDSA_P256_SHA256,
            key_id=self._key_id,
            public_key_pem=public,
            signature_b64=base64.b64encode(raw).decode(),
        )

    def _public(self) -> str:
        if self._public_pem is None:
            key = load_der_public_key(self._client.get_public_key(KeyId=self._key_id)["PublicKey"])
            self._public_pem = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
        return self._public_pem
