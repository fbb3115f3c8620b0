"""A flat list of items as DJI sees it: stops with what happens there, photo series, a start and an end."""

from __future__ import annotations

from dataclasses import dataclass, field

from interchange.altitudes import take_off_height_m
from interchange.losses import Ledger
from interchange.mission import (
    Altitude,
    Area,
    Foreign,
    Hover,
    Item,
    Land,
    LatLon,
    Loiter,
    LookAt,
    Mission,
    Orbit,
    ReturnToLaunch,
    SetSpeed,
    StartPhotos,
    Step,
    StopPhotos,
    TakeOff,
    Waypoint,
)
from interchange.wpml_actions import FINISH_FIRST

FINISH = {"goHome": "return_to_launch", "autoLand": "land"}


@dataclass
class Stop:
    """A waypoint, what is done there, and how the way to the next is flown."""

    waypoint: Waypoint
    item: int
    speed_mps: float | None
    look_at: LatLon | None
    actions: list[tuple[int, Step]] = field(default_factory=list)


@dataclass
class Series:
    """Photos from one stop to another."""

    item: int
    photos: StartPhotos
    start: int
    end: int | None = None


class Walk:
    """Sorts the items of a mission; what WPML has no place for is booked."""

    def __init__(self, mission: Mission, ledger: Ledger) -> None:
        self.stops: list[Stop] = []
        self.series: list[Series] = []
        self.at_start: list[tuple[int, Step]] = []
        self.take_off_m: float | None = None
        self.finish = "noAction"
        self._ledger = ledger
        self._speed: float | None = None
        self._look: LatLon | None = None
        self._last = len(mission.items) - 1
        for index, item in enumerate(mission.items):
            with ledger.at(index, item.kind):
                self._take(index, item)
        self._end_series(len(self.stops) - 1, asked=False)

    def _take(self, index: int, item: Item) -> None:
        if isinstance(item, Area):
            self._area(index, item)
        elif isinstance(item, Waypoint):
            self._stop(index, item)
        elif isinstance(item, TakeOff):
            self._take_off(index, item)
        elif isinstance(item, ReturnToLaunch | Land) or _is_finish(item):
            self._finish(index, item)
        elif isinstance(item, Loiter | Orbit):
            self._circle(index, item)
        elif isinstance(item, SetSpeed | LookAt):
            self._way(item)
        elif isinstance(item, StartPhotos | StopPhotos):
            self._photos(index, item)
        else:
            (self.stops[-1].actions if self.stops else self.at_start).append((index, item))

    def _area(self, index: int, item: Area) -> None:
        if not item.items:
            self._ledger.dropped("pattern", f"The {item.pattern} has no items it flies; they cannot be made here.")
            return
        self._ledger.approximated("pattern", f"The {item.pattern} became the {len(item.items)} items it flies.")
        for step in item.items:
            self._take(index, step)

    def _stop(self, index: int, item: Waypoint) -> None:
        for name, value in (("acceptance_radius_m", item.acceptance_radius_m), ("name", item.name)):
            if value:
                self._ledger.dropped(name, f"WPML waypoints have no {name} (here {value!s:.40}).")
        self.stops.append(Stop(item, index, self._speed, self._look))
        if item.hold_s:
            self.stops[-1].actions.append((index, Hover(time_s=item.hold_s)))

    def _take_off(self, index: int, item: TakeOff) -> None:
        if index or self.take_off_m is not None:
            self._ledger.dropped("kind", "WPML takes off once, at the start.")
            return
        if item.point is not None:
            self._ledger.dropped("point", "WPML takes off where the aircraft stands.")
        if item.heading_deg is not None:
            self._ledger.dropped("heading_deg", "WPML gives no heading for the take-off.")
        self.take_off_m = take_off_height_m(item)

    def _finish(self, index: int, item: Step) -> None:
        if index != self._last:
            self._ledger.dropped("kind", "WPML goes home or lands at the end only; the aircraft flies on here.")
            return
        self.finish = next((name for name, kind in FINISH.items() if kind == item.kind), getattr(item, "name", ""))
        if isinstance(item, Land) and (item.point or item.altitude or item.heading_deg is not None):
            self._ledger.dropped("point", "WPML lands below the last waypoint, however it is turned.")

    def _circle(self, index: int, item: Loiter | Orbit) -> None:
        if isinstance(item, Loiter) and item.time_s and item.point and item.altitude:
            self._ledger.approximated("radius_m", f"The aircraft hovers {item.time_s:g} s at the centre; no circle.")
            stop = Waypoint(point=item.point, altitude=item.altitude, hold_s=min(item.time_s, 86400.0))
            self._stop(index, stop)
            return
        # The centre of a circle is often the tower that is looked at: never fly there in its stead.
        self._ledger.dropped("kind", f"WPML has no circles: the {item.kind} is left out, its centre is not flown to.")

    def _way(self, item: SetSpeed | LookAt) -> None:
        if isinstance(item, SetSpeed):
            self._speed = item.speed_mps
        else:
            self._look = item.point
            if item.altitude is not None:
                self._ledger.dropped("altitude", "WPML turns the nose to a place and not the camera's pitch.")
        if not self.stops:
            self._ledger.approximated(item.kind, "WPML has this from the first waypoint on, not on the way there.")
            return
        self.stops[-1].speed_mps, self.stops[-1].look_at = self._speed, self._look

    def _photos(self, index: int, item: StartPhotos | StopPhotos) -> None:
        at = max(len(self.stops) - 1, 0)
        running = bool(self.series) and self.series[-1].end is None
        if isinstance(item, StopPhotos):
            if running:
                self._end_series(at, asked=True)
            else:
                self._ledger.dropped("kind", "No series of photos runs here.")
            return
        if running:
            self._end_series(at, asked=True)
        if not self.stops:
            self._ledger.approximated("kind", "WPML starts a series at the first waypoint, not on the way there.")
        self.series.append(Series(index, item, at))

    def _end_series(self, at: int, *, asked: bool) -> None:
        if not self.series or self.series[-1].end is not None:
            return
        last = self.series[-1]
        last.end = max(at, last.start)
        if not asked:
            with self._ledger.at(last.item, last.photos.kind):
                self._ledger.defaulted("end", "WPML needs an end of a series: the last waypoint was written.")


def _is_finish(item: Step) -> bool:
    return isinstance(item, Foreign) and item.dialect == "wpml" and item.name == FINISH_FIRST


def flown_altitudes(mission: Mission) -> Mission:
    """Return the mission with only the altitudes WPML flies: those of waypoints and of holding on the spot."""

    def bare(item: Item) -> Item:
        if isinstance(item, Area):
            return item.model_copy(update={"items": tuple(bare(step) for step in item.items)})
        if isinstance(item, TakeOff | Land | LookAt | Orbit) and item.altitude is not None:
            return item.model_copy(update={"altitude": None})
        return item

    return mission.model_copy(update={"items": tuple(bare(item) for item in mission.items), "rally_points": ()})


def flown_references(mission: Mission) -> list[Altitude]:
    """Return the altitudes of every waypoint, those inside areas too."""
    steps = [step for item in mission.items for step in (item.items if isinstance(item, Area) else (item,))]
    return [step.altitude for step in steps if isinstance(step, Waypoint | Loiter) and step.altitude is not None]
