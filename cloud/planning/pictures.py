"""The picture of docs/planning.md: real routes of each pattern, seen from the side or from above."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from cloud.planning import patterns, planner
from cloud.planning.obstacles import cones_of
from cloud.planning.pattern import BladesParams, PlanInputs
from cloud.planning.surveys import SurveyInputs
from contracts.geo import Enu, GeoPoint, LocalFrame
from contracts.powerline import LineTower, PowerLine
from contracts.routes import Route, WaypointAction
from contracts.tower import TelecomTower
from contracts.turbine import TurbineGeometry

FOOT = GeoPoint(lat_deg=54.9, lon_deg=8.3, alt_m=45.0)
_WIDTH, _HEIGHT, _PAD, _TITLE = 300.0, 260.0, 16.0, 22.0
Flat = tuple[float, float]


class _Panel(NamedTuple):
    title: str
    route: list[tuple[Flat, bool]]
    """Places, and whether the leg to each is recorded."""
    solids: list[list[Flat]]


def planning_svg() -> str:
    """Return the picture. The same routes give the same text."""
    panels = [_blades(), _orbit(), _corridor(), _grid()]
    width = _WIDTH * len(panels)
    drawn = "".join(_drawn(panel, number * _WIDTH) for number, panel in enumerate(panels))
    style = (
        "text{font:13px sans-serif;fill:#333}.solid{fill:none;stroke:#999;stroke-width:3}"
        ".film{fill:none;stroke:#c2410c;stroke-width:1.6}.way{fill:none;stroke:#2563eb;stroke-width:.8}"
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {_HEIGHT:.0f}">'
        f'<style>{style}</style><rect width="{width:.0f}" height="{_HEIGHT:.0f}" fill="#fff"/>{drawn}</svg>\n'
    )


def _drawn(panel: _Panel, left: float) -> str:
    places = [place for place, _ in panel.route] + [place for solid in panel.solids for place in solid]
    xs, ys = [x for x, _ in places], [y for _, y in places]
    scale = min((_WIDTH - 2 * _PAD) / (max(xs) - min(xs)), (_HEIGHT - 2 * _PAD - _TITLE) / (max(ys) - min(ys)))

    def at(place: Flat) -> str:
        x = left + _WIDTH / 2 + (place[0] - (min(xs) + max(xs)) / 2) * scale
        y = _TITLE + (_HEIGHT - _TITLE) / 2 - (place[1] - (min(ys) + max(ys)) / 2) * scale
        return f"{x:.1f},{y:.1f}"

    solids = "".join(f'<polyline class="solid" points="{" ".join(map(at, solid))}"/>' for solid in panel.solids)
    legs = "".join(
        f'<polyline class="{"film" if filmed else "way"}" points="{at(before)} {at(place)}"/>'
        for (before, _), (place, filmed) in zip(panel.route, panel.route[1:], strict=False)
    )
    return f'<text x="{left + _PAD:.0f}" y="16">{panel.title}</text>{solids}{legs}'


def _flat(route: Route, frame: LocalFrame, axes: tuple[Enu, Enu]) -> list[tuple[Flat, bool]]:
    filming, places = False, []
    for waypoint in route.waypoints:
        here = frame.to_enu(waypoint.point)
        places.append(((here.dot(axes[0]), here.dot(axes[1])), filming))
        filming = waypoint.action is WaypointAction.START_VIDEO or (
            filming and waypoint.action is not WaypointAction.STOP_VIDEO
        )
    return places


_EAST, _NORTH, _UP = Enu(1.0, 0.0, 0.0), Enu(0.0, 1.0, 0.0), Enu(0.0, 0.0, 1.0)


def _blades() -> _Panel:
    turbine = TurbineGeometry(foot=FOOT, yaw_deg=180.0)
    home = turbine.frame().to_geo(Enu(10.0, -60.0, 0.5))
    inputs = PlanInputs(asset_id="wt-01", geometry=turbine, home=home, blades=BladesParams())
    route = planner.plan(inputs, "pln-1", 1).route
    ends = [(cone.start, cone.start.plus(cone.axis, cone.length_m)) for cone in cones_of(turbine)]
    solids = [[(one.east, one.up), (other.east, other.up)] for one, other in ends]
    return _Panel("blades, from upwind", _flat(route, turbine.frame(), (_EAST, _UP)), solids)


def _survey(geometry: object, home: GeoPoint | None, params: dict[str, object]) -> Route:
    wish = {"asset_id": "a-1", "geometry": geometry, "home": home, "params": params}
    return patterns.flights(SurveyInputs.model_validate(wish), lambda part: (f"pln-{part}", 1))[0].route


def _orbit() -> _Panel:
    mast = TelecomTower(foot=FOOT, height_m=40.0)
    route = _survey(mast, mast.frame().to_geo(Enu(35.0, -20.0, 0.0)), {"pattern": "orbit"})
    solids: list[list[Flat]] = [[(0.0, 0.0), (0.0, mast.height_m)]]
    slanted = (Enu(0.94, 0.34, 0.0), Enu(0.1, -0.27, 0.96))
    return _Panel("orbit, from the side", _flat(route, mast.frame(), slanted), solids)


def _corridor() -> _Panel:
    frame = LocalFrame(FOOT)
    bends = ((0.0, 0.0), (260.0, 20.0), (520.0, 120.0), (760.0, 130.0))
    feet = [frame.to_geo(Enu(east, north, 0.0)).model_copy(update={"alt_m": 45.0}) for east, north in bends]
    line = PowerLine(towers=tuple(LineTower(name=f"T{n}", foot=foot) for n, foot in enumerate(feet)))
    route = _survey(line, None, {"pattern": "corridor"})
    wires = [frame.to_enu(span.frame.to_geo(span.at(n / 12))) for span in line.spans() for n in range(13)]
    slanted = (Enu(1.0, 0.0, 0.0), Enu(0.0, 0.8, 4.0))
    seen = [(wire.dot(slanted[0]), wire.dot(slanted[1])) for wire in wires]
    return _Panel("corridor, heights drawn fourfold", _flat(route, frame, slanted), [seen])


def _grid() -> _Panel:
    frame = LocalFrame(FOOT)
    angles: Sequence[float] = [math.radians(a) for a in (10, 75, 150, 215, 300)]
    ring = [frame.to_geo(Enu(140 * math.sin(a), 110 * math.cos(a), 0.0)) for a in angles]
    corners = [{"lat_deg": place.lat_deg, "lon_deg": place.lon_deg} for place in ring]
    params: dict[str, object] = {"pattern": "grid", "corners": corners, "bearing_deg": 30.0}
    route = _survey(None, frame.to_geo(Enu(-60.0, -120.0, 0.0)), params)
    outline = [(frame.to_enu(place).east, frame.to_enu(place).north) for place in [*ring, ring[0]]]
    return _Panel("grid, from above", _flat(route, frame, (_EAST, _NORTH)), [outline])


if __name__ == "__main__":
    Path("docs/planning.svg").write_text(planning_svg())
