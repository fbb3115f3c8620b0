"""From a question to a plan of tool calls, by grammar and gazetteer, or to an honest refusal.

Every word must be understood: a word that no rule takes and that is not plain filler makes the whole question a
refusal that names it. So an answer is never about less than what was asked.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from cloud.assistant.grammar import names, slots, subjects
from cloud.assistant.grammar.names import Names
from cloud.assistant.grammar.periods import read_period
from cloud.assistant.grammar.reading import MAX_QUESTION_CHARS, Reading
from cloud.assistant.grammar.steps import finding_steps, other_steps
from cloud.assistant.grammar.subjects import OF_FINDINGS
from cloud.assistant.grammar.suggestions import nearest
from cloud.assistant.plans import Plan, Refusal, Subject
from cloud.assistant.tools.parameters import CountQuery, FindingsQuery, Order
from cloud.assistant.words import ACTIONS, DEFECT_NOUNS, FLIGHT_NOUNS, STOP_WORDS

_VISITED = r"(?:when (?:was|were|is|has|have) )?(?:been )?last (?:been )?(?:inspected|flown|visited|seen)"
_ONLY_READ = "I only read; I cannot change anything or act."
_ASKS_TO_ACT = rf"(?:please |can you |could you |now |then )*{ACTIONS}\b(?! (?:tickets|findings|defects)\b)"
_ALLOWED = {
    Subject.FINDINGS: {*FindingsQuery.model_fields, "last_flights"},
    Subject.COUNT: {*CountQuery.model_fields, "last_flights", "count"},
    Subject.COVERAGE: {"asset_ids", "blades", "sides", "period", "last_flights", "flight_ids"},
    Subject.TICKETS: {
        "asset_ids",
        "numbers",
        "period",
        "ticket_numbers",
        "limit",
        "order",
        "count",
        "has_number",
        "open",
    },
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
    Subject.ASSETS: {"asset_ids", "count", "visited"},
    Subject.DRONES: {"drone_ids", "online", "count"},
}


def plan(question: str, known: Names, now: datetime, zone: ZoneInfo) -> Plan | Refusal:
    """Return what to look up for a question asked at ``now`` in ``zone``."""
    reading = Reading(question)
    reason = _unfit(question, reading)
    if reason:
        words = tuple(reading.text.split()[:1]) if reason == _ONLY_READ else ()
        return _refuse(question[:MAX_QUESTION_CHARS], known, reason, words)
    found = _slots(reading, known, now, zone)
    subject = subjects.choose(reading, found)
    left = reading.leftovers(STOP_WORDS)
    if left:
        return _refuse(question, known, f"I did not understand {_quoted(left)}.", tuple(left))
    if subject is None:
        return _refuse(question, known, "I did not understand what the question is about.")
    odd = sorted(set(found) - _ALLOWED.get(subject, set(found)) | _unordered(subject, found))
    if odd:
        said = ", ".join(name.replace("_", " ") for name in odd)
        return _refuse(question, known, f"I cannot combine {subject.value} with a condition on {said}.")
    steps = (finding_steps if subject in OF_FINDINGS else other_steps)(subject.value, found)
    return Plan(question=question, subject=subject, steps=steps, period=found.get("period"),
                understood=tuple(reading.understood))  # fmt: skip


def _unordered(subject: Subject, found: dict[str, Any]) -> set[str]:
    """Tickets and flights come newest first; any other order is one they do not have."""
    newest_only = subject in {Subject.TICKETS, Subject.FLIGHTS}
    return {"order"} if newest_only and found.get("order", Order.NEWEST) is not Order.NEWEST else set()


def _unfit(question: str, reading: Reading) -> str:
    """Return why a question cannot be read at all; empty when it can."""
    if not reading.text:
        return "There is no question."
    if len(question) > MAX_QUESTION_CHARS:
        return f"A question may have {MAX_QUESTION_CHARS} characters."
    return _ONLY_READ if re.match(_ASKS_TO_ACT, reading.text) else ""


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
    found |= _counting(reading)
    found |= slots.review(reading)
    about = reading.peek(DEFECT_NOUNS) is not None or not set(found).isdisjoint({"kinds", "without_kinds"})
    found |= slots.group(reading, of_findings=about and reading.peek(subjects.NOT_SEEN) is None)
    found |= {k: v for k, v in slots.order(reading).items() if k not in found}
    found |= slots.severity(reading)
    reading.take(r"how many")
    return found


def _counting(reading: Reading) -> dict[str, Any]:
    """Take "how many" but leave the words, in front, for the rule that reads "how many turbines"."""
    if reading.take(r"how many|(?:total )?number of|count(?: of)?|how often", "counted") is None:
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


def _quoted(words: list[str]) -> str:
    return ", ".join(f"“{word}”" for word in words[:6])


def _refuse(question: str, known: Names, reason: str, words: tuple[str, ...] = ()) -> Refusal:
    return Refusal(question=question, reason=reason, not_understood=words, questions=nearest(question, known))
