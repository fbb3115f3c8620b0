"""Items as MAVLink mission commands (MAV_CMD of common.xml)."""

from __future__ import annotations

import math
from functools import singledispatch

from pydantic import JsonValue

from contracts.errors import InvalidInput
from interchange.losses import Ledger
from interchange.mavlink import FRAME_MISSION, FRAME_OF_REFERENCE, Command, Params, step_of
from interchange.mission import (
    Altitude,
    Area,
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
    Waypoint,
    Zoom,
    strip,
)
from interchange.reading import number_or_none, whole, wrong


def record_of(item: Step, ledger: Ledger, *, zero_yaw_is_none: bool = False) -> dict[str, JsonValue] | None:
    """Return the SimpleItem of an item; its own record where that still says the same. None: booked as a loss."""
    if item.verbatim is not None and item.verbatim.dialect == "mavlink":
        known = read_command(item.verbatim.record, ledger.where)
        if strip(step_of(known, ledger.where, zero_yaw_is_none=zero_yaw_is_none)) == strip(item):
            return dict(item.verbatim.record)
    command = command_of(item, ledger)
    return None if command is None else command.record()


def read_command(record: dict[str, JsonValue], where: str) -> Command:
    """Return the command of a SimpleItem.

    Raises:
        InvalidInput: ``command``, ``frame`` or ``params`` is missing or no number; the field is named.

    """
    params = record.get("params")
    if not isinstance(params, list) or len(params) != 7:
        raise wrong(f"{where}.params", "a list of seven numbers or nulls")
    return Command(
        whole(record.get("command"), f"{where}.command"),
        whole(record.get("frame", FRAME_MISSION), f"{where}.frame"),
        tuple(number_or_none(value, f"{where}.params[{index}]") for index, value in enumerate(params)),
        auto_continue=bool(record.get("autoContinue", True)),
    )


def command_of(item: Step | Area, ledger: Ledger) -> Command | None:
    """Return the command that does what an item says; None when MAVLink has none, booked as a loss.

    Raises:
        InvalidInput: An altitude is measured from the ellipsoid, which no MAVLink frame can say.

    """
    return _encode(item, ledger)


def _with_place(command: int, head: Params, point: LatLon | None, altitude: Altitude | None, ledger: Ledger) -> Command:
    if altitude is None and command not in (21, 22, 195):
        raise InvalidInput(
            f"{ledger.where} has no altitude; an autopilot needs one.",
            hint="Give the altitude to fly where the file names none.",
            field=f"{ledger.where}.altitude",
        )
    frame = FRAME_OF_REFERENCE.get(altitude.reference) if altitude else 3
    if frame is None:
        raise InvalidInput(
            f"{ledger.where}.altitude is above the ellipsoid; MAVLink has no frame for that.",
            hint="Give the geoid separation of the site.",
            field=f"{ledger.where}.altitude",
        )
    lat, lon = (point.lat_deg, point.lon_deg) if point else (0.0, 0.0)
    if point and not lat and not lon and command != 16:
        ledger.approximated("point", "0, 0 means 'here' to MAVLink.")
    return Command(command, frame, (*head, lat, lon, altitude.value_m if altitude else None))


def _plain(command: int, *params: float | None) -> Command:
    return Command(command, FRAME_MISSION, (*params, *(0.0 for _ in range(7 - len(params)))))


@singledispatch
def _encode(item: object, ledger: Ledger) -> Command | None:
    ledger.dropped("kind", f"MAVLink has no command for {type(item).__name__}.")
    return None


@_encode.register
def _(item: Waypoint, ledger: Ledger) -> Command:
    if item.corner_radius_m is not None:
        ledger.dropped("corner_radius_m", "MAVLink leaves the shape of a corner to the autopilot.")
    if item.name:
        ledger.dropped("name", f"MAVLink waypoints have no name (here {item.name!r:.40}).")
    head = (item.hold_s, item.acceptance_radius_m or 0.0, 0.0, item.heading_deg)
    return _with_place(16, head, item.point, item.altitude, ledger)


@_encode.register
def _(item: TakeOff, ledger: Ledger) -> Command:
    return _with_place(22, (0.0, 0.0, 0.0, item.heading_deg), item.point, item.altitude, ledger)


@_encode.register
def _(item: Land, ledger: Ledger) -> Command:
    return _with_place(21, (0.0, 0.0, 0.0, item.heading_deg), item.point, item.altitude, ledger)


@_encode.register
def _(_: ReturnToLaunch, __: Ledger) -> Command:
    return _plain(20)


@_encode.register
def _(item: Loiter, ledger: Ledger) -> Command:
    number, amount = 17, 0.0
    if item.turns is not None:
        number, amount = 18, item.turns
    elif item.time_s is not None:
        number, amount = 19, item.time_s
    head = (amount, 0.0, _signed(item, ledger), 0.0)
    return _with_place(number, head, item.point, item.altitude, ledger)


