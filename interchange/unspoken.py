"""What a record of another format says beyond its mission: a target of another dialect does not get that."""

from __future__ import annotations

from collections.abc import Collection

from pydantic import JsonValue

from interchange.losses import Ledger
from interchange.markup import Node, of_record
from interchange.mavlink_writing import book_unspoken
from interchange.mission import Area, Mission, Step
from interchange.reading import mapping
from interchange.wpml_actions import own_record, write

_PLAN_KNOWN = {
    "file": {"fileType", "version", "groundStation", "mission", "geoFence", "rallyPoints"},
    "mission": {"version", "items", "hoverSpeed", "cruiseSpeed", "plannedHomePosition", "globalPlanAltitudeMode"},
}
_COMPLEX_KNOWN = {"type", "complexItemType", "version", "polygon", "polyline"}
_WPML_PLACEMARK = {
    "Point",
    "index",
    "executeHeight",
    "waypointSpeed",
    "waypointHeadingParam",
    "waypointTurnParam",
    "useGlobalHeight",
    "useGlobalSpeed",
    "useGlobalHeadingParam",
    "useGlobalTurnParam",
    "height",
    "ellipsoidHeight",
}
_WPML_CONFIG = {"finishAction", "takeOffSecurityHeight", "takeOffRefPoint"}
_WPML_FOLDER = {"templateId", "waylineId", "executeHeightMode", "autoFlightSpeed", "startActionGroup"}


def book(mission: Mission, native: Collection[str], ledger: Ledger) -> None:
    """Book what the records of the mission say and a target that knows only the native dialects cannot hold."""
    kept = mission.verbatim
    if kept is not None and kept.dialect == "qgc_plan" and "qgc_plan" not in native:
        _plan(kept.record, ledger)
    if kept is not None and kept.dialect == "wpml" and "wpml" not in native:
        _wpml(kept.record, ledger)
    for index, item in enumerate(mission.items):
        with ledger.at(index, item.kind):
            if isinstance(item, Area):
                _area(item, native, ledger)
            else:
                _step(item, native, ledger)


def _plan(record: dict[str, JsonValue], ledger: Ledger) -> None:
    for part, value in (("file", record), ("mission", mapping(record.get("mission", {}), "mission"))):
        for key in sorted(value.keys() - _PLAN_KNOWN[part]):
            ledger.dropped(key, f"{key} = {value[key]!r:.60} is a setting of QGroundControl's plans only.")


def _area(item: Area, native: Collection[str], ledger: Ledger) -> None:
    if item.verbatim is None or "qgc_complex" in native:
        return
    keys = sorted(item.verbatim.record.keys() - _COMPLEX_KNOWN)
    if keys:
        ledger.dropped("parameters", f"The parameters of the {item.pattern} ({', '.join(keys)}) stay behind.")


def _step(item: Step, native: Collection[str], ledger: Ledger) -> None:
    dialect = item.verbatim.dialect if item.verbatim is not None else None
    if dialect == "mavlink":
        book_unspoken(item, ledger, params="mavlink" not in native)
    elif dialect == "wpml" and "wpml" not in native and item.kind != "foreign":
        mark = own_record(item, "placemark")
        if mark is not None:
            _left(mark, _WPML_PLACEMARK, ledger)
        action = own_record(item, "action")
        if action is not None:
            _action(item, action, ledger)


def _action(item: Step, action: Node, ledger: Ledger) -> None:
    again = write(item.model_copy(update={"verbatim": None}), 0, 0, Ledger())
    said = {node.name for node in again.walk()} if again is not None else set()
    param = action.first("actionActuatorFuncParam") or Node("")
    _left(param, {name.removeprefix("wpml:") for name in said} | {"fileSuffix"}, ledger)


def _wpml(record: dict[str, JsonValue], ledger: Ledger) -> None:
    for key, known in (("config", _WPML_CONFIG), ("folder", _WPML_FOLDER)):
        if key in record:
            _left(of_record(record[key]), known, ledger)


def _left(node: Node, known: Collection[str], ledger: Ledger) -> None:
    for child in node.children:
        name = child.name.removeprefix("wpml:")
        if name not in known:
            said = child.text or ", ".join(f"{inner.name} {inner.text}" for inner in child.children)
            ledger.dropped(name, f"{name} = {said!r:.80} is a setting of DJI's WPML only.")
