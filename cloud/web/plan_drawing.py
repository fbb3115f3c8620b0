"""A route as one looks at it: from above, from upwind and from the side; its height along the way."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import NamedTuple

from cloud.language import message
from cloud.planning.verdicts import Check
from cloud.web import plots
from cloud.web.advice import told
from cloud.web.labels import words
from cloud.web.plots import Dot, Plot, Tick
from contracts.geo import UP, Enu, GeoPoint, LocalFrame
from contracts.routes import Route, Solid, WaypointAction, Zone, ZoneKind
from contracts.turbine import TurbineGeometry

_PAD = 0.07
_NICE_M = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000)
_CHORDS = 48
Flat = tuple[float, float]
_Flatten = Callable[[Enu], Flat]


class Line(NamedTuple):
    """A polyline in metres. ``width_m``: how thick the thing itself is; 0 for a line of its own."""

    points: str
    style: str
    width_m: float = 0.0


class Spot(NamedTuple):
    """Where a check is closest to its limit."""

    x: float
    y: float
    name: str
    verdict: str


class View(NamedTuple):
    """A drawing to scale. The scale bar is ``bar_m`` long and begins at ``bar_x``, ``bar_y``."""

    title: str
    box: str
    lines: tuple[Line, ...]
    spots: tuple[Spot, ...]
    home: Flat
    bar: Line
    bar_m: int


class Drawing(NamedTuple):
    """All views of a route."""

    views: tuple[View, ...]
    profile: Plot
    ceiling_m: float


class _Sight(NamedTuple):
    """A direction to look in: what is to the right, and what is up, in the picture."""

    title: str
    right: Enu
    up: Enu
    ground: bool = False


_ABOVE = _Sight(message("From above, north up"), Enu(1.0, 0.0, 0.0), Enu(0.0, 1.0, 0.0), ground=True)


def draw(route: Route, checks: Sequence[Check], turbine: TurbineGeometry | None) -> Drawing:
    """Return the views of a route; a turbine is also seen from upwind and from the side."""
    frame = LocalFrame(route.home)
    sights = [_ABOVE]
    if turbine is not None:
        axis = turbine.axis()
        sights += [
            _Sight(message("Passes from upwind"), Enu(-axis.north, axis.east, 0.0), UP),
            _Sight(message("Passes from the side"), axis, UP),
        ]
    views = tuple(_view(sight, route, checks, frame) for sight in sights)
    return Drawing(views, _profile(route, checks, frame), route.fence.max_alt_rel_m)


def _view(sight: _Sight, route: Route, checks: Sequence[Check], frame: LocalFrame) -> View:
    def flat(place: Enu) -> Flat:
        return round(place.dot(sight.right), 2), round(-place.dot(sight.up), 2)

    legs = [flat(place) for place in _places(route, frame)]
    solids = [_solid(solid, frame, flat) for solid in route.solids]
    round_about = [_zone(zone, frame, flat) for zone in route.fence.zones] if sight.ground else []
    fence = [_fence(route, frame, flat)] if sight.ground else []
    spots = tuple(_spots(checks, frame, flat))
    held = [*legs, *((s.x, s.y) for s in spots)] if sight.ground else _of_the_passes(route, legs, frame, flat)
    xs, ys = [x for x, _ in held], [y for _, y in held]
    left, right, top, bottom = min(xs), max(xs), min(ys), max(ys)
    pad = _PAD * max(right - left, bottom - top, 10.0)
    box = (left - pad, top - pad, right - left + 2 * pad, bottom - top + 2 * pad)
    bar_m = next((m for m in _NICE_M if m >= box[2] / 6), _NICE_M[-1])
    corner = (round(box[0] + pad / 2, 2), round(box[1] + box[3] - pad / 2, 2))
    ground = [] if sight.ground else [Line(f"{box[0]:.1f},0 {box[0] + box[2]:.1f},0", "ground")]
    return View(
        title=sight.title,
        box=" ".join(f"{v:.2f}" for v in box),
        lines=(*fence, *round_about, *ground, *solids, *_legs(route, legs)),
        spots=spots,
        home=flat(Enu(0.0, 0.0, 0.0)),
        bar=Line(_joined([corner, (corner[0] + bar_m, corner[1])]), "bar"),
        bar_m=bar_m,
    )


def _of_the_passes(route: Route, legs: Sequence[Flat], frame: LocalFrame, flat: _Flatten) -> list[Flat]:
    """Return what a view of the passes must hold: where they begin and end, and the asset; not the way there."""
    ends = [legs[w.seq + 1] for w in route.waypoints if w.action is not WaypointAction.NONE]
    solids = [flat(frame.to_enu(end)) for solid in route.solids for end in (solid.start, solid.end)]
    return [*ends, *solids] or list(legs)


def _places(route: Route, frame: LocalFrame) -> list[Enu]:
    home = Enu(0.0, 0.0, 0.0)
    return [home, *(frame.to_enu(w.point) for w in route.waypoints), home]


def _legs(route: Route, points: Sequence[Flat]) -> list[Line]:
    """Return the legs, those that are filmed apart from those that are not."""
    lines, filming = [], False
    for number, (one, other) in enumerate(pairwise(points)):
        lines.append(Line(_joined([one, other]), "film" if filming else "way"))
        if number < len(route.waypoints):
            action = route.waypoints[number].action
            filming = action is WaypointAction.START_VIDEO or (filming and action is not WaypointAction.STOP_VIDEO)
    return lines


def _solid(solid: Solid, frame: LocalFrame, flat: _Flatten) -> Line:
    ends = [flat(frame.to_enu(solid.start)), flat(frame.to_enu(solid.end))]
    thick_m = solid.radius_m + (solid.end_radius_m if solid.end_radius_m is not None else solid.radius_m)
    return Line(_joined(ends), "solid", round(max(thick_m, 0.3), 2))


def _fence(route: Route, frame: LocalFrame, flat: _Flatten) -> Line:
    return Line(_circle(frame.to_enu(route.fence.centre), route.fence.radius_m, flat), "fence")


def _zone(zone: Zone, frame: LocalFrame, flat: _Flatten) -> Line:
    style = "keep-out" if zone.kind is ZoneKind.KEEP_OUT else "fence"
    if zone.centre is not None and zone.radius_m is not None:
        centre = frame.to_enu(
            GeoPoint(lat_deg=zone.centre.lat_deg, lon_deg=zone.centre.lon_deg, alt_m=frame.origin.alt_m)
        )
        return Line(_circle(centre, zone.radius_m, flat), style)
    ring = [GeoPoint(lat_deg=c.lat_deg, lon_deg=c.lon_deg, alt_m=frame.origin.alt_m) for c in zone.corners]
    return Line(_joined([flat(frame.to_enu(p)) for p in [*ring, ring[0]]]), style)


def _circle(centre: Enu, radius_m: float, flat: _Flatten) -> str:
    angles = [2 * math.pi * n / _CHORDS for n in range(_CHORDS + 1)]
    return _joined([flat(centre.plus(Enu(math.sin(a), math.cos(a), 0.0), radius_m)) for a in angles])


def _spots(checks: Sequence[Check], frame: LocalFrame, flat: _Flatten) -> list[Spot]:
    found = []
    for check in checks:
        if check.worst is not None:
            worst = check.worst
            place = frame.to_enu(GeoPoint(lat_deg=worst.lat_deg, lon_deg=worst.lon_deg, alt_m=worst.alt_m))
            found.append(Spot(*flat(place), check.name, check.verdict.value))
    return found


def _profile(route: Route, checks: Sequence[Check], frame: LocalFrame) -> Plot:
    """Return height above home along the way, with the places where checks are closest to their limits."""
    places = _places(route, frame)
    along = [0.0]
    for one, other in pairwise(places):
        along.append(along[-1] + other.minus(one).norm())
    high = max(max(p.up for p in places) * 1.12, 10.0)
    low = min(0.0, *(p.up for p in places))
    whole = along[-1] or 1.0

    def at(metre: float, up: float) -> Flat:
        return round(100 * metre / whole, 2), round(100 * (high - up) / (high - low), 2)

    dots = []
    for check in checks:
        if check.worst is not None and 0 <= check.worst.segment < len(along) - 1:
            here = frame.to_enu(
                GeoPoint(lat_deg=check.worst.lat_deg, lon_deg=check.worst.lon_deg, alt_m=check.worst.alt_m)
            )
            x, y = at(min(along[check.worst.segment] + check.worst.metre, whole), here.up)
            dots.append(
                Dot(
                    x,
                    y,
                    y,
                    y,
                    f"{words(check.name)}: {told(check.sentence).text}",
                    f"spot {check.verdict.value} at-{check.name}",
                )
            )
    return Plot(
        dots=tuple(dots),
        line=_joined([at(m, p.up) for m, p in zip(along, places, strict=True)]),
        band="",
        fan="",
        x_ticks=tuple(Tick(100 * m / whole, f"{m:.0f} m") for m in plots.ticks(0.0, whole)),
        y_ticks=tuple(Tick(round(100 * (high - m) / (high - low), 2), f"{m:g}") for m in plots.ticks(low, high)),
    )


def _joined(points: Sequence[Flat]) -> str:
    return " ".join(f"{x},{y}" for x, y in points)
