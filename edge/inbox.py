"""What the broker delivered, and how to say that it is safe to forget there."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple


class Inbound(NamedTuple):
    """One delivered publish; ``settle`` sends its acknowledgement (a no-op where the client does it itself)."""

    topic: str
    payload: bytes
    settle: Callable[[], None]
