"""A plan of another program as the track it really flies: altitudes above the ellipsoid, circles as circles.

What cannot be judged (a vendor's own command, a pattern without its items) is named, never passed over.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from cloud.planning.heights import Heights, home_of
from cloud.planning.terrain import Terrain
from cloud.planning.tracks import Circle, Leg, Track, chords, joined
from contracts.errors import InvalidInput
from contracts.geo import GeoPoint, LocalFrame
from interchange import mission as parts
from interchange.mission import Altitude, LatLon, Mission

DEFAULT_SPEED_MPS = 5.0
"""Where neither the plan nor an item names one."""


@dataclass
class Flown:
    """What a mission flies, and what of it is not known."""

    track: Track
    home: GeoPoint
    hover_s: float = 0.0
    lands: bool = False
    endless: list[int] = field(default_factory=list)
    """Circles without an end."""
    unjudged: list[tuple[int, str]] = field(default_factory=list)
    """Items that nobody here understands, with their names."""
    pitches_deg: list[tuple[int, float]] = field(default_factory=list)


def flown(mission: Mission, home: GeoPoint | None = None, terrain: Terrain | None = None) -> Flown:
    """Return the track of a mission.

    Args:
        mission: As another program wrote it.
        home: Where it takes off, instead of the mission's own place.
        terrain: Needed for altitudes above the ground.

    Raises:
        InvalidInput: No take-off place, an altitude that cannot be converted, or nothing that flies; with the item.

    """
    heights = Heights(terrain, home or home_of(mission, terrain))
    walk = _Walk(heights, mission.speed_mps or DEFAULT_SPEED_MPS)
    for number, item in enumerate(mission.items):
        walk.take(number, item)
    if not walk.legs:
        raise InvalidInput("The plan flies nowhere.", hint="Give it waypoints.", field="items")
    walk.flown.track = Track(walk.frame, tuple(walk.legs), tuple(walk.circles))
    return walk.flown


class _Walk:
    """Goes through the items with the aircraft's place and speed."""

    def __init__(self, heights: Heights, speed_mps: float) -> None:
        self._heights, self._speed_mps, self._plan_speed_mps = heights, speed_mps, speed_mps
        self.frame = LocalFrame(heights.home)
        self._here = heights.home
        self.legs: list[Leg] = []
        self.circles: list[Circle] = []
        self.flown = Flown(Track(self.frame, ()), heights.home)

    def take(self, number: int, item: parts.Item) -> None:
        """Fly one item."""
        match item:
            case parts.TakeOff():
                self._take_off(number, item)
            case parts.Waypoint():
                self._go(number, self._place(number, item.point, item.altitude))
                self.flown.hover_s += item.hold_s
            case parts.Loiter() | parts.Orbit():
                self._circle(number, item)
            case parts.ReturnToLaunch() | parts.Land():
                self._come_down(number, item)
            case parts.Area():
                self._area(number, item)
            case _:
                self._note(number, item)

    def _note(self, number: int, item: parts.Item) -> None:
        """Take in an item that does not move the aircraft."""
        match item:
            case parts.SetSpeed():
                self._speed_mps = item.speed_mps or self._plan_speed_mps
            case parts.PointCamera() if item.pitch_deg is not None:
                self.flown.pitches_deg.append((number, item.pitch_deg))
            case parts.Hover():
                self.flown.hover_s += item.time_s
            case parts.Foreign():
                self.flown.unjudged.append((number, item.name))
            case _:
                """Photos, video, headings and looks change nothing that is judged here."""

    def _area(self, number: int, item: parts.Area) -> None:
        if not item.items:
            self.flown.unjudged.append((number, item.pattern))
        for step in item.items:
            self.take(number, step)

    def _place(self, number: int, at: LatLon | None, altitude: Altitude | None) -> GeoPoint:
        return self._heights.point(at, altitude, self._here, f"items.{number}")

    def _take_off(self, number: int, item: parts.TakeOff) -> None:
        target = self._place(number, item.point, item.altitude)
        above = self._here.model_copy(update={"alt_m": target.alt_m})
        self._go(number, above, "climb")
        self._go(number, target)

    def _come_down(self, number: int, item: parts.ReturnToLaunch | parts.Land) -> None:
        self.flown.lands = True
        at = item.point if isinstance(item, parts.Land) else None
        goal = at if at is not None else None if isinstance(item, parts.Land) else self._heights.home
        if goal is not None:
            spot = GeoPoint(lat_deg=goal.lat_deg, lon_deg=goal.lon_deg, alt_m=self._here.alt_m)
            self._go(number, spot, "return")

    def _circle(self, number: int, item: parts.Loiter | parts.Orbit) -> None:
        centre = self._place(number, item.point, item.altitude)
        if not item.radius_m:
            self._go(number, centre)
            self.flown.hover_s += getattr(item, "time_s", None) or 0.0
            return
        speed_mps = getattr(item, "speed_mps", None) or self._speed_mps
        time_s = getattr(item, "time_s", None)
        turns = item.turns or (time_s * speed_mps / (2 * math.pi * item.radius_m) if time_s else 0.0)
        if not turns:
            self.flown.endless.append(number)
        self._go(number, joined(centre, item.radius_m, self._here))
        circle = Circle(number, centre, item.radius_m, turns or 1.0, speed_mps)
        self.circles.append(circle)
        self.legs += chords(self.frame, circle)

    def _go(self, number: int, target: GeoPoint, word: str = "leg") -> None:
        start, end = self.frame.to_enu(self._here), self.frame.to_enu(target)
        from_m = sum(leg.length_m for leg in self.legs if leg.segment == number)
        if end.minus(start).norm() > 1e-6:
            self.legs.append(Leg(number, from_m, start, end, self._here.alt_m, target.alt_m, self._speed_mps, word))
        self._here = target
