"""The blades unrolled: four sides each, what was seen of every metre, and where the findings lie."""

from __future__ import annotations

import math
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from cloud.assistant.tools.coverage_rows import gaps
from cloud.assistant.tools.parameters import CoverageQuery
from cloud.assistant.words import kind_label, severity_label, side_label
from cloud.tables import Asset, Coverage, Finding, Flight
from contracts.turbine import TurbineGeometry
from contracts.vocabulary import Blade, BladeSide, FindingStatus

SEEN_SHARE = CoverageQuery().seen_share
Seen = dict[tuple[str, str], dict[int, float]]
_ORDER = (BladeSide.PS, BladeSide.LE, BladeSide.SS, BladeSide.TE)
"""As a blade unrolls: each neighbours the next."""


@dataclass(frozen=True, order=True)
class Run:
    """Metres of a side in one state, in percent of the blade's length."""

    x: float
    width: float
    state: str
    title: str
    start_m: int
    end_m: int


@dataclass(frozen=True)
class Dot:
    """A finding on a side."""

    x: float
    y: float
    rank: int
    title: str
    finding_id: str
    number: int
    kind: str
    root_m: float


@dataclass(frozen=True)
class SideView:
    """One side of a blade."""

    side: str
    label: str
    runs: tuple[Run, ...]
    dots: tuple[Dot, ...]
    seen_m: int


@dataclass(frozen=True)
class BladeView:
    """One blade."""

    blade: str
    sides: tuple[SideView, ...]


@dataclass(frozen=True)
class Schematic:
    """All blades of the turbine a flight looked at."""

    blades: tuple[BladeView, ...]
    length_m: float
    ticks_m: tuple[tuple[float, int], ...]
    seen_percent: float | None
    unseen_m: int
    whole_m: int


def build(session: Session, flight: Flight) -> Schematic | None:
    """Return the schematic of a flight's turbine; None for another kind of asset."""
    turbine = session.get_one(Asset, flight.asset_id).turbine
    if turbine is None:
        return None
    return unrolled(turbine, seen_by(session, flight.flight_id), _findings(session, flight))


def unrolled(turbine: TurbineGeometry, seen: Seen, findings: list[Finding]) -> Schematic:
    """Return a turbine's blades with what was seen of them and findings on them; ``seen``: share per side and metre."""
    blades = tuple(
        BladeView(blade.value, tuple(_side(turbine, blade, side, seen, findings) for side in _ORDER)) for blade in Blade
    )
    whole_m = math.ceil(turbine.blade_length_m) * len(Blade) * len(BladeSide)
    seen_m = sum(side.seen_m for blade in blades for side in blade.sides)
    step = 5 if turbine.blade_length_m <= 40 else 10
    ticks = tuple((100 * m / turbine.blade_length_m, m) for m in range(0, int(turbine.blade_length_m) + 1, step))
    percent = 100 * seen_m / whole_m if seen else None
    return Schematic(blades, turbine.blade_length_m, ticks, percent, whole_m - seen_m, whole_m)


def seen_by(session: Session, flight_id: str) -> Seen:
    """Return what a flight saw of each metre of each blade side."""
    found: Seen = {}
    rows = select(Coverage.blade, Coverage.side, Coverage.cell, Coverage.seen_share)
    for blade, side, cell, share in session.execute(rows.where(Coverage.flight_id == flight_id)):
        found.setdefault((blade, side), {})[cell] = share
    return found


def _findings(session: Session, flight: Flight) -> list[Finding]:
    terms = (Finding.flight_id == flight.flight_id, Finding.status != FindingStatus.REJECTED.value)
    return list(session.scalars(select(Finding).where(*terms).order_by(Finding.severity_rank)))


def _side(
    turbine: TurbineGeometry,
    blade: Blade,
    side: BladeSide,
    seen: Seen,
    findings: list[Finding],
) -> SideView:
    length = math.ceil(turbine.blade_length_m)
    shares = seen.get((blade.value, side.value), {})
    good = {cell for cell, share in shares.items() if share >= SEEN_SHARE and cell < length}
    runs = [_run(turbine, gap.start_m, gap.end_m, "unseen") for gap in gaps(good, length)]
    runs += [_run(turbine, gap.start_m, gap.end_m, "seen") for gap in gaps(set(range(length)) - good, length)]
    own = [f for f in findings if f.blade == blade.value and f.side == side.value and f.distance_to_root_m is not None]
    dots = tuple(_dot(turbine, side, finding) for finding in own)
    return SideView(side.value, side_label(side.value), tuple(sorted(runs)), dots, len(good))


def _run(turbine: TurbineGeometry, start_m: int, end_m: int, state: str) -> Run:
    said = "seen" if state == "seen" else "not seen"
    scale = 100 / turbine.blade_length_m
    end = min(float(end_m), turbine.blade_length_m)
    return Run(
        round(scale * start_m, 3),
        round(scale * (end - start_m), 3),
        state,
        f"{start_m}–{end_m} m: {said}",
        start_m,
        end_m,
    )


def _dot(turbine: TurbineGeometry, side: BladeSide, finding: Finding) -> Dot:
    root_m = finding.distance_to_root_m or 0.0
    width_m = turbine.side_width_m(side, min(root_m, turbine.blade_length_m))
    across = min(0.85, max(0.15, (finding.offset_m or 0.0) / width_m if width_m else 0.5))
    what = f"F-{finding.number} {kind_label(finding.kind)}, {severity_label(finding.severity_rank)}"
    title = f"{what}, {root_m:.1f} m from root"
    return Dot(round(100 * root_m / turbine.blade_length_m, 3), round(100 * across, 1), finding.severity_rank, title,
               finding.finding_id, finding.number, finding.kind, root_m)  # fmt: skip
