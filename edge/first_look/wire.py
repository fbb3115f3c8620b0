"""How the agent and its detector speak: a length, a JSON head, then bytes; on pipes, the same both ways."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from typing import IO, Any, NamedTuple

from contracts.errors import Unavailable

_LENGTHS = struct.Struct(">II")
MOST_BYTES = 64 * 1024 * 1024
"""More than any key frame or crop; what claims to be longer is no message of ours."""


class Message(NamedTuple):
    """What is said."""

    head: dict[str, Any]
    body: bytes = b""


def packed(message: Message) -> bytes:
    """Return a message as it is sent."""
    head = json.dumps(message.head).encode()
    return _LENGTHS.pack(len(head), len(message.body)) + head + message.body


def unpacked(read: Callable[[int], bytes]) -> Message | None:
    """Read the next message by ``read(n)``, which returns n bytes or fewer at the end; None at the end.

    Raises:
        Unavailable: It breaks off, or is none.

    """
    lengths = read(_LENGTHS.size)
    if not lengths:
        return None
    if len(lengths) < _LENGTHS.size:
        raise Unavailable("The first look's pipe broke off within a message.")
    head_bytes, body_bytes = _LENGTHS.unpack(lengths)
    if head_bytes + body_bytes > MOST_BYTES:
        raise Unavailable(f"A message of {head_bytes + body_bytes} bytes is none of the first look's.")
    head, body = read(head_bytes), read(body_bytes)
    if len(head) < head_bytes or len(body) < body_bytes:
        raise Unavailable("The first look's pipe broke off within a message.")
    try:
        return Message(dict(json.loads(head)), body)
    except (ValueError, TypeError) as error:
        raise Unavailable(f"The first look's pipe says what is no message: {error}.") from error


def write(out: IO[bytes], message: Message) -> None:
    """Send a message at once."""
    out.write(packed(message))
    out.flush()
