"""Events that can happen only once, which a process that was killed before it told them leaves to the next one. Pure.

What happened stands on the disk elsewhere. Who finds it there tells it again; the outbox takes it if it was not told.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from contracts.events import DroneEventKind

_KINDS: Final = frozenset({DroneEventKind.SEGMENT_RECORDED, DroneEventKind.SEGMENT_UPLOADED})
_CODES: Final = frozenset({"database_damaged", "segment_damaged", "certificate_replaced"})


def once_of(kind: DroneEventKind, fields: Mapping[str, object]) -> str:
    """Return what names an event for good; empty for one that may happen again."""
    if kind not in _KINDS and fields.get("code") not in _CODES:
        return ""
    return " ".join(str(fields.get(name, "")) for name in ("segment_id", "code", "detail")) + f" {kind}"
