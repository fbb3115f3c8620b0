"""Along a power line: parallel to its outer conductors, following their sag, out on one side and back on the other."""

from __future__ import annotations

import math
from functools import cached_property

from cloud.planning.bodies import conductor_pieces, line_cones
from cloud.planning.flying import Drawn, Step
from cloud.planning.obstacles import FLOOR_M
from cloud.planning.rules import Limits
from cloud.planning.settling import MARGIN_M, settle
from cloud.planning.surveys import CorridorParams, SurveyInputs
from cloud.stretches import Stretch
from contracts.errors import InvalidInput
from contracts.geo import UP, Enu, GeoPoint, LocalFrame
from contracts.powerline import PowerLine
from contracts.routes import WaypointAction

_LEAST_M = 6.0
_FARTHEST_M = 40.0
_SHARPEST_DEG = 100.0
_SLACK_M = 1.0
"""On top of the floor: the earth bends away from the take-off."""
_BESIDE_M = 25.0
"""From the outer path to the take-off beside the line."""


class Corridor:
    """A line's spans as sections."""

    def __init__(self, inputs: SurveyInputs, params: CorridorParams, line: PowerLine) -> None:
        self._inputs, self._params, self._line = inputs, params, line
        last = len(line.towers) - 2 if params.last_span is None else params.last_span
        if not params.first_span <= last <= len(line.towers) - 2:
            raise InvalidInput(
                f"Spans {params.first_span} to {last} are not on a line of {len(line.towers) - 1} spans, from 0.",
                field="params.last_span" if last > len(line.towers) - 2 else "params.first_span",
            )
        self._first, self.sections = params.first_span, last - params.first_span + 1
        self._settled = settle(inputs, least_m=_LEAST_M, most_m=_FARTHEST_M, upright=False)
        self._away_m = line.half_width_m + self._settled.shot.distance_m + MARGIN_M

    @cached_property
    def _spans(self) -> list[tuple[GeoPoint, ...]]:
        """Return, for each span, the places of its centre line where the pieces meet."""
        return [conductor_pieces(span) for span in self._line.spans()]

    def flight(self, first: int, last: int) -> Drawn:
        """Return the flight over some spans."""
        spans = range(self._first + first, self._first + last + 1)
        frame = LocalFrame(self._line.towers[spans[0] + len(spans) // 2].foot)
        home = self._inputs.home or self._beside(frame, spans)
        near = range(max(0, spans[0] - 1), min(len(self._spans), spans[-1] + 2))
        cones = tuple(line_cones(self._line, self._spans, near, LocalFrame(home)))
        top_alt_m = max(self._line.towers[n].foot.alt_m + self._line.towers[n].height_m for n in self._towers(spans))
        over_alt_m = top_alt_m + Limits().clearance_m + 2.0
        steps = self._over(frame, self._paths(frame, spans), home, over_alt_m)
        inspected_m = sum(self._line.span(n).length_m for n in spans) * len(self._params.sides)
        shot = self._settled.shot
        return Drawn(home, tuple(steps), shot, inspected_m, cones, over_alt_m, passes_towers=True)

    def name_of(self, section: int) -> str:
        """Return the span's name."""
        one, other = (self._line.towers[self._first + section + end].name for end in (0, 1))
        return f"span {self._first + section} ({one} to {other})"

    def stretch(self, first: int, last: int) -> Stretch:
        """Return the spans by their numbers on the line."""
        return Stretch(first=self._first + first, last=self._first + last, of=len(self._line.towers) - 1)

    def _towers(self, spans: range) -> range:
        return range(spans[0], spans[-1] + 2)

    def _beside(self, frame: LocalFrame, spans: range) -> GeoPoint:
        """Return a take-off place to the left of a tower, at the height of its foot.

        It is the middle one, or the lowest where the flight would sink below that.
        """
        number = spans[0] + len(spans) // 2
        low_m = min(frame.to_enu(wire).up for span in spans for wire in self._spans[span]) + self._params.raise_m
        if low_m < FLOOR_M + _SLACK_M:
            number = min(self._towers(spans), key=lambda tower: self._line.towers[tower].foot.alt_m)
        out = self._bisector(frame, number)[0]
        foot = self._line.towers[number].foot
        spot = frame.to_geo(frame.to_enu(foot).plus(out, self._away_m + _BESIDE_M))
        return spot.model_copy(update={"alt_m": foot.alt_m})

    def _bisector(self, frame: LocalFrame, number: int) -> tuple[Enu, float]:
        """Return the unit vector to the left at a tower and by how much a mitre lengthens it (1 to 1 / cos)."""
        towers = self._line.towers
        ways = []
        for one, other in ((number - 1, number), (number, number + 1)):
            if one >= 0 and other < len(towers):
                way = frame.to_enu(towers[other].foot).minus(frame.to_enu(towers[one].foot))
                ways.append(Enu(way.east, way.north, 0.0).unit())
        turn_deg = math.degrees(math.acos(max(-1.0, min(1.0, ways[0].dot(ways[-1])))))
        if turn_deg > _SHARPEST_DEG:
            raise InvalidInput(
                f"The line turns by {turn_deg:.0f} degrees at tower {towers[number].name!r}; one flight follows at most"
                f" {_SHARPEST_DEG:.0f}.",
                hint="Fly the spans on either side of it by themselves (first_span, last_span).",
                field="params.first_span",
            )
        left = UP.cross(ways[0].plus(ways[-1]).unit())
        return left, 1.0 / max(0.5, math.cos(math.radians(turn_deg / 2)))

    def _paths(self, frame: LocalFrame, spans: range) -> list[list[tuple[Enu, Enu]]]:
        """Return one path for each side: places in the frame with the directions to look, in the order of flight."""
        wires = {number: [frame.to_enu(point) for point in self._spans[number]] for number in spans}
        mitres = {number: self._bisector(frame, number) for number in self._towers(spans)}
        feet = {number: frame.to_enu(self._line.towers[number].foot) for number in mitres}
        paths = []
        for turn, side in enumerate(self._params.sides):
            away_m = self._away_m if side == "left" else -self._away_m
            corners = {number: feet[number].plus(left, away_m * longer) for number, (left, longer) in mitres.items()}
            path = self._path(corners, wires)
            paths.append(path if turn % 2 == 0 else path[::-1])
        return paths

    def _path(self, corners: dict[int, Enu], wires: dict[int, list[Enu]]) -> list[tuple[Enu, Enu]]:
        path: list[tuple[Enu, Enu]] = []
        for number, hanging in wires.items():
            one, other = corners[number], corners[number + 1]
            for piece, wire in enumerate(hanging):
                if path and piece == 0:
                    continue
                level = one.plus(other.minus(one), piece / (len(hanging) - 1))
                place = Enu(level.east, level.north, wire.up + self._params.raise_m)
                path.append((place, wire.minus(place).unit()))
        return path

    def _over(
        self, frame: LocalFrame, paths: list[list[tuple[Enu, Enu]]], home: GeoPoint, over_alt_m: float
    ) -> list[Step]:
        """Return the whole flight: between home, paths and sides above every tower."""
        transit_mps, speed_mps = self._params.transit_speed_mps, self._settled.speed_mps

        def above(point: GeoPoint, look: Enu) -> Step:
            return Step(point.model_copy(update={"alt_m": over_alt_m}), look, transit_mps)

        ahead = frame.to_enu(home).minus(paths[0][0][0]).times(-1.0)
        steps = [above(home, Enu(ahead.east, ahead.north, 0.0).unit())]
        for path in paths:
            places = [frame.to_geo(place) for place, _ in path]
            looks = [look for _, look in path]
            steps.append(above(places[0], looks[0]))
            steps.append(Step(places[0], looks[0], transit_mps, WaypointAction.START_VIDEO))
            steps += [Step(*pair, speed_mps) for pair in zip(places[1:-1], looks[1:-1], strict=True)]
            steps.append(Step(places[-1], looks[-1], speed_mps, WaypointAction.STOP_VIDEO))
            steps.append(above(places[-1], looks[-1]))
        return [*steps, above(home, steps[-1].look)]
