from __future__ import annotations

from typing import Any
from xml.etree import ElementTree as ET

import pytest

from vision.outline import outline_svg

SVG = "{http://www.w3.org/2000/svg}"


def look(confidence: float, x0: float) -> dict[str, Any]:
    return {"frame": 3, "confidence": confidence, "box": {"x0": x0, "y0": 0.25, "x1": x0 + 0.25, "y1": 0.75}}


def finding(kind: str = "crack", looks: int = 2) -> dict[str, Any]:
    seen = [look(0.5 + n / 10, 0.1 * n) for n in range(looks)]
    return {"kind": kind, "confidence": 0.6, "first_s": 1.0, "last_s": 2.5, "evidence": seen}


def report(*findings: dict[str, Any]) -> dict[str, Any]:
    return {"video": "a<b.mp4", "width_px": 3840, "height_px": 2160, "video_s": 6.0, "findings": list(findings)}


def drawn(said: dict[str, Any]) -> ET.Element:
    return ET.fromstring(outline_svg(said))  # noqa: S314 - our own text


def test_every_look_is_a_box_and_every_finding_a_bar_and_a_line_of_text() -> None:
    svg = drawn(report(finding(), finding("leading_edge_erosion", looks=3)))
    hollow = [r for r in svg.iter(f"{SVG}rect") if r.get("fill") == "none"]
    assert len(hollow) == 5
    texts = [t.text or "" for t in svg.iter(f"{SVG}text")]
    assert "2  leading edge erosion 0.60" in texts
    assert "6.0 s" in texts


def test_the_surest_look_is_drawn_strongest_and_numbered() -> None:
    svg = drawn(report(finding(looks=3)))
    hollow = [r for r in svg.iter(f"{SVG}rect") if r.get("fill") == "none"]
    assert [r.get("stroke-width") for r in hollow] == ["0.7", "0.7", "2.0"]
    assert hollow[2].get("x") == "192.0"
    assert hollow[2].get("height") == "270.0"


@pytest.mark.parametrize("said", [report(), report(finding("a kind of tomorrow", looks=1))])
def test_nothing_found_and_unknown_kinds_still_make_a_drawing(said: dict[str, Any]) -> None:
    assert drawn(said).find(f"{SVG}title") is not None


def test_no_picture_is_embedded() -> None:
    assert "image" not in {e.tag.removeprefix(SVG) for e in drawn(report(finding())).iter()}