@_encode.register
def _(item: Orbit, ledger: Ledger) -> Command:
    angle_rad = item.turns * math.tau if item.turns else 0.0
    head = (_signed(item, ledger), item.speed_mps, 0.0, angle_rad)
    return _with_place(34, head, item.point, item.altitude, ledger)


def _signed(item: Loiter | Orbit, ledger: Ledger) -> float:
    """Return the radius, negative for anticlockwise; without a radius there is no sign to set."""
    if not item.radius_m and not item.clockwise:
        ledger.dropped("clockwise", "MAVLink says anticlockwise by the sign of the radius, and none is given.")
    return (item.radius_m or 0.0) if item.clockwise else -(item.radius_m or 0.0)


@_encode.register
def _(item: SetSpeed, _: Ledger) -> Command:
    return _plain(178, 1.0, -2.0 if item.speed_mps is None else item.speed_mps, -1.0, 0.0)


@_encode.register
def _(item: SetHeading, _: Ledger) -> Command:
    direction = {None: 0.0, True: 1.0, False: -1.0}[item.clockwise]
    return _plain(115, item.heading_deg, 0.0, direction, 0.0)


@_encode.register
def _(item: PointCamera, ledger: Ledger) -> Command:
    if item.roll_deg is not None and (item.yaw_from_nose or item.yaw_deg is None):
        return _plain(205, item.pitch_deg, item.roll_deg, item.yaw_deg, 0.0, 0.0, 0.0, 2.0)
    if item.roll_deg is not None:
        ledger.dropped("roll_deg", f"MAVLink turns roll ({item.roll_deg:g}°) only together with a yaw from the nose.")
    flags = 0.0 if item.yaw_from_nose else 64.0
    return _plain(1000, item.pitch_deg, item.yaw_deg, None, None, flags, 0.0, 0.0)


@_encode.register
def _(item: LookAt, ledger: Ledger) -> Command:
    if item.point is None:
        return _plain(197)
    return _with_place(195, (0.0, 0.0, 0.0, 0.0), item.point, item.altitude, ledger)


@_encode.register
def _(_: TakePhoto, __: Ledger) -> Command:
    return _plain(2000, 0.0, 0.0, 1.0)


@_encode.register
def _(item: StartPhotos, _: Ledger) -> Command:
    if item.every_m is not None:
        return _plain(206, item.every_m, 0.0, 1.0)
    return _plain(2000, 0.0, item.every_s, 0.0)


@_encode.register
def _(_: StopPhotos, __: Ledger) -> Command:
    return _plain(2001)


@_encode.register
def _(_: StartVideo, __: Ledger) -> Command:
    return _plain(2500)


@_encode.register
def _(_: StopVideo, __: Ledger) -> Command:
    return _plain(2501)


@_encode.register
def _(item: Zoom, _: Ledger) -> Command:
    if item.percent is not None:
        return _plain(531, 2.0, item.percent)
    return _plain(531, 3.0, item.focal_length_mm)


@_encode.register
def _(item: Hover, _: Ledger) -> Command:
    return _plain(93, item.time_s, -1.0, -1.0, -1.0)


@_encode.register
def _(item: Foreign, ledger: Ledger) -> Command | None:
    if item.dialect == "mavlink" and item.verbatim is not None:
        return read_command(item.verbatim.record, ledger.where)
    ledger.dropped("name", f"{item.name!r:.60} is a command of {item.dialect}; MAVLink has none like it.")
    return None


_KNOWN = {"type", "command", "frame", "params", "autoContinue", "doJumpId", "MISSION_ITEM_ID"}
_SHOWN = {"Altitude", "AltitudeMode", "AMSLAltAboveTerrain"}
"""What QGroundControl shows; what is flown stands in ``frame`` and ``params``."""


def book_unspoken(item: Step, ledger: Ledger, *, params: bool = True) -> None:
    """Book what the record of an item says beyond the item: no other format gets that (nor WPL the unknown keys)."""
    if item.verbatim is None or item.verbatim.dialect != "mavlink":
        return
    record = item.verbatim.record
    for key in sorted(record.keys() - _KNOWN - _SHOWN):
        ledger.dropped(key, f"{key} = {record[key]!r:.60} is known to the source format only.")
    if not params or isinstance(item, Foreign):
        return
    said = read_command(record, ledger.where)
    if not said.auto_continue:
        ledger.dropped("autoContinue", "The source waits here for a command to go on; the target goes on.")
    again = command_of(strip(item), Ledger()) if getattr(item, "altitude", 0) is not None else None
    if again is None or again.command != said.command:
        return
    for index, (was, now) in enumerate(zip(said.params[:4], again.params[:4], strict=True), start=1):
        if was not in (None, 0.0, -1.0) and (now is None or not math.isclose(was, now, rel_tol=1e-9)):
            ledger.dropped(f"param{index}", f"param{index} = {was:g} of MAVLink command {said.command} has no place.")
