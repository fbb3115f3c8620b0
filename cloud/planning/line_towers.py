"""Round the towers of a power line: down and up at four corners, two on each side, and over the top between the sides.

The corners lie outside the conductors, a little before and behind the tower, so that two of its four sides are seen
from each. The aircraft never passes under a conductor or between two: it changes sides above every tower.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from cloud.planning.bodies import conductor_pieces, line_cones
from cloud.planning.flying import Drawn, Step
from cloud.planning.obstacles import FLOOR_M
from cloud.planning.photography import Shot, distance_for
from cloud.planning.rules import Limits
from cloud.planning.settling import MARGIN_M, settle
from cloud.planning.surveys import LineTowersParams, SurveyInputs
from cloud.stretches import Stretch
from contracts.errors import InvalidInput
from contracts.geo import UP, Enu, GeoPoint, LocalFrame
from contracts.parts import LINE_TOWER_MM_PX, line_tower_bearing_deg
from contracts.powerline import PowerLine
from contracts.routes import WaypointAction

_LEAST_M = 5.7
"""From the outermost conductors. What is wanted finer than that allows is flown there, and said to be coarser."""
_AHEAD = 0.65
"""How far before and behind, over how far beside: the sides along the line are seen at 57 degrees, the others at 33."""
_SLANT = math.hypot(1.0, _AHEAD)
_SHARPEST_DEG = 60.0
"""Where the line turns more, the corners on the inner side would lie among its conductors, or far away."""
_SLACK_M = 1.0
_SHORTEST_M = 3.0
_BESIDE_M = 25.0


class _Side(NamedTuple):
    """The two corners on one side of a tower in the order of flight, at no height."""

    first: Enu
    last: Enu


class LineTowers:
    """A line's towers as sections."""

    def __init__(self, inputs: SurveyInputs, params: LineTowersParams, line: PowerLine) -> None:
        self._inputs, self._params, self._line = inputs, params, line
        last = len(line.towers) - 1 if params.last_tower is None else params.last_tower
        if not params.first_tower <= last <= len(line.towers) - 1:
            raise InvalidInput(
                f"Towers {params.first_tower} to {last} are not on a line of {len(line.towers)} towers, from 0.",
                field="params.last_tower" if last > len(line.towers) - 1 else "params.first_tower",
            )
        wanted = range(params.first_tower, last + 1)
        self._flown = [number for number in wanted if abs(line.turn_deg(number)) <= _SHARPEST_DEG]
        self._gaps = tuple(
            f"tower {line.towers[n].name} not at all, where the line turns by {abs(line.turn_deg(n)):.0f} degrees"
            for n in wanted
            if n not in self._flown
        )
        self.sections = len(self._flown)
        if not self._flown:
            raise InvalidInput(f"Nothing can be flown: {self._gaps[0]}.", field="params.first_tower")
        least_m = (line.half_width_m + _LEAST_M + MARGIN_M) * _SLANT
        wanted_m = params.standoff_m or max(least_m, distance_for(inputs.camera, params.gsd_mm_px))
        near = inputs.model_copy(update={"params": params.model_copy(update={"standoff_m": wanted_m})})
        self._settled = settle(near, least_m=least_m, most_m=wanted_m, upright=True)
        self._away_m = self._settled.shot.distance_m / _SLANT

    def flight(self, first: int, last: int) -> Drawn:
        """Return the flight round some towers."""
        towers = self._flown[first : last + 1]
        home = self._inputs.home or self._beside(towers[len(towers) // 2])
        frame = LocalFrame(home)
        near = range(max(0, towers[0] - 1), min(len(self._line.towers) - 1, towers[-1] + 1))
        pieces = {number: conductor_pieces(self._line.span(number)) for number in near}
        cones = tuple(line_cones(self._line, pieces, near, frame))
        passed = self._line.towers[near[0] : near[-1] + 2]
        over_alt_m = max(tower.foot.alt_m + tower.height_m for tower in passed) + Limits().clearance_m + 2.0
        rounds = [self._round(number, frame, over_alt_m) for number in towers]
        steps = [step for steps, _ in rounds for step in steps]
        ways = [Step(home.model_copy(update={"alt_m": over_alt_m}), s.look, s.speed_mps) for s in (steps[0], steps[-1])]
        inspected_m = math.fsum(metres for _, metres in rounds)
        whole = (ways[0], *steps, ways[1])
        shot, coarse = self._settled.shot, self._coarse(towers)
        return Drawn(home, whole, shot, inspected_m, cones, over_alt_m, self._gaps, coarse, rounds_towers=True)

    def name_of(self, section: int) -> str:
        """Return the tower's name."""
        return f"tower {self._line.towers[self._flown[section]].name}"

    def stretch(self, first: int, last: int) -> Stretch:
        """Return the towers by their numbers on the line."""
        return Stretch(first=self._flown[first], last=self._flown[last], of=len(self._line.towers))

    def _beside(self, number: int) -> GeoPoint:
        """Return a take-off place to the left of a tower, at the height of its foot."""
        foot = self._line.towers[number].foot
        spot = LocalFrame(foot).to_geo(self._left(number).times(self._away_m + _BESIDE_M))
        return spot.model_copy(update={"alt_m": foot.alt_m})

    def _along(self, number: int) -> Enu:
        bearing = math.radians(line_tower_bearing_deg(self._line, number, 0))
        return Enu(math.sin(bearing), math.cos(bearing), 0.0)

    def _left(self, number: int) -> Enu:
        return UP.cross(self._along(number))

    def _sides(self, number: int) -> tuple[_Side, _Side]:
        """Return the corners about a tower's axis, left and right."""
        along, left = self._along(number), self._left(number)
        one, other = (self._beside_m(number, sign) for sign in (1, -1))
        near, far = left.times(one), left.times(-other)
        return (
            _Side(near.plus(along, -_AHEAD * one), near.plus(along, _AHEAD * one)),
            _Side(far.plus(along, _AHEAD * other), far.plus(along, -_AHEAD * other)),
        )

    def _beside_m(self, number: int, side: int) -> float:
        """Return how far the corners on the left (1) or the right (-1) lie beside a tower's axis.

        On the inner side of a turn they lie farther out: a corner a before and b beside is ``b cos h - a sin h`` from
        conductors that leave at h off the tower's own line.
        """
        turn = math.radians(max(0.0, side * self._line.turn_deg(number)) / 2)
        return self._away_m / (math.cos(turn) - _AHEAD * math.sin(turn))

    def _coarse(self, towers: Sequence[int]) -> tuple[str, ...]:
        """Say which towers are shown too coarsely to count as seen, and how."""
        away_m = {n: max(self._beside_m(n, side) for side in (1, -1)) * _SLANT for n in towers}
        mm_px = {n: Shot(self._inputs.camera, metres).gsd_mm_px for n, metres in away_m.items()}
        return tuple(
            f"tower {self._line.towers[n].name} at {mm:.1f} mm a pixel"
            for n, mm in mm_px.items()
            if mm > LINE_TOWER_MM_PX
        )

    def _round(self, number: int, frame: LocalFrame, over_alt_m: float) -> tuple[list[Step], float]:
        """Return the way round one tower, and the metres that are filmed."""
        tower = self._line.towers[number]
        own, foot_up_m = LocalFrame(tower.foot), frame.to_enu(tower.foot).up
        low_m = max(self._params.first_height_m or 0.0, max(0.0, -foot_up_m) + FLOOR_M + _SLACK_M)
        if tower.height_m - low_m < _SHORTEST_M:
            raise InvalidInput(
                f"Nothing of tower {tower.name} stands above the floor of {low_m:.0f} m.",
                hint="Take off from lower ground, nearer to the tower, or fly lower.",
                field="params.first_height_m" if self._params.first_height_m else "home",
            )
        steps, filmed_m = [], 0.0
        for side in self._sides(number):
            steps += self._side(side, own, (low_m, tower.height_m), over_alt_m)
            filmed_m += 2 * (tower.height_m - low_m) + side.last.minus(side.first).norm()
        return steps, filmed_m

    def _side(self, side: _Side, own: LocalFrame, heights_m: tuple[float, float], over_alt_m: float) -> list[Step]:
        """Return down at the first corner, along, up at the last, from above every tower and back there."""
        low_m, top_m = heights_m
        transit_mps, speed_mps = self._params.transit_speed_mps, self._settled.speed_mps

        def at(corner: Enu, up_m: float) -> GeoPoint:
            return own.to_geo(corner.plus(UP, up_m))

        looks = {corner: corner.times(-1.0).unit() for corner in side}
        above = [
            Step(at(corner, 0.0).model_copy(update={"alt_m": over_alt_m}), looks[corner], transit_mps)
            for corner in side
        ]
        return [
            above[0],
            Step(at(side.first, top_m), looks[side.first], transit_mps, WaypointAction.START_VIDEO),
            Step(at(side.first, low_m), looks[side.first], speed_mps),
            Step(at(side.last, low_m), looks[side.last], speed_mps),
            Step(at(side.last, top_m), looks[side.last], speed_mps, WaypointAction.STOP_VIDEO),
            above[1],
        ]
