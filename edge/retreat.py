"""From where on a route the autopilot's own return is clear, and how far back along the route that is. Pure.

An autopilot that returns climbs straight up first and then flies straight home. Below a nacelle, a blade or a conductor
that leads into it. The way that was flown is known to be clear: so it is flown back until the return is.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cached_property, lru_cache
from itertools import pairwise
from typing import NamedTuple

from contracts.geo import Enu, GeoPoint, LocalFrame
from contracts.routes import Route, Waypoint
from edge.aircraft import Aircraft
from edge.bodies import bodies_of, place_of
from edge.geometry import Circle, Leg
from edge.refusals import NotReady, UnsafeRoute
from edge.returns import Habit, assumed_habit
from edge.safety import DRAIN_PERCENT_PER_S, Bounds, Start, Wind, least_m, percent_home, pieces_of

CLIMB_TO_M = 10.0
"""Where a take-off ends, above home."""
BACK_SPEED_MPS = 4.0
"""Beside an asset, along a way that was flown once."""
_EVERY_M = 5.0
"""How close together places of the path are that a failsafe may return from."""
_TRIED = 4
"""Places of the route that are tried before another way back is looked for, of those flown already and of all."""
START = Start(Enu(0.0, 0.0, CLIMB_TO_M))


class Stop(NamedTuple):
    """A corner of the path, on the way to a waypoint; -1 is where the path begins."""

    waypoint: int
    place: Enu


class Rest(NamedTuple):
    """How far back along the path the return is clear, and where."""

    back_m: float
    place: Enu


class Trouble(NamedTuple):
    """What the autopilot's return from a place would do, at which height above home."""

    top_m: float
    words: str

    def __str__(self) -> str:
        return f"return at {self.top_m:.0f} m {self.words}"


class Blocked(NamedTuple):
    """A place of the path from where the autopilot's own return is not clear, on the way to a waypoint."""

    stop: Stop
    trouble: Trouble


