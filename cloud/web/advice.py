"""What a person on a page can do about a problem: an error's own hint is for programs and names addresses and commands.

The hint's sentences are kept where a person can follow them. One that names an address of the API becomes the page that
shows the same things; one that names a command, a setting or a file becomes the word to who runs the platform.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from cloud.language import SOURCE, _, message, spoken
from cloud.web.sentences import translated

_ADDRESS = re.compile(r"/v1/([a-z-]+)")
_OPERATED = re.compile(r"`kestrel[^`]*`|\b(?:CLOUD|KESTREL)_[A-Z_]+|\bcloud/\S+")
_SENTENCE = re.compile(r"(?<=[.;])\s+")
_QUOTED = re.compile(r"`([^`]*)`")
_FIELD = re.compile(r"\b(?:params\.)?[a-z]+(?:_[a-z]+)+\b")
_UNIT = re.compile(r"_(?:m|mm|px|s|deg|mps)$")
_TELL = message("If it stays so, tell who runs this platform.")


class Way(NamedTuple):
    """A page that helps, and how its link is called."""

    href: str
    label: str


class Advice(NamedTuple):
    """What to do, in words; and where, when a page helps."""

    text: str
    way: Way | None = None


_FLIGHTS = Way("/", message("To the flights"))
_ASSETS = Way("/assets", message("To the assets"))
_WAITING = Way("/waiting", message("To what waits"))
_CALENDAR = Way("/tickets?view=calendar", message("To the calendar"))
WAYS = {
    "alerts": _WAITING,
    "assets": _ASSETS,
    "blind-audits": Way("/blind-audits", message("To the blind audits")),
    "candidates": _WAITING,
    "captures": _FLIGHTS,
    "decisions": _WAITING,
    "defects": _ASSETS,
    "detectors": Way("/settings/detectors", message("To the detectors")),
    "drones": Way("/fleet", message("To the fleet")),
    "due-rules": _CALENDAR,
    "findings": Way("/review?all=true", message("To the findings")),
    "flights": _FLIGHTS,
    "keys": Way("/settings/keys", message("To the API keys")),
    "media": _FLIGHTS,
    "plans": Way("/plan", message("To the planner")),
    "policies": Way("/settings/policies", message("To the policies")),
    "repairs": Way("/tickets/repairs", message("To the repairs")),
    "schedules": _CALENDAR,
    "security": Way("/settings/security", message("To the security events")),
    "sites": _ASSETS,
    "webhooks": Way("/settings/webhooks", message("To the webhooks")),
    "workflow-runs": _WAITING,
}
"""The page that shows what an address of the API lists, by the address's first part."""


def advice(hint: str | None) -> Advice:
    """Return what a person can do by a hint, in the reader's language where that is known."""
    said, way = [], None
    for sentence in steps((hint or "").strip()):
        if address := _ADDRESS.search(sentence):
            way = way or WAYS.get(address[1], _FLIGHTS)
        elif _OPERATED.search(sentence):
            said.append(_(_TELL))
        else:
            said.append(translated(sentence) or _followed(sentence))
    return Advice(" ".join(said), way)


def steps(hint: str) -> list[str]:
    """Return a hint's sentences; whole where each of them is for a person."""
    if not _for_programs(hint):
        return [hint]
    return [s if _for_programs(s) else s.rstrip(".;") + "." for s in _SENTENCE.split(hint)]


def _for_programs(sentence: str) -> bool:
    return bool(_ADDRESS.search(sentence) or _OPERATED.search(sentence))


def for_people(hint: str) -> list[str]:
    """Return the sentences of a hint that a page shows."""
    return [sentence for sentence in steps(hint.strip()) if not _for_programs(sentence)]


class Told(NamedTuple):
    """What happened, as a page says it."""

    text: str
    original: str = ""
    """The API's own words, where the text is a translation."""
    foreign: bool = False
    """It is English on a page that is not."""


def told(text: str | None) -> Told:
    """Return what the API says of a problem in the reader's language."""
    english = plain(text or "")
    if english and (said := translated(text or "")):
        return Told(said, english)
    return Told(english, foreign=bool(english) and spoken() != SOURCE)


def plain(text: str) -> str:
    """Return a sentence without the marks of code, names in them as words: `` `expires_at` `` is expires at."""
    return _QUOTED.sub(lambda quoted: quoted[1].replace("_", " "), text)


def _followed(sentence: str) -> str:
    return _FIELD.sub(_named, plain(sentence))


def _named(field: re.Match[str]) -> str:
    """Return a field's name as people say it: the standoff for ``params.standoff_m``."""
    return _UNIT.sub("", field[0].removeprefix("params.")).replace("_", " ")
