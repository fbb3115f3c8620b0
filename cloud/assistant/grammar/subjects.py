"""What a question is about, once its conditions are read."""

from __future__ import annotations

from typing import Any

from cloud.assistant.grammar.reading import Reading
from cloud.assistant.plans import Subject
from cloud.assistant.tools.parameters import (
    CountQuery,
    FindingFilter,
    FindingsQuery,
    GroupBy,
    MeasureQuery,
    Order,
    TelemetryQuery,
)
from cloud.assistant.words import ASSET_NOUNS, DEFECT_NOUNS, DRONE_NOUNS, FLIGHT_NOUNS, SITE_NOUNS, TICKET_NOUNS
from contracts.vocabulary import FindingStatus, FlightState

OF_FINDINGS = frozenset({Subject.FINDINGS, Subject.FINDING, Subject.COUNT, Subject.MEASURE})
NOT_SEEN = (
    r"(?:not|never|didn't|wasn't|weren't|haven't|hasn't|failed? to)"
    r"(?: (?:we|you|it|yet|been|the drones?|get|fully|ever))*"
    r" (?:seen?|inspect(?:ed)?|cover(?:ed)?|imaged?|photographed|look(?:ed)? at|visible|film(?:ed)?)"
    r"|un(?:seen|inspected|covered)|miss(?:ed)?|blind spots?|gaps?|coverage"
    r"|(?:how (?:much|many metres)|percentage)(?: of)?"
)
_ONLY_FINDINGS_HAVE = frozenset(
    {"kinds", "without_kinds", "min_rank", "statuses", "reviewed", "has_ticket", "min_length_mm", "max_length_mm",
     "min_width_mm", "max_width_mm",
     "group_by", "measure"}
)  # fmt: skip
_FOUND = r"(?<=\S )(?:found|find|detect(?:ed)?|discover(?:ed)?|spot(?:ted)?)"
_DRONE_DETAILS = r"battery(?: levels?| charge| state)?|altitude|charge|state|doing|how high"


_FRAMES = r"(?:video )?(?:frames?|pictures?|photos?|images?|evidence|footage)(?: (?:of|for|show|showing|behind))?"
_POLICY = (
    r"(?:severity )?polic(?:y|ies)|thresholds?|what (?:does|do) (?=.*mean)|meaning of"
    r"|(?:from|at|above) (?:which|what) (?:size|length)|how (?:large|long|big) must|what must be done|how soon"
    r"|(?:which|what) (?:action|reaction)s?|reactions?"
)
FILTERS = {*FindingFilter.model_fields}
ALLOWED = {
    Subject.FINDINGS: {*FindingsQuery.model_fields, "last_flights"},
    Subject.FINDING: {*FindingsQuery.model_fields, "last_flights"},
    Subject.COUNT: {*CountQuery.model_fields, "last_flights", "count"},
    Subject.MEASURE: {*MeasureQuery.model_fields, "last_flights"},
    Subject.COMPARE: {*FILTERS, "count", "group_by"},
    Subject.COVERAGE: {"site_ids", "asset_ids", "blades", "sides", "period", "last_flights", "flight_ids"},
    Subject.TICKETS: {"site_ids", "asset_ids", "numbers", "period", "ticket_numbers", "limit", "order", "count",
                      "has_number", "open"},
    Subject.FLIGHTS: {"site_ids", "asset_ids", "drone_ids", "period", "last_flights", "flight_ids", "states", "count",
                      "limit", "order"},
    Subject.TELEMETRY: {*TelemetryQuery.model_fields, "telemetry", "last_flights"},
    Subject.ASSETS: {"site_ids", "asset_ids", "count", "visited"},
    Subject.SITES: {"site_ids", "count"},
    Subject.DRONES: {"site_ids", "drone_ids", "online", "count"},
    Subject.POLICY: {"kinds", "ranks"},
    Subject.FRAMES: {"numbers", "limit"},
    Subject.REPORT: {"site_ids", "asset_ids", "period"},
}  # fmt: skip
"""Which conditions a question about something may have; any other one makes it a refusal."""


def keeps(before: Subject, now: Subject | None) -> bool:
    """Return whether a follow-up stays with the subject before: it names none, or a list of what was counted."""
    return now is None or now is before or {before, now} <= OF_FINDINGS or now in {Subject.ASSETS, Subject.SITES}


def _asks_policy(reading: Reading, found: dict[str, Any]) -> bool:
    """Take a question about the policy itself: it has a rank or a kind, and nothing that only findings have."""
    if set(found) - {"kinds", "min_rank", "max_rank"} or not reading.peek(_POLICY):
        return False
    while reading.take(_POLICY, "the severity policy"):
        pass
    _pass_over(
        reading, r"means?", r"required|apply|applies|repaired|becomes?|count as|for|ask(?:s|ed)? for", DEFECT_NOUNS
    )
    if "min_rank" in found or "max_rank" in found:
        found["ranks"] = tuple(range(found.pop("min_rank", 1), found.pop("max_rank", 5) + 1))
    return True


