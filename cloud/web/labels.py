"""The field's words in the reader's language: kinds, grades, sides, states; dates with months by name."""

from __future__ import annotations

from datetime import date
from functools import cache

from babel.dates import get_month_names

from cloud import places
from cloud.assistant.words import kind_label, severity_label, side_label
from cloud.tables import Finding
from cloud.web.language import SOURCE, _, spoken
from contracts.places import POINTS, ChainagePlace, LineTowerPlace, SpanPlace, TowerPlace, compass, hour_of


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


def face(bearing_deg: float) -> str:
    """Return which face of a tower looks along a bearing: ``north face``."""
    faces = (
        *(_("north face"), _("north-east face"), _("east face"), _("south-east face")),
        *(_("south face"), _("south-west face"), _("west face"), _("north-west face")),
    )
    return faces[POINTS.index(compass(bearing_deg))]


def words(value: object) -> str:
    """Return a state or another name of the code in words: ``On route``."""
    return _(first_up(str(value).replace("_", " ")))


def inline(label: str) -> str:
    """Return a label as it stands within a sentence: German keeps its capitals."""
    return label.lower() if spoken() == SOURCE else label


def finding(number: int, kind_: str, rank: int) -> str:
    """Return a finding in a few words: ``F-12 crack, critical``."""
    return f"F-{number} {inline(kind(kind_))}, {inline(severity(rank))}"


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
