"""A flight on one time axis: states, passes, segments, commands, findings; what is missing is drawn as missing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from cloud import telemetry
from cloud.language import _
from cloud.tables import CommandRow, Finding, Flight, Media
from cloud.telemetry_store.past import Shelf
from cloud.web import labels
from cloud.web.labels import inline, words
from contracts.routes import Route
from contracts.vocabulary import IN_THE_AIR, AircraftState, CommandState, FindingStatus, MediaState

GAP_S = 3.0
"""Telemetry that is silent for longer is a gap."""
_TICKS_S = (5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400)
_MAX_TICKS = 8
_ON_ROUTE = frozenset({AircraftState.ON_ROUTE, AircraftState.PAUSED})
_MAX_SAMPLES = 40_000


class Span(NamedTuple):
    """A bar, in percent of the axis."""

    x: float
    width: float
    style: str
    title: str
    text: str = ""


class Mark(NamedTuple):
    """A point, in percent of the axis."""

    x: float
    style: str
    title: str
    finding_id: str = ""
    row: int = 0


class Tick(NamedTuple):
    """A label of the axis."""

    x: float
    at: datetime


class Timeline(NamedTuple):
    """Lanes of a flight."""

    start: datetime
    end: datetime
    live: bool
    ticks: tuple[Tick, ...]
    states: tuple[Span, ...]
    gaps: tuple[Span, ...]
    passes: tuple[Span, ...]
    segments: tuple[Span, ...]
    commands: tuple[Mark, ...]
    findings: tuple[Mark, ...]

    @property
    def rows(self) -> int:
        """Return how many rows the crowded finding marks take."""
        return 1 + max((mark.row for mark in self.findings), default=0)


class _Axis(NamedTuple):
    start: datetime
    end: datetime

    def x(self, at: datetime) -> float:
        share = (at - self.start) / (self.end - self.start)
        return round(100 * min(1.0, max(0.0, share)), 3)

    def span(self, start: datetime, end: datetime, style: str, title: str, text: str = "") -> Span:
        x = self.x(start)
        return Span(x, round(max(0.15, self.x(end) - x), 3), style, title, text)


class _Sample(NamedTuple):
    at: datetime
    state: str
    waypoint: int | None


def build(
    session: Session, shelf: Shelf, flight: Flight, route: Route | None, now: datetime | None = None
) -> Timeline | None:
    """Return a flight's lanes; None before anything has happened."""
    now = now or datetime.now(UTC)
    samples = _samples(session, shelf, flight)
    commands = list(session.scalars(select(CommandRow).where(CommandRow.flight_id == flight.flight_id)))
    segments = list(session.scalars(select(Media).where(Media.flight_id == flight.flight_id).order_by(Media.index)))
    live = flight.state in IN_THE_AIR
    axis = _axis(flight, samples, commands, segments, now if live else None)
    if axis is None:
        return None
    return Timeline(
        start=axis.start,
        end=axis.end,
        live=live,
        ticks=_ticks(axis),
        states=_states(axis, samples),
        gaps=_gaps(axis, samples, axis.end if live else None),
        passes=_passes(axis, samples, route),
        segments=tuple(_segment(axis, media) for media in segments),
        commands=tuple(_command(axis, row) for row in sorted(commands, key=lambda c: c.issued_at)),
        findings=_findings(session, axis, flight),
    )


def _samples(session: Session, shelf: Shelf, flight: Flight) -> list[_Sample]:
    """Return one sample per second at most: enough for bars, few enough for a long flight."""
    rows = telemetry.by_second(session, shelf, flight.flight_id, _MAX_SAMPLES)
    return [_Sample(row.captured_at, row.state, row.waypoint) for row in rows]


def _axis(
    flight: Flight, samples: list[_Sample], commands: list[CommandRow], segments: list[Media], now: datetime | None
) -> _Axis | None:
    starts = [flight.started_at, *(s.at for s in samples[:1]), *(c.issued_at for c in commands)]
    ends = [flight.landed_at, now, *(s.at for s in samples[-1:]), *(c.finished_at for c in commands)]
    ends += [m.started_at + timedelta(seconds=m.duration_s) for m in segments]
    known = [at for at in starts if at]
    if not known:
        return None
    start, end = min(known), max([at for at in ends if at] or known)
    span = max(end - start, timedelta(seconds=20))
    return _Axis(start - 0.01 * span, start + 1.02 * span)


