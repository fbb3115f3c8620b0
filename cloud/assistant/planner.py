"""From a question to a plan of tool calls, by grammar and gazetteer, or to an honest refusal.

Every word must be understood: a word that no rule takes and that is not plain filler makes the whole question a
refusal that names it. So an answer is never about less than what was asked.
"""

from __future__ import annotations

import re
from datetime import datetime
from enum import StrEnum
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import Field

from cloud.assistant import names, slots
from cloud.assistant.names import Names
from cloud.assistant.parameters import GroupBy, Order
from cloud.assistant.periods import Period, read_period
from cloud.assistant.reading import MAX_QUESTION_CHARS, Reading, Understood
from cloud.assistant.steps import Step, finding_steps, other_steps
from cloud.assistant.suggestions import nearest
from cloud.assistant.words import (
    ACTIONS,
    ASSET_NOUNS,
    DEFECT_NOUNS,
    DRONE_NOUNS,
    FLIGHT_NOUNS,
    STOP_WORDS,
    TICKET_NOUNS,
)
from contracts.geo import Frozen
from contracts.vocabulary import FlightState


class Subject(StrEnum):
    """What a question is about."""

    FINDINGS = "findings"
    FINDING = "finding"
    COUNT = "count"
    COVERAGE = "coverage"
    TICKETS = "tickets"
    FLIGHTS = "flights"
    ASSETS = "assets"
    DRONES = "drones"


class Plan(Frozen):
    """What will be looked up, and how the question was understood."""

    question: str
    subject: Subject
    steps: tuple[Step, ...]
    period: Period | None
    understood: tuple[Understood, ...]


class Refusal(Frozen):
    """Why there is no answer, and what could be asked instead."""

    question: str
    reason: str
    not_understood: tuple[str, ...] = ()
    questions: tuple[str, ...] = Field(default=(), description="the nearest questions that can be answered")


_NOT_SEEN = (
    r"(?:not|never|didn't|wasn't|weren't|haven't|hasn't|failed? to)(?: (?:we|you|it|yet|been|the drones?|get|fully|ever))*"
    r" (?:seen?|inspect(?:ed)?|cover(?:ed)?|imaged?|photographed|look(?:ed)? at|visible|film(?:ed)?)"
    r"|un(?:seen|inspected|covered)|miss(?:ed)?|blind spots?|gaps?|coverage|how (?:much|many metres)(?: of)?"
)
_DRONE_DETAILS = r"battery(?: levels?| charge| state)?|altitude|charge|state|doing|how high"
_ALLOWED = {
    Subject.COVERAGE: {"asset_ids", "blades", "sides", "period", "last_flights", "flight_ids"},
    Subject.TICKETS: {"asset_ids", "numbers", "period", "ticket_numbers", "limit", "order", "count", "has_number"},
    Subject.FLIGHTS: {
        "asset_ids",
        "drone_ids",
        "period",
        "last_flights",
        "flight_ids",
        "states",
        "count",
        "limit",
        "order",
    },
    Subject.ASSETS: {"asset_ids", "count"},
    Subject.DRONES: {"drone_ids", "online", "count"},
}


def plan(question: str, known: Names, now: datetime, zone: ZoneInfo) -> Plan | Refusal:
    """Return what to look up for a question asked at ``now`` in ``zone``."""
    reading = Reading(question)
    if not reading.text:
        return _refuse(question, known, "There is no question.")
    if len(question) > MAX_QUESTION_CHARS:
        return _refuse(question[:MAX_QUESTION_CHARS], known, f"A question may have {MAX_QUESTION_CHARS} characters.")
    if re.match(
        rf"(?:please |can you |could you |now |then )*{ACTIONS}\b(?! (?:tickets|findings|defects)\b)", reading.text
    ):
        return _refuse(question, known, "I only read; I cannot change anything or act.", (reading.text.split()[0],))
    found = _slots(reading, known, now, zone)
    subject = _subject(reading, found)
    left = reading.leftovers(STOP_WORDS)
    if left:
        return _refuse(question, known, f"I did not understand {_quoted(left)}.", tuple(left))
    if subject is None:
        return _refuse(question, known, "I did not understand what the question is about.")
    odd = sorted(set(found) - _ALLOWED.get(subject, set(found)))
    if odd:
        said = ", ".join(name.replace("_", " ") for name in odd)
        return _refuse(question, known, f"I cannot combine {subject.value} with a condition on {said}.")
    steps = (
        finding_steps(subject.value, found)
        if subject.value.startswith(("finding", "count"))
        else other_steps(subject.value, found)
    )
    return Plan(question=question, subject=subject, steps=steps, period=found.get("period"),
                understood=tuple(reading.understood))  # fmt: skip


