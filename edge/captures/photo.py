"""A JPEG's EXIF and DJI XMP: size, time, place, direction, lens. Reads the header only and writes nothing."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring
from pydantic import ValidationError

from contracts.captures import CaptureDirection, CapturePlace, HeightDatum
from contracts.errors import InvalidInput
from contracts.optics import CameraIntrinsics
from edge.captures import exif
from edge.captures.sample import direction_of, number, place_of
from edge.captures.terms import Terms, parse_offset, stated_utc

_DJI = "{http://www.dji.com/drone-dji/1.0/}"
_RTK_FIXED = 50
_FILM_WIDTH_MM = 36.0
_MAX_XMP_BYTES = 1024 * 1024


class Photo(NamedTuple):
    """What a photo says of itself."""

    width_px: int
    height_px: int
    camera_model: str
    camera_time: datetime | None
    captured_at: datetime | None
    place: CapturePlace | None
    direction: CaptureDirection | None
    camera: CameraIntrinsics | None
    notes: tuple[str, ...]


def read(path: Path, terms: Terms) -> Photo:
    """Read a JPEG's header.

    Raises:
        CorruptMedia: It is no JPEG.
        InvalidInput: A field of it contradicts itself or is out of range.

    """
    width_px, height_px, image, shot, gps, xmp = exif.read(path)
    dji = _dji(xmp)
    camera_time = _camera_time(shot)
    captured_at = _captured_at(camera_time, shot, gps, terms.utc_offset)
    place = _place(dji, gps, terms)
    direction = _direction(dji)
    camera = _camera(width_px, height_px, shot, terms)
    missing = {"position": place, "camera direction": direction, "focal length": camera, "time zone": captured_at}
    notes = tuple(f"no {name}" for name, value in missing.items() if value is None)
    model = _text(image.get(exif.MODEL))
    return Photo(width_px, height_px, model, camera_time, captured_at, place, direction, camera, notes)


def _dji(xmp: bytes) -> dict[str, str]:
    """Return the ``drone-dji`` fields, whether written as attributes or as elements."""
    if not xmp:
        return {}
    if len(xmp) > _MAX_XMP_BYTES:
        raise InvalidInput(f"its XMP has {len(xmp)} bytes", field="xmp")
    try:
        root: Element = fromstring(xmp.rstrip(b"\x00").decode("utf-8", errors="replace"))
    except (ParseError, DefusedXmlException) as error:
        raise InvalidInput(f"its XMP cannot be read: {error}", field="xmp") from error
    found: dict[str, str] = {}
    for element in root.iter():
        said = {**element.attrib, element.tag: element.text or ""}
        found.update({k.removeprefix(_DJI): v.strip() for k, v in said.items() if k.startswith(_DJI) and v.strip()})
    return found


def _place(dji: Mapping[str, str], gps: Mapping[int, Any], terms: Terms) -> CapturePlace | None:
    """Return the position: XMP's where it is there, EXIF's otherwise."""
    latitude = _degrees(gps, "GPSLatitude", exif.LATITUDE, exif.LATITUDE_REF)
    longitude = _degrees(gps, "GPSLongitude", exif.LONGITUDE, exif.LONGITUDE_REF)
    if (said := dji.get("GpsLatitude", dji.get("GPSLatitude"))) is not None:
        latitude = number(said, "GpsLatitude")
    spellings = ("GpsLongitude", "GPSLongitude", "GpsLongtitude", "GPSLongtitude")
    if (said := next((dji[name] for name in spellings if name in dji), None)) is not None:
        longitude = number(said, "GpsLongitude")
    if latitude is None or longitude is None:
        return None
    alt_rel_m = number(dji["RelativeAltitude"], "RelativeAltitude") if "RelativeAltitude" in dji else None
    alt_m, datum = _height(dji, gps, terms)
    place = place_of(latitude, longitude, alt_rel_m, alt_m)
    if place is None:
        return None
    rtk_flag = int(number(dji["RtkFlag"], "RtkFlag")) if "RtkFlag" in dji else None
    return CapturePlace(
        lat_deg=latitude, lon_deg=longitude, alt_m=alt_m, datum=datum, alt_rel_m=alt_rel_m, rtk_flag=rtk_flag
    )


def _height(dji: Mapping[str, str], gps: Mapping[int, Any], terms: Terms) -> tuple[float | None, HeightDatum]:
    """Return the absolute height and above what: the ellipsoid for RTK heights, else what was stated."""
    if "AbsoluteAltitude" in dji:
        alt_m = number(dji["AbsoluteAltitude"], "AbsoluteAltitude")
        return alt_m, HeightDatum.ELLIPSOID if dji.get("AltitudeType") == "RtkAlt" else terms.heights.datum
    altitude = gps.get(exif.ALTITUDE)
    if altitude is None:
        return None, HeightDatum.UNSTATED
    below = gps.get(exif.ALTITUDE_REF) in (b"\x01", 1)
    return (-1 if below else 1) * number(str(altitude), "GPSAltitude"), terms.heights.datum


def _degrees(gps: Mapping[int, Any], name: str, angle_tag: int, reference_tag: int) -> float | None:
    """Return an EXIF angle; it needs its hemisphere, without which its sign would be a guess."""
    value, reference = gps.get(angle_tag), gps.get(reference_tag)
    if value is None or str(reference).strip("\x00 ") not in tuple("NSEW"):
        return None
    try:
        degrees, minutes, seconds = (float(part) for part in value)
    except (TypeError, ValueError, ZeroDivisionError) as error:
        raise InvalidInput(f"{name} is not three numbers", field=name) from error
    angle = number(repr(degrees + minutes / 60 + seconds / 3600), name)
    return -angle if str(reference).startswith(("S", "W")) else angle


def _direction(dji: Mapping[str, str]) -> CaptureDirection | None:
    names = ("GimbalYawDegree", "GimbalPitchDegree", "GimbalRollDegree")
    if any(name not in dji for name in names):
        return None
    found = direction_of(*(number(dji[name], name) for name in names))
    return found and CaptureDirection(yaw_deg=found.yaw_deg, pitch_deg=found.pitch_deg, roll_deg=found.roll_deg)


def _camera(width_px: int, height_px: int, shot: Mapping[int, Any], terms: Terms) -> CameraIntrinsics | None:
    said = shot.get(exif.FOCAL_LENGTH_35MM) or terms.focal_mm35
    if not said:
        return None
    return intrinsics(width_px, height_px, number(str(said), "FocalLengthIn35mmFilm"))


def intrinsics(width_px: int, height_px: int, focal_mm35: float) -> CameraIntrinsics:
    """Return the camera of a focal length as on a 36 mm wide film.

    Raises:
        InvalidInput: There is no such camera.

    """
    longer = max(width_px, height_px)
    try:
        return CameraIntrinsics(width_px=width_px, height_px=height_px, focal_px=focal_mm35 / _FILM_WIDTH_MM * longer)
    except ValidationError as error:
        said = f"no camera takes {width_px} x {height_px} pixels at {focal_mm35:g} mm"
        raise InvalidInput(said, field="FocalLengthIn35mmFilm") from error


def _camera_time(shot: Mapping[int, Any]) -> datetime | None:
    said = _text(shot.get(exif.TAKEN_AT))
    if not said or said.startswith("0000"):
        return None
    try:
        return datetime.strptime(said, "%Y:%m:%d %H:%M:%S")  # noqa: DTZ007 - EXIF says no zone here
    except ValueError as error:
        raise InvalidInput(f"DateTimeOriginal {said[:30]!r} is no date", field="DateTimeOriginal") from error


def _captured_at(
    camera_time: datetime | None, shot: Mapping[int, Any], gps: Mapping[int, Any], offset: timedelta | None
) -> datetime | None:
    """Return UTC: the satellites' own time, or the camera's clock with a zone that is written or stated."""
    satellites = _satellite_time(gps)
    if satellites is not None:
        return satellites
    if camera_time is None:
        return None
    written = _text(shot.get(exif.TAKEN_AT_OFFSET))
    return stated_utc(camera_time, parse_offset(written) if written else offset, None)


def _satellite_time(gps: Mapping[int, Any]) -> datetime | None:
    day, clock = _text(gps.get(exif.SATELLITES_DATE)), gps.get(exif.SATELLITES_TIME)
    match = re.fullmatch(r"(\d{4}):(\d\d):(\d\d)", day)
    if match is None or clock is None:
        return None
    try:
        hours, minutes, seconds = (float(part) for part in clock)
        start = datetime(*(int(part) for part in match.groups()), tzinfo=UTC)  # type: ignore[misc,arg-type]
        return start + timedelta(hours=hours, minutes=minutes, seconds=seconds)
    except (TypeError, ValueError, ZeroDivisionError, OverflowError) as error:
        raise InvalidInput("the satellites' time is no time", field="GPSTimeStamp") from error


def _text(value: Any) -> str:
    return str(value or "").strip("\x00 ")[:80]
