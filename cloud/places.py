"""Where a finding lies on its asset: how it is kept in its row, and how people say it."""

from __future__ import annotations

from pydantic import TypeAdapter

from cloud.tables import Finding
from contracts.findings import Detection
from contracts.parts import ALONG_M, span_part
from contracts.places import AnyPlace, ChainagePlace, PartPlace, SpanPlace, TowerPlace, blade_words, in_words, on_blade

_PLACES: TypeAdapter[PartPlace] = TypeAdapter(PartPlace)


def keep(finding: Finding, place: AnyPlace | None) -> None:
    """Write a place into a finding's row: blades have columns, the rest one of JSON."""
    blade = on_blade(place)
    finding.blade = blade.blade.value if blade else None
    finding.side = blade.side.value if blade else None
    finding.distance_to_root_m = blade.distance_to_root_m if blade else None
    finding.offset_m = blade.offset_m if blade else None
    finding.place = None if place is None or blade else place.model_dump(mode="json")


def part_place(finding: Finding) -> PartPlace | None:
    """Return where a finding lies on what is no blade; None where it lies on a blade, or its place is not known."""
    return _PLACES.validate_python(finding.place) if finding.place else None


def as_found(detection: Detection) -> Finding:
    """Return a finding that is only where a detection lies, for what shows places; it is in no session."""
    point = detection.point
    found = Finding(lat_deg=point.lat_deg if point else None, lon_deg=point.lon_deg if point else None)
    keep(found, detection.place)
    return found


def cell_of(finding: Finding) -> tuple[str, int] | None:
    """Return which cell of ``part_coverage`` a finding lies in; None where what it lies on is not counted there."""
    match part_place(finding):
        case TowerPlace() as there:
            return f"face-{there.face}", max(0, int(there.height_m))
        case SpanPlace() as there:
            return span_part(there.span), max(0, int(there.distance_m // ALONG_M))
        case ChainagePlace() as there:
            return "pipe", int(there.chainage_m // ALONG_M)
        case _:
            return None


def is_counted(finding: Finding) -> bool:
    """Return whether coverage counts what a finding lies on, so that "seen" can be said of its place."""
    return (finding.blade is not None and finding.distance_to_root_m is not None) or cell_of(finding) is not None


def where(finding: Finding) -> str:
    """Return a finding's place in words, such as ``blade A LE 17.4 m``; WGS 84 where no part of the asset was met."""
    if finding.blade is not None and finding.distance_to_root_m is not None:
        return blade_words(finding.blade, finding.side or "", finding.distance_to_root_m)
    there = part_place(finding)
    if there is not None:
        return in_words(there)
    if finding.lat_deg is not None and finding.lon_deg is not None:
        return f"not on the asset's model, at {finding.lat_deg:.5f}°, {finding.lon_deg:.5f}°"
    return "place not determined"