def _slots(reading: Reading, known: Names, now: datetime, zone: ZoneInfo) -> dict[str, Any]:
    """Read every condition, the longest and least ambiguous wording first."""
    found: dict[str, Any] = {}
    asset_ids = names.take(reading, known.assets)
    found |= _given("drone_ids", names.take(reading, known.drones))
    found |= _given("numbers", slots.finding_numbers(reading))
    found |= _given("asset_ids", asset_ids + names.take_numbered(reading, known.assets))
    found |= _flight_ids(reading)
    found |= slots.kinds(reading)
    found |= slots.sizes(reading)
    found |= slots.places(reading)
    found |= _given("period", read_period(reading, now, zone))
    found |= _last_flights(reading)
    if reading.take(r"how many|number of|count(?: of)?|total number of|how often") is not None:
        reading.text = f"how many {reading.text}"
        found["count"] = True
    found |= slots.review(reading)
    about = reading.peek(DEFECT_NOUNS) is not None or not set(found).isdisjoint({"kinds", "without_kinds"})
    found |= slots.group(reading, of_findings=about and reading.peek(_NOT_SEEN) is None)
    found |= {k: v for k, v in slots.order(reading).items() if k not in found}
    found |= slots.severity(reading)
    reading.take(r"how many")
    return found


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
        return {}
    count = slots.number(match["n"]) if match["n"] else 1
    reading.note(match[0], "the last flight" if count == 1 else f"the last {count} flights")
    return {"last_flights": count}


def _subject(reading: Reading, found: dict[str, Any]) -> Subject | None:
    """Take the noun a question is about; conditions that only findings have make it one about findings."""
    of_findings = {"kinds", "without_kinds", "min_rank", "statuses", "reviewed", "has_ticket", "min_length_mm",
                   "max_length_mm", "group_by"}  # fmt: skip
    if reading.take(_NOT_SEEN, "what was not seen"):
        for noun in (FLIGHT_NOUNS, ASSET_NOUNS):
            reading.take(noun)
        if found.pop("count", False):
            return None
        return Subject.COVERAGE
    ticketed = reading.take(TICKET_NOUNS, "tickets") is not None
    if ticketed:
        found |= _ticket_numbers(reading)
    defects = reading.take(DEFECT_NOUNS, "findings") is not None
    defects = (
        defects
        or re.search(r".(?<![\w-])(?:found|find|detect(?:ed)?|discover(?:ed)?|spot(?:ted)?)(?!\w)", reading.text)
        is not None
    )
    if found.get("numbers") and not ticketed:
        reading.take(r"why|graded?(?: so)?|explain|details? of|describe")
        reading.take(r"how (?:big|large|long|wide|sure|serious|severe)|severity|size")
        return Subject.FINDING
    if ticketed and not set(found).isdisjoint((of_findings | {"blades", "sides"}) - {"has_ticket"}):
        found.setdefault("has_ticket", True)
        return Subject.COUNT if _counts(found) else Subject.FINDINGS
    if ticketed:
        reading.take(r"waiting|pending|without (?:a )?number") and found.update(has_number=False)
        return Subject.TICKETS
    if defects or not set(found).isdisjoint(of_findings) or found.get("order") is Order.SEVERITY:
        for noun in (FLIGHT_NOUNS, ASSET_NOUNS):
            reading.take(noun)
        return Subject.COUNT if _counts(found) else Subject.FINDINGS
    return _thing(reading, found)


def _thing(reading: Reading, found: dict[str, Any]) -> Subject | None:
    flights = reading.take(FLIGHT_NOUNS, "flights")
    if flights or "last_flights" in found or "flight_ids" in found:
        states = [s.value for s in FlightState if reading.take(s.value, f"state {s.value}")]
        for noun in (DRONE_NOUNS, ASSET_NOUNS):
            reading.take(noun)
        found |= _given("states", tuple(states))
        return Subject.FLIGHTS
    if reading.take(DRONE_NOUNS, "drones") or "drone_ids" in found:
        if match := reading.take(r"online|connected|offline|disconnected", "presence"):
            found["online"] = match[0] in {"online", "connected"}
        while reading.take(_DRONE_DETAILS):
            pass
        return Subject.DRONES
    if reading.take(ASSET_NOUNS, "assets") or "asset_ids" in found:
        reading.take(r"last inspected|inspected|when")
        return Subject.ASSETS
    return None


def _ticket_numbers(reading: Reading) -> dict[str, Any]:
    found = []
    while match := reading.take(r"\d{5,12}", "a ticket number"):
        found.append(match[0])
    return _given("ticket_numbers", tuple(found))


def _counts(found: dict[str, Any]) -> bool:
    return bool(found.get("count") or isinstance(found.get("group_by"), GroupBy))


def _quoted(words: list[str]) -> str:
    return ", ".join(f"“{word}”" for word in words[:6])


def _refuse(question: str, known: Names, reason: str, words: tuple[str, ...] = ()) -> Refusal:
    return Refusal(question=question, reason=reason, not_understood=words, questions=nearest(question, known))
