"""DJI WPML: what ``waylines.wpml`` flies as a mission (``template.kml`` where an archive holds nothing else).

Source: DJI's WPML documentation. A waypoint's ``coordinates`` are lon,lat; ``takeOffRefPoint`` and
``waypointPoiPoint`` are lat,lon,height. A waypoint's speed and heading hold from it to the next, so they become items
behind it. Times are Unix milliseconds.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from contracts.errors import InvalidInput
from interchange import wpml_actions
from interchange.losses import Ledger
from interchange.markup import Node
from interchange.mission import (
    Altitude,
    AltitudeReference,
    Foreign,
    Land,
    LatLon,
    LookAt,
    Mission,
    Place,
    ReturnToLaunch,
    SetSpeed,
    StartPhotos,
    Step,
    StopPhotos,
    TakeOff,
    Verbatim,
    Waypoint,
)
from interchange.reading import make, parse_number, wrong

REFERENCE_OF_MODE = {
    "WGS84": AltitudeReference.ELLIPSOID,
    "EGM96": AltitudeReference.AMSL,
    "relativeToStartPoint": AltitudeReference.TAKE_OFF,
    "realTimeFollowSurface": AltitudeReference.TERRAIN,
    "aboveGroundLevel": AltitudeReference.TERRAIN,
}
STOP = "toPointAndStopWithDiscontinuityCurvature"
TURN = "coordinateTurn"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MAX_MS = 253402300799999
"""The last millisecond of the year 9999."""
_MAX_SPREAD = 65535


def read(waylines: Node | None, template: Node | None, ledger: Ledger) -> Mission:
    """Return the mission of the two documents of a KMZ.

    Raises:
        InvalidInput: A value breaks a rule, or there is nothing but a mapping template; the element is named.

    """
    flown = waylines if waylines is not None else template
    if flown is None:
        raise wrong("file", "an archive with wpmz/waylines.wpml or wpmz/template.kml")
    document = flown.first("Document") or Node("Document")
    folders = document.all("Folder")
    if not folders:
        raise wrong("Folder", "present")
    if waylines is None:
        _check_template(folders[0], ledger)
    config = document.first("missionConfig") or Node("wpml:missionConfig")
    speed = folders[0].number("autoFlightSpeed", "Folder") or None
    if len(folders) > 1:
        ledger.approximated("items", f"{len(folders)} waylines were read as one mission, one after the other.")
    items: list[Step] = list(_start(config))
    for index, folder in enumerate(folders):
        items += _Wayline(folder, f"Folder[{index}]", ledger).items(speed)
    items += _finish(config)
    header = template.first("Document") if template is not None else None
    return make(
        Mission,
        "wpmz",
        created_at=_created(header),
        home=_home(header),
        speed_mps=speed,
        items=tuple(items),
        verbatim=Verbatim(dialect="wpml", record=_rest(config, folders[0], header)),
    )


def _check_template(folder: Node, ledger: Ledger) -> None:
    kind = folder.say("templateType")
    if kind != "waypoint":
        raise InvalidInput(
            f"The archive holds a {kind} template and no waylines; only DJI's own program can make them.",
            hint="Export it with its waylines.",
            field="templateType",
        )
    ledger.approximated("items", "There is no waylines.wpml: the template was read in its place.")


def _rest(config: Node, folder: Node, header: Node | None) -> dict[str, object]:
    record: dict[str, object] = {"config": config.record(), "folder": folder.without("Placemark").record()}
    if header is not None:
        record["header"] = header.without("Folder", "missionConfig").record()
        first = header.first("Folder")
        if first is not None:
            record["template_folder"] = first.without("Placemark").record()
    return record


def _start(config: Node) -> Iterator[Step]:
    height = config.number("takeOffSecurityHeight", "missionConfig")
    if height is not None:
        said = make(Altitude, "takeOffSecurityHeight", value_m=height, reference=AltitudeReference.TAKE_OFF)
        yield TakeOff(altitude=said)


def _finish(config: Node) -> list[Step]:
    action = config.say("finishAction") or "noAction"
    if action == "noAction":
        return []
    ends: dict[str, Step] = {"goHome": ReturnToLaunch(), "autoLand": Land()}
    return [ends.get(action) or make(Foreign, "finishAction", dialect="wpml", name=action)]


def _created(header: Node | None) -> datetime | None:
    said = header.number("createTime", "Document") if header is not None else None
    if said is None:
        return None
    if not 0 <= said <= _MAX_MS:
        raise wrong("Document/createTime", "a time in Unix milliseconds")
    return _EPOCH + timedelta(milliseconds=int(said))


def _home(header: Node | None) -> Place | None:
    config = header.first("missionConfig") if header is not None else None
    text = config.say("takeOffRefPoint") if config is not None else None
    if not text:
        return None
    where = "missionConfig/takeOffRefPoint"
    lat, lon, *height = _numbers(text, where)
    altitude = make(Altitude, where, value_m=height[0], reference=AltitudeReference.ELLIPSOID) if height else None
    return make(Place, where, lat_deg=lat, lon_deg=lon, altitude=altitude)


def _numbers(text: str, where: str) -> list[float]:
    values = [parse_number(part, where) for part in text.split(",") if part.strip()]
    if len(values) < 2 or any(value != value for value in values):  # noqa: PLR0124 - NaN
        raise wrong(where, "two or three numbers with commas between them")
    return values


class _Group(NamedTuple):
    """An action group, read."""

    start: int
    end: int
    trigger: str
    every: float | None
    actions: tuple[Step, ...]


class _Wayline:
    """Reads one ``Folder``."""

    def __init__(self, folder: Node, where: str, ledger: Ledger) -> None:
        self._folder, self._where, self._ledger = folder, where, ledger
        mode = folder.say("executeHeightMode") or self._template_mode(folder)
        reference = REFERENCE_OF_MODE.get(mode or "")
        if reference is None:
            raise wrong(f"{where}/executeHeightMode", f"one of {', '.join(REFERENCE_OF_MODE)}")
        self._reference = reference
        self._looking: LatLon | None = None

    @staticmethod
    def _template_mode(folder: Node) -> str | None:
        system = folder.first("waylineCoordinateSysParam")
        return None if system is None else system.say("heightMode")

    def items(self, speed_mps: float | None) -> Iterator[Step]:
        """Yield the items: waypoints in the order of their index, each with what happens there."""
        start = self._folder.first("startActionGroup")
        if start is not None:
            for number, action in enumerate(start.all("action")):
                yield wpml_actions.read(action, f"{self._where}/startActionGroup/action[{number}]")
        marks = self._ordered()
        groups = [group for index, mark in marks for group in self._groups(mark, index)]
        current = speed_mps
        for index, mark in marks:
            where = f"{self._where}/Placemark[{index}]"
            yield self._waypoint(mark, where)
            yield from (StopPhotos() for group in groups if group.every and group.start < index == group.end)
            speed = self._speed(mark, where, speed_mps)
            if speed != current:
                yield make(SetSpeed, where, speed_mps=None if speed == speed_mps else speed)
                current = speed
            yield from self._look(mark, where)
            for group in groups:
                yield from self._happen(group, index)

    def _ordered(self) -> list[tuple[int, Node]]:
        marks: dict[int, Node] = {}
        for position, mark in enumerate(self._folder.all("Placemark")):
            said = mark.number("index", f"{self._where}/Placemark[{position}]")
            index = position if said is None else self._index(said, f"{self._where}/Placemark[{position}]/index")
            if index in marks:
                raise wrong(f"{self._where}/Placemark[{position}]/index", f"unique (another has {index} too)")
            marks[index] = mark
        return sorted(marks.items(), key=lambda pair: pair[0])

    @staticmethod
    def _index(value: float, where: str) -> int:
        if value != int(value) or not 0 <= value <= _MAX_SPREAD:
            raise wrong(where, f"a whole number from 0 to {_MAX_SPREAD}")
        return int(value)

    def _waypoint(self, mark: Node, where: str) -> Waypoint:
        point = mark.first("Point")
        lon, lat, *_ = _numbers((point.say("coordinates") if point else "") or "", f"{where}/Point/coordinates")
        height = mark.number("executeHeight", where)
        if height is None:
            height = self._template_height(mark, where)
        if height is None:
            raise wrong(f"{where}/executeHeight", "present")
        return make(
            Waypoint,
            where,
            point=make(LatLon, where, lat_deg=lat, lon_deg=lon),
            altitude=make(Altitude, where, value_m=height, reference=self._reference),
            heading_deg=heading_deg(self._heading_param(mark), where),
            corner_radius_m=corner_m(mark, where),
            verbatim=Verbatim(dialect="wpml", record={"placemark": mark.without("actionGroup").record()}),
        )

    def _template_height(self, mark: Node, where: str) -> float | None:
        if mark.say("useGlobalHeight") == "1":
            return self._folder.number("globalHeight", self._where)
        return mark.number("height", where)

    def _heading_param(self, mark: Node) -> Node | None:
        if mark.say("useGlobalHeadingParam") == "1":
            return self._folder.first("globalWaypointHeadingParam")
        return mark.first("waypointHeadingParam")

    def _speed(self, mark: Node, where: str, speed_mps: float | None) -> float | None:
        if mark.say("useGlobalSpeed") == "1":
            return speed_mps
        return mark.number("waypointSpeed", where) or speed_mps

    def _look(self, mark: Node, where: str) -> Iterator[Step]:
        point = looked_at(self._heading_param(mark), where)
        if point != self._looking:
            self._looking = point
            yield LookAt(point=point)

    def _groups(self, mark: Node, at: int) -> Iterator[_Group]:
        for number, group in enumerate(mark.all("actionGroup")):
            where = f"{self._where}/Placemark[{at}]/actionGroup[{number}]"
            first, last = group.number("actionGroupStartIndex", where), group.number("actionGroupEndIndex", where)
            trigger = group.first("actionTrigger") or Node("wpml:actionTrigger")
            kind = trigger.say("actionTriggerType") or "reachPoint"
            actions = tuple(
                wpml_actions.read(action, f"{where}/action[{index}]")
                for index, action in enumerate(group.all("action"))
            )
            yield _Group(
                at if first is None else self._index(first, f"{where}/actionGroupStartIndex"),
                at if last is None else self._index(last, f"{where}/actionGroupEndIndex"),
                kind,
                self._every(trigger, kind, where),
                actions,
            )

    def _every(self, trigger: Node, kind: str, where: str) -> float | None:
        if kind not in ("multipleTiming", "multipleDistance"):
            return None
        every = trigger.number("actionTriggerParam", where)
        if every is None or every <= 0:
            raise wrong(f"{where}/actionTriggerParam", "a number above 0")
        return every

    def _happen(self, group: _Group, index: int) -> Iterator[Step]:
        """Yield what a group does at a waypoint."""
        if group.every is not None:
            if index == group.start:
                yield from self._series(group)
        elif group.trigger == "reachPoint":
            if group.start <= index <= group.end:
                yield from group.actions
        elif index == group.start:
            for action in group.actions:
                record = dict(action.verbatim.record) if action.verbatim else {}
                record |= {"trigger": group.trigger, "span": group.end - group.start}
                name = f"{group.trigger}:{_function(action)}"
                kept = Verbatim(dialect="wpml", record=record)
                yield make(Foreign, self._where, dialect="wpml", name=name, verbatim=kept)

    def _series(self, group: _Group) -> Iterator[Step]:
        timed = group.trigger == "multipleTiming"
        for action in group.actions:
            if action.kind == "take_photo":
                yield StartPhotos(every_s=group.every if timed else None, every_m=None if timed else group.every)
                if group.start == group.end:
                    yield StopPhotos()
            else:
                self._ledger.dropped("actionGroup", f"{_function(action)} every so often: only photos can be a series.")


def _function(action: Step) -> str:
    return action.name if isinstance(action, Foreign) else action.kind


def corner_m(mark: Node, where: str) -> float | None:
    """Return how far from a waypoint the corner is cut; 0 stops there, None: another kind of turn."""
    turn = mark.first("waypointTurnParam")
    if turn is None or mark.say("useGlobalTurnParam") == "1":
        return None
    mode = turn.say("waypointTurnMode")
    if mode == STOP:
        return 0.0
    return (turn.number("waypointTurnDampingDist", where) or None) if mode == TURN else None


def heading_deg(param: Node | None, where: str) -> float | None:
    """Return the heading a ``waypointHeadingParam`` sets, 0 to 360; None: another mode."""
    if param is None or param.say("waypointHeadingMode") != "smoothTransition":
        return None
    angle = param.number("waypointHeadingAngle", where)
    return None if angle is None else angle % 360.0


def looked_at(param: Node | None, where: str) -> LatLon | None:
    """Return the place a ``waypointHeadingParam`` turns the nose to; None: another mode."""
    if param is None or param.say("waypointHeadingMode") != "towardPOI":
        return None
    lat, lon, *_ = _numbers(param.say("waypointPoiPoint") or "", f"{where}/waypointPoiPoint")
    return make(LatLon, where, lat_deg=lat, lon_deg=lon)
