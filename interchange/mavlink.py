"""MAVLink mission commands as items, and back: the vocabulary that ``.plan`` and ``QGC WPL`` share.

Meanings of params: MAV_CMD of MAVLink's common.xml. Frames 0 and 5 measure altitude from mean sea level, 3 and 6 from
home, 10 and 11 from the ground. A missing number (JSON null, NaN) means "as the aircraft likes".
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import NamedTuple

from pydantic import JsonValue

from interchange.mission import (
    Altitude,
    AltitudeReference,
    Foreign,
    Hover,
    Land,
    LatLon,
    Loiter,
    LookAt,
    Orbit,
    PointCamera,
    ReturnToLaunch,
    SetHeading,
    SetSpeed,
    StartPhotos,
    StartVideo,
    Step,
    StopPhotos,
    StopVideo,
    TakeOff,
    TakePhoto,
    Verbatim,
    Waypoint,
    Zoom,
)
from interchange.reading import make

FRAME_MISSION = 2
REFERENCE_OF_FRAME = {
    0: AltitudeReference.AMSL,
    5: AltitudeReference.AMSL,
    3: AltitudeReference.TAKE_OFF,
    6: AltitudeReference.TAKE_OFF,
    10: AltitudeReference.TERRAIN,
    11: AltitudeReference.TERRAIN,
}
FRAME_OF_REFERENCE = {AltitudeReference.AMSL: 0, AltitudeReference.TAKE_OFF: 3, AltitudeReference.TERRAIN: 10}
ARDUPILOT = 3
"""MAV_AUTOPILOT_ARDUPILOTMEGA: it ignores a waypoint's yaw, and its planners write 0 there."""
_TARGETING = 2.0
_YAW_EARTH_FRAME = 64
_YAW_LOCK = 16
_ZOOM_RANGE, _ZOOM_FOCAL_LENGTH = 2.0, 3.0
_DEFAULT_SPEED = -2.0
Params = tuple[float | None, ...]


class Command(NamedTuple):
    """One MISSION_ITEM: seven params, of which the last three are latitude, longitude and altitude, or plain params."""

    command: int
    frame: int
    params: Params
    auto_continue: bool = True

    def number(self, index: int) -> float:
        """Return ``param<index>`` (1..7), 0 where there is none."""
        return self.params[index - 1] or 0.0

    def record(self) -> dict[str, JsonValue]:
        """Return the command as the SimpleItem of a plan."""
        return {
            "type": "SimpleItem",
            "command": self.command,
            "frame": self.frame,
            "params": list(self.params),
            "autoContinue": self.auto_continue,
        }


def step_of(command: Command, where: str, *, zero_yaw_is_none: bool = False) -> Step:
    """Return the item of a command; one we do not know, or not in this form, is kept as `Foreign`.

    Raises:
        InvalidInput: A value is out of bounds; ``where`` is named.

    """
    decode = _DECODERS.get(command.command)
    item = decode(command, where) if decode else None
    if item is None:
        item = Foreign(dialect="mavlink", name=str(command.command))
    if zero_yaw_is_none and isinstance(item, Waypoint | TakeOff | Land) and item.heading_deg == 0:
        item = item.model_copy(update={"heading_deg": None})
    return item


def with_record(item: Step, record: Mapping[str, JsonValue]) -> Step:
    """Return the item with the record it came from."""
    return item.model_copy(update={"verbatim": Verbatim(dialect="mavlink", record=dict(record))})


def _point(command: Command, where: str) -> LatLon | None:
    """Return the place, None for "here" (null or 0, 0)."""
    lat, lon = command.params[4], command.params[5]
    if lat is None or lon is None or (lat == 0 and lon == 0):
        return None
    return make(LatLon, where, lat_deg=lat, lon_deg=lon)


def _altitude(command: Command, where: str) -> Altitude | None:
    reference = REFERENCE_OF_FRAME.get(command.frame)
    value = command.params[6]
    return None if reference is None or value is None else make(Altitude, where, value_m=value, reference=reference)


def _waypoint(command: Command, where: str) -> Step | None:
    lat, lon = command.params[4], command.params[5]
    if command.frame not in REFERENCE_OF_FRAME or lat is None or lon is None:
        return None
    return make(
        Waypoint,
        where,
        point=make(LatLon, where, lat_deg=lat, lon_deg=lon),
        altitude=_altitude(command, where),
        hold_s=command.number(1),
        acceptance_radius_m=command.params[1] or None,
        heading_deg=command.params[3],
    )


