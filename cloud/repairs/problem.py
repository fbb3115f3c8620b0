"""A repair plan as a problem: crews, jobs, wind and parts on a grid of half hours. Pure; no clock, no database.

Half hours are numbered from the plan's beginning. A span holds its first half hour and not its last.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from contracts.geo import GeoPoint, LocalFrame

HALF_HOUR_MIN = 30
_SPEED_KMH, _DETOUR, _SETTING_UP_MIN = 50.0, 1.3, 15.0
"""Roads between turbines: slow, longer than the crow flies; between two assets a crew packs up and sets up again."""


class Span(NamedTuple):
    """Half hours ``first`` to ``last``, the last one not included."""

    first: int
    last: int


class Pin(NamedTuple):
    """Who does a job from when on."""

    crew_id: str
    start: int


class Crew(NamedTuple):
    """People who go out together. ``shifts``: when they work, in order, from home and back."""

    crew_id: str
    skills: frozenset[str]
    home: GeoPoint
    shifts: tuple[Span, ...]


class Job(NamedTuple):
    """One repair. ``latest_end``: when the policy wants it done; ``pinned``: a person has said who and when."""

    job_id: str
    place: GeoPoint
    site_id: str
    skills: frozenset[str]
    length: int
    max_wind_mps: float
    parts: tuple[str, ...] = ()
    rank: int = 3
    latest_end: int | None = None
    pinned: Pin | None = None
    was: Pin | None = None
    """Where the last plan had it: people dislike plans that jump about."""

    def end(self, start: int) -> int:
        """Return when it is done."""
        return start + self.length


class Part(NamedTuple):
    """What is in stock, and from when on there is enough; ``more_from`` None: never."""

    in_stock: int
    more_from: int | None


class Problem(NamedTuple):
    """All of it. ``wind``: mean wind at hub height per site and half hour, m/s; None where no forecast reaches."""

    crews: Sequence[Crew]
    jobs: Sequence[Job]
    horizon: int
    wind: Mapping[str, Sequence[float | None]] = {}
    parts: Mapping[str, Part] = {}

    def wind_at(self, site_id: str, half_hour: int) -> float | None:
        """Return the forecast mean wind; None where there is none."""
        known = self.wind.get(site_id, ())
        return known[half_hour] if 0 <= half_hour < len(known) else None

    def windy(self, job: Job, start: int) -> float | None:
        """Return the strongest forecast wind above a job's limit while it would be done; None when it can be done."""
        found = [self.wind_at(job.site_id, at) for at in range(start, job.end(start))]
        strongest = max((wind for wind in found if wind is not None), default=0.0)
        return strongest if strongest > job.max_wind_mps else None

    def parts_from(self, job: Job) -> int | None:
        """Return from when on a job's parts are there at the earliest; None when one never is."""
        earliest = 0
        for name in job.parts:
            part = self.parts.get(name, Part(0, None))
            if part.in_stock == 0:
                if part.more_from is None:
                    return None
                earliest = max(earliest, part.more_from)
        return earliest


class Outcome(NamedTuple):
    """Where a job came to stand; ``reason`` says why it has no place, or a late one."""

    job_id: str
    pin: Pin | None
    late: bool = False
    reason: str = ""


@lru_cache(maxsize=65_536)
def travel(one: GeoPoint, other: GeoPoint) -> int:
    """Return the half hours from one place to another; none between works at one place."""
    metres = LocalFrame(one).to_enu(other).norm()
    if metres < 1.0:
        return 0
    minutes = _SETTING_UP_MIN + 60.0 * _DETOUR * metres / 1000.0 / _SPEED_KMH
    return math.ceil(minutes / HALF_HOUR_MIN)


def shift_starts(crew: Crew, job: Job, horizon: int) -> Iterator[int]:
    """Yield every start from which a crew, out from home and back, has a job done within one shift."""
    way = travel(crew.home, job.place)
    for shift in crew.shifts:
        yield from range(max(0, shift.first + way), min(shift.last - way, horizon) - job.length + 1)


def able(problem: Problem, job: Job) -> list[Crew]:
    """Return the crews that have every skill a job takes."""
    return [crew for crew in problem.crews if job.skills <= crew.skills]


def starts(problem: Problem, job: Job, crew: Crew) -> list[int]:
    """Return when a crew could begin a job: in its shifts, in wind it may work in, with parts, past what is pinned."""
    earliest = problem.parts_from(job)
    if earliest is None:
        return []
    pins = [other for other in problem.jobs if other.pinned is not None and other.pinned.crew_id == crew.crew_id]
    return [
        at
        for at in shift_starts(crew, job, problem.horizon)
        if at >= earliest and problem.windy(job, at) is None and not any(collide(job, at, pin) for pin in pins)
    ]


def collide(job: Job, start: int, other: Job) -> bool:
    """Return whether a job begun then would overlap, ways included, with a pinned one of the same crew."""
    if other.pinned is None or other.job_id == job.job_id:
        return False
    way = travel(job.place, other.place)
    return start < other.end(other.pinned.start) + way and other.pinned.start < job.end(start) + way
