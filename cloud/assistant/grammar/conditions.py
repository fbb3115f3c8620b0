"""Every condition of a question, in the order in which the rules may take words."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from cloud.assistant.grammar import comparison, measuring, names, slots, subjects
from cloud.assistant.grammar.names import Names
from cloud.assistant.grammar.periods import read_period
from cloud.assistant.grammar.reading import Reading
from cloud.assistant.words import DEFECT_NOUNS, FLIGHT_NOUNS

_SPANS = {"daily": "day", "weekly": "week", "monthly": "month", "quarterly": "quarter", "yearly": "year"}
_VISITED = r"(?:when (?:was|were|is|has|have) )?(?:been )?last (?:been )?(?:inspected|flown|visited|seen)"


class Conditions(NamedTuple):
    """What a question asks for; ``compared`` is the condition with two values, when it is a comparison."""

    found: dict[str, Any]
    comparing: bool
    compared: tuple[str, tuple[Any, Any]] | None


def read(reading: Reading, known: Names, now: datetime, zone: ZoneInfo) -> Conditions:
    """Read every condition, the longest and least ambiguous wording first."""
    found: dict[str, Any] = {}
    asset_ids = names.take(reading, known.assets)
    found |= _given("drone_ids", names.take(reading, known.drones))
    found |= _given("site_ids", names.take_sites(reading, known.sites))
    found |= _given("numbers", slots.finding_numbers(reading))
    found |= _given("asset_ids", asset_ids + names.take_numbered(reading, known.assets))
    found |= _flight_ids(reading)
    found |= slots.kinds(reading)
    found |= slots.sizes(reading)
    found |= slots.places(reading)
    comparing = comparison.asked(reading)
    found |= _report(reading)
    found |= _given("period", read_period(reading, now, zone, this_first=comparing))
    compared = comparison.sides(reading, found, now, zone) if comparing else None
    found |= _last_flights(reading)
    found |= measuring.telemetry(reading)
    found |= {} if "telemetry" in found else _of_findings(reading, found)
    reading.take(r"how many|how much")
    return Conditions(found, comparing, compared)


def _report(reading: Reading) -> dict[str, Any]:
    """Take "weekly report for"; its span stands for a period unless the question names one."""
    spans = "|".join(_SPANS)
    pattern = (
        rf"(?:(?P<span>{spans}) |a |the )(?:status |inspection |summary )?reports?(?: (?:for|of|on|about))?"
        r"|reports? (?:for|of|on|about)"
    )
    match = reading.take(pattern, "a report")
    if match is None:
        return {}
    if match["span"] and not reading.peek(r"(?:last|past|previous|this|since|between|from|in|during) .*"):
        reading.text = f"{reading.text} last {_SPANS[match['span']]}"
    return {"report": True}


def _of_findings(reading: Reading, so_far: dict[str, Any]) -> dict[str, Any]:
    found = measuring.measure(reading) | _counting(reading) | slots.review(reading)
    about = reading.peek(DEFECT_NOUNS) is not None or not set(so_far).isdisjoint({"kinds", "without_kinds"})
    of_findings = (about or "measure" in found) and reading.peek(subjects.NOT_SEEN) is None
    found |= slots.group(reading, of_findings=of_findings)
    found |= {k: v for k, v in slots.order(reading).items() if k not in found}
    return found | slots.severity(reading)


def _counting(reading: Reading) -> dict[str, Any]:
    """Take "how many" but leave the words, in front, for the rule that reads "how many turbines"."""
    counted = (
        r"how many|(?:total )?(?:number|amount|tally|quantity) of|counts?(?: of)?|how often"
        r"|(?:just the|only the|total) number"
    )
    if reading.take(counted, "counted") is None:
        return {}
    reading.text = f"how many {reading.text}"
    return {"count": True}


def _given(name: str, value: Any) -> dict[str, Any]:
    return {name: value} if value else {}


def _flight_ids(reading: Reading) -> dict[str, Any]:
    found: list[str] = []
    while match := reading.take(r"(?:flight |inspection )?(flt-[a-z0-9-]+)"):
        found.append(match[1])
        reading.note(match[0], f"flight {match[1]}")
    return _given("flight_ids", tuple(found))


def _last_flights(reading: Reading) -> dict[str, Any]:
    pattern = (
        rf"(?:on |in |during |of |from |by |with )?(?:the |our )?(?:last|latest|most recent|newest)"
        rf" (?:(?P<n>{slots.NUMBER}) )?(?:{FLIGHT_NOUNS})"
    )
    match = reading.take(pattern)
    if match is None:
        return {"visited": True} if reading.take(_VISITED, "the last flight of each") else {}
    count = slots.number(match["n"]) if match["n"] else 1
    reading.note(match[0], "the last flight" if count == 1 else f"the last {count} flights")
    return {"last_flights": count}
