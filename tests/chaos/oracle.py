"""The invariants, as functions of what was promised and what is there; each returns what breaks it, in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from datetime import datetime, timedelta
from typing import Any, NamedTuple

_CLOCKS = timedelta(seconds=0.5)
_SHOWN = 5


class Stream(NamedTuple):
    """One sequence of one drone's boot."""

    drone_id: str
    boot_id: str
    name: str


Numbers = Mapping[Stream, AbstractSet[int]]


def missing(promised: Numbers, stored: Numbers, lost: Numbers) -> dict[Stream, set[int]]:
    """Return what was promised and is neither stored nor covered by a tombstone (I1)."""
    owed = {s: set(numbers) - stored.get(s, set()) - lost.get(s, set()) for s, numbers in promised.items()}
    return {stream: numbers for stream, numbers in owed.items() if numbers}


def lost_records(promised: Numbers, stored: Numbers, lost: Numbers) -> list[str]:
    """I1: every promised record is stored once or covered by a tombstone (the key keeps it from being there twice)."""
    return [f"I1 {_told(s)} misses {_few(n)}" for s, n in missing(promised, stored, lost).items()]


def changed_records(rows: Iterable[tuple[Any, ...]], meant: Iterable[tuple[Any, ...]]) -> list[str]:
    """I2: what is stored is what was measured."""
    pairs = zip(rows, meant, strict=True)
    return [f"I2 stored {row}, measured {wanted}" for row, wanted in pairs if row != wanted][:_SHOWN]


def unknown_records(stored: Numbers, boots: AbstractSet[str]) -> list[str]:
    """I3: nothing is stored that nobody made."""
    return [f"I3 {_told(stream)} is of no boot that there was" for stream in stored if stream.boot_id not in boots]


def marks_beyond(marks: Mapping[Stream, int], stored: Numbers, lost: Numbers) -> list[str]:
    """I4: no watermark passes what is committed."""
    found = []
    for stream, mark in marks.items():
        ahead = set(range(1, mark + 1)) - stored.get(stream, set()) - lost.get(stream, set())
        if ahead:
            found.append(f"I4 the watermark {mark} of {_told(stream)} passes {_few(ahead)}")
    return found


def marks_fallen(before: Mapping[Stream, int], after: Mapping[Stream, int]) -> list[str]:
    """I4: no watermark falls."""
    return [f"I4 the watermark of {_told(s)} fell from {n} to {after.get(s)}" for s, n in before.items()
            if after.get(s, -1) < n]  # fmt: skip


def over_the_cap(name: str, used_bytes: int, cap_bytes: int) -> list[str]:
    """I5: disk and memory stay under their caps."""
    return [f"I5 {name} takes {used_bytes} of {cap_bytes} bytes"] if used_bytes > cap_bytes else []


def commands(ran: Iterable[tuple[str, datetime]], limits: Mapping[str, datetime]) -> list[str]:
    """I7: a command runs at most once, not after its time, and only if it was sent."""
    ran = list(ran)
    twice = [f"I7 {name} ran {n} times" for name, n in Counter(name for name, _ in ran).items() if n > 1]
    unknown = [f"I7 {name} was never sent" for name, _ in ran if name not in limits]
    late = [f"I7 {name} ran at {at}, after its time" for name, at in ran
            if name in limits and at > limits[name] + _CLOCKS]  # fmt: skip
    return twice + unknown + late


def notifications(in_system: Iterable[str], critical: AbstractSet[str]) -> list[str]:
    """One notification for each critical finding, none twice and none for nothing."""
    counted = Counter(in_system)
    found = [f"T1 {finding} has no notification" for finding in sorted(critical - counted.keys())]
    found += [f"T1 {finding} has {n} notifications" for finding, n in counted.items() if n > 1]
    return found + [f"T1 a notification for {finding}, which is none" for finding in counted if finding not in critical]


def _told(stream: Stream) -> str:
    return "/".join(stream)


def _few(numbers: AbstractSet[int]) -> str:
    some = sorted(numbers)[:_SHOWN]
    return ", ".join(map(str, some)) + (f" and {len(numbers) - _SHOWN} more" if len(numbers) > _SHOWN else "")
