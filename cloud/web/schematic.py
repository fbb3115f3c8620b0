"""An asset as strips one can read: blades unrolled, a mast's faces, a line's spans, a pipe's kilometres."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from cloud import coverage, line_towers, places
from cloud.language import _
from cloud.line_towers import TowersSeen
from cloud.parts_seen import Parts
from cloud.planning import assets
from cloud.reporting.surfaces import face, on
from cloud.tables import Asset, Finding, Flight
from cloud.web import labels
from contracts.geo import Enu, GeoPoint, LocalFrame
from contracts.parts import Part
from contracts.pipeline import Pipeline, PipePlace
from contracts.places import ChainagePlace, LineTowerPlace, SpanPlace, TowerPlace
from contracts.powerline import LineTower, PowerLine
from contracts.tower import TelecomTower
from contracts.vocabulary import FindingStatus

_SECTION_M = 1000.0
_TOWER_SHARE = 25.0
"""A tower is far shorter than a span; in proportion its findings would lie on one another."""


class Dot(NamedTuple):
    """A finding on a strip, in percent."""

    x: float
    y: float
    rank: int
    title: str
    finding_id: str


class Run(NamedTuple):
    """A stretch of a strip that was seen or not: where it is drawn, in percent, and its ends in metres of the strip."""

    x: float
    width: float
    state: str
    start_m: float
    end_m: float
    missing: str = ""
    """Of a line's tower: which of its sides and strings were not seen there, in words."""


class Strip(NamedTuple):
    """A part of the asset, from one end to the other."""

    name: str
    start: str
    end: str
    share: float
    """Of the longest strip's length, so that spans keep their proportions."""
    dots: tuple[Dot, ...]
    runs: tuple[Run, ...] = ()
    """What was seen of it; none where the flight tells of nothing."""
    is_tower: bool = False
    """Of a line, from its foot up: a height was seen where it was from all sides, with the strings that hang there."""

    @property
    def seen_m(self) -> float:
        """Return how many metres of it were seen."""
        return sum(run.end_m - run.start_m for run in self.runs if run.state == "seen")


class Strips(NamedTuple):
    """An asset without blades. ``elsewhere``: findings that have no position."""

    axis: str
    strips: tuple[Strip, ...]
    elsewhere: tuple[Finding, ...]
    seen_m: float = 0.0
    whole_m: float = 0.0
    """Of all strips but towers; ``whole_m`` is 0 where nothing is told of what was seen."""
    is_line: bool = False
    towers: TowersSeen | None = None
    """Of a line, where the flight tells of them."""


class _Spot(NamedTuple):
    strip: int
    share: float
    across: float


def strips_of(part: Part) -> list[tuple[float, float]]:
    """Return the ends of the strips that a part is drawn in: a pipe by the kilometre, all else in one."""
    if part.part != "pipe":
        return [(part.start_m, part.end_m)]
    count = math.ceil((part.end_m - part.start_m) / _SECTION_M)
    starts = [part.start_m + n * _SECTION_M for n in range(count)]
    return [(start, min(start + _SECTION_M, part.end_m)) for start in starts]


def of_flight(session: Session, flight: Flight) -> Strips | None:
    """Return the strips of a flight's asset with its findings and what it saw; None for turbines and the unknown."""
    asset = session.get_one(Asset, flight.asset_id)
    if asset.turbine is not None:
        return None
    terms = (Finding.flight_id == flight.flight_id, Finding.status != FindingStatus.REJECTED.value)
    found = session.scalars(select(Finding).where(*terms).order_by(Finding.severity_rank)).all()
    told, towers = coverage.parts(session, flight.flight_id), coverage.towers(session, flight.flight_id)
    return strips(asset, found, told, towers)


def strips(
    asset: Asset, findings: Sequence[Finding], told: Parts | None = None, towers: Parts | None = None
) -> Strips | None:
    """Return the strips of a mast, a line or a pipe with findings on them; None for turbines and the unknown.

    Args:
        asset: What is drawn.
        findings: What lies on it.
        told: What a flight saw of it.
        towers: What it saw of a line's towers.

    """
    drawn = _drawn(asset, findings, towers)
    return drawn if drawn is None or told is None or not told.is_known else _with_runs(drawn, told)


