"""Rules that read comparisons: two assets, sites, blades, sides, kinds or periods, and how much more the second has."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from cloud.assistant.evidence import Period
from cloud.assistant.grammar.periods import read_comparison
from cloud.assistant.grammar.reading import Reading

_WORDS = (
    r"compares?|how (?:do|does|did)(?=.*compare)"
    r"|comparison(?: of| between)?|compared (?:to|with|against)|in comparison (?:to|with)|versus|vs|against"
    r"|(?:the )?differences? (?:between|in)|relative to|as opposed to"
)
_MORE = (
    r"more|fewer|less|higher|lower|increase[ds]?|decrease[ds]?|rise|risen|rose|drop(?:ped)?|fallen|fell|go up|gone up"
)
_THAN = r"than(?= (?!\d))(?: on| in| at| for| during)?"
_FIELDS = ("asset_ids", "site_ids", "blades", "sides", "kinds")


def asked(reading: Reading) -> bool:
    """Take the words of a comparison; return whether there are any."""
    found = False
    while reading.take(_WORDS, "compared"):
        found = True
    if reading.peek(rf"(?:{_MORE}) .*{_THAN}") or (found and reading.peek(_MORE)):
        reading.take(rf"(?:how (?:many|much) )?(?:{_MORE})")
        reading.take(_THAN, "compared")
        found = True
    return found


def _start(period: Period) -> datetime:
    return period.start or datetime.min.replace(tzinfo=UTC)


def sides(reading: Reading, found: dict[str, Any], now: datetime, zone: ZoneInfo) -> tuple[str, tuple[Any, Any]] | None:
    """Return the one condition that has two values, and the two as they stand in the question; None without one.

    Of two periods the earlier comes first.
    """
    pairs: dict[str, tuple[Any, ...]] = {name: found[name] for name in _FIELDS if len(found.get(name, ())) == 2}
    if "period" in found:
        second = read_comparison(reading, found["period"], now, zone)
        if second is not None:
            pairs["period"] = tuple(sorted((found["period"], second), key=_start))
    if len(pairs) != 1:
        return None
    [(name, values)] = pairs.items()
    return name, (values[0], values[1])
