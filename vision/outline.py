"""Findings of one video as a drawing without a single pixel of it: for footage that may not be shown or shared.

Above, every finding's boxes on the frame's outline, the surest look drawn strongest; below, when each was in view.
"""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree as ET

_WIDTH = 960.0
_ROW = 22.0
_LABELS = 190.0
_MARGIN = 16.0
_COLOURS = {
    "crack": "#b3261e",
    "leading_edge_erosion": "#8a5000",
    "lightning_burn": "#6a3fb5",
    "corrosion": "#a8571a",
    "missing_coating": "#00696b",
    "delamination": "#9a2f6d",
    "damage": "#39608f",
    "broken_insulator": "#7a4a00",
    "broken_strands": "#5d5f00",
    "nest": "#6b5d4d",
    "vegetation": "#2e6b27",
    "loose_mount": "#4d5aa6",
    "leak": "#00658b",
    "encroachment": "#8c1d4f",
}
_OTHER = "#44474f"


def outline_svg(report: dict[str, Any]) -> str:
    """Return the drawing of a report of ``detect`` whose findings carry times and boxes."""
    findings = [f for f in report["findings"] if "first_s" in f]
    frame_height = _WIDTH * report["height_px"] / report["width_px"]
    height = _MARGIN * 4 + frame_height + _ROW * (len(findings) + 2)
    whole = {"viewBox": f"0 0 {_WIDTH + 2 * _MARGIN:.0f} {height:.0f}", "xmlns": "http://www.w3.org/2000/svg"}
    svg = ET.Element("svg", whole | {"role": "img", "font-family": "system-ui, sans-serif", "font-size": "13"})
    ET.SubElement(svg, "title").text = f"{len(findings)} findings in {report['video']}"
    _part(svg, "rect", {"width": "100%", "height": "100%", "fill": "#ffffff"})
    frame = ET.SubElement(svg, "g", {"transform": f"translate({_MARGIN:.0f} {_MARGIN:.0f})"})
    _part(frame, "rect", {"width": _WIDTH, "height": frame_height, "fill": "#f1f3f7", "stroke": "#8d9199"})
    for number, finding in enumerate(findings, start=1):
        _boxes(frame, number, finding, frame_height)
    times = ET.SubElement(svg, "g", {"transform": f"translate({_MARGIN:.0f} {2 * _MARGIN + frame_height:.0f})"})
    _times(times, findings, max(report["video_s"], 1e-3))
    return ET.tostring(svg, encoding="unicode")


def _part(parent: ET.Element, tag: str, numbers: dict[str, Any], text: str = "") -> None:
    """Add an element; numbers keep one decimal."""
    written = {k: f"{v:.1f}" if isinstance(v, float) else str(v) for k, v in numbers.items()}
    ET.SubElement(parent, tag, written).text = text or None


def _boxes(frame: ET.Element, number: int, finding: dict[str, Any], frame_height: float) -> None:
    colour = _COLOURS.get(finding["kind"], _OTHER)
    surest = max(finding["evidence"], key=lambda look: look["confidence"])
    for look in finding["evidence"]:
        box, best = look["box"], look is surest
        left, top = box["x0"] * _WIDTH, box["y0"] * frame_height
        size = {"width": box["x1"] * _WIDTH - left, "height": box["y1"] * frame_height - top}
        stroke = {"fill": "none", "stroke": colour, "stroke-width": 2.0 if best else 0.7, "opacity": 1 if best else 0.4}
        _part(frame, "rect", {"x": left, "y": top, **size, **stroke})
        if best:
            _part(frame, "text", {"x": left + 4, "y": top + 15, "fill": colour, "font-weight": "bold"}, str(number))


def _times(times: ET.Element, findings: list[dict[str, Any]], video_s: float) -> None:
    per_s = (_WIDTH - _LABELS) / video_s
    for number, finding in enumerate(findings, start=1):
        y = _ROW * number
        colour = _COLOURS.get(finding["kind"], _OTHER)
        said = f"{number}  {finding['kind'].replace('_', ' ')} {finding['confidence']:.2f}"
        _part(times, "text", {"x": 0.0, "y": y, "fill": colour}, said)
        _part(times, "line", {"x1": _LABELS, "x2": _WIDTH, "y1": y - 4, "y2": y - 4, "stroke": "#dfe2e8"})
        span = max((finding["last_s"] - finding["first_s"]) * per_s, 3.0)
        bar = {"x": _LABELS + finding["first_s"] * per_s, "y": y - 9, "width": span, "height": 10.0, "rx": 3}
        _part(times, "rect", bar | {"fill": colour, "opacity": 0.8})
    below = _ROW * (len(findings) + 1)
    _part(times, "text", {"x": _LABELS, "y": below, "fill": _OTHER}, "0 s")
    _part(times, "text", {"x": _WIDTH, "y": below, "fill": _OTHER, "text-anchor": "end"}, f"{video_s:.1f} s")
