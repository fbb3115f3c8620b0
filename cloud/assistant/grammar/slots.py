"""Rules that read one kind of condition each from a question."""

from __future__ import annotations

import re
from typing import Any

from cloud.assistant.grammar.reading import Reading
from cloud.assistant.tools.parameters import GroupBy, Order
from cloud.assistant.words import (
    ASSET_NOUNS,
    DEFECT_NOUNS,
    FLIGHT_NOUNS,
    KIND_PATTERNS,
    NUMBER_WORDS,
    SEVERITY_PATTERNS,
    SIDE_PATTERNS,
    SITE_NOUNS,
    kind_label,
    side_label,
)
from contracts.vocabulary import Blade, FindingStatus

NUMBER = r"(?:\d{1,3}|" + "|".join(NUMBER_WORDS) + ")"
_ORDERS = (
    (
        Order.SEVERITY,
        r"most (?:critical|severe|serious|urgent|important|dangerous)|worst|highest (?:severity|priority)",
    ),
    (Order.SIZE, r"largest|biggest|longest|widest|(?:sorted |ordered |ranked )?by (?:size|length)"),
    (Order.NEWEST, r"newest|latest|most recent|recent|last"),
    (Order.OLDEST, r"oldest|earliest|first"),
    (Order.CONFIDENCE, r"most (?:certain|confident)|highest confidence"),
)
_GROUPS = (
    (GroupBy.COMPONENT, r"components?|parts?|blades? and sides?|blade sides?"),
    (GroupBy.SITE, SITE_NOUNS),
    (GroupBy.ASSET, ASSET_NOUNS),
    (GroupBy.BLADE, r"blades?"),
    (GroupBy.SIDE, r"sides?|edges?"),
    (GroupBy.KIND, rf"(?:defect |finding |damage )?(?:kinds?|types?|class(?:es)?)(?: of {DEFECT_NOUNS})?"),
    (GroupBy.SEVERITY, r"(?:severit(?:y|ies)|grades?|severity (?:levels?|grades?)|categor(?:y|ies))(?! \d)"),
    (GroupBy.STATUS, r"status(?:es)?"),
    (GroupBy.FLIGHT, FLIGHT_NOUNS),
    (GroupBy.DAY, r"days?|dates?"),
    (GroupBy.WEEK, r"weeks?"),
    (GroupBy.MONTH, r"months?"),
)
_CALENDAR_WORDS = ((GroupBy.DAY, "daily"), (GroupBy.WEEK, "weekly"), (GroupBy.MONTH, "monthly"))
_STATUSES = (
    (FindingStatus.OPEN, r"open|unresolved"),
    (FindingStatus.CONFIRMED, r"confirmed|accepted"),
    (FindingStatus.REJECTED, r"rejected|dismissed|false positives?"),
    (FindingStatus.REPAIRED, r"repaired|fixed|mended"),
)
_UNREVIEWED = (
    r"(?:has |have )?(?:nobody|no one|none) (?:has |have )?(?:yet )?(?:reviewed|checked)(?: yet)?|never reviewed"
    r"|(?:not (?:yet )?(?:been )?|un)(?:reviewed|checked)|(?:awaiting|pending) review|to (?:be )?review(?:ed)?"
)
_TICKET = r"(?:sap )?(?:tickets?|notifications?|work orders?)"
_NO_TICKET = (
    rf"(?:without|with no|(?:have|has|had) (?:no|not got a)|lack(?:s|ing)?|missing|(?:still )?needs?"
    rf"|await(?:s|ing)?) (?:a |an |any )?{_TICKET}"
    rf"|(?:do not|don't|does not|doesn't) (?:yet )?have (?:a |any )?{_TICKET}"
    rf"|no {_TICKET}|unticketed|not (?:yet )?ticketed"
)
_ASKED = r"(?:which|what|how many|list (?:the |all )?|show (?:me )?(?:the |all )?)"
_LONGER = r"longer|larger|bigger|wider|greater"
_SHORTER = r"shorter|smaller|narrower|tinier"
_NO_ROOT = r"(?! (?:away |out |up )?(?:from|of|to) )"
_EXCEEDS = (
    r"(?:that |which )?(?:exceed(?:s|ing)?|over|above|of (?:more than|at least|over)|(?:more than|at least|upwards of)"
    r"|measur(?:e|es|ing) (?:more than|at least|over))"
)
_UNDERCUTS = (
    r"(?:that |which )?(?:under|below|of (?:less than|at most|under)|less than|at most"
    r"|measur(?:e|es|ing) (?:less than|under))"
)
_METRES = r"(\d+(?:\.\d+)?) ?(?:m|metres?|meters?)"
_ROOT = r"(?: (?:away )?(?:of|from|to|out from) (?:the )?(?:blade )?root| out| along the blade)"


