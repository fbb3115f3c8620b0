"""How long a client of the broker rests before it connects again.

AWS IoT Core takes one CONNECT a second of a client id. The full and the decorrelated jitter of awscrt 0.36.1 draw their
first delays from 0 up, whatever the minimum says (seen: 71 ms after a disconnect with a minimum of 1 s). So the delays
double without jitter, and the jitter lies in where each client starts and ends: a fleet comes back spread all the same.
"""

from __future__ import annotations

import random
from typing import NamedTuple

_FIRST_MS = (1_000, 2_000)


class Pauses(NamedTuple):
    """The first rest and the longest, ms; each failure doubles the rest."""

    first_ms: int
    longest_ms: int


def draw_pauses(longest_ms: int) -> Pauses:
    """Return one client's rests: the first 1 to 2 s, the longest three quarters of ``longest_ms`` or more."""
    return Pauses(random.randint(*_FIRST_MS), random.randint(longest_ms * 3 // 4, longest_ms))
