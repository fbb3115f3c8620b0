"""DJI's waypoint actions (``wpml:action``) as items, and back.

Source: "Common Element" of DJI's WPML documentation. Yaw is from true north, -180..180, clockwise; pitch is positive
upwards, straight down -90; ``relativeAngle`` turns the gimbal from the nose, ``absoluteAngle`` from north.
"""

from __future__ import annotations

from collections.abc import Callable

from interchange.losses import Ledger
from interchange.markup import Node, of_record
from interchange.mission import (
    Area,
    Foreign,
    Hover,
    PointCamera,
    SetHeading,
    StartVideo,
    Step,
    StopVideo,
    TakePhoto,
    Verbatim,
    Zoom,
    strip,
)
from interchange.reading import make

FINISH_FIRST = "gotoFirstWaypoint"


def signed_deg(heading_deg: float) -> float:
    """Return a heading in DJI's range, -180 (exclusive) to 180."""
    turned = heading_deg % 360.0
    return turned - 360.0 if turned > 180.0 else turned


def read(action: Node, where: str) -> Step:
    """Return the item of an action; a function we do not know is kept as `Foreign`."""
    function = action.say("actionActuatorFunc") or "unnamed"
    param = action.first("actionActuatorFuncParam") or Node("wpml:actionActuatorFuncParam")
    decode = _READERS.get(function)
    item = decode(param, where) if decode else None
    if item is None:
        item = make(Foreign, where, dialect="wpml", name=function)
    return item.model_copy(update={"verbatim": Verbatim(dialect="wpml", record={"action": action.record()})})


def _rotate(param: Node, where: str) -> Step | None:
    def axis(name: str) -> float | None:
        enabled = param.say(f"gimbal{name}RotateEnable") == "1"
        return param.number(f"gimbal{name}RotateAngle", where) if enabled else None

    mode, yaw = param.say("gimbalRotateMode"), axis("Yaw")
    if mode not in ("absoluteAngle", "relativeAngle"):
        return None
    nose = mode == "relativeAngle" and yaw is not None
    return make(PointCamera, where, pitch_deg=axis("Pitch"), roll_deg=axis("Roll"), yaw_deg=yaw, yaw_from_nose=nose)


def _yaw(param: Node, where: str) -> Step | None:
    heading = param.number("aircraftHeading", where)
    clockwise = {"clockwise": True, "counterClockwise": False}.get(param.say("aircraftPathMode") or "")
    return None if heading is None else make(SetHeading, where, heading_deg=heading % 360.0, clockwise=clockwise)


def _hover(param: Node, where: str) -> Step | None:
    time_s = param.number("hoverTime", where)
    return make(Hover, where, time_s=time_s) if time_s else None


def _zoom(param: Node, where: str) -> Step | None:
    focal = param.number("focalLength", where)
    return make(Zoom, where, focal_length_mm=focal) if focal else None


_READERS: dict[str, Callable[[Node, str], Step | None]] = {
    "takePhoto": lambda _, __: TakePhoto(),
    "startRecord": lambda _, __: StartVideo(),
    "stopRecord": lambda _, __: StopVideo(),
    "gimbalRotate": _rotate,
    "rotateYaw": _yaw,
    "hover": _hover,
    "zoom": _zoom,
}


def own_record(item: Step | Area, key: str) -> Node | None:
    """Return the node of that key in the item's WPML record, None without one."""
    if item.verbatim is None or item.verbatim.dialect != "wpml" or key not in item.verbatim.record:
        return None
    return of_record(item.verbatim.record[key])


def write(item: Step, action_id: int, waypoint: int, ledger: Ledger) -> Node | None:
    """Return the action of an item, its own where that says the same; None: there is none, booked as a loss."""
    known = own_record(item, "action")
    if known is not None and strip(read(known, ledger.where)) == strip(item):
        known.put("wpml:actionId", action_id)
        return known
    made = _make(item, waypoint, ledger)
    if made is None:
        return None
    function, param = made
    children = [Node(f"wpml:{name}", text) for name, text in param.items()]
    return Node(
        "wpml:action",
        children=[
            Node("wpml:actionId", str(action_id)),
            Node("wpml:actionActuatorFunc", function),
            Node("wpml:actionActuatorFuncParam", children=children),
        ],
    )


def _make(item: Step, waypoint: int, ledger: Ledger) -> tuple[str, dict[str, str]] | None:
    payload = {"payloadPositionIndex": "0"}
    named = {"fileSuffix": f"point{waypoint}", **payload}
    plain = {"take_photo": "takePhoto", "start_video": "startRecord", "stop_video": "stopRecord"}
    if item.kind in plain:
        return plain[item.kind], payload if item.kind == "stop_video" else named
    if isinstance(item, Hover):
        return "hover", {"hoverTime": repr(item.time_s)}
    if isinstance(item, SetHeading):
        return "rotateYaw", _turn(item, ledger)
    if isinstance(item, PointCamera):
        return "gimbalRotate", _angles(item) | payload
    if isinstance(item, Zoom) and item.focal_length_mm is not None:
        return "zoom", {"focalLength": repr(item.focal_length_mm), **payload}
    if isinstance(item, Zoom):
        ledger.dropped("percent", "DJI sets a focal length; a percentage of an unknown lens's range says none.")
    elif isinstance(item, Foreign):
        ledger.dropped("name", f"{item.name!r:.60} is a command of {item.dialect}; WPML has none like it.")
    else:
        ledger.dropped("kind", f"WPML has no action for {item.kind}.")
    return None


def _turn(item: SetHeading, ledger: Ledger) -> dict[str, str]:
    if item.clockwise is None:
        ledger.defaulted("clockwise", "WPML needs a direction of turn: clockwise was written.")
    mode = "counterClockwise" if item.clockwise is False else "clockwise"
    return {"aircraftHeading": repr(signed_deg(item.heading_deg)), "aircraftPathMode": mode}


def _angles(item: PointCamera) -> dict[str, str]:
    said = {"gimbalRotateMode": "relativeAngle" if item.yaw_from_nose else "absoluteAngle"}
    for name, angle in (("Pitch", item.pitch_deg), ("Roll", item.roll_deg), ("Yaw", item.yaw_deg)):
        said[f"gimbal{name}RotateEnable"] = "0" if angle is None else "1"
        said[f"gimbal{name}RotateAngle"] = repr(angle or 0.0)
    return {"gimbalHeadingYawBase": "north", **said, "gimbalRotateTimeEnable": "0", "gimbalRotateTime": "0"}