def _special(reading: Reading, found: dict[str, Any]) -> Subject | None:
    """Take telemetry, frames and the policy, which have words of their own."""
    if "telemetry" in found:
        _pass_over(reading, FLIGHT_NOUNS, DRONE_NOUNS)
        return Subject.TELEMETRY
    if found.pop("report", False):
        _pass_over(reading, DEFECT_NOUNS, FLIGHT_NOUNS, ASSET_NOUNS, SITE_NOUNS)
        return Subject.REPORT
    if found.get("numbers") and reading.take(_FRAMES, "frames"):
        return Subject.FRAMES
    return Subject.POLICY if _asks_policy(reading, found) else None


def choose(reading: Reading, found: dict[str, Any]) -> Subject | None:
    """Take the noun a question is about; conditions that only findings have make it one about findings."""
    special = _special(reading, found)
    if special is not None:
        return special
    if reading.take(NOT_SEEN, "what was not seen"):
        _pass_over(
            reading,
            FLIGHT_NOUNS,
            ASSET_NOUNS,
            r"parts?|areas?|sections?|stretch(?:es)?|metres?",
            r"inspected|covered|imaged|looked at",
        )
        return None if found.get("count") else Subject.COVERAGE
    if reading.take(TICKET_NOUNS, "tickets"):
        return _of_tickets(reading, found)
    defects = reading.take(DEFECT_NOUNS, "findings") is not None or reading.peek(_FOUND) is not None
    if found.get("numbers"):
        _pass_over(reading, r"why|graded?(?: so)?|explain|details? of|describe")
        _pass_over(reading, r"how (?:big|large|long|wide|sure|serious|severe)|severity|size")
        return Subject.FINDING
    if defects or not _ONLY_FINDINGS_HAVE.isdisjoint(found) or found.get("order") is Order.SEVERITY:
        _pass_over(reading, FLIGHT_NOUNS, ASSET_NOUNS, DRONE_NOUNS)
        return _findings_or_count(found)
    return _thing(reading, found)


def _pass_over(reading: Reading, *nouns: str) -> None:
    for noun in nouns:
        reading.take(noun)


def _findings_or_count(found: dict[str, Any]) -> Subject:
    if "measure" in found:
        found.pop("count", None)
        return Subject.MEASURE
    return Subject.COUNT if found.get("count") or isinstance(found.get("group_by"), GroupBy) else Subject.FINDINGS


def _of_tickets(reading: Reading, found: dict[str, Any]) -> Subject:
    """Tickets with conditions that only findings have are findings with a ticket."""
    if found.get("statuses") == (FindingStatus.OPEN,) and not reading.peek(DEFECT_NOUNS):
        found["open"] = bool(found.pop("statuses"))
    _pass_over(reading, DEFECT_NOUNS, ASSET_NOUNS)
    numbers = []
    while match := reading.take(r"\d{5,12}", "a ticket number"):
        numbers.append(match[0])
    if numbers:
        found["ticket_numbers"] = tuple(numbers)
    if not (_ONLY_FINDINGS_HAVE | {"blades", "sides"}).isdisjoint(found):
        found.setdefault("has_ticket", True)
        found.setdefault("statuses", tuple(FindingStatus))  # a ticket stays one when its finding is rejected
        return _findings_or_count(found)
    if reading.take(
        r"(?:waiting|pending)(?: for (?:a|their|its) (?:ticket )?numbers?)?|without (?:a )?number", "without a number"
    ):
        found["has_number"] = False
    return Subject.TICKETS


def _thing(reading: Reading, found: dict[str, Any]) -> Subject | None:
    if "visited" in found:
        _pass_over(reading, ASSET_NOUNS)
        return Subject.ASSETS
    flights = reading.take(FLIGHT_NOUNS, "flights")
    if flights or "last_flights" in found or "flight_ids" in found:
        states = tuple(s.value for s in FlightState if reading.take(s.value, f"state {s.value}"))
        if states == (FlightState.LANDED.value,):
            states += (FlightState.COMPLETE.value,)  # a complete flight has landed, and more
        found |= {"states": states} if states else {}
        _pass_over(reading, DRONE_NOUNS, ASSET_NOUNS)
        return Subject.FLIGHTS
    if reading.take(DRONE_NOUNS, "drones") or "drone_ids" in found:
        if match := reading.take(r"online|connected|offline|disconnected", "presence"):
            found["online"] = match[0] in {"online", "connected"}
        while reading.take(_DRONE_DETAILS):
            pass
        return Subject.DRONES
    return _place(reading, found)


def _place(reading: Reading, found: dict[str, Any]) -> Subject | None:
    if reading.take(ASSET_NOUNS, "assets") or "asset_ids" in found:
        return Subject.ASSETS
    return Subject.SITES if reading.take(SITE_NOUNS, "sites") or "site_ids" in found else None
