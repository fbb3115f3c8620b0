"""Round things that stand: strips up and down a tower or mast, rings that rise like a helix, one face of it."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from cloud.planning import passages
from cloud.planning.bodies import body_of, cone_of, moved
from cloud.planning.flying import TAKE_OFF_UP_M, Drawn, Step
from cloud.planning.obstacles import FLOOR_M, Cone, Space
from cloud.planning.passes import longest_run
from cloud.planning.rules import Limits
from cloud.planning.settling import MARGIN_M, settle
from cloud.planning.surveys import FacadeParams, OrbitParams, SurveyInputs, TowerParams
from cloud.stretches import Stretch
from contracts.errors import InvalidInput
from contracts.geo import UP, Enu, GeoPoint, LocalFrame
from contracts.routes import WaypointAction
from contracts.tower import TelecomTower
from contracts.turbine import TurbineGeometry

_LEAST_M = 6.0
_FARTHEST_M = 30.0
_SHORTEST_M = 3.0
_RING_CORNERS = 16
_STATIONS = 60
_FEWEST_STRIPS = 4


class _Sweep(NamedTuple):
    """Places in the order of flight, and where the camera looks from each."""

    name: str
    places: tuple[Enu, ...]
    looks: tuple[Enu, ...]
    length_m: float


class Upright:
    """Strips, rings or a face round a body; a section is one of them."""

    def __init__(
        self,
        inputs: SurveyInputs,
        params: TowerParams | OrbitParams | FacadeParams,
        geometry: TurbineGeometry | TelecomTower,
        home: GeoPoint,
    ) -> None:
        self._params, self._geometry, self._home = params, geometry, home
        self._body = body_of(geometry)
        self._settled = settle(
            inputs, least_m=_LEAST_M, most_m=_FARTHEST_M, upright=not isinstance(params, OrbitParams)
        )
        self._away_m = self._body.radius_m + self._settled.shot.distance_m + MARGIN_M
        self._space = self._room(tuple(cone_of(solid, self._body.frame) for solid in inputs.neighbours))
        self._home_enu = self._body.frame.to_enu(home)
        wanted = self._sweeps()
        cut = [self._trimmed(sweep) for sweep in wanted]
        self._flown = [sweep for sweep in cut if sweep is not None]
        self._gaps = tuple(
            f"{one.name} {'not at all' if two is None else f'only {two.length_m:.0f} of {one.length_m:.0f} m'}"
            for one, two in zip(wanted, cut, strict=True)
            if two is None or two.length_m < one.length_m - 0.5
        )
        self.sections = len(self._flown)
        if not self._flown:
            raise InvalidInput(
                "No strip can be flown safely.", hint="Raise params.standoff_m.", field="params.standoff_m"
            )
        self._net = passages.Net(self._space, self._places())

    def _room(self, beside: tuple[Cone, ...]) -> Space:
        home_up_m = self._body.frame.to_enu(self._home).up
        cones, limit_m = self._body.cones + beside, Limits().clearance_m
        return Space(
            cones=cones,
            limits_m={cone.name: limit_m for cone in cones},
            floor_up_m=max(0.0, home_up_m) + FLOOR_M,
            ceiling_up_m=home_up_m + self._params.max_alt_rel_m,
            fence_radius_m=5000.0,
            margin_m=MARGIN_M,
        )

    def _sweeps(self) -> list[_Sweep]:
        match self._params:
            case TowerParams():
                return self._strips()
            case OrbitParams():
                return self._rings()
            case FacadeParams():
                return self._face()

    def _range(self) -> tuple[float, float]:
        low_m, high_m = self._space.floor_up_m + MARGIN_M, self._body.top_m
        if high_m - low_m < _SHORTEST_M:
            raise InvalidInput(f"Nothing of it stands above the floor of {low_m:.0f} m.", field="home")
        return low_m, high_m

    def _strips(self) -> list[_Sweep]:
        low_m, high_m = self._range()
        around_m = 2 * math.pi * self._body.radius_m
        asked = math.ceil(around_m / (self._settled.shot.width_m * (1 - self._params.side_overlap)))
        chosen = self._params.strips if isinstance(self._params, TowerParams) else None
        count = chosen or max(_FEWEST_STRIPS, min(24, asked))
        sweeps = []
        for number in range(count):
            bearing = 2 * math.pi * number / count
            out = Enu(math.sin(bearing), math.cos(bearing), 0.0)
            sweeps.append(self._strip(f"strip {number}", out.times(self._away_m), out, (low_m, high_m), number))
        return sweeps

    def _strip(self, name: str, foot: Enu, out: Enu, heights: tuple[float, float], number: int) -> _Sweep:
        ups = heights if number % 2 == 0 else heights[::-1]
        places = tuple(foot.plus(UP, up_m) for up_m in ups)
        return _Sweep(name, places, (out.times(-1.0),) * 2, heights[1] - heights[0])

    def _face(self) -> list[_Sweep]:
        mast = self._geometry
        if not isinstance(mast, TelecomTower):
            raise InvalidInput("A facade needs a telecom tower.", hint="Use the pattern tower.", field="pattern")
        face = self._params.face if isinstance(self._params, FacadeParams) else 0
        if face >= mast.faces:
            raise InvalidInput(f"The mast has {mast.faces} faces, numbered from 0.", field="params.face")
        low_m, high_m = self._range()
        out = mast.outward(face)
        across = UP.cross(out)
        width_m = 2 * max(mast.base_radius_m, mast.top_radius_m) * math.sin(math.pi / mast.faces)
        shot = self._settled.shot
        spacing_m = shot.width_m * (1 - self._params.side_overlap)
        count = max(1, math.ceil((width_m - shot.width_m) / spacing_m) + 1)
        feet = [out.times(self._away_m).plus(across, (n - (count - 1) / 2) * spacing_m) for n in range(count)]
        return [
            self._strip(f"face {face} strip {number}", foot, out, (low_m, high_m), number)
            for number, foot in enumerate(feet)
        ]

    def _rings(self) -> list[_Sweep]:
        low_m, high_m = self._range()
        first_m = self._params.first_height_m if isinstance(self._params, OrbitParams) else None
        low_m = max(low_m, first_m or low_m)
        spacing_m = self._settled.shot.height_m * (1 - self._params.side_overlap)
        count = max(1, math.ceil((high_m - low_m) / spacing_m) + 1)
        # The corners lie outside the circle, so that no leg comes nearer than the standoff.
        radius_m = self._away_m / math.cos(math.pi / _RING_CORNERS)
        sweeps = []
        for number in range(count):
            up_m = low_m + (high_m - low_m) * (number / (count - 1) if count > 1 else 0.5)
            angles = [2 * math.pi * corner / _RING_CORNERS for corner in range(_RING_CORNERS + 1)]
            outs = [Enu(math.sin(a), math.cos(a), 0.0) for a in angles]
            places = tuple(out.times(radius_m).plus(UP, up_m) for out in outs)
            looks = tuple(out.times(-1.0) for out in outs)
            sweeps.append(_Sweep(f"ring at {up_m:.0f} m", places, looks, 2 * math.pi * self._away_m))
        return sweeps

    def _trimmed(self, sweep: _Sweep) -> _Sweep | None:
        """Return the longest part of a sweep that keeps every limit; None when it is too short to be worth flying."""
        if len(sweep.places) > 2:
            return self._arc(sweep)
        start, end = (np.array(place) for place in sweep.places)
        stations = start + np.linspace(0.0, 1.0, _STATIONS + 1)[:, None] * (end - start)
        step_m = sweep.length_m / _STATIONS
        run = longest_run((self._space.slacks_m(stations) > step_m / 2).tolist())
        length_m = (len(run) - 1) * step_m
        if length_m < _SHORTEST_M:
            return None
        places = tuple(Enu(*stations[index].tolist()) for index in (run[0], run[-1]))
        return sweep._replace(places=places, length_m=length_m)

    def _arc(self, ring: _Sweep) -> _Sweep | None:
        legs = [self._space.is_clear(a, b) for a, b in zip(ring.places, ring.places[1:], strict=False)]
        run = longest_run(legs)
        if not run:
            return None
        kept = slice(run[0], run[-1] + 2)
        share = len(run) / len(legs)
        return ring._replace(places=ring.places[kept], looks=ring.looks[kept], length_m=ring.length_m * share)

    def _places(self) -> list[Enu]:
        """Return places that ways may lead over: rings at several heights, near and far."""
        top_m = self._body.height_m + self._away_m
        found = []
        for up_m in (self._space.floor_up_m + 1.0, self._body.top_m / 2, self._body.top_m, top_m):
            for away_m in (self._away_m / math.cos(math.pi / 8) + 0.5, 2.5 * self._away_m):
                angles = [2 * math.pi * corner / 8 for corner in range(8)]
                found += [Enu(away_m * math.sin(a), away_m * math.cos(a), up_m) for a in angles]
        slacks = self._space.slacks_m(np.array(found))
        return [place for place, slack in zip(found, slacks.tolist(), strict=True) if slack > 0.0]

    def flight(self, first: int, last: int) -> Drawn:
        """Return the flight over some sweeps."""
        start = self._home_enu.plus(UP, TAKE_OFF_UP_M)
        steps, here = [], start
        transit_mps = self._params.transit_speed_mps
        for sweep in self._flown[first : last + 1]:
            way = self._way(here, sweep.places[0])[:-1]
            steps += [self._step(place, self._inward(place), transit_mps) for place in way]
            steps.append(self._step(sweep.places[0], sweep.looks[0], transit_mps, WaypointAction.START_VIDEO))
            middle = zip(sweep.places[1:-1], sweep.looks[1:-1], strict=True)
            steps += [self._step(place, look, self._settled.speed_mps) for place, look in middle]
            here = sweep.places[-1]
            steps.append(self._step(here, sweep.looks[-1], self._settled.speed_mps, WaypointAction.STOP_VIDEO))
        steps += [self._step(place, self._inward(place), transit_mps) for place in self._way(here, start)]
        frame = LocalFrame(self._home)
        cones = tuple(moved(cone, self._body.frame, frame) for cone in self._body.cones)
        inspected_m = sum(sweep.length_m for sweep in self._flown[first : last + 1])
        top_alt_m = self._body.frame.origin.alt_m + self._body.height_m + Limits().clearance_m
        return Drawn(self._home, tuple(steps), self._settled.shot, inspected_m, cones, top_alt_m, self._gaps)

    def name_of(self, section: int) -> str:
        """Return the strip's or ring's name."""
        return self._flown[section].name

    def stretch(self, first: int, last: int) -> Stretch:
        """Return the sweeps by their numbers."""
        return Stretch(first=first, last=last, of=self.sections)

    def _way(self, start: Enu, target: Enu) -> list[Enu]:
        way = self._net.shortest(start, target)
        if way is None:
            raise InvalidInput(
                "There is no safe way between home and the strips.",
                hint="Move home away from the asset, or raise params.max_alt_rel_m.",
                field="home",
            )
        return way

    def _inward(self, place: Enu) -> Enu:
        level = Enu(-place.east, -place.north, 0.0)
        return level.unit() if level.norm() > 0.1 else Enu(0.0, 1.0, 0.0)

    def _step(self, place: Enu, look: Enu, speed_mps: float, action: WaypointAction = WaypointAction.NONE) -> Step:
        return Step(self._body.frame.to_geo(place), look, speed_mps, action)
