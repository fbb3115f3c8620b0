"""KML (or a KMZ with one): a route drawn as a line, or as one point a waypoint.

Source: OGC KML 2.2. Coordinates are lon,lat[,altitude] with blanks between the tuples. ``absolute`` is above mean sea
level, ``relativeToGround`` above the ground; ``clampToGround``, the default, ignores the altitude. KML cannot say
"above take-off".
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from contracts.errors import InvalidInput
from interchange import altitudes, archive, markup
from interchange.altitudes import Given
from interchange.losses import Ledger
from interchange.markup import Node, say
from interchange.mission import Altitude, AltitudeReference, Item, LatLon, Mission, Waypoint
from interchange.reading import make, parse_number, wrong
from interchange.text import label

_WANTED = re.compile(r"[^/]*\.kml|(.*/)?doc\.kml", re.IGNORECASE | re.DOTALL)
_REFERENCES = {"absolute": AltitudeReference.AMSL, "relativeToGround": AltitudeReference.TERRAIN}
_MODES = {reference: mode for mode, reference in _REFERENCES.items()}
_GROUND = "clampToGround"
_OTHERS = ("Polygon", "Track", "MultiTrack", "Model", "GroundOverlay", "NetworkLink")
_PAIR = 2


class _Path(NamedTuple):
    """The geometry of one placemark."""

    name: str
    shape: Node
    where: str


def read(content: bytes, ledger: Ledger) -> Mission:
    """Return the mission drawn in a KML file: its lines, else its points, in the order of the file.

    Raises:
        InvalidInput: The XML or the archive is damaged or hostile, or nothing in it is a route; line or element.
        TooLarge: Too many bytes, members or elements.

    """
    root = markup.parse(_text(content), "kml")
    lines, points = list(_paths(root, "LineString")), list(_paths(root, "Point"))
    for name in _OTHERS:
        count = sum(1 for node in root.walk() if node.name == name)
        if count:
            ledger.dropped(name, f"{count} {name}: only lines and points are read as a route.")
    if lines and points:
        ledger.dropped("Point", f"{len(points)} points: the route is the line, and they lie beside it.")
    if len(lines) > 1:
        ledger.approximated("LineString", f"{len(lines)} lines were read as one route, one after the other.")
    items = [item for path in lines or points for item in _waypoints(path, ledger, named=not lines)]
    if not items:
        raise wrong("kml", "a file with a LineString or a Point")
    document = root.first("Document") or root
    return make(Mission, "kml", name=label(document.say("name") or ""), items=tuple(items))


def _text(content: bytes) -> bytes:
    if not archive.is_archive(content):
        return content
    found = archive.members(content, _WANTED)
    if not found:
        raise wrong("file", "an archive with a KML file at its root")
    return next(iter(found.values()))


def _paths(root: Node, shape: str) -> Iterator[_Path]:
    marks = [node for node in root.walk() if node.name == "Placemark"]
    for index, mark in enumerate(marks):
        for node in mark.walk():
            if node.name == shape:
                yield _Path(label(mark.say("name") or ""), node, f"Placemark[{index}]/{shape}")


def _waypoints(path: _Path, ledger: Ledger, *, named: bool) -> Iterator[Waypoint]:
    mode = path.shape.say("altitudeMode") or _GROUND
    reference = _REFERENCES.get(mode)
    ignored = 0
    for index, text in enumerate((path.shape.say("coordinates") or "").split()):
        where = f"{path.where}/coordinates[{index}]"
        cells = [parse_number(cell, where) for cell in text.split(",") if cell]
        if len(cells) < _PAIR or any(cell != cell for cell in cells):  # noqa: PLR0124 - NaN
            raise wrong(where, "lon,lat or lon,lat,altitude")
        altitude = None
        if reference is not None:
            altitude = make(Altitude, where, value_m=cells[2] if len(cells) > _PAIR else 0.0, reference=reference)
        elif len(cells) > _PAIR and cells[2]:
            ignored += 1
        point = make(LatLon, where, lat_deg=cells[1], lon_deg=cells[0])
        yield make(Waypoint, where, point=point, altitude=altitude, name=path.name if named else "")
    if ignored:
        ledger.dropped("altitude", f"{path.where}: {ignored} altitudes mean nothing there: the mode is {mode}.")


def write(mission: Mission, ledger: Ledger, given: Given) -> bytes:
    """Return the KML file of a mission. An altitude KML cannot say is left out and booked.

    Raises:
        InvalidInput: The mission has no waypoint.

    """
    _book_settings(mission, ledger)
    found: list[Waypoint] = []
    for index, item in enumerate(mission.items):
        with ledger.at(index, item.kind):
            found += _drawn(item, mission, ledger, given)
    if not found:
        raise InvalidInput("The mission has no waypoint; there is nothing to draw.", hint="Add one.", field="items")
    document = Node("Document", children=[Node("name", mission.name)] if mission.name else [])
    modes = {_mode(waypoint) for waypoint in found}
    if len(modes) == 1 and len(found) > 1 and not any(waypoint.name for waypoint in found):
        line = _shape("LineString", modes.pop(), found)
        document.children.append(Node("Placemark", children=[Node("name", "route"), line]))
    else:
        for waypoint in found:
            name = [Node("name", waypoint.name)] if waypoint.name else []
            shape = _shape("Point", _mode(waypoint), [waypoint])
            document.children.append(Node("Placemark", children=[*name, shape]))
    return markup.write(document)


def _drawn(item: Item, mission: Mission, ledger: Ledger, given: Given) -> list[Waypoint]:
    if item.kind == "area":
        ledger.approximated("pattern", f"The {item.pattern} became the places its {len(item.items)} items fly to.")
        return [place for step in item.items for place in _drawn(step, mission, ledger, given)]
    if not isinstance(item, Waypoint):
        ledger.dropped("kind", f"KML draws places to fly to; the {item.kind} is not in it.")
        return []
    for name in ("hold_s", "heading_deg", "acceptance_radius_m", "corner_radius_m"):
        value = getattr(item, name)
        if value is not None and (value or name == "heading_deg"):
            ledger.dropped(name, f"KML draws a place; {name} = {value:g} is not in it.")
    return [_with_altitude(item, mission, ledger, given)]


def _with_altitude(item: Waypoint, mission: Mission, ledger: Ledger, given: Given) -> Waypoint:
    only = Mission(home=mission.home, items=(item,))
    trial = Ledger()
    try:
        (said,) = altitudes.fit(only, tuple(_MODES), given, trial).items
    except InvalidInput as refusal:
        ledger.dropped("altitude", f"{refusal.message} The place is drawn on the ground.")
        return item.model_copy(update={"altitude": None})
    ledger.book_all(trial)
    assert isinstance(said, Waypoint)  # noqa: S101 - fit keeps kinds
    return said


def _mode(waypoint: Waypoint) -> str:
    return _GROUND if waypoint.altitude is None else _MODES[waypoint.altitude.reference]


def _shape(name: str, mode: str, found: list[Waypoint]) -> Node:
    shape = Node(name)
    shape.put("altitudeMode", mode)
    shape.put("coordinates", " ".join(_tuple(waypoint) for waypoint in found))
    return shape


def _tuple(waypoint: Waypoint) -> str:
    height = [] if waypoint.altitude is None else [say(waypoint.altitude.value_m)]
    return ",".join([say(waypoint.point.lon_deg), say(waypoint.point.lat_deg), *height])


def _book_settings(mission: Mission, ledger: Ledger) -> None:
    for field, value in (
        ("created_at", mission.created_at),
        ("home", mission.home),
        ("speed_mps", mission.speed_mps),
        ("fixed_wing_speed_mps", mission.fixed_wing_speed_mps),
        ("fences", mission.fences),
        ("rally_points", mission.rally_points),
    ):
        if value:
            ledger.dropped(field, f"KML draws the route only; {field} is not in it.")