def _ticks(axis: _Axis) -> tuple[Tick, ...]:
    whole_s = (axis.end - axis.start).total_seconds()
    step_s = next((s for s in _TICKS_S if whole_s / s <= _MAX_TICKS), _TICKS_S[-1])
    at = datetime.fromtimestamp((axis.start.timestamp() // step_s + 1) * step_s, UTC)
    found = []
    while at < axis.end:
        found.append(Tick(axis.x(at), at))
        at += timedelta(seconds=step_s)
    return tuple(found)


def _states(axis: _Axis, samples: list[_Sample]) -> tuple[Span, ...]:
    found: list[Span] = []
    run: list[_Sample] = []
    for sample in [*samples, None]:
        if run and (sample is None or sample.state != run[-1].state or _silent(run[-1], sample)):
            name = inline(words(run[0].state))
            end = run[-1].at + timedelta(seconds=1)
            found.append(axis.span(run[0].at, end, f"state-{run[0].state}", name, name))
            run = []
        if sample is not None:
            run.append(sample)
    return tuple(found)


def _silent(first: _Sample, second: _Sample) -> bool:
    return (second.at - first.at).total_seconds() > GAP_S


def _gaps(axis: _Axis, samples: list[_Sample], until: datetime | None) -> tuple[Span, ...]:
    found = []
    for first, second in pairwise(samples):
        if _silent(first, second):
            lost_s = (second.at - first.at).total_seconds()
            found.append(axis.span(first.at, second.at, "gap", _("No telemetry for {0:.0f} s", lost_s)))
    if samples and until and (until - samples[-1].at).total_seconds() > 3 * GAP_S:
        found.append(axis.span(samples[-1].at, until, "gap", _("No telemetry since")))
    return tuple(found)


def _passes(axis: _Axis, samples: list[_Sample], route: Route | None) -> tuple[Span, ...]:
    """Return the blade sides in the order they were flown: legs whose both ends look at the same side."""
    legs = {} if route is None else _legs(route)
    found: list[Span] = []
    run: list[_Sample] = []
    for sample in [*samples, None]:
        strip = _strip(legs, sample)
        if run and strip != _strip(legs, run[-1]):
            blade, side = _strip(legs, run[-1]) or ("", "")
            title = _("Blade {0}, {1}", blade, labels.side(side))
            found.append(axis.span(run[0].at, run[-1].at, "pass", title, f"{blade} {side}"))
            run = []
        if sample is not None and strip is not None:
            run.append(sample)
    return tuple(found)


def _legs(route: Route) -> dict[int, tuple[str, str]]:
    """Return the side looked at on the leg towards a waypoint."""
    return {
        after.seq: (after.strip.blade.value, after.strip.side.value)
        for before, after in pairwise(route.waypoints)
        if after.strip and before.strip == after.strip
    }


def _strip(legs: dict[int, tuple[str, str]], sample: _Sample | None) -> tuple[str, str] | None:
    if sample is None or sample.waypoint is None or sample.state not in _ON_ROUTE:
        return None
    return legs.get(sample.waypoint)


def _segment(axis: _Axis, media: Media) -> Span:
    end = media.started_at + timedelta(seconds=media.duration_s)
    said = {
        MediaState.STORED.value: _("recorded and uploaded"),
        MediaState.QUEUED.value: _("uploaded, waiting for analysis"),
        MediaState.ANALYSED.value: _("recorded, uploaded, analysed"),
        MediaState.FAILED.value: _("failed: {0}", media.reason),
    }.get(media.state, media.state)
    return axis.span(
        media.started_at, end, f"segment-{media.state}", _("Segment {0}: {1}", media.index, said), str(media.index)
    )


def _command(axis: _Axis, row: CommandRow) -> Mark:
    bad = row.state in {CommandState.REJECTED, CommandState.FAILED, CommandState.UNKNOWN, CommandState.EXPIRED}
    title = f"{words(row.kind)}: {inline(words(row.state))}{' — ' + row.hint if bad and row.hint else ''}"
    return Mark(axis.x(row.issued_at), "command-bad" if bad else "command", title)


def _findings(session: Session, axis: _Axis, flight: Flight) -> tuple[Mark, ...]:
    rows = session.scalars(
        select(Finding)
        .where(Finding.flight_id == flight.flight_id, Finding.status != FindingStatus.REJECTED.value)
        .order_by(Finding.detected_at)
    )
    found: list[Mark] = []
    for row in rows:
        x = axis.x(row.detected_at)
        crowd = sum(1 for mark in found[-3:] if x - mark.x < 1.6)
        title = labels.finding(row.number, row.kind, row.severity_rank)
        found.append(Mark(x, str(row.severity_rank), title, row.finding_id, crowd % 3))
    return tuple(found)
