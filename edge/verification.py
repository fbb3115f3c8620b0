"""Whether a command may run: signature, drone, time, order, route hash, approvals; pure but for reading key files."""

from __future__ import annotations

import base64
import re
import secrets
import threading
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from pydantic import ValidationError

from contracts.commands import (
    APPROVAL_PREFIX,
    APPROVERS_NEEDED,
    MAX_LIFE_S,
    SAFETY_INCREASING,
    Command,
    SignedCommand,
)
from contracts.errors import InvalidInput
from edge.refusals import (
    BadSignature,
    ClockUntrusted,
    Expired,
    FromTheFuture,
    LivesTooLong,
    NotApproved,
    Replayed,
    RouteMismatch,
    WrongDrone,
)
from edge.signatures import PublicKey

_KEY_ID = re.compile(r"^[A-Za-z0-9_-]{1,64}$")
MAX_CLOCK_SKEW = timedelta(seconds=60)
BORN_SLACK = timedelta(seconds=5)
"""How much the sender's clock may lag behind ours when the journal is new."""
NONCE_LIFE_S = 30.0
_MOST_NONCES = 16


class Gate(NamedTuple):
    """Who this drone is and whose signatures it trusts. Approvers' keys lie in ``keys_dir/approvers``."""

    drone_id: str
    keys_dir: Path

    @property
    def approvers_dir(self) -> Path:
        """Return where the public keys of people who may approve lie."""
        return self.keys_dir / "approvers"


class Known(NamedTuple):
    """What the drone knows when a command comes."""

    now: datetime
    clock_trusted: bool
    last: tuple[int, int]
    """Epoch and sequence number of the last command accepted."""
    journal_began: datetime


