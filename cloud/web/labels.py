"""The field's words in the reader's language: kinds, grades, sides, states; dates with months by name."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from functools import cache
from typing import Any

from babel.dates import get_month_names

from cloud import places, stretches
from cloud.assistant.words import kind_label, severity_label, side_label
from cloud.health_components import name_of
from cloud.language import SOURCE, _, spoken
from cloud.reporting.surfaces import face
from cloud.stretches import Stretch
from cloud.tables import Finding
from contracts.places import ChainagePlace, LineTowerPlace, SpanPlace, TowerPlace, hour_of
from contracts.shapes import AnyShape
from contracts.tower import TelecomTower
from contracts.turbine import TurbineGeometry
from contracts.vocabulary import Blade


def kind(value: str) -> str:
    """Return a kind of defect as a heading has it: ``Crack``."""
    return _(first_up(kind_label(value)))


def severity(rank: int) -> str:
    """Return a severity as a heading has it: ``Critical``."""
    return _(first_up(severity_label(rank)))


def side(value: str) -> str:
    """Return a side of a blade: ``leading edge``."""
    return _(side_label(value))


def part_place(finding: Finding) -> str:
    """Return where a finding lies on what is no blade: ``Tower, north face, 42.3 m up``."""
    match places.part_place(finding):
        case TowerPlace() as place:
            return _("Tower, {0}, {1:.1f} m up", face(place.face_bearing_deg), place.height_m)
        case SpanPlace() as place:
            towers = place.from_tower, place.to_tower
            return _("Span {0}–{1}, {2:.1f} m from tower {0}", *towers, place.distance_m)
        case LineTowerPlace() as place:
            return _("Tower {0}, {1:.1f} m up", place.tower_name, place.height_m)
        case ChainagePlace() as place:
            return _on_pipe(place)
        case None:
            return _("Place not known")


def _on_pipe(place: ChainagePlace) -> str:
    if place.clock_h is not None:
        return _("Pipe, chainage {0:.1f} m, {1} o'clock", place.chainage_m, hour_of(place.clock_h))
    if place.offset_m > 0:
        return _("Pipe, chainage {0:.1f} m, {1:.1f} m to the left", place.chainage_m, place.offset_m)
    return _("Pipe, chainage {0:.1f} m, {1:.1f} m to the right", place.chainage_m, -place.offset_m)


def short_place(finding: Finding) -> str:
    """Return the same in the few letters that a list has room for, the figure last: ``M12–M13 84.2 m``."""
    match places.part_place(finding):
        case TowerPlace() as place:
            return f"{first_up(face(place.face_bearing_deg))} {place.height_m:.1f} m"
        case SpanPlace() as place:
            return f"{place.from_tower}–{place.to_tower} {place.distance_m:.1f} m"
        case LineTowerPlace() as place:
            return f"{_('Tower {0}', place.tower_name)} {place.height_m:.1f} m"
        case ChainagePlace() as place:
            return f"{place.chainage_m:.1f} m"
        case None:
            return _("Place not known")


def component(key: str, shape: AnyShape | None) -> str:
    """Return a component's name on a page: ``Blade A``, ``Span M2–M3``, ``North face``, ``km 1.000 to 2.000``."""
    kind, _dash, number = key.rpartition("-")
    match shape:
        case TelecomTower() if kind == "face":
            return first_up(face(shape.face_bearing_of(int(number))))
        case TurbineGeometry():
            return _("Tower") if key == "tower" else _("Blade {0}", key) if key in tuple(Blade) else _("Elsewhere")
    if key == "whole":
        return _("Elsewhere")
    name = name_of(key, shape)
    what, _space, which = name.partition(" ")
    match what:
        case "tower":
            return _("Tower {0}", which)
        case "span":
            return _("Span {0}", which)
    return name.replace(" to ", "–")


def stretch(flown: Stretch, pattern: str, shape: AnyShape | None) -> str:
    """Return which stretch of its asset a flight is for: ``spans M2–M3 to M5–M6``."""
    if flown.sides:
        return _("blade sides {0}", ", ".join(flown.sides))
    if flown.along_m is not None:
        return _("chainage {0:.0f} to {1:.0f} m", *flown.along_m)
    one, last = stretches.spans(flown, pattern, shape)
    if one:
        return _("span {0}", one) if one == last else _("spans {0} to {1}", one, last)
    one, last = stretches.towers(flown, pattern, shape)
    if one:
        return _("tower {0}", one) if one == last else _("towers {0} to {1}", one, last)
    counted = flown.first + 1, flown.last + 1, flown.of
    return {
        "span": _("spans {0} to {1} of {2}", *counted),
        "tower": _("towers {0} to {1} of {2}", *counted),
        "ring": _("rings {0} to {1} of {2}", *counted),
        "line": _("lines {0} to {1} of {2}", *counted),
        "strip": _("strips {0} to {1} of {2}", *counted),
    }[stretches.section(pattern)]


def words(value: object) -> str:
    """Return a state or another name of the code in words: ``On route``."""
    return _(first_up(str(value).replace("_", " ")))


def inline(label: str) -> str:
    """Return a label as it stands within a sentence: German keeps its capitals."""
    return label.lower() if spoken() == SOURCE else label


def finding(number: int, kind_: str, rank: int) -> str:
    """Return a finding in a few words: ``F-12 crack, critical``."""
    return f"F-{number} {inline(kind(kind_))}, {inline(severity(rank))}"


def points_off(part: Mapping[str, Any]) -> str:
    """Return why a component lost points: ``crack of rank 4, growing``."""
    defect = part.get("defect")
    if defect is None:
        return str(part["why"])  # of a day that was kept before the reason was data
    said = inline(kind(defect["kind"])), defect["rank"]
    return _("{0} of rank {1}, growing", *said) if defect["growing"] else _("{0} of rank {1}", *said)


def dated(at: date, style: str) -> str:
    """Return a date by strftime's ``style``, its month in the reader's language."""
    for sign, width in (("%b", "abbreviated"), ("%B", "wide")):
        if sign in style:
            style = style.replace(sign, _months(width, spoken())[at.month])
    return at.strftime(style)


@cache
def _months(width: str, language: str) -> dict[int, str]:
    return dict(get_month_names(width, "stand-alone", language))  # type: ignore[arg-type]


def first_up(text: str) -> str:
    """Return a text with its first letter as it begins a sentence."""
    return text[:1].upper() + text[1:]
