"""Questions with answers computed by SQL, none of it by the assistant's tools: five phrasings each.

A family is a question with holes; what fills a hole is words and the SQL of the same meaning. The shape says how an
answer is read: a count, a list of findings, groups, a figure, two counts, or a refusal.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Literal, NamedTuple

Shape = Literal["count", "ids", "groups", "figure", "pair", "refusal"]
LIVE = (
    "FROM findings f JOIN assets a USING (asset_id) JOIN sites s USING (site_id) "
    "LEFT JOIN tickets t USING (finding_id) WHERE f.status <> 'rejected'"
)
WORST = "f.severity_rank DESC, greatest(f.length_mm, f.width_mm) DESC, f.number"


class Hole(NamedTuple):
    """Words and the SQL that means the same."""

    words: str
    sql: str


class Case(NamedTuple):
    """One question in its phrasings, and the SQL of its answer (empty for a refusal)."""

    family: str
    phrasings: tuple[str, ...]
    shape: Shape
    sql: str


KINDS = (
    Hole("cracks", "f.kind = 'crack'"),
    Hole("delaminations", "f.kind = 'delamination'"),
    Hole("lightning burns", "f.kind = 'lightning_burn'"),
    Hole("corrosion findings", "f.kind = 'corrosion'"),
    Hole("leading edge erosion findings", "f.kind = 'leading_edge_erosion'"),
)
ASSETS = tuple(Hole(f"T-{n:02d}", f"a.name = 'T-{n:02d}'") for n in range(1, 9))
SITES = (Hole("Nordmarsch", "s.name = 'Nordmarsch'"), Hole("Suedhang", "s.name = 'Suedhang'"))
PERIODS = (
    Hole("last week", "{at} >= :now - interval '7 days' AND {at} < :now"),
    Hole("in the last 90 days", "{at} >= :now - interval '90 days' AND {at} < :now"),
    Hole("this year", "{at} >= '2026-01-01 00:00+01' AND {at} < :now"),
    Hole("in 2025", "{at} >= '2025-01-01 00:00+01' AND {at} < '2026-01-01 00:00+01'"),
    Hole("in October 2026", "{at} >= '2026-10-01 00:00+02' AND {at} < '2026-11-01 00:00+01'"),
    Hole("since 1 March 2026", "{at} >= '2026-03-01 00:00+01' AND {at} < :now"),
    Hole("in Q2 2026", "{at} >= '2026-04-01 00:00+02' AND {at} < '2026-07-01 00:00+02'"),
)
SEVERITIES = (
    Hole("critical", "f.severity_rank >= 4"),
    Hole("severity 3", "f.severity_rank = 3"),
    Hole("minor", "f.severity_rank <= 2"),
)
BLADES = tuple(Hole(f"blade {b}", f"f.blade = '{b}'") for b in "ABC")
SIDES = (
    Hole("leading edge", "f.side = 'LE'"),
    Hole("trailing edge", "f.side = 'TE'"),
    Hole("pressure side", "f.side = 'PS'"),
    Hole("suction side", "f.side = 'SS'"),
)
TOPS = (Hole("3", "3"), Hole("5", "5"), Hole("10", "10"))
SIZES = tuple(Hole(f"{mm} mm", f"greatest(f.length_mm, f.width_mm) >= {mm}") for mm in (100, 300, 500, 900))
STATISTICS = (
    Hole("average", "avg(f.length_mm)"),
    Hole("median", "percentile_cont(0.5) WITHIN GROUP (ORDER BY f.length_mm)"),
    Hole("maximum", "max(f.length_mm)"),
)
REVIEWS = (
    Hole("open", "f.status = 'open'"),
    Hole("confirmed", "f.status = 'confirmed'"),
    Hole("repaired", "f.status = 'repaired'"),
    Hole("unreviewed", "f.reviewed_at IS NULL"),
)
PAIRS = tuple(Hole(f"T-{a:02d}|T-{b:02d}", f"T-{a:02d}|T-{b:02d}") for a, b in
              ((1, 2), (2, 3), (3, 4), (4, 5), (5, 6), (6, 7), (7, 8), (8, 1)))  # fmt: skip


class Family(NamedTuple):
    """A question with holes: ``{0}`` is the first hole's words in a phrasing, its SQL in ``sql``."""

    name: str
    shape: Shape
    sql: str
    phrasings: tuple[str, str, str, str, str]
    holes: tuple[tuple[Hole, ...], ...]


def cases(families: tuple[Family, ...], refused: tuple[str, ...] = ()) -> Iterator[Case]:
    """Yield every question of every family, its holes filled in every way."""
    for family in families:
        for filled in product(*family.holes):
            words = [part for hole in filled for part in hole.words.split("|")]
            meaning = [part.replace("{at}", "f.detected_at") for hole in filled for part in hole.sql.split("|")]
            phrasings = tuple(phrasing.format(*words) for phrasing in family.phrasings)
            yield Case(family.name, phrasings, family.shape, family.sql.format(*meaning))
    for question in refused:
        yield Case("refusal", (question,), "refusal", "")