def _take_off(command: Command, where: str) -> Step:
    return make(
        TakeOff,
        where,
        point=_point(command, where),
        altitude=_altitude(command, where),
        heading_deg=command.params[3],
    )


def _land(command: Command, where: str) -> Step:
    return make(
        Land, where, point=_point(command, where), altitude=_altitude(command, where), heading_deg=command.params[3]
    )


def _loiter(command: Command, where: str) -> Step | None:
    if command.frame not in REFERENCE_OF_FRAME:
        return None
    radius = command.number(3)
    amount = {18: "turns", 19: "time_s"}.get(command.command)
    return make(
        Loiter,
        where,
        point=_point(command, where),
        altitude=_altitude(command, where),
        radius_m=abs(radius) or None,
        clockwise=radius >= 0,
        **({amount: command.number(1)} if amount else {}),
    )


def _orbit(command: Command, where: str) -> Step | None:
    radius, angle_rad = command.number(1), command.number(4)
    if command.frame not in REFERENCE_OF_FRAME or angle_rad < 0 or command.number(2) < 0:
        return None
    return make(
        Orbit,
        where,
        point=_point(command, where),
        altitude=_altitude(command, where),
        radius_m=abs(radius) or None,
        clockwise=radius >= 0,
        speed_mps=command.params[1],
        turns=angle_rad / math.tau or None,
    )


def _speed(command: Command, where: str) -> Step | None:
    if command.number(1) != 1.0:
        return None
    speed = command.number(2)
    if speed == _DEFAULT_SPEED:
        return SetSpeed(speed_mps=None)
    return make(SetSpeed, where, speed_mps=speed) if speed >= 0 else None


def _heading(command: Command, where: str) -> Step | None:
    clockwise = {0.0: None, 1.0: True, -1.0: False}
    if command.number(4) != 0 or command.number(3) not in clockwise:
        return None
    return make(SetHeading, where, heading_deg=command.number(1), clockwise=clockwise[command.number(3)])


def _mount(command: Command, where: str) -> Step | None:
    pitch, roll, yaw = command.params[:3]
    if command.number(7) != _TARGETING:
        return None
    return make(PointCamera, where, pitch_deg=pitch, roll_deg=roll, yaw_deg=yaw, yaw_from_nose=yaw is not None)


def _gimbal(command: Command, where: str) -> Step | None:
    flags = int(command.number(5))
    if command.params[0] is None and command.params[1] is None:
        return None
    from_north = bool(flags & (_YAW_EARTH_FRAME | _YAW_LOCK))
    pitch, yaw = command.params[:2]
    nose = yaw is not None and not from_north
    return make(PointCamera, where, pitch_deg=pitch, yaw_deg=yaw, yaw_from_nose=nose)


def _trigger_distance(command: Command, where: str) -> Step | None:
    distance = command.number(1)
    if distance < 0:
        return None
    return make(StartPhotos, where, every_m=distance) if distance else StopPhotos()


def _photos(command: Command, where: str) -> Step | None:
    interval, count = command.number(2), command.number(3)
    if count == 1:
        return TakePhoto()
    return make(StartPhotos, where, every_s=interval) if count == 0 and interval > 0 else None


def _digicam(command: Command, _: str) -> Step | None:
    return TakePhoto() if command.number(5) == 1 else None


def _zoom(command: Command, where: str) -> Step | None:
    field = {_ZOOM_RANGE: "percent", _ZOOM_FOCAL_LENGTH: "focal_length_mm"}.get(command.number(1))
    return make(Zoom, where, **{field: command.number(2)}) if field else None


def _delay(command: Command, where: str) -> Step | None:
    return make(Hover, where, time_s=command.number(1)) if command.number(1) > 0 else None


def _look_at(command: Command, where: str) -> Step | None:
    point = _point(command, where)
    if point is None or command.frame not in REFERENCE_OF_FRAME:
        return None
    return make(LookAt, where, point=point, altitude=_altitude(command, where))


_DECODERS: dict[int, Callable[[Command, str], Step | None]] = {
    16: _waypoint,
    17: _loiter,
    18: _loiter,
    19: _loiter,
    20: lambda _, __: ReturnToLaunch(),
    21: _land,
    22: _take_off,
    34: _orbit,
    93: _delay,
    115: _heading,
    178: _speed,
    195: _look_at,
    197: lambda _, __: LookAt(point=None),
    201: _look_at,
    203: _digicam,
    205: _mount,
    206: _trigger_distance,
    531: _zoom,
    1000: _gimbal,
    2000: _photos,
    2001: lambda _, __: StopPhotos(),
    2500: lambda _, __: StartVideo(),
    2501: lambda _, __: StopVideo(),
}