class Retreat:
    """The ways home of one route. Build it once: it looks at every corner of the path."""

    def __init__(self, route: Route, home: GeoPoint, habit: Habit) -> None:
        frame = LocalFrame(home)
        self.route = route
        self._frame, self._habit = frame, habit
        self._bodies, self._bounds = bodies_of(route, home), Bounds(route.fence, frame)
        self._track = tuple(_track(route, frame))

    def check(self, start: Start = START, *, asked: bool = True) -> None:
        """Refuse a flight from where the autopilot's own return is not clear, nor after a way back along its route.

        ``asked``: The autopilot was asked how it returns. Where it was not, nobody can judge its failsafes yet.

        Raises:
            UnsafeRoute: With the waypoint, the height, what is in the way, and the parameter to change.
            NotReady: Nobody can tell how the autopilot returns.

        """
        if self._habit.unjudged:
            raise NotReady(self._habit.unjudged)
        if self.back(start.place, start.first - 1) is None:
            self._refuse(Stop(-1, start.place))
        for stop, rest in zip(self._track, self._rests, strict=True):
            if rest is None and stop.waypoint >= start.first:
                self._refuse(stop)
        if self._rests[-1] != Rest(0.0, self._track[-1].place):
            self._refuse(self._track[-1])  # behind the last waypoint the mission itself ends in a return
        if asked:
            self._check_failsafes()

    def _check_failsafes(self) -> None:
        """Refuse a path that the autopilot's failsafes would leave into something, and cannot leave as they came."""
        if (blocked := self.blocked) is None:
            return
        kept_m = min((body.kept_m for body in self._bodies), default=math.inf)
        if why := self._habit.failsafes.objection(len(self._track), kept_m):
            (waypoint, place), trouble = blocked
            words = (
                f"On the way to waypoint {waypoint}, {place.up:.0f} m above home, a failsafe of the autopilot climbs"
                f" from where it is: its {trouble}."
            )
            raise UnsafeRoute(
                f"{words} {why}",
                hint="Mend the autopilot, or plan a route from which every return is clear.",
                field="route",
            )

    @cached_property
    def blocked(self) -> Blocked | None:
        """Return the first place of the path from where the autopilot's own return is not clear; None without one."""
        for before, stop in pairwise(self._track):
            way = stop.place.minus(before.place)
            count = max(1, math.ceil(way.norm() / _EVERY_M))
            for step in range(1, count + 1):
                place = before.place.plus(way, step / count)
                if (trouble := self.trouble(place)) is not None:
                    return Blocked(Stop(stop.waypoint, place), trouble)
        return None

    @cached_property
    def percent_along(self) -> float:
        """Return the battery that the autopilot needs home from the end of the path, the whole way it came."""
        length_m = sum(after.place.minus(before.place).norm() for before, after in pairwise(self._track))
        return DRAIN_PERCENT_PER_S * length_m / self._habit.back_mps

    def failsafes(self, reserve_percent: float) -> dict[str, float]:
        """Return what the autopilot's failsafes are to be set to for a flight of this path; empty where as they are.

        Those of the battery only where the whole way back costs no more than the reserve: a straight return is short.
        """
        if self.blocked is None:
            return {}
        return self._habit.failsafes.changes(battery=self.percent_along <= reserve_percent)

    def trouble(self, place: Enu, left: Enu | None = None) -> Trouble | None:
        """Return what is in the way of the autopilot's own return from a place; None where it is clear.

        ``left``: The aircraft is there now; where it sways nearer to the asset than promised, it may leave from there.
        """
        top_m = self._habit.top_m(place, self.route.fence.max_alt_rel_m)
        above, over_home = place._replace(up=top_m), Enu(0.0, 0.0, top_m)
        way = (Leg(place, above), Leg(above, over_home), Leg(over_home, Enu(0.0, 0.0, min(top_m, CLIMB_TO_M))))
        met = next((words for leg in way if (words := self._meets(leg, left)) is not None), None)
        if met is None and self._bounds.breach(Leg(place, place)) is None:
            left_by = (why for leg in way if (why := self._bounds.breach(leg)) is not None)
            met = next((f"breaks the fence: {why}" for why in left_by), None)
        return None if met is None else Trouble(top_m, met)

    def back(self, here: Enu, reached: int) -> tuple[Enu, ...] | None:
        """Return where to fly in turn before the autopilot's own return is clear: nowhere where it is clear from here.

        None where no way is known: the aircraft is not where its route has been.
        """
        if self.trouble(here, here) is None:
            return ()
        for index in self._tried(here, reached):
            if self._rests[index] is not None and self._meets(Leg(here, self._track[index].place), here) is None:
                return tuple(self._walk(index))
        return None

    def trouble_of(self, aircraft: Aircraft) -> Trouble | None:
        """Return what is in the way of the return of an aircraft in the air; None where that is clear."""
        here = self._here(aircraft)
        return None if here is None else self.trouble(here, here)

    def back_of(self, aircraft: Aircraft, reached: int) -> tuple[Waypoint, ...] | None:
        """Return the way back of an aircraft that has reached a waypoint: see ``back``."""
        here = self._here(aircraft)
        way = () if here is None else self.back(here, reached)
        return None if way is None else self._waypoints(way)

    def percent_of(self, aircraft: Aircraft, reached: int, wind: Wind) -> float | None:
        """Return the battery needed home by an aircraft that has reached a waypoint; None without a place."""
        here = self._here(aircraft)
        return None if here is None else self.percent(here, reached, wind)

    def _here(self, aircraft: Aircraft) -> Enu | None:
        return None if aircraft.fix is None else place_of(aircraft.fix.point, self._frame)

    def percent(self, here: Enu, reached: int, wind: Wind) -> float:
        """Return the battery needed home from a place on the leg behind waypoint ``reached``, the way back included."""
        straight = percent_home(here, wind)
        last = max(index for index, stop in enumerate(self._track) if stop.waypoint <= reached or index == 0)
        about = [last, *(i for i, stop in enumerate(self._track) if stop.waypoint == reached + 1)]
        rests = [(self._track[i].place, rest) for i in about if (rest := self._rests[i]) is not None]
        if not any(rest.back_m > 0.0 for _, rest in rests):
            return straight
        back_m, clear = min((place.minus(here).norm() + rest.back_m, rest.place) for place, rest in rests)
        return max(straight, DRAIN_PERCENT_PER_S * back_m / BACK_SPEED_MPS + percent_home(clear, wind))

    def _waypoints(self, places: tuple[Enu, ...]) -> tuple[Waypoint, ...]:
        """Return a way back as waypoints; the camera stays as the route had it there."""
        home, like = self._frame.origin, self.route.waypoints[0]
        level = [self._frame.to_geo(place) for place in places]
        return tuple(
            Waypoint(
                seq=seq,
                point=point.model_copy(update={"alt_m": home.alt_m + place.up}),
                speed_mps=BACK_SPEED_MPS,
                camera_yaw_deg=like.camera_yaw_deg,
                camera_pitch_deg=like.camera_pitch_deg,
            )
            for seq, (place, point) in enumerate(zip(places, level, strict=True))
        )

    @cached_property
    def _rests(self) -> tuple[Rest | None, ...]:
        rests: list[Rest | None] = []
        for index, stop in enumerate(self._track):
            before = rests[-1] if rests else None
            if self.trouble(stop.place) is None:
                rests.append(Rest(0.0, stop.place))
            elif before is not None and self._meets(leg := Leg(stop.place, self._track[index - 1].place)) is None:
                rests.append(Rest(before.back_m + leg.start.minus(leg.end).norm(), before.place))
            else:
                rests.append(None)
        return tuple(rests)

    def _walk(self, index: int) -> Iterator[Enu]:
        yield self._track[index].place
        while (rest := self._rests[index]) is not None and rest.back_m > 0.0:
            index -= 1
            yield self._track[index].place

    def _tried(self, here: Enu, reached: int) -> list[int]:
        """Return the corners to try: the nearest of those flown, the nearest of all (an orbit's), the first."""
        nearest = sorted(range(len(self._track)), key=lambda index: self._track[index].place.minus(here).norm())
        flown = [index for index in nearest if self._track[index].waypoint <= reached]
        return list(dict.fromkeys((*flown[:_TRIED], *nearest[:_TRIED], 0)))

    def _meets(self, leg: Leg, left: Enu | None = None) -> str | None:
        for body in self._bodies:
            least = least_m(body, left)
            if (apart_m := body.apart_m(leg, least)) < least:
                return f"comes within {max(0.0, apart_m):.1f} m of {body.name}, where {body.kept_m:.1f} m are kept"
        return None

    def _refuse(self, stop: Stop) -> None:
        where = f"waypoint {stop.waypoint}" if stop.waypoint >= 0 else "its start"
        top_m, words = self.trouble(stop.place) or Trouble(stop.place.up, "is not clear")
        habit = self._habit
        raise UnsafeRoute(
            f"From {where}, {stop.place.up:.0f} m above home, the autopilot's own return at {top_m:.0f} m {words}.",
            hint=f"Change {habit.parameter} of the autopilot ({habit.height_m:g} m now), or take off elsewhere.",
            field="route",
        )


@lru_cache(maxsize=4)
def retreat_of(route: Route, home: GeoPoint, habit: Habit) -> Retreat:
    """Return a route's ways home; those looked at last are kept."""
    return Retreat(route, home, habit)


def habit_seen(aircraft: Aircraft) -> Habit:
    """Return how the autopilot returns, as far as it has told."""
    return aircraft.habit or assumed_habit(aircraft.autopilot)


def _track(route: Route, frame: LocalFrame) -> Iterator[Stop]:
    here = START.place
    yield Stop(-1, here)
    for waypoint, piece in pieces_of(route, frame, START):
        if waypoint == len(route.waypoints):
            return
        if isinstance(piece, Circle):
            yield from (Stop(waypoint, leg.end) for leg in _round(piece, here))
        else:
            here = piece.end
            yield Stop(waypoint, here)


def _round(circle: Circle, joins: Enu) -> Iterator[Leg]:
    """Yield a circle's chords from the place where it is joined, all the way round."""
    count = len(circle.chords()[0])
    first = math.atan2(joins.east - circle.centre.east, joins.north - circle.centre.north)
    places = [circle.at(first + 2.0 * math.pi * index / count) for index in range(count + 1)]
    yield from (Leg(a, b) for a, b in pairwise(places))