def number(words: str) -> int:
    """Return the value of digits or a number word."""
    return int(words) if words.isdigit() else NUMBER_WORDS[words]


def finding_numbers(reading: Reading) -> tuple[int, ...]:
    """Take F-142, "finding 142"."""
    found: list[int] = []
    while match := reading.take(
        r"(?:finding |defect )?(?:number |no )?f[- ]?(\d{1,9})|(?:finding|defect) (?:number |no )?(\d{1,9})"
    ):
        found.append(int(match[1] or match[2]))
        reading.note(match[0], f"finding F-{found[-1]}")
    return tuple(found)


def _each(reading: Reading, patterns: Any, label: Any) -> tuple[Any, ...]:
    found: list[Any] = []
    for value, pattern in patterns:
        while reading.take(pattern, label(value)):
            if value not in found:
                found.append(value)
    return tuple(found)


def kinds(reading: Reading) -> dict[str, Any]:
    """Take defect kinds, and kinds excluded by "except", "other than", "not"."""
    excluded: list[Any] = []
    for value, pattern in KIND_PATTERNS:
        negation = r"(?:except(?: for)?|excluding|other than|apart from|besides|without|that are not|which are not|not)"
        if reading.take(rf"{negation} (?:any )?(?:{pattern})", f"not {kind_label(value)}"):
            excluded.append(value)
    return _given(kinds=_each(reading, KIND_PATTERNS, kind_label), without_kinds=tuple(excluded))


def places(reading: Reading) -> dict[str, Any]:
    """Take blades, sides and distances from the root."""
    found: dict[str, Any] = {}
    between = reading.take(
        rf"(?:between|from) (\d+(?:\.\d+)?)(?: ?m| metres| meters)? (?:and|to|-) {_METRES}{_ROOT}?", "m from the root"
    )
    if between:
        found |= {"min_distance_m": float(between[1]), "max_distance_m": float(between[2])}
    beyond = reading.take(
        rf"(?:beyond|past|outside) {_METRES}{_ROOT}?"
        rf"|(?:more|further|farther|over|greater|at least)(?: (?:out|away|along))?(?: than)? {_METRES}{_ROOT}",
        "m from the root",
    )
    if beyond:
        found["min_distance_m"] = float(beyond[1] or beyond[2])
    inside = reading.take(
        rf"(?:within|less than|closer than|nearer than|inside|under|up to|at most) {_METRES}{_ROOT}"
        rf"|(?:the )?(?:first|inner|inboard) {_METRES}",
        "m from the root",
    )
    if inside:
        found["max_distance_m"] = float(inside[1] or inside[2])
    blades: list[Blade] = []
    while named := reading.take(r"blades? (?P<all>[abc](?:(?: and | or | |/)[abc](?![\w-]))*)"):
        for letter in re.findall(r"(?<!\w)[abc](?!\w)", named["all"]):
            blades.append(Blade(letter.upper()))
            reading.note(named[0], f"blade {letter.upper()}")
    return found | _given(blades=tuple(dict.fromkeys(blades)), sides=_each(reading, SIDE_PATTERNS, side_label))


