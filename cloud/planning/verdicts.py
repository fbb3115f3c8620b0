"""What a check says: pass, warn or block, the number and its limit, where it is worst, and how to mend it."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple

from contracts.geo import Frozen, GeoPoint

EPSILON_M = 0.005


class Verdict(StrEnum):
    """Whether it may fly."""

    PASS = "pass"  # noqa: S105 - not a password
    WARN = "warn"
    BLOCK = "block"


class Worst(Frozen):
    """Where on the route a check is closest to its limit. ``segment`` ends at the waypoint of that number."""

    segment: int
    metre: float
    lat_deg: float
    lon_deg: float
    alt_m: float


class Check(Frozen):
    """One verdict and its reason in plain words."""

    name: str
    verdict: Verdict
    sentence: str
    mend: str = ""
    value: float | None = None
    limit: float | None = None
    unit: str = ""
    worst: Worst | None = None


class Row(NamedTuple):
    """What a measured check says; ``sentence`` may use ``{value}`` and ``{limit}``."""

    name: str
    value: float
    limit: float
    unit: str
    sentence: str
    mend: str

    def decided(self, verdict: Verdict, worst: Worst | None = None) -> Check:
        return Check(
            name=self.name,
            verdict=verdict,
            sentence=self.sentence.format(value=self.value, limit=self.limit),
            mend="" if verdict is Verdict.PASS else self.mend,
            value=round(self.value, 2),
            limit=round(self.limit, 2),
            unit=self.unit,
            worst=worst,
        )


def holds(kept: bool) -> Verdict:
    """Return pass, or block."""
    return Verdict.PASS if kept else Verdict.BLOCK


def grade(value: float, warn_over: float, block_over: float) -> Verdict:
    """Return the verdict on a number that should be low."""
    return Verdict.BLOCK if value > block_over else Verdict.WARN if value > warn_over else Verdict.PASS


def graver(first: Iterable[Check], second: Iterable[Check]) -> list[Check]:
    """Return checks of both, the graver one where both have a name; the first's order leads."""
    order = list(Verdict)
    found: dict[str, Check] = {check.name: check for check in first}
    for check in second:
        known = found.get(check.name)
        if known is None or order.index(check.verdict) > order.index(known.verdict):
            found[check.name] = check
    return list(found.values())


def place_of(segment: int, metre: float, point: GeoPoint) -> Worst:
    """Return where on a route something is."""
    return Worst(
        segment=segment,
        metre=round(metre, 2),
        lat_deg=round(point.lat_deg, 8),
        lon_deg=round(point.lon_deg, 8),
        alt_m=round(point.alt_m, 2),
    )
