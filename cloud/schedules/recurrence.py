"""When a schedule comes round: RFC 5545 rules on a wall clock, so that nine o'clock stays nine o'clock in summer."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from dateutil.rrule import rrule, rrulestr
from dateutil.tz import resolve_imaginary

from contracts.errors import InvalidInput

MAX_TIMES = 1000
_PART = re.compile(r"^([A-Z]+)=([A-Z0-9,+-]{1,200})$")
_DAYWISE = frozenset({"FREQ", "INTERVAL", "COUNT", "UNTIL", "BYDAY", "BYMONTH", "WKST"})
_MONTHWISE = _DAYWISE | {"BYMONTHDAY", "BYSETPOS"}
_PARTS = {"DAILY": _DAYWISE, "WEEKLY": _DAYWISE, "MONTHLY": _MONTHWISE, "YEARLY": _MONTHWISE}
_LONGEST = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_HINT = "Such as FREQ=WEEKLY;INTERVAL=2;BYDAY=MO."


def zone_of(name: str) -> ZoneInfo:
    """Return a time zone by its IANA name; InvalidInput for anything else."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise InvalidInput(f"No time zone {name[:64]!r}.", hint="Such as Europe/Berlin.", field="zone") from error


def rule_of(text: str, starts_at: datetime, zone: str) -> rrule:
    """Return a recurrence rule whose times lie on the wall clock of ``zone``.

    Parts that could be walked for ever without meeting a day (the 30th of February) are refused, as are rules that
    come round more than once a day.

    Raises:
        InvalidInput: Not a rule, or not one that is taken; the message says which part.

    """
    parts = dict(_parts(text))
    freq = parts.get("FREQ", "")
    if freq not in _PARTS:
        raise _refused(f"FREQ is one of {', '.join(_PARTS)}.")
    strange = sorted(parts.keys() - _PARTS[freq])
    if strange:
        raise _refused(f"{strange[0]} does not go with FREQ={freq}.")
    for name in parts.keys() & {"INTERVAL", "COUNT"}:
        if not 1 <= _numbers(parts[name])[0] <= MAX_TIMES:
            raise _refused(f"{name} is between 1 and {MAX_TIMES}.")
    _refuse_impossible_days(parts)
    local = starts_at.astimezone(zone_of(zone))
    try:
        made = rrulestr(f"RRULE:{text}", dtstart=local)
    except (ValueError, TypeError, KeyError, IndexError, OverflowError) as error:
        raise _refused(f"{error}.") from error
    if not isinstance(made, rrule):
        raise _refused("one rule is taken, not a set.")
    return made


def _parts(text: str) -> Iterator[tuple[str, str]]:
    seen: set[str] = set()
    for part in text.split(";"):
        match = _PART.match(part)
        if match is None or match[1] in seen:
            raise _refused(f"{part[:40]!r} is not NAME=VALUE, or comes twice.")
        seen.add(match[1])
        yield match[1], match[2]


def _refuse_impossible_days(parts: dict[str, str]) -> None:
    days = _numbers(parts.get("BYMONTHDAY", "1"))
    months = _numbers(parts.get("BYMONTH", "1"))
    longest = max((_LONGEST[month - 1] for month in months if 1 <= month <= 12), default=0)
    if not any(1 <= abs(day) <= longest for day in days):
        raise _refused("BYMONTHDAY names no day of those months.")


def _numbers(text: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",")]
    except ValueError as error:
        raise _refused(f"{text[:40]!r} is no list of numbers.") from error


def _refused(why: str) -> InvalidInput:
    return InvalidInput(f"The recurrence rule is not taken: {why}", hint=_HINT, field="rrule")


def times(
    starts_at: datetime, rule: str | None, zone: str, after: datetime, until: datetime, limit: int = MAX_TIMES
) -> list[datetime]:
    """Return when a schedule is due in [after, until], in UTC and in order, ``limit`` at most; once without a rule.

    A wall-clock time that a change to summer time leaves out is moved behind the gap.
    """
    if rule is None:
        return [starts_at] if after <= starts_at <= until else []
    local_zone = zone_of(zone)
    found = rule_of(rule, starts_at, zone).xafter(after.astimezone(local_zone), inc=True)
    taken: list[datetime] = []
    for moment in islice(found, min(limit, MAX_TIMES)):
        moment_utc = resolve_imaginary(moment).astimezone(UTC)
        if moment_utc > until:
            break
        taken.append(moment_utc)
    return taken
