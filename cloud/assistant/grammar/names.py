"""The names people give things: assets and drones of the database, found in a question."""

from __future__ import annotations

import re
from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from cloud.assistant.evidence import plain
from cloud.assistant.grammar.reading import Reading
from cloud.assistant.words import ASSET_NOUNS, SITE_NOUNS, STOP_WORDS
from cloud.tables import Asset, Drone, Site

MAX_NAMES = 5000


class Names(NamedTuple):
    """(id, name) of what the asker may see."""

    assets: tuple[tuple[str, str], ...]
    drones: tuple[tuple[str, str], ...]
    sites: tuple[tuple[str, str], ...] = ()


def load(session: Session) -> Names:
    """Return the names of all assets, drones and sites that the session may see."""
    assets = session.execute(select(Asset.asset_id, Asset.name).order_by(Asset.name).limit(MAX_NAMES))
    drones = session.execute(select(Drone.drone_id, Drone.name).order_by(Drone.name).limit(MAX_NAMES))
    sites = session.execute(select(Site.site_id, Site.name).order_by(Site.name).limit(MAX_NAMES))
    return Names(*(tuple((i, n) for i, n in found) for found in (assets, drones, sites)))


def take(reading: Reading, things: tuple[tuple[str, str], ...]) -> tuple[str, ...]:
    """Take every name or id a question mentions, the longest first; return the ids as they stand in the question.

    A name made of nothing but words the assistant passes over ("The Wind") must be quoted to count.
    """
    spoken: list[tuple[str, str, str]] = []
    for thing_id, name in things:
        spoken += [(form, thing_id, name) for form, must in _forms(thing_id, name).items() if must in reading.text]
    found: list[tuple[int, str]] = []
    for form, thing_id, name in sorted(spoken, key=lambda s: -len(s[0])):
        while (match := reading.peek(form)) is not None:
            reading.blank(match.start(), match.end())
            reading.note(match[0], f"{plain(name)} ({thing_id})")
            found.append((match.start(), thing_id))
    return tuple(dict.fromkeys(thing_id for _, thing_id in sorted(found)))


def take_sites(reading: Reading, sites: tuple[tuple[str, str], ...]) -> tuple[str, ...]:
    """Take the names of sites, with the noun that often stands beside one: "site North", "the North wind farm"."""
    named = take(reading, sites)
    if named:
        reading.take(rf"(?:{SITE_NOUNS})(?= *\x00)|(?<=\x00) (?:{SITE_NOUNS})")
    return named


def take_numbered(reading: Reading, assets: tuple[tuple[str, str], ...]) -> tuple[str, ...]:
    """Take "turbine 3" where exactly one asset's name ends in that number."""
    found: list[str] = []
    while (match := reading.peek(rf"{ASSET_NOUNS} (?:number |no )?(?P<number>\d+)")) is not None:
        owners = [(i, n) for i, n in assets if _ending(n) == int(match["number"])]
        if len(owners) != 1:
            return tuple(found)
        reading.blank(match.start(), match.end())
        reading.note(match[0], f"{plain(owners[0][1])} ({owners[0][0]})")
        found.append(owners[0][0])
    return tuple(found)


def _forms(thing_id: str, name: str) -> dict[str, str]:
    """Return how a thing may be said, as patterns, each with letters that must be in the question for it to match."""
    forms = {re.escape(thing_id): thing_id}
    text = Reading(name).text
    if not text:
        return forms
    if all(word in STOP_WORDS for word in text.split()):
        return forms | {rf'"{re.escape(text)}"': text}
    forms[re.escape(text)] = text
    lettered = re.fullmatch(r"([a-z]+)[ -]?0*(\d+)", text)
    if lettered:
        forms[rf"{lettered[1]}[ -]?0*{lettered[2]}"] = lettered[1]
    return forms


def _ending(name: str) -> int | None:
    number = re.search(r"(\d+)\s*$", name)
    return int(number[1]) if number else None
