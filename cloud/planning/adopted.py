"""A plan of another program as a route of ours, and what of it our aircraft will not do, item by item.

Our route knows places, speeds, where the camera looks, whole circles, and video from one waypoint to another. Series
of photos become video; waits, single photos, lens settings and commands that nobody here knows are left out and said.
The places are those that the checks judge: both come from `cloud.planning.imported`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from cloud.planning.heights import Heights, home_of
from cloud.planning.terrain import Terrain
from cloud.planning.tracks import joined
from contracts.errors import InvalidInput
from contracts.geo import GeoPoint, LocalFrame
from contracts.routes import Orbit, Waypoint, WaypointAction
from interchange import mission as parts
from interchange.losses import Ledger
from interchange.mission import Altitude, LatLon, Mission

_DEFAULT_SPEED_MPS = 5.0
_FASTEST_MPS = 25.0
_LONGEST = 649
_TURNS = (1, 20)
_RADII_M = (2.0, 250.0)
_NEAR_M = 0.5


@dataclass(frozen=True)
class _Place:
    """A waypoint before it is numbered."""

    point: GeoPoint
    speed_mps: float
    yaw_deg: float
    pitch_deg: float
    action: WaypointAction = WaypointAction.NONE
    orbit: Orbit | None = None


@dataclass(frozen=True)
class Adopted:
    """The waypoints of a mission and the take-off they begin at."""

    home: GeoPoint
    waypoints: tuple[Waypoint, ...]


def adopt(mission: Mission, ledger: Ledger, home: GeoPoint | None = None, terrain: Terrain | None = None) -> Adopted:
    """Return what our aircraft will fly of a mission; the rest is booked.

    Args:
        mission: As another program wrote it.
        ledger: Gets every loss, with its item.
        home: Where it takes off, instead of the mission's own place; above the ellipsoid.
        terrain: Needed for altitudes above the ground.

    Raises:
        InvalidInput: No take-off place, an altitude that cannot be converted, a circle or speed out of bounds, too
            many waypoints, or none; the item is named.

    """
    start = home or home_of(mission, terrain)
    walk = _Walk(Heights(terrain, start), mission.speed_mps or _DEFAULT_SPEED_MPS, ledger)
    _book_the_plan(mission, ledger)
    for number, item in enumerate(mission.items):
        with ledger.at(number, item.kind):
            walk.take(number, item)
    return Adopted(start, walk.finished())


def _book_the_plan(mission: Mission, ledger: Ledger) -> None:
    if mission.speed_mps is None:
        ledger.defaulted("speed_mps", f"The plan names no speed; {_DEFAULT_SPEED_MPS:g} m/s is flown.")
    if mission.rally_points:
        ledger.dropped("rally_points", f"{len(mission.rally_points)} rally points: our aircraft come back to home.")


class _Walk:
    """Goes through the items with the aircraft's place, its speed and where its camera looks."""

    def __init__(self, heights: Heights, speed_mps: float, ledger: Ledger) -> None:
        self._heights, self._ledger = heights, ledger
        self._speed_mps = self._plan_speed_mps = speed_mps
        self._here = heights.home
        self._yaw_deg, self._pitch_deg = 0.0, 0.0
        self._turned = False
        self._target: GeoPoint | None = None
        self._recording = False
        self._over = False
        self._places: list[_Place] = []
        self._next_action = WaypointAction.NONE

    def take(self, number: int, item: parts.Item) -> None:
        """Take in one item."""
        if self._over:
            self._ledger.dropped("", "The plan has come back home before it.")
            return
        match item:
            case parts.TakeOff():
                self._take_off(number, item)
            case parts.Waypoint():
                self._waypoint(number, item)
            case parts.Loiter() | parts.Orbit():
                self._circle(number, item)
            case parts.Land() | parts.ReturnToLaunch():
                self._come_home(item)
            case parts.Area():
                self._area(number, item)
            case _:
                self._stay(number, item)

    def _stay(self, number: int, item: parts.Item) -> None:
        """Take in an item that does not move the aircraft."""
        match item:
            case parts.SetSpeed():
                self._speed_mps = item.speed_mps or self._plan_speed_mps
            case parts.SetHeading() | parts.PointCamera() | parts.LookAt():
                self._look(number, item)
            case parts.StartVideo() | parts.StartPhotos():
                if isinstance(item, parts.StartPhotos):
                    self._ledger.approximated("every_s", "Our aircraft films instead of taking a series of photos.")
                self._record(on=True)
            case parts.StopVideo() | parts.StopPhotos():
                self._record(on=False)
            case _:
                self._leave_out(item)

    def _take_off(self, number: int, item: parts.TakeOff) -> None:
        target = self._at(number, item.point, item.altitude)
        self._go(self._here.model_copy(update={"alt_m": target.alt_m}))
        if self._away_m(target) > _NEAR_M:
            self._go(target)

    def _waypoint(self, number: int, item: parts.Waypoint) -> None:
        if item.heading_deg is not None:
            self._yaw_deg, self._turned = item.heading_deg % 360.0, True
        self._go(self._at(number, item.point, item.altitude))
        if item.hold_s:
            self._ledger.dropped("hold_s", f"The wait of {item.hold_s:g} s is not kept.")
        if item.corner_radius_m:
            self._ledger.approximated("corner_radius_m", "The waypoint is flown to, its corner is not cut.")
        if item.acceptance_radius_m:
            self._ledger.approximated("acceptance_radius_m", "Our aircraft decides when it has arrived.")
        if item.name:
            self._ledger.dropped("name", f"The name {item.name!r} is not kept.")

    def _circle(self, number: int, item: parts.Loiter | parts.Orbit) -> None:
        centre = self._at(number, item.point, item.altitude)
        if not item.radius_m:
            self._go(centre)
            self._ledger.dropped("time_s", "Our aircraft does not wait there.")
            return
        if not _RADII_M[0] <= item.radius_m <= _RADII_M[1]:
            raise _out_of_bounds(f"items.{number}.radius_m", item.radius_m, _RADII_M, "m")
        speed_mps = getattr(item, "speed_mps", None) or self._speed_mps
        time_s = getattr(item, "time_s", None)
        asked = item.turns or (time_s * speed_mps / (2 * math.pi * item.radius_m) if time_s else None)
        turns = max(_TURNS[0], math.ceil(asked or 1.0))
        if turns > _TURNS[1]:
            raise _out_of_bounds(f"items.{number}.turns", turns, _TURNS, "turns")
        if asked is None:
            self._ledger.approximated("turns", "The circle has no end; one turn is flown.")
        elif asked != turns:
            self._ledger.approximated("turns", f"{asked:.2f} turns become {turns}: circles are flown whole.")
        orbit = Orbit(radius_m=item.radius_m, turns=turns, clockwise=item.clockwise)
        leaves = joined(centre, item.radius_m, self._here)
        self._go(centre, speed_mps=speed_mps, orbit=orbit)
        self._here = leaves

    def _come_home(self, item: parts.Land | parts.ReturnToLaunch) -> None:
        self._over = True
        if isinstance(item, parts.Land) and item.point is not None and self._off_home_m(item.point) > _NEAR_M:
            self._ledger.approximated("point", "Our aircraft comes back and lands at home.")

    def _area(self, number: int, item: parts.Area) -> None:
        if not item.items:
            self._ledger.dropped("items", f"The pattern {item.pattern!r} was saved without what it flies.")
        for step in item.items:
            self.take(number, step)

    def _look(self, number: int, item: parts.SetHeading | parts.PointCamera | parts.LookAt) -> None:
        """Turn the camera: from the waypoint before on, as an action belongs to that."""
        match item:
            case parts.SetHeading():
                self._yaw_deg, self._turned = item.heading_deg % 360.0, True
            case parts.PointCamera():
                self._point(item)
            case parts.LookAt():
                self._target = None if item.point is None else self._at(number, item.point, item.altitude)
        ends = isinstance(item, parts.LookAt) and item.point is None
        if self._places and not ends:
            self._places[-1] = self._aimed(self._places[-1])

    def _point(self, item: parts.PointCamera) -> None:
        if item.roll_deg:
            self._ledger.dropped("roll_deg", "The camera stays level.")
        if item.pitch_deg is not None:
            self._pitch_deg = max(-90.0, min(90.0, item.pitch_deg))
            if self._pitch_deg != item.pitch_deg:
                self._ledger.approximated("pitch_deg", f"{item.pitch_deg:g} degrees become {self._pitch_deg:g}.")
        if item.yaw_deg is not None:
            self._yaw_deg = ((self._yaw_deg if item.yaw_from_nose else 0.0) + item.yaw_deg) % 360.0
            self._turned = True

    def _leave_out(self, item: parts.Item) -> None:
        match item:
            case parts.TakePhoto():
                self._ledger.dropped("", "Our aircraft takes no single photos: it films between two waypoints.")
            case parts.Zoom():
                self._ledger.dropped("", "The lens is left as it is.")
            case parts.Hover():
                self._ledger.dropped("time_s", f"The wait of {item.time_s:g} s is not kept.")
            case parts.Foreign():
                self._ledger.dropped("name", f"Nobody here knows what {item.name} does; it is not done.")
            case _:
                raise AssertionError(item.kind)

    def _record(self, *, on: bool) -> None:
        if on is self._recording:
            return
        self._recording = on
        action = WaypointAction.START_VIDEO if on else WaypointAction.STOP_VIDEO
        if not self._places:
            self._next_action = action
        elif self._places[-1].action is WaypointAction.NONE:
            self._places[-1] = replace(self._places[-1], action=action)
        else:
            # After a circle the aircraft is on its rim; its centre may be a tower.
            self._places.append(replace(self._places[-1], point=self._here, action=action, orbit=None))

    def _at(self, number: int, at: LatLon | None, altitude: Altitude | None) -> GeoPoint:
        return self._heights.point(at, altitude, self._here, f"items.{number}")

    def _go(self, point: GeoPoint, *, speed_mps: float | None = None, orbit: Orbit | None = None) -> None:
        before, self._here = self._here, point
        if not self._turned and self._target is None:
            level = LocalFrame(before).to_enu(point)
            if math.hypot(level.east, level.north) > _NEAR_M:
                self._yaw_deg = math.degrees(math.atan2(level.east, level.north)) % 360.0
        chosen_mps = min(speed_mps or self._speed_mps, _FASTEST_MPS)
        place = _Place(point, chosen_mps, self._yaw_deg, self._pitch_deg, self._next_action, orbit)
        self._next_action = WaypointAction.NONE
        self._places.append(self._aimed(place))

    def _aimed(self, place: _Place) -> _Place:
        """Return a place with the camera where it looks from there."""
        if self._target is None:
            return replace(place, yaw_deg=self._yaw_deg, pitch_deg=self._pitch_deg)
        way = LocalFrame(place.point).to_enu(self._target)
        level_m = math.hypot(way.east, way.north)
        yaw_deg = math.degrees(math.atan2(way.east, way.north)) % 360.0 if level_m > _NEAR_M else place.yaw_deg
        return replace(place, yaw_deg=yaw_deg, pitch_deg=math.degrees(math.atan2(way.up, max(level_m, 1e-6))))

    def _away_m(self, point: GeoPoint) -> float:
        way = LocalFrame(self._here).to_enu(point)
        return math.hypot(way.east, way.north)

    def _off_home_m(self, at: LatLon) -> float:
        home = self._heights.home
        way = LocalFrame(home).to_enu(GeoPoint(lat_deg=at.lat_deg, lon_deg=at.lon_deg, alt_m=home.alt_m))
        return math.hypot(way.east, way.north)

    def finished(self) -> tuple[Waypoint, ...]:
        """Return the waypoints, numbered; a recording that never ends is ended at the last of them."""
        frame = LocalFrame(self._heights.home)
        if all(place.orbit is None and frame.to_enu(place.point).norm() <= _NEAR_M for place in self._places):
            raise InvalidInput("The plan flies nowhere.", hint="Give it waypoints.", field="items")
        if self._recording:
            self._ledger.approximated("", "The recording has no end; it ends at the last waypoint.")
            self._record(on=False)
        if len(self._places) > _LONGEST:
            raise _out_of_bounds("items", len(self._places), (1, _LONGEST), "waypoints")
        return tuple(_waypoint(seq, place) for seq, place in enumerate(self._places))


def _waypoint(seq: int, place: _Place) -> Waypoint:
    point = place.point
    return Waypoint(
        seq=seq,
        point=GeoPoint(lat_deg=round(point.lat_deg, 8), lon_deg=round(point.lon_deg, 8), alt_m=round(point.alt_m, 3)),
        speed_mps=round(place.speed_mps, 2),
        camera_yaw_deg=round(place.yaw_deg, 2) % 360.0,
        camera_pitch_deg=round(place.pitch_deg, 2),
        action=place.action,
        orbit=place.orbit,
    )


def _out_of_bounds(field: str, value: float, bounds: tuple[float, float], unit: str) -> InvalidInput:
    words = f"{field} is {value:g} {unit}; our aircraft flies {bounds[0]:g} to {bounds[1]:g}."
    return InvalidInput(words, hint="Change the plan in the program that made it.", field=field)