def sizes(reading: Reading) -> dict[str, Any]:
    """Take "longer than 10 cm"."""
    found: dict[str, Any] = {}
    size = r"(?P<size>\d+(?:\.\d+)?) ?(?P<unit>mm|cm|m|millimet(?:re|er)s?|centimet(?:re|er)s?|met(?:re|er)s?)"
    stated = reading.take(r"(?:have|has|having|with|of) (?:a |the )?(?:size|length|extent|width)(?: of)?(?= )")
    wide = stated is not None and "width" in stated[0]
    between = r"(?:between|from) (?P<low>\d+(?:\.\d+)?)(?: ?[cm]m)? (?:and|to) (?P<size>\d+(?:\.\d+)?) ?(?P<unit>mm|cm)"
    if match := reading.take(between):
        factor = _millimetres(match["unit"])
        found |= {"min_length_mm": float(match["low"]) * factor, "max_length_mm": float(match["size"]) * factor}
        reading.note(match[0], "size")
    for field, words in (
        ("min_length_mm", rf"(?:{_LONGER}) than {size}{_NO_ROOT}|{_EXCEEDS} {size}{_NO_ROOT}"),
        ("max_length_mm", rf"(?:{_SHORTER}) than {size}{_NO_ROOT}|{_UNDERCUTS} {size}{_NO_ROOT}"),
    ):
        match = reading.take(words.replace("<size>", "<asize>", 1).replace("<unit>", "<aunit>", 1), "size")
        if match:
            unit, figure = match["aunit"] or match["unit"], match["asize"] or match["size"]
            found[field] = float(figure) * _millimetres(unit)
            wide = wide or match[0].startswith(("wider", "narrower"))
    if found and (after := reading.take(r"in (?:size|length|extent|width)|long|wide")):
        wide = wide or after[0] in {"in width", "wide"}
    return {name.replace("length", "width") if wide else name: bound for name, bound in found.items()}


def _millimetres(unit: str) -> int:
    return {"mi": 1, "mm": 1, "ce": 10, "cm": 10, "me": 1000, "m": 1000}[unit[:2]]


def severity(reading: Reading) -> dict[str, Any]:
    """Take severities by number or by word; a number outside 1 to 5 is left, and so not understood."""
    noun = r"(?:severity|category|cat|grade|level|rank|sev)(?: rank| grade| level)?"
    up, down = r"(?:or|and) (?:higher|above|worse|more|over|up)", r"(?:or|and) (?:lower|below|less|under)"
    rules: tuple[tuple[str, Any], ...] = (
        (
            rf"{noun} (?P<n>[1-5]) {up}|{noun} (?:of )?at least (?P<m>[1-5])|at least {noun} (?P<o>[1-5])",
            lambda n: (n, 5),
        ),
        (rf"{noun} (?P<n>[1-5]) {down}|{noun} at most (?P<m>[1-5])|at most {noun} (?P<o>[1-5])", lambda n: (1, n)),
        (
            rf"{noun} (?:above|over|greater than|higher than|worse than) (?P<n>[1-4])(?P<m>)(?P<o>)",
            lambda n: (n + 1, 5),
        ),
        (rf"{noun} (?:below|under|less than|lower than) (?P<n>[2-5])(?P<m>)(?P<o>)", lambda n: (1, n - 1)),
        (rf"{noun} (?P<n>[1-5])(?P<m>)(?P<o>)", lambda n: (n, n)),
    )
    for pattern, bounds in rules:
        if match := reading.take(pattern):
            low, high = bounds(int(match["n"] or match["m"] or match["o"]))
            reading.note(match[0], f"severity rank {low} to {high}")
            return {"min_rank": low, "max_rank": high}
    for (low, high), pattern in SEVERITY_PATTERNS:
        if reading.take(pattern, f"severity rank {low} to {high}"):
            return {"min_rank": low, "max_rank": high}
    return {}


def review(reading: Reading) -> dict[str, Any]:
    """Take the state of review, and whether a ticket exists."""
    found: dict[str, Any] = {}
    if reading.take(_UNREVIEWED, "not reviewed"):
        found["reviewed"] = False
    elif reading.take(r"reviewed", "reviewed"):
        found["reviewed"] = True
    unrepaired = reading.take(r"unrepaired|(?:awaiting|pending) repair", "open or confirmed")
    statuses = (FindingStatus.OPEN, FindingStatus.CONFIRMED) if unrepaired else ()
    statuses += _each(reading, _STATUSES, lambda s: f"status {s.value}")
    if reading.take(_NO_TICKET, "without a ticket"):
        found["has_ticket"] = False
    elif reading.take(rf"(?:with|have|has|had|got) (?:a |an |any )?{_TICKET}|ticketed", "with a ticket"):
        found["has_ticket"] = True
    return found | _given(statuses=statuses)


