"""The formats: who reads and writes each, and how a file's format is told."""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import StrEnum
from typing import NamedTuple

from contracts.errors import InvalidInput, PlatformError
from interchange import archive, geojson, kml, litchi, qgc_plan, qgc_wpl, wpml
from interchange.altitudes import Given
from interchange.losses import Ledger
from interchange.mission import Mission
from interchange.text import load_json


class Format(StrEnum):
    """A file format of flight plans."""

    QGC_PLAN = "qgc-plan"
    QGC_WPL = "qgc-wpl"
    WPML = "wpml"
    KML = "kml"
    GEOJSON = "geojson"
    LITCHI = "litchi"


class Codec(NamedTuple):
    """How a format is read and written."""

    title: str
    suffixes: tuple[str, ...]
    media_type: str
    read: Callable[[bytes, Ledger], Mission]
    write: Callable[[Mission, Ledger, Given], bytes]
    native: tuple[str, ...]
    """The dialects of records it can hold."""


_MAVLINK = ("mavlink",)
_QGC = ("mavlink", "qgc_complex", "qgc_plan")
CODECS: dict[Format, Codec] = {
    Format.QGC_PLAN: Codec("QGroundControl plan", (".plan",), "application/json", qgc_plan.read, qgc_plan.write, _QGC),
    Format.QGC_WPL: Codec("QGC WPL 110", (".waypoints", ".txt"), "text/plain", qgc_wpl.read, qgc_wpl.write, _MAVLINK),
    Format.WPML: Codec(
        "DJI WPML", (".kmz", ".wpml"), "application/vnd.google-earth.kmz", wpml.read, wpml.write, ("wpml",)
    ),
    Format.KML: Codec("KML", (".kml",), "application/vnd.google-earth.kml+xml", kml.read, kml.write, ()),
    Format.GEOJSON: Codec(
        "GeoJSON", (".geojson", ".json"), "application/geo+json", geojson.read, geojson.write, (*_QGC, "wpml")
    ),
    Format.LITCHI: Codec("Litchi CSV", (".csv",), "text/csv", litchi.read, litchi.write, ()),
}


def of_name(name: str) -> Format:
    """Return the format that a file's name says.

    Raises:
        InvalidInput: The suffix is none of ours.

    """
    for found, codec in CODECS.items():
        if name.lower().endswith(codec.suffixes):
            return found
    known = ", ".join(suffix for codec in CODECS.values() for suffix in codec.suffixes)
    raise InvalidInput(
        f"{name!r:.80} does not say its format.",
        hint=f"Name it with one of {known}, or give the format: {', '.join(CODECS)}.",
        field="format",
    )


def of_content(content: bytes, name: str = "") -> Format:
    """Return the format of a file: what it holds, else what its name says.

    Raises:
        InvalidInput: Neither tells.

    """
    if archive.is_archive(content):
        wayline = re.search(rb"(template\.kml|waylines\.wpml)", content, re.IGNORECASE)
        return Format.WPML if wayline else Format.KML
    head = content[:4096].removeprefix(b"\xef\xbb\xbf").lstrip()
    if head.startswith(qgc_wpl.HEADER[:7].encode()):
        return Format.QGC_WPL
    if head.startswith(b"{"):
        return _of_json(content) or of_name(name)
    if head.startswith(b"<"):
        return Format.WPML if b"dji.com/wpmz/" in head or b"uav.com/wpmz/" in head else Format.KML
    if b"latitude" in head.partition(b"\n")[0].lower():
        return Format.LITCHI
    return of_name(name)


def _of_json(content: bytes) -> Format | None:
    try:
        document = load_json(content)
    except PlatformError:
        return None
    kinds = {"fileType": {"Plan": Format.QGC_PLAN}}
    kinds["type"] = {"FeatureCollection": Format.GEOJSON, "Feature": Format.GEOJSON}
    for key, values in kinds.items():
        said = document.get(key) if isinstance(document, dict) else None
        if isinstance(said, str) and said in values:
            return values[said]
    return None
