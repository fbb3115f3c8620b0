"""Looking down: over a pipeline's right of way, and over an area in parallel lines."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate, pairwise
from typing import NamedTuple

from shapely.affinity import rotate
from shapely.geometry import LineString, Polygon

from cloud.planning import bodies
from cloud.planning.flying import TAKE_OFF_UP_M, Drawn, Step
from cloud.planning.obstacles import FLOOR_M
from cloud.planning.settling import Settled, settle
from cloud.planning.surveys import AnyGeometry, GridParams, RightOfWayParams, SurveyInputs
from cloud.stretches import Stretch
from contracts.errors import InvalidInput
from contracts.geo import Enu, GeoPoint, LocalFrame
from contracts.pipeline import Pipeline
from contracts.routes import WaypointAction

_LEAST_M = 15.0
_FARTHEST_M = 110.0
_DOWN = Enu(0.0, 0.0, -1.0)
_PIECE_M = 400.0
_BESIDE_M = 10.0
_MAX_LINES = 2000
_SLACK_M = 1.0
"""On top of the floor: the take-off lies beside the line, a little lower or higher as the earth bends."""


class _Line(NamedTuple):
    places: tuple[GeoPoint, ...]
    length_m: float


def _fly(lines: list[_Line], home: GeoPoint, settled: Settled, transit_mps: float) -> Drawn:
    """Return the flight over lines at one height above each of their places, transits above all of them."""
    over_m = max(place.alt_m for line in lines for place in line.places)
    over_m = max(over_m, home.alt_m + TAKE_OFF_UP_M)
    steps = [Step(home.model_copy(update={"alt_m": over_m}), _DOWN, transit_mps)]
    for line in lines:
        first, *between, last = line.places
        steps.append(Step(first.model_copy(update={"alt_m": over_m}), _DOWN, transit_mps))
        steps.append(Step(first, _DOWN, transit_mps, WaypointAction.START_VIDEO))
        steps += [Step(place, _DOWN, settled.speed_mps) for place in between]
        steps.append(Step(last, _DOWN, settled.speed_mps, WaypointAction.STOP_VIDEO))
        steps.append(Step(last.model_copy(update={"alt_m": over_m}), _DOWN, transit_mps))
    steps.append(Step(home.model_copy(update={"alt_m": over_m}), _DOWN, transit_mps))
    return Drawn(home, tuple(steps), settled.shot, sum(line.length_m for line in lines), (), over_m)


def _with_what_stands_there(drawn: Drawn, geometry: AnyGeometry | None) -> Drawn:
    """Return a flight with the solid parts of the asset it passes: an area may be flown over beside a mast."""
    frame = LocalFrame(drawn.home)
    cones = bodies.near(bodies.of_asset(geometry, frame), [frame.to_enu(step.point) for step in drawn.steps])
    tops = [drawn.home.alt_m + cone.highest_m for cone in cones]
    return replace(drawn, cones=cones, top_alt_m=max([drawn.top_alt_m, *tops]))


class RightOfWay:
    """A pipeline in pieces of at most ``_PIECE_M``; the aircraft goes up and down its strips over each stretch."""

    def __init__(self, inputs: SurveyInputs, params: RightOfWayParams, pipe: Pipeline) -> None:
        self._inputs, self._params, self._pipe = inputs, params, pipe
        self._settled = settle(inputs, least_m=_LEAST_M, most_m=_FARTHEST_M, upright=True)
        shot = self._settled.shot
        self._strips = max(
            1, math.ceil((pipe.right_of_way_m - shot.width_m) / (shot.width_m * (1 - params.side_overlap)) + 1)
        )
        self._points = _in_pieces(pipe)
        self.sections = len(self._points) - 1

    def flight(self, first: int, last: int) -> Drawn:
        """Return the flight over some pieces."""
        stretch = self._points[first : last + 2]
        frame = LocalFrame(stretch[len(stretch) // 2])
        places = [frame.to_enu(point) for point in stretch]
        home = self._inputs.home or self._beside(frame, places, stretch)
        lines = []
        for number in range(self._strips):
            line = self._line(frame, places, number)
            lines.append(line if number % 2 == 0 else _Line(line.places[::-1], line.length_m))
        return _fly(lines, home, self._settled, self._params.transit_speed_mps)

    def name_of(self, section: int) -> str:
        """Return which stretch of the pipe it is."""
        chainages = _chainages(self._pipe.start_chainage_m, self._points)
        return f"chainage {chainages[section]:.0f} m to {chainages[section + 1]:.0f} m"

    def stretch(self, first: int, last: int) -> Stretch:
        """Return the chainages of some pieces' ends."""
        chainages = _chainages(self._pipe.start_chainage_m, self._points)
        ends = {"start_m": round(chainages[first], 1), "end_m": round(chainages[last + 1], 1)}
        return Stretch(first=first, last=last, of=self.sections, **ends)

    def _beside(self, frame: LocalFrame, places: list[Enu], stretch: list[GeoPoint]) -> GeoPoint:
        """Return a take-off beside the middle, or beside the lowest place where the flight would sink below that."""
        middle = len(places) // 2
        lowest = min(range(len(stretch)), key=lambda index: stretch[index].alt_m)
        if places[lowest].up + self._settled.shot.distance_m < FLOOR_M + _SLACK_M:
            middle = lowest
        left = _left(places, middle)
        away_m = self._pipe.right_of_way_m / 2 + _BESIDE_M
        spot = frame.to_geo(places[middle].plus(left, away_m))
        return spot.model_copy(update={"alt_m": stretch[middle].alt_m})

    def _line(self, frame: LocalFrame, places: list[Enu], number: int) -> _Line:
        shot = self._settled.shot
        spacing_m = shot.width_m * (1 - self._params.side_overlap)
        offset_m = (number - (self._strips - 1) / 2) * spacing_m
        found = []
        for index, place in enumerate(places):
            level = place.plus(_left(places, index), offset_m)
            point = frame.to_geo(level)
            ground_m = frame.to_geo(place).alt_m
            found.append(point.model_copy(update={"alt_m": ground_m + shot.distance_m}))
        return _Line(tuple(found), sum(b.minus(a).norm() for a, b in pairwise(places)))