def _with_runs(drawn: Strips, told: Parts) -> Strips:
    ends = [(part, *ends) for part in told.parts for ends in strips_of(part)]
    left = iter(ends)
    found = tuple(
        strip if strip.is_tower else strip._replace(runs=tuple(_runs(told, *next(left)))) for strip in drawn.strips
    )
    return drawn._replace(
        strips=found,
        seen_m=sum(strip.seen_m for strip in found if not strip.is_tower),
        whole_m=sum(end - start for _, start, end in ends),
    )


def _runs(told: Parts, part: Part, start_m: float, end_m: float) -> Iterator[Run]:
    for run in told.runs(part, start_m, end_m):
        yield _run(run, start_m, end_m - start_m)


def _run(run: tuple[float, float, bool], start_m: float, length_m: float) -> Run:
    first_m, last_m = run[0] - start_m, run[1] - start_m
    scale = 100 / length_m
    state = "seen" if run[2] else "unseen"
    return Run(round(scale * first_m, 3), round(scale * (last_m - first_m), 3), state, first_m, last_m)


def _drawn(asset: Asset, findings: Sequence[Finding], towers: Parts | None) -> Strips | None:
    match assets.geometry_of(asset):
        case TelecomTower() as mast:
            names = [(labels.first_up(face(mast.face_bearing_of(n))), mast.height_m) for n in range(mast.faces)]
            spots = {f.finding_id: _on_mast(mast, f) for f in findings}
            return _laid(names, _("metres up the mast"), spots, findings, 0.0)
        case PowerLine() as line:
            return _line(line, findings, towers)
        case Pipeline() as pipe:
            first, last = pipe.chainages_m()[0], pipe.chainages_m()[-1]
            names = [
                (f"km {(first + n * _SECTION_M) / 1000:.3f}", min(_SECTION_M, last - first - n * _SECTION_M))
                for n in range(math.ceil((last - first) / _SECTION_M))
            ]
            spots = {f.finding_id: _on_pipe(pipe, f) for f in findings}
            return _laid(names, _("metres within the kilometre"), spots, findings, 0.0)
    return None


def _line(line: PowerLine, findings: Sequence[Finding], towers: Parts | None) -> Strips:
    """Return a line's spans, and between them those of its towers that have findings or of which anything was seen."""
    on_towers: dict[int, list[tuple[Finding, float]]] = {}
    along = []
    for finding in findings:
        there = places.part_place(finding)
        if isinstance(there, LineTowerPlace) and there.tower < len(line.towers):
            on_towers.setdefault(there.tower, []).append((finding, there.height_m))
        else:
            along.append(finding)
    names = [(f"{line.towers[s.number].name} – {line.towers[s.number + 1].name}", s.length_m) for s in line.spans()]
    spots = {f.finding_id: _on_line(line, f) for f in along}
    laid = _laid(names, _("metres along the span"), spots, along, 0.0)
    seen = {} if towers is None else {n: tuple(_up(line, towers, n)) for n in line_towers.near(towers)}
    rows: list[Strip] = []
    for number in range(len(line.towers)):
        if number in on_towers or number in seen:
            rows.append(_tower(line.towers[number], on_towers.get(number, ()), seen.get(number, ())))
        rows += laid.strips[number : number + 1]
    told = None if towers is None else line_towers.tally(towers)
    return laid._replace(strips=tuple(rows), is_line=True, towers=told)


def _up(line: PowerLine, towers: Parts, number: int) -> Iterator[Run]:
    """Yield the stretches of a line's tower from its foot up: seen where all of it was seen at that height."""
    parts = line_towers.by_tower(towers)[number]
    up = parts[0]
    for missing, run in groupby(up.cells, lambda cell: line_towers.unseen_at(towers, parts, cell)):
        cells = list(run)
        ends = up.stretch(cells[0], cells[-1] + 1)
        said = ", ".join(on(line, part.part, 0, 0).side_of_tower for part in missing)
        yield _run((*ends, not missing), up.start_m, up.end_m)._replace(missing=said)


def _tower(tower: LineTower, found: Iterable[tuple[Finding, float]], runs: tuple[Run, ...]) -> Strip:
    dots = []
    for finding, height_m in found:
        x = 100 * min(1.0, max(0.0, height_m / tower.height_m))
        what = labels.finding(finding.number, finding.kind, finding.severity_rank)
        title = _("{0}, {1:.1f} m up", what, height_m)
        dots.append(Dot(round(x, 2), 50.0, finding.severity_rank, title, finding.finding_id))
    name, end = _("Tower {0}", tower.name), _("{0:.0f} m high", tower.height_m)
    return Strip(name, "0", end, _TOWER_SHARE, tuple(dots), runs, is_tower=True)


