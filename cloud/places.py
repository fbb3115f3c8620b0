"""Where a finding lies on its asset: how it is kept in its row, and how people say it."""

from __future__ import annotations

from cloud.tables import Finding
from contracts.findings import Detection
from contracts.places import AnyPlace, TowerPlace, in_words, on_blade


def keep(finding: Finding, place: AnyPlace | None) -> None:
    """Write a place into a finding's row: blades have columns, the rest one of JSON."""
    blade = on_blade(place)
    finding.blade = blade.blade.value if blade else None
    finding.side = blade.side.value if blade else None
    finding.distance_to_root_m = blade.distance_to_root_m if blade else None
    finding.offset_m = blade.offset_m if blade else None
    finding.place = None if place is None or blade else place.model_dump(mode="json")


def tower_place(finding: Finding) -> TowerPlace | None:
    """Return where a finding lies on a tower; None where it lies on none, or its place is not known."""
    return TowerPlace.model_validate(finding.place) if finding.place else None


def as_found(detection: Detection) -> Finding:
    """Return a finding that is only where a detection lies, for what shows places; it is in no session."""
    point = detection.point
    found = Finding(lat_deg=point.lat_deg if point else None, lon_deg=point.lon_deg if point else None)
    keep(found, detection.place)
    return found


def cell_of(finding: Finding) -> tuple[str, int] | None:
    """Return which cell of ``part_coverage`` a finding lies in; None where it lies on no tower."""
    there = tower_place(finding)
    return (f"face-{there.face}", max(0, int(there.height_m))) if there is not None else None


def where(finding: Finding) -> str:
    """Return a finding's place in words, such as ``blade A LE 17.4 m``; WGS 84 where no part of the asset was met."""
    if finding.blade is not None and finding.distance_to_root_m is not None:
        return f"blade {finding.blade} {finding.side} {finding.distance_to_root_m:.1f} m"
    there = tower_place(finding)
    if there is not None:
        return in_words(there)
    if finding.lat_deg is not None and finding.lon_deg is not None:
        return f"not on the asset's model, at {finding.lat_deg:.5f}°, {finding.lon_deg:.5f}°"
    return "place not determined"
