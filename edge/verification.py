"""Whether a command may run: signature, drone, time, order, route hash; pure but for reading key files."""

from __future__ import annotations

import base64
import binascii
import re
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from pydantic import ValidationError

from contracts.commands import SAFETY_INCREASING, Command, SignedCommand
from contracts.errors import InvalidInput
from edge.refusals import BadSignature, Expired, FromTheFuture, Replayed, RouteMismatch, WrongDrone

_KEY_ID = re.compile(r"^[A-Za-z0-9_-]{1,64}$")


class Gate(NamedTuple):
    """Who this drone is and whose signatures it trusts."""

    drone_id: str
    keys_dir: Path


MAX_CLOCK_SKEW = timedelta(seconds=60)


def authenticate(signed: SignedCommand, keys_dir: Path) -> None:
    """Check the Ed25519 signature over the exact payload bytes.

    Raises:
        BadSignature: Unknown key, or the signature does not fit.

    """
    try:
        signature = base64.b64decode(signed.signature_b64, validate=True)
        _public_key(keys_dir, signed.key_id).verify(signature, signed.payload.encode())
    except (InvalidSignature, binascii.Error) as error:
        raise BadSignature(
            f"The signature by key {signed.key_id!r} does not fit the command.", hint="Sign the exact payload bytes."
        ) from error


def parse(signed: SignedCommand) -> Command:
    """Read an authenticated payload.

    Raises:
        InvalidInput: A field is missing, out of range, NaN or unknown.

    """
    try:
        return Command.model_validate_json(signed.payload)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        field = ".".join(str(part) for part in first["loc"])
        raise InvalidInput(f"{field or 'command'}: {first['msg']}.", field=field or None) from error


def admit(command: Command, drone_id: str, now: datetime, last_seq: int) -> None:
    """Check an authentic command against this drone, its clock and what it accepted before.

    Raises:
        WrongDrone: Addressed to another drone.
        Expired: ``not_after`` has passed.
        FromTheFuture: Issued more than ``MAX_CLOCK_SKEW`` ahead of our clock.
        Replayed: Its sequence number is not above ``last_seq`` (safety-increasing kinds are exempt).
        RouteMismatch: The route's content hash is not the one approved.

    """
    if command.drone_id != drone_id:
        raise WrongDrone(f"The command is for {command.drone_id}, this is {drone_id}.")
    if now > command.not_after:
        late_s = (now - command.not_after).total_seconds()
        raise Expired(f"The command expired {late_s:.1f} s ago.", hint="Send it anew.")
    if command.issued_at - now > MAX_CLOCK_SKEW:
        ahead_s = (command.issued_at - now).total_seconds()
        raise FromTheFuture(f"The command was issued {ahead_s:.0f} s ahead of the drone's clock.", hint="Check clocks.")
    if command.seq <= last_seq and command.kind not in SAFETY_INCREASING:
        raise Replayed(f"Sequence {command.seq} is not above {last_seq}.", hint="Each command needs a higher one.")
    if command.route is not None and command.route.content_hash() != command.route_hash:
        raise RouteMismatch("The route's bytes do not give the approved hash.", hint="Approve and send it again.")


def _public_key(keys_dir: Path, key_id: str) -> Ed25519PublicKey:
    path = keys_dir / f"{key_id}.pem"
    if not _KEY_ID.match(key_id) or not path.is_file():
        raise BadSignature(f"Key {key_id!r} is not trusted by this drone.", hint="Install its public key.")
    key = load_pem_public_key(path.read_bytes())
    if not isinstance(key, Ed25519PublicKey):
        raise BadSignature(f"Key {key_id!r} is not an Ed25519 key.")
    return key