def order(reading: Reading) -> dict[str, Any]:
    """Take superlatives and how many: "top 5", "the three largest", "worst"."""
    for value, pattern in _ORDERS:
        match = reading.take(
            rf"(?:top )?(?:(?P<before>{NUMBER}) )?(?:of the )?(?:{pattern})(?: (?P<after>{NUMBER})(?! ?[cm]?m\b))?",
            f"ordered by {value.value}",
        )
        if match:
            counted = match["before"] or match["after"] or _count_apart(reading)
            one = reading.take(r"(?:is|was) the(?= *\x00)") is not None or _singular(reading)
            if value is Order.SIZE:
                reading.take(r"by (?:size|length)|in (?:size|length)")
            return {"order": value, "limit": number(counted) if counted else (1 if one else 5)}
    if match := reading.take(rf"top(?: (?P<n>{NUMBER}))?", "the most severe first"):
        return {"order": Order.SEVERITY, "limit": number(match["n"]) if match["n"] else 5}
    return {}


def _count_apart(reading: Reading) -> str:
    """Take a number that stands apart from its superlative: "which 3 cracks are the worst", "most recent: top 3"."""
    asked = "|".join(rf"(?<={word} )" for word in ("which", "what", "the", "me", "show", "list", "name", "give"))
    apart = reading.take(
        rf"(?:^|{asked})(?P<n>{NUMBER})(?=[\x00 ]*(?:{DEFECT_NOUNS})|[ ]*\x00)|top (?P<top>{NUMBER})", "how many"
    )
    return (apart["n"] or apart["top"]) if apart else ""


def _singular(reading: Reading) -> bool:
    """Return whether one thing is asked for: "the worst defect", "the largest crack"."""
    noun = reading.peek(DEFECT_NOUNS)
    if noun is not None:
        return not noun[0].endswith("s")
    return any(re.fullmatch(r"(?:.* )?(?:crack|burn|delamination|fissure)", u.words) for u in reading.understood)


def group(reading: Reading, *, of_findings: bool) -> dict[str, Any]:
    """Take what findings are counted by."""
    trend = reading.take(r"(?:trends?|over time|development|evolution)(?: of)?", "a trend") is not None
    for value, word in _CALENDAR_WORDS:
        if reading.take(rf"{word}|(?:by|per|for each|each|every|a) {value.value}", f"per {value.value}"):
            return {"group_by": value}
    if trend:
        return {"group_by": GroupBy.WEEK}
    if match := reading.take(
        rf"most (?:common|frequent|usual)(?: (?:kinds?|types?)(?: of)?)?(?: {DEFECT_NOUNS})?", "by kind, most first"
    ):
        return {"group_by": GroupBy.KIND, "limit": 5 if match[0].endswith("s") else 1}
    reading.take(r"how (?:are|is|were|was)(?=.*distribut)")
    reading.take(r"distribut(?:ed|ion)(?: of)?|break ?down(?: of)?|broken down|histogram(?: of)?|grouped|split(?: up)?")
    lead = (
        r"(?:by|per|for each|for every|grouped by|broken down by|split by|in each|on each|each|every|across(?: all)?)"
    )
    for value, pattern in _GROUPS:
        if reading.take(rf"{lead} (?:{pattern})", f"by {value.value}"):
            return {"group_by": value}
    return _asked_group(reading) if of_findings else {}


def _asked_group(reading: Reading) -> dict[str, Any]:
    """Take "which turbines", "what kinds", "how many blades"; "most" keeps the largest group only."""
    for value, pattern in _GROUPS:
        match = reading.take(rf"{_ASKED} ?(?:{pattern})(?: (?:has|have|had|of|with))?", f"by {value.value}")
        if match is None:
            continue
        most = reading.take(rf"(?:the )?most(?! \w+ {DEFECT_NOUNS})|most affected", "the largest count") is not None
        one = most and not re.sub(r" (?:has|have|had|of|with)$", "", match[0]).endswith("s")
        return {"group_by": value} | ({"limit": 1 if one else 5} if most else {})
    return {}


def _given(**slots: tuple[Any, ...]) -> dict[str, Any]:
    return {name: values for name, values in slots.items() if values}
