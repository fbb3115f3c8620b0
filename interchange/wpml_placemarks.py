"""Stops as ``Placemark`` elements with their action groups."""

from __future__ import annotations

from interchange import wpml_actions
from interchange.losses import Ledger
from interchange.markup import Node, of_record, say
from interchange.mission import Foreign, StartPhotos, Step, TakePhoto, Waypoint
from interchange.wpml_reading import STOP, TURN, corner_m, heading_deg, looked_at
from interchange.wpml_walk import Series, Stop, Walk

_OF_TEMPLATE = (
    "useGlobalHeight",
    "useGlobalSpeed",
    "useGlobalHeadingParam",
    "useGlobalTurnParam",
    "height",
    "ellipsoidHeight",
)


class Placemarks:
    """Writes the stops of a walk; one object for both documents, so that each loss is booked once."""

    def __init__(self, walk: Walk, speed_mps: float, ledger: Ledger) -> None:
        self._speed, self._ledger = speed_mps, ledger
        self._group_id = 0
        self._turn_chosen = False
        self._start = self._start_group(walk.at_start)
        self._marks = [self._placemark(walk, stop, index) for index, stop in enumerate(walk.stops)]
        if self._turn_chosen:
            ledger.defaulted("corner_radius_m", "WPML says how a corner is flown: stopping at each point was written.")

    def start(self) -> list[Node]:
        """Return what happens before the first waypoint."""
        return self._start

    def executed(self) -> list[Node]:
        """Return the placemarks of ``waylines.wpml``."""
        return self._marks

    def editable(self, geoid_separation_m: float | None) -> list[Node]:
        """Return the placemarks of ``template.kml``; with a geoid separation the height is above mean sea level."""
        return [_editable(mark, geoid_separation_m) for mark in self._marks]

    def _start_group(self, actions: list[tuple[int, Step]]) -> list[Node]:
        made = self._actions(actions, 0)
        if not made:
            return []
        return [self._group("wpml:startActionGroup", 0, 0, "reachPoint", None, made)]

    def _placemark(self, walk: Walk, stop: Stop, index: int) -> Node:
        waypoint = stop.waypoint
        with self._ledger.at(stop.item, waypoint.kind):
            mark = _kept(waypoint)
            point = Node("Point")
            point.put("coordinates", f"{say(waypoint.point.lon_deg)},{say(waypoint.point.lat_deg)}")
            mark.children = [point, *mark.without("Point").children]
            mark.put("wpml:index", index)
            if waypoint.altitude is not None:
                mark.put("wpml:executeHeight", waypoint.altitude.value_m)
            mark.put("wpml:waypointSpeed", self._speed if stop.speed_mps is None else stop.speed_mps)
            self._put_heading(mark, stop)
            self._put_turn(mark, waypoint)
        reached = [entry for entry in stop.actions if not _is_triggered(entry[1])]
        made = self._actions(reached, index)
        if made:
            mark.children.append(self._group("wpml:actionGroup", index, index, "reachPoint", None, made))
        for item, step in stop.actions:
            if isinstance(step, Foreign) and _is_triggered(step):
                mark.children.append(self._triggered(item, step, index))
        mark.children += [self._photos(series, index) for series in walk.series if series.start == index]
        return mark

    def _put_heading(self, mark: Node, stop: Stop) -> None:
        known, heading = mark.first("waypointHeadingParam"), stop.waypoint.heading_deg
        wanted = None if heading is None else heading % 360.0
        kept = known is not None and looked_at(known, self._ledger.where) == stop.look_at
        if kept and (stop.look_at is not None or heading_deg(known, self._ledger.where) == wanted):
            return
        param = Node("wpml:waypointHeadingParam")
        if stop.look_at is not None:
            param.put("wpml:waypointHeadingMode", "towardPOI")
            param.put("wpml:waypointPoiPoint", f"{say(stop.look_at.lat_deg)},{say(stop.look_at.lon_deg)},0")
            if heading is not None:
                self._ledger.dropped("heading_deg", "The nose is kept towards a place here; WPML holds one of the two.")
        elif heading is not None:
            param.put("wpml:waypointHeadingMode", "smoothTransition")
            param.put("wpml:waypointHeadingAngle", self._whole_angle(heading))
        else:
            param.put("wpml:waypointHeadingMode", "followWayline")
        param.put("wpml:waypointHeadingPathMode", "followBadArc")
        mark.place(param)

    def _whole_angle(self, heading: float) -> float:
        angle = wpml_actions.signed_deg(heading)
        if angle != round(angle):
            self._ledger.approximated("heading_deg", f"WPML holds whole degrees: {heading:g} became {round(angle)}.")
        return float(round(angle))

    def _put_turn(self, mark: Node, waypoint: Waypoint) -> None:
        radius = waypoint.corner_radius_m
        if mark.first("waypointTurnParam") is not None and corner_m(mark, self._ledger.where) == radius:
            return
        self._turn_chosen |= radius is None
        param = Node("wpml:waypointTurnParam")
        param.put("wpml:waypointTurnMode", TURN if radius else STOP)
        param.put("wpml:waypointTurnDampingDist", radius or 0.0)
        mark.place(param)

    def _actions(self, entries: list[tuple[int, Step]], waypoint: int) -> list[Node]:
        made: list[Node] = []
        for item, step in entries:
            with self._ledger.at(item, step.kind):
                action = wpml_actions.write(step, len(made), waypoint, self._ledger)
            if action is not None:
                made.append(action)
        return made

    def _photos(self, series: Series, index: int) -> Node:
        photo = wpml_actions.write(TakePhoto(), 0, index, self._ledger)
        photos: StartPhotos = series.photos
        trigger = "multipleTiming" if photos.every_s is not None else "multipleDistance"
        end = series.start if series.end is None else series.end
        actions = [photo] if photo is not None else []
        return self._group("wpml:actionGroup", index, end, trigger, photos.every_s or photos.every_m, actions)

    def _triggered(self, item: int, step: Foreign, index: int) -> Node:
        with self._ledger.at(item, step.kind):
            action = wpml_actions.own_record(step, "action")
        record = step.verbatim.record if step.verbatim else {}
        span = record.get("span")
        end = index + (span if isinstance(span, int) and 0 <= span <= 65535 - index else 0)
        actions = [action] if action is not None else []
        return self._group("wpml:actionGroup", index, end, str(record.get("trigger")), None, actions)

    def _group(self, name: str, start: int, end: int, trigger: str, every: float | None, actions: list[Node]) -> Node:
        group = Node(name)
        group.put("wpml:actionGroupId", self._group_id)
        self._group_id += 1
        group.put("wpml:actionGroupStartIndex", start)
        group.put("wpml:actionGroupEndIndex", end)
        group.put("wpml:actionGroupMode", "sequence")
        said = Node("wpml:actionTrigger")
        said.put("wpml:actionTriggerType", trigger)
        if every is not None:
            said.put("wpml:actionTriggerParam", every)
        group.children += [said, *actions]
        return group


def _is_triggered(step: Step) -> bool:
    """Say whether a step we do not know hangs on something else than reaching the waypoint."""
    if not isinstance(step, Foreign) or step.verbatim is None:
        return False
    trigger = step.verbatim.record.get("trigger")
    return isinstance(trigger, str) and trigger.isalnum()


def _kept(waypoint: Waypoint) -> Node:
    if waypoint.verbatim is None or waypoint.verbatim.dialect != "wpml" or "placemark" not in waypoint.verbatim.record:
        return Node("Placemark")
    return of_record(waypoint.verbatim.record["placemark"]).without(*_OF_TEMPLATE)


def _editable(mark: Node, geoid_separation_m: float | None) -> Node:
    height = mark.number("executeHeight", "executeHeight") or 0.0
    copied = mark.without("executeHeight")
    copied.children = [Node(child.name, child.text, child.children) for child in copied.children]
    copied.put("wpml:ellipsoidHeight", height)
    copied.put("wpml:height", round(height - (geoid_separation_m or 0.0), 6))
    for name in ("useGlobalHeight", "useGlobalSpeed", "useGlobalHeadingParam", "useGlobalTurnParam"):
        copied.put(f"wpml:{name}", 0)
    return copied