def _laid(
    names: Sequence[tuple[str, float]],
    axis: str,
    spots: dict[str, _Spot | None],
    findings: Iterable[Finding],
    start_m: float,
) -> Strips:
    longest = max(length for _, length in names)
    known = {f.finding_id: f for f in findings}
    drawn = []
    for number, (name, length_m) in enumerate(names):
        here = [(key, spot) for key, spot in spots.items() if spot is not None and spot.strip == number]
        dots = tuple(_dot(known[key], spot, length_m) for key, spot in here)
        drawn.append(Strip(name, f"{start_m:.0f}", f"{length_m:.0f} m", round(100 * length_m / longest, 2), dots))
    return Strips(axis, tuple(drawn), tuple(f for f in known.values() if spots[f.finding_id] is None))


def _dot(finding: Finding, spot: _Spot, length_m: float) -> Dot:
    what = labels.finding(finding.number, finding.kind, finding.severity_rank)
    share = min(1.0, max(0.0, spot.share))
    title = _("{0}, at {1:.1f} m", what, share * length_m)
    return Dot(round(100 * share, 2), round(100 * spot.across, 1), finding.severity_rank, title, finding.finding_id)


def _enu(frame: LocalFrame, finding: Finding) -> Enu | None:
    if finding.lat_deg is None or finding.lon_deg is None or finding.alt_m is None:
        return None
    return frame.to_enu(GeoPoint(lat_deg=finding.lat_deg, lon_deg=finding.lon_deg, alt_m=finding.alt_m))


def _on_mast(mast: TelecomTower, finding: Finding) -> _Spot | None:
    there = places.part_place(finding)
    if isinstance(there, TowerPlace):
        return _Spot(there.face, there.height_m / mast.height_m, 0.5)
    here = _enu(mast.frame(), finding)
    if here is None:
        return None
    face = max(range(mast.faces), key=lambda n: here.dot(mast.outward(n)))
    return _Spot(face, here.up / mast.height_m, 0.5)


def _on_line(line: PowerLine, finding: Finding) -> _Spot | None:
    """Return the span a finding lies on or is nearest to, and where along and across it."""
    there = places.part_place(finding)
    if isinstance(there, SpanPlace) and there.span < len(line.towers) - 1:
        return _Spot(there.span, there.distance_m / line.span(there.span).length_m, _across(line, there.across_m))
    best: tuple[float, _Spot] | None = None
    for span in line.spans():
        here = _enu(span.frame, finding)
        if here is None:
            return None
        share = here.minus(span.start).dot(span.along()) / span.length_m
        left_m = here.dot(span.left())
        away_m = math.hypot(left_m, max(0.0, share - 1, -share) * span.length_m)
        if best is None or away_m < best[0]:
            best = (away_m, _Spot(span.number, share, _across(line, left_m)))
    return best[1] if best else None


def _across(line: PowerLine, left_m: float) -> float:
    return 0.5 - 0.35 * max(-1.0, min(1.0, left_m / max(1.0, line.half_width_m)))


def _on_pipe(pipe: Pipeline, finding: Finding) -> _Spot | None:
    there = places.part_place(finding)
    if isinstance(there, ChainagePlace):
        place = PipePlace(there.chainage_m, there.offset_m)
    elif finding.lat_deg is None or finding.lon_deg is None:
        return None
    else:
        place = pipe.place_of(GeoPoint(lat_deg=finding.lat_deg, lon_deg=finding.lon_deg, alt_m=finding.alt_m or 0.0))
    along_m = place.chainage_m - pipe.start_chainage_m
    section = min(
        int(along_m // _SECTION_M), math.ceil((pipe.chainages_m()[-1] - pipe.start_chainage_m) / _SECTION_M) - 1
    )
    length_m = min(_SECTION_M, pipe.chainages_m()[-1] - pipe.start_chainage_m - section * _SECTION_M)
    across = 0.5 - 0.35 * max(-1.0, min(1.0, 2 * place.offset_m / pipe.right_of_way_m))
    return _Spot(section, (along_m - section * _SECTION_M) / length_m, across)
