"""MAVLink 2 message signing: a shared key between companion and autopilot, and a time stamp that never goes back.

It keeps strangers on the same radio or wire from commanding the autopilot; it says nothing of the operator.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from contracts.errors import Forbidden, InvalidInput
from edge.files import write_durably

_EPOCH_S = 1_420_070_400
"""2015-01-01 UTC: signing counts 10 microseconds from there."""
_KEY_BYTES = 32
_SAVE_EVERY_S = 30.0
_AHEAD = round(2 * _SAVE_EVERY_S * 100_000)
"""What is written is ahead of what is used, so that a crash between two writes repeats no stamp."""
_UNSIGNED_ALLOWED = frozenset({109})
"""RADIO_STATUS comes from the telemetry radio, which has no key."""
_OTHERS_MAY_OPEN = 0o077


class Seal:
    """One link's key and clock."""

    def __init__(self, key_file: Path, stamp_file: Path, link_id: int = 0) -> None:
        self._key = _key_of(key_file)
        self._stamp_file = stamp_file
        self._link_id = link_id
        self._saved_at = -_SAVE_EVERY_S
        stored = int(stamp_file.read_text()) if stamp_file.exists() else 0
        self._floor = max(stored, _now())

    def put_on(self, codec: Any) -> None:
        """Sign what ``codec`` sends and refuse what comes unsigned, forged or replayed."""
        signing = codec.signing
        signing.secret_key = self._key
        signing.link_id = self._link_id
        signing.timestamp = self._floor
        signing.sign_outgoing = True
        signing.allow_unsigned_callback = lambda _codec, message_id: message_id in _UNSIGNED_ALLOWED
        check = codec.check_signature

        def check_and_forget(packet: bytearray, system: int, component: int) -> bool:
            """Undo what a forgery leaves: the dialect notes the stamp before it checks the signature."""
            stamps = dict(signing.stream_timestamps)
            sound = bool(check(packet, system, component))
            if not sound:
                signing.stream_timestamps = stamps
            return sound

        codec.check_signature = check_and_forget

    def stamp(self, codec: Any) -> None:
        """Move the stamp to the present (never back) and write it down now and then."""
        codec.signing.timestamp = max(codec.signing.timestamp, _now())
        if time.monotonic() - self._saved_at >= _SAVE_EVERY_S:
            self._saved_at = time.monotonic()
            write_durably(self._stamp_file, str(codec.signing.timestamp + _AHEAD).encode())


def _now() -> int:
    return round((time.time() - _EPOCH_S) * 100_000)


def _key_of(path: Path) -> bytes:
    """Read 32 bytes, or 64 hexadecimal digits; nobody else may read the file."""
    if path.stat().st_mode & _OTHERS_MAY_OPEN:
        raise Forbidden(f"{path} may be read by others.", hint=f"chmod 600 {path}")
    content = path.read_bytes()
    if len(content) != _KEY_BYTES:
        try:
            content = bytes.fromhex(content.decode().strip())
        except ValueError as error:
            raise InvalidInput(f"{path} is no signing key.", hint="32 bytes, or 64 hexadecimal digits.") from error
    if len(content) != _KEY_BYTES:
        raise InvalidInput(f"{path} holds {len(content)} bytes.", hint="A signing key has 32.")
    return content
