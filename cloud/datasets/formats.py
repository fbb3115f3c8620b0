"""Findings as files other programs read: CSV, GeoJSON, KML, COCO. Pure: rows in, text out.

GeoJSON and KML hold longitude before latitude. COCO (cocodataset.org) holds boxes in pixels of the evidence frames.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from xml.etree.ElementTree import Element, SubElement, tostring

from cloud.datasets.rows import Table
from contracts.places import blade_words, chainage_words, face_words, line_tower_words, span_words
from contracts.vocabulary import DefectKind

_RISKY_START = ("=", "+", "-", "@", "\t", "\r")
_KML = "http://www.opengis.net/kml/2.2"


def as_csv(table: Table) -> str:
    """Return a table as CSV with a header; text a spreadsheet would run as a formula gets an apostrophe before it."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(table.columns)
    writer.writerows([_cell(value) for value in row] for row in table.rows)
    return out.getvalue()


def as_geojson(table: Table) -> str:
    """Return findings as a FeatureCollection (RFC 7946); a finding without a position has a null geometry."""
    features = [
        {
            "type": "Feature",
            "id": r["finding_id"],
            "geometry": _point(r),
            "properties": {name: _plain(value) for name, value in r.items()},
        }
        for r in table.records()
    ]
    return json.dumps({"type": "FeatureCollection", "features": features})


def as_kml(table: Table) -> str:
    """Return findings as KML placemarks at absolute heights; it says how many are left out for want of a position."""
    root = Element("kml", xmlns=_KML)
    document = SubElement(root, "Document")
    SubElement(document, "name").text = "Kestrel findings"
    lost = sum(1 for record in table.records() if _point(record) is None)
    if lost:
        SubElement(document, "description").text = f"{lost} findings have no position and are not in this file."
    for record in table.records():
        point = _point(record)
        if point is None:
            continue
        mark = SubElement(document, "Placemark", id=str(record["finding_id"]))
        SubElement(mark, "name").text = f"F-{record['number']} {str(record['kind']).replace('_', ' ')}"
        SubElement(mark, "description").text = (
            f"{record['asset_name']}, {_where(record)}rank {record['severity_rank']}, "
            f"{record['length_mm']:.0f} x {record['width_mm']:.0f} mm, {record['status']}"
        )
        place = SubElement(mark, "Point")
        SubElement(place, "altitudeMode").text = "absolute"
        SubElement(place, "coordinates").text = ",".join(str(part) for part in point["coordinates"])
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + tostring(root, encoding="unicode")


def as_coco(evidence: Sequence[dict[str, Any]]) -> str:
    """Return evidence boxes as a COCO detection set; ``evidence`` has segment, frame, its size, box, kind, status."""
    names = sorted({(e["segment_id"], e["frame"]) for e in evidence})
    image_id = {name: number for number, name in enumerate(names, start=1)}
    frames = {(e["segment_id"], e["frame"]): e for e in evidence}
    images = [
        {
            "id": image_id[name],
            "width": frames[name]["width_px"],
            "height": frames[name]["height_px"],
            "file_name": f"frames/{name[0]}/{name[1]:06d}.jpg",
            "date_captured": _plain(frames[name]["captured_at"]),
        }
        for name in names
    ]
    category = {kind.value: number for number, kind in enumerate(DefectKind)}
    annotations = [
        _annotation(number, item, image_id[item["segment_id"], item["frame"]], category[item["kind"]])
        for number, item in enumerate(evidence, start=1)
    ]
    categories = [{"id": number, "name": name, "supercategory": "defect"} for name, number in category.items()]
    return json.dumps({"images": images, "annotations": annotations, "categories": categories})


def _annotation(number: int, item: dict[str, Any], image: int, category: int) -> dict[str, Any]:
    box, width, height = item["box"], item["width_px"], item["height_px"]
    x, y = box["x0"] * width, box["y0"] * height
    w, h = (box["x1"] - box["x0"]) * width, (box["y1"] - box["y0"]) * height
    return {
        "id": number,
        "image_id": image,
        "category_id": category,
        "bbox": [round(v, 2) for v in (x, y, w, h)],
        "area": round(w * h, 2),
        "iscrowd": 0,
        "segmentation": [],
        "attributes": {"finding_id": item["finding_id"], "status": item["status"], "rank": item["severity_rank"]},
    }


def _where(record: dict[str, Any]) -> str:
    """Return a finding's place on its asset in words, as pages say it; nothing where it lies on no known part."""
    if record["blade"] is not None and record["distance_to_root_m"] is not None:
        return blade_words(record["blade"], record["side"], record["distance_to_root_m"]) + ", "
    if record["tower_height_m"] is not None:
        return face_words(record["tower_face_bearing_deg"], record["tower_height_m"]) + ", "
    if record["span_distance_m"] is not None:
        return span_words(record["span_from_tower"], record["span_to_tower"], record["span_distance_m"]) + ", "
    if record["line_tower"] is not None:
        return line_tower_words(record["line_tower"], record["line_tower_height_m"]) + ", "
    if record["chainage_m"] is not None:
        return chainage_words(record["chainage_m"]) + ", "
    return ""


def _point(record: dict[str, Any]) -> dict[str, Any] | None:
    if record["lat_deg"] is None or record["lon_deg"] is None:
        return None
    coordinates: Iterable[float] = (record["lon_deg"], record["lat_deg"], record["alt_m"] or 0.0)
    return {"type": "Point", "coordinates": list(coordinates)}


def _cell(value: Any) -> Any:
    plain = _plain(value)
    return f"'{plain}" if isinstance(plain, str) and plain.startswith(_RISKY_START) else plain


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value