class Nonces:
    """Challenges for a drone that cannot trust its clock: each good once, for a while by the monotonic clock."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._good_until_s: dict[str, float] = {}

    def issue(self, elapsed_s: float) -> str:
        """Return a new challenge; of too many the oldest is forgotten."""
        with self._lock:
            self._forget_old(elapsed_s)
            while len(self._good_until_s) >= _MOST_NONCES:
                del self._good_until_s[next(iter(self._good_until_s))]
            nonce = secrets.token_hex(16)
            self._good_until_s[nonce] = elapsed_s + NONCE_LIFE_S
        return nonce

    def redeem(self, nonce: str | None, elapsed_s: float) -> bool:
        """Return whether a challenge was ours, is fresh, and was never answered before."""
        with self._lock:
            self._forget_old(elapsed_s)
            return nonce is not None and self._good_until_s.pop(nonce, None) is not None

    def _forget_old(self, elapsed_s: float) -> None:
        self._good_until_s = {n: until for n, until in self._good_until_s.items() if until > elapsed_s}


def authenticate(signed: SignedCommand, keys_dir: Path) -> None:
    """Check the Ed25519 signature over the exact payload bytes.

    Raises:
        BadSignature: Unknown key, or the signature does not fit.

    """
    key = _public_key(keys_dir, signed.key_id)
    if not key.fits(_bytes_of(signed.signature_b64), signed.payload.encode()):
        raise BadSignature(
            f"The signature by key {signed.key_id!r} does not fit the command.", hint="Sign the exact payload bytes."
        )


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


def admit(command: Command, drone_id: str, known: Known, nonces: Nonces, elapsed_s: float) -> None:
    """Check an authentic command against this drone, its clock and what it accepted before.

    Safety-increasing kinds are exempt from order, and from time where the clock is not trusted.

    Raises:
        WrongDrone: Addressed to another drone.
        LivesTooLong: Valid for longer than its kind may be.
        Expired: ``not_after`` has passed.
        FromTheFuture: Issued more than ``MAX_CLOCK_SKEW`` ahead of our clock.
        ClockUntrusted: Our clock is not to be trusted, and the command echoes no fresh nonce of ours.
        Replayed: Its number is not above the last accepted one, or it is older than the journal.
        RouteMismatch: The route's content hash is not the one approved.

    """
    if command.drone_id != drone_id:
        raise WrongDrone(f"The command is for {command.drone_id}, this is {drone_id}.")
    life_s = (command.not_after - command.issued_at).total_seconds()
    if not 0 < life_s <= MAX_LIFE_S[command.kind]:
        most_s = MAX_LIFE_S[command.kind]
        raise LivesTooLong(f"{command.kind} may be valid for {most_s:.0f} s, not for {life_s:.0f} s.")
    if known.clock_trusted:
        _require_timely(command, known)
    elif command.kind not in SAFETY_INCREASING and not nonces.redeem(command.nonce, elapsed_s):
        raise ClockUntrusted(
            "The drone cannot trust its clock; it takes commands that echo its nonce.",
            hint="Send the command anew with the nonce of this answer in it, within 30 s.",
        )
    if (command.epoch, command.seq) <= known.last and command.kind not in SAFETY_INCREASING:
        raise Replayed(
            f"Sequence {command.seq} of epoch {command.epoch} is not above {known.last[1]} of {known.last[0]}.",
            hint="Each command needs a higher one.",
        )
    if command.route is not None and command.route.content_hash() != command.route_hash:
        raise RouteMismatch("The route's bytes do not give the approved hash.", hint="Approve and send it again.")


def require_approvals(signed: SignedCommand, approvers_dir: Path, lowered: list[str]) -> None:
    """Check that two different people approved exactly this payload; one person with two names counts once.

    Raises:
        NotApproved: With what would be lowered, and why an approval does not count.

    """
    people: set[bytes] = set()
    reasons: list[str] = []
    for approval in signed.approvals:
        try:
            key = _public_key(approvers_dir, approval.key_id)
            fits = key.fits(_bytes_of(approval.signature_b64), APPROVAL_PREFIX + signed.payload.encode())
        except BadSignature:
            fits = False
        if fits:
            people.add(key.raw)
        else:
            reasons.append(f"the approval by {approval.key_id!r} does not fit")
    if len(people) < APPROVERS_NEEDED:
        why = "; ".join([f"{len(people)} of {APPROVERS_NEEDED} approved", *reasons])
        raise NotApproved(
            f"The command lowers a safety margin ({', '.join(lowered)}): {why}.",
            hint="Two approvers whose keys the drone holds must sign the same payload.",
        )


def _require_timely(command: Command, known: Known) -> None:
    if known.now > command.not_after:
        late_s = (known.now - command.not_after).total_seconds()
        raise Expired(f"The command expired {late_s:.1f} s ago.", hint="Send it anew.")
    if command.issued_at - known.now > MAX_CLOCK_SKEW:
        ahead_s = (command.issued_at - known.now).total_seconds()
        raise FromTheFuture(f"The command was issued {ahead_s:.0f} s ahead of the drone's clock.", hint="Check clocks.")
    if command.issued_at < known.journal_began - BORN_SLACK and command.kind not in SAFETY_INCREASING:
        raise Replayed("The command is older than the drone's journal: it may have run before.", hint="Send it anew.")


def _bytes_of(signature_b64: str) -> bytes:
    """Return a signature's bytes; none of them for what is no Base64, and none is no signature."""
    try:
        return base64.b64decode(signature_b64, validate=True)
    except ValueError:
        return b""


def _public_key(keys_dir: Path, key_id: str) -> PublicKey:
    path = keys_dir / f"{key_id}.pem"
    if not _KEY_ID.match(key_id) or not path.is_file():
        raise BadSignature(f"Key {key_id!r} is not trusted by this drone.", hint="Install its public key.")
    try:
        return PublicKey(path.read_bytes())
    except ValueError as error:
        raise BadSignature(f"Key {key_id!r} is not an Ed25519 key: {error}.", hint="Install it anew.") from error
