"""Keys and certificates as PEM (RFC 7468): DER in base64, between two lines that say what it is."""

from __future__ import annotations

import base64
import binascii


def wrapped(label: str, der: bytes) -> bytes:
    """Return DER as PEM, lines of 64."""
    text = base64.b64encode(der).decode()
    lines = "\n".join(text[at : at + 64] for at in range(0, len(text), 64))
    return f"-----BEGIN {label}-----\n{lines}\n-----END {label}-----\n".encode()


def unwrapped(label: str, text: bytes) -> bytes:
    """Return the first PEM block of a kind as DER.

    Raises:
        ValueError: There is none.

    """
    _, begun, rest = text.partition(f"-----BEGIN {label}-----".encode())
    body, ended, _ = rest.partition(f"-----END {label}-----".encode())
    if not (begun and ended):
        raise ValueError(f"no {label} in PEM")
    try:
        return base64.b64decode(b"".join(body.split()), validate=True)
    except binascii.Error as error:
        raise ValueError(f"the {label} is no PEM: {error}") from error
