"""What the API says of a problem, in the reader's language: it speaks English, and a page finds the sentence again.

A sentence of the code has places for values: ``The drone {0} is flying {1}.`` The catalogue holds it like every other
text of the pages (`scripts/words` reads it out of the code). What comes to a page has its values in place already, so
it is known by the pattern that it fits; its values stay, or are sentences themselves. What fits none stays English.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

from cloud.language import SOURCE, catalogue, message, spoken, stands_in

ENDS = re.compile(r"(?<=[.!?])\s+(?=[A-Z0-9{])")
_SLOT = re.compile(r"\{(\d+)\}")
_DEEPEST = 4
_LONGEST, _MOST = 400, 4000
"""Characters of a sentence and of a text. What is longer holds somebody's data rather than words, and to fit a pattern
to it could take minutes: it stays English."""
OF_FIELDS = (
    message("Field required"),
    message("Extra inputs are not permitted"),
    message("Input should be greater than {0}"),
    message("Input should be greater than or equal to {0}"),
    message("Input should be less than {0}"),
    message("Input should be less than or equal to {0}"),
    message("Input should be a finite number"),
    message("Input should be a valid number"),
    message("Input should be a valid number, unable to parse string as a number"),
    message("Input should be a valid integer"),
    message("Input should be a valid integer, unable to parse string as an integer"),
    message("Input should be a valid string"),
    message("Input should be a valid boolean, unable to interpret input"),
    message("Input should be a valid datetime or date, {0}"),
    message("Input should be {0} or {1}"),
    message("String should have at least {0} characters"),
    message("String should have at most {0} characters"),
    message("String should match pattern {0}"),
    message("Value error, {0}"),
    message("{0}: {1}."),
)
"""What pydantic says of a field that breaks a rule."""
OF_GRADES = (
    message("{0} of {1} x {2} mm (± {3} mm) reaches rank {4} from {5} mm ({6})."),
    message("{0} of {1} x {2} mm (± {3} mm) reaches rank {4} from {5} mm; {6} ({7})."),
    message("Set to rank {0} by {1}."),
    message("Set to rank {0} by {1}: {2}"),
)
"""Why a finding was graded so; what a rule of the customer's policy adds stays in the customer's words."""
OF_WATCHING = (
    message("{0} was refused a sign-in or a token {1} times in ten minutes."),
    message("{0} asked for what it may not do {1} times in ten minutes."),
    message("{0} asked for things that do not exist {1} times in ten minutes."),
    message("{0} made {1} requests in ten minutes; its busiest before were {2}."),
    message("{0} gave {1} commands to {2} drones within a minute."),
    message("{0} moved {1} km in {2} s."),
    message("Two computers speak as {0}: their samples overlap by {1} s."),
)
"""What the watch over the platform saw."""
OF_WAITING = (
    message("{0} asks a person at rank {1}."),
    message("Only {0} defects were measured twice; {1} are needed."),
)
"""Why a person is asked, and why nothing is expected of a defect yet."""
WITHIN = (
    message("raised to {0} because {1}"),
    message("seen at {0} degrees only: the size is uncertain, a person must look"),
    message("{0}; seen at {1} degrees only: the size is uncertain, a person must look"),
    message("of {0} {1}; it may lose {2}"),
    message("a blade"),
    message("blade {0}"),
    message("{0} rotor"),
    message("the tower"),
    message("the nacelle"),
    message("climb"),
    message("return"),
    message("inside every fence"),
    message("outside every no-fly zone"),
    message("leaves the fence {0}"),
    message("leaves the fence {0} and {1} more"),
    message("enters {0} and {1} more"),
    message("The leg to waypoint {0}"),
    message("The way home"),
    message("comes within {0} m of {1}, where {2} m are kept"),
    message("breaks the fence: {0}"),
    message("return at {0} m {1}"),
    message("waypoint {0}"),
    message("the GPS fix"),
    message("the position estimate"),
    message("the wind"),
    message("the voltage"),
    message("its start"),
    message("{0} m outside the fence of {1} m"),
    message("{0} m above the fence's ceiling of {1} m"),
    message("outside zone {0}, in which to stay"),
    message("inside zone {0}, to keep out of"),
    message("{0} m outside zone {1}, in which to stay"),
    message("{0} m inside zone {1}, to keep out of"),
)
"""What stands for a value in other sentences."""


class Pattern(NamedTuple):
    """A sentence as it may come, and how it is said in another language."""

    english: re.Pattern[str]
    said: str


def translated(text: str) -> str | None:
    """Return sentences of the API in the reader's language; None where one of them is not known or it is English."""
    return None if spoken() == SOURCE or len(text) > _MOST else _whole(text.strip(), spoken(), _DEEPEST)


def _whole(text: str, language: str, deep: int) -> str | None:
    told = [_sentence(piece, language, deep) for piece in ENDS.split(text)]
    known = [said for said in told if said is not None]
    return " ".join(known) if len(known) == len(told) else _sentence(text, language, deep)


def _sentence(text: str, language: str, deep: int) -> str | None:
    exact, patterns = _known(language)
    if len(text) > _LONGEST:
        return None
    if text in exact:
        return exact[text]
    for pattern in patterns:
        if found := pattern.english.fullmatch(text):
            values = [_value(value, language, deep - 1) for value in found.groups()]
            return None if deep == 0 or _only_places(pattern, values, found) else _filled(pattern.said, values)
    return None


def _only_places(pattern: Pattern, values: list[str], found: re.Match[str]) -> bool:
    """Return whether nothing was said but what came: ``{0}: {1}.`` with values that are not known."""
    return not re.search(r"[^\W\d_]{2,}", _SLOT.sub("", pattern.said)) and values == list(found.groups())


def _value(text: str, language: str, deep: int) -> str:
    if deep > 0 and (said := _whole(text, language, deep)) is not None:
        return said
    named = text.replace("_", " ")
    return catalogue(language).get(named[:1].upper() + named[1:]) or text


def _filled(said: str, values: list[str]) -> str:
    return _SLOT.sub(lambda place: values[int(place[1])], said)


@cache
def _known(language: str) -> tuple[dict[str, str], tuple[Pattern, ...]]:
    """Return the sentences without values, and the patterns of the others, those that say most first."""
    exact, patterns = {}, []
    for text, said in stands_in(language, _is_of_problems):
        if _SLOT.search(text):
            patterns.append((len(_SLOT.sub("", text)), Pattern(_pattern(text), said)))
        else:
            exact[text] = said
    return exact, tuple(pattern for _long, pattern in sorted(patterns, key=lambda p: -p[0]))


def _is_of_problems(file: str) -> bool:
    return ("/" in file and file.endswith(".py")) or file == "sentences.py"


def _pattern(text: str) -> re.Pattern[str]:
    return re.compile("".join(_parts(text)), re.DOTALL)


def _parts(text: str) -> Iterator[str]:
    """Yield a pattern's pieces; the values come in the order of their places."""
    for number, piece in enumerate(_SLOT.split(text)):
        yield "(.+?)" if number % 2 else re.escape(piece)