def _in_pieces(pipe: Pipeline) -> list[GeoPoint]:
    points = [pipe.centre_line[0]]
    for number in range(len(pipe.centre_line) - 1):
        points += pipe.piece(number, _PIECE_M)[1:]
    return points


def _chainages(start_m: float, points: Sequence[GeoPoint]) -> list[float]:
    return list(accumulate((LocalFrame(a).to_enu(b).norm() for a, b in pairwise(points)), initial=start_m))


def _left(places: list[Enu], index: int) -> Enu:
    """Return the horizontal unit vector to the left of the way through a place."""
    before, after = places[max(0, index - 1)], places[min(len(places) - 1, index + 1)]
    way = after.minus(before)
    length_m = math.hypot(way.east, way.north)
    if length_m < 1e-6:
        return Enu(0.0, 1.0, 0.0)
    return Enu(-way.north / length_m, way.east / length_m, 0.0)


class Grid:
    """Parallel lines over an area; a section is one line."""

    def __init__(self, inputs: SurveyInputs, params: GridParams, home: GeoPoint) -> None:
        self._params, self._home, self._geometry = params, home, inputs.geometry
        self._settled = settle(inputs, least_m=_LEAST_M, most_m=_FARTHEST_M, upright=True)
        ground_m = home.alt_m if params.ground_alt_m is None else params.ground_alt_m
        self._alt_m = ground_m + self._settled.shot.distance_m
        self._lines = self._cover()
        self.sections = len(self._lines)

    def _cover(self) -> list[_Line]:
        """Return the lines over the area, each flown the other way than the one before."""
        points = [GeoPoint(lat_deg=c.lat_deg, lon_deg=c.lon_deg, alt_m=self._alt_m) for c in self._params.corners]
        frame = LocalFrame(points[0])
        area = Polygon([frame.to_enu(point)[:2] for point in points])
        if not area.is_valid or area.area < 1.0:
            raise InvalidInput("The corners enclose no area, or their outline crosses itself.", field="params.corners")
        # Turned so that the lines run north, then turned back.
        cuts = self._cuts(rotate(area, self._params.bearing_deg, origin=(0.0, 0.0)))
        lines = []
        for number, cut in enumerate(cuts):
            back = rotate(cut, -self._params.bearing_deg, origin=(0.0, 0.0))
            places = [frame.to_geo(Enu(x, y, 0.0)).model_copy(update={"alt_m": self._alt_m}) for x, y in back.coords]
            lines.append(_Line(tuple(places if number % 2 == 0 else places[::-1]), cut.length))
        if not lines:
            raise InvalidInput("The area is too small to fly over.", field="params.corners")
        return lines

    def _cuts(self, area: Polygon) -> list[LineString]:
        """Return where lines that run north meet the area."""
        west, south, east, north = area.bounds
        shot = self._settled.shot
        spacing_m = shot.width_m * (1 - self._params.side_overlap)
        count = max(1, math.ceil((east - west - shot.width_m) / spacing_m) + 1)
        if count > _MAX_LINES:
            raise InvalidInput(f"The area needs {count} lines; {_MAX_LINES} are the most.", field="params.corners")
        cuts: list[LineString] = []
        for number in range(count):
            x = (west + east) / 2 + (number - (count - 1) / 2) * spacing_m
            cut = area.intersection(LineString([(x, south - 1.0), (x, north + 1.0)]))
            pieces = getattr(cut, "geoms", [cut])
            cuts += [piece for piece in pieces if isinstance(piece, LineString) and piece.length > 1.0]
        return cuts

    def flight(self, first: int, last: int) -> Drawn:
        """Return the flight over some lines."""
        drawn = _fly(self._lines[first : last + 1], self._home, self._settled, self._params.transit_speed_mps)
        return _with_what_stands_there(drawn, self._geometry)

    def name_of(self, section: int) -> str:
        """Return the line's number."""
        return f"line {section}"

    def stretch(self, first: int, last: int) -> Stretch:
        """Return the lines by their numbers."""
        return Stretch(first=first, last=last, of=self.sections)
