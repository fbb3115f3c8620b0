"""Ed25519 signatures over the exact JSON text of a command."""

from __future__ import annotations

import base64
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from contracts.commands import Command, SignedCommand
from contracts.errors import InvalidInput


class Signer:
    """Signs commands with one key that drones know by its id."""

    def __init__(self, key: Ed25519PrivateKey, key_id: str) -> None:
        self._key = key
        self.key_id = key_id

    @classmethod
    def from_file(cls, path: Path, key_id: str) -> Signer:
        """Read a PEM private key.

        Raises:
            InvalidInput: The file holds another kind of key.

        """
        key = load_pem_private_key(path.read_bytes(), password=None)
        if not isinstance(key, Ed25519PrivateKey):
            raise InvalidInput(f"{path} is not an Ed25519 private key.", field="command_signing_key_file")
        return cls(key, key_id)

    def sign(self, command: Command) -> SignedCommand:
        """Return the command as sent."""
        payload = command.model_dump_json()
        signature = base64.b64encode(self._key.sign(payload.encode())).decode()
        return SignedCommand(payload=payload, signature_b64=signature, key_id=self.key_id)
