"""The health index of components, assets and sites: 100 is sound, 0 is stopped; every point taken off is named.

A defect takes off points by its severity rank, more when it is sure to grow. A component has what its defects leave;
an asset is as healthy as its worst component, less a share of what the others lack; a site is the mean of its assets,
held down by its worst. The points are this project's own choice, in one table below; no standard is claimed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from cloud.tables import Asset, DefectLink, Finding, HealthRow
from contracts.vocabulary import FindingStatus

POINTS = {1: 1.0, 2: 4.0, 3: 12.0, 4: 35.0, 5: 80.0}
"""What an open defect of a rank takes off."""
GROWING = 1.25
"""Factor for a defect that grew beyond the error of its measurement."""
OTHERS_SHARE = 0.2
"""Of the mean of what the other components lack, taken off the worst one's index."""
WORST_SHARE = 0.5
"""Weight of the worst asset in a site's index; the mean of all has the rest."""


class Part(NamedTuple):
    """One reason for points off."""

    subject: str
    off: float
    why: str


class Health(NamedTuple):
    """An index and what it is made of."""

    score: float
    parts: tuple[Part, ...]

    def derivation(self) -> dict[str, Any]:
        """Return the parts as plain data."""
        return {"parts": [part._asdict() for part in self.parts]}


def of_component(defects: Iterable[tuple[Finding, bool]]) -> Health:
    """Return a component's health from its open defects and whether each has surely grown."""
    parts = tuple(
        Part(
            f"F-{finding.number}",
            POINTS[finding.severity_rank] * (GROWING if grows else 1.0),
            f"{finding.kind.replace('_', ' ')} of rank {finding.severity_rank}{', growing' if grows else ''}",
        )
        for finding, grows in defects
    )
    return Health(_clamped(100 - sum(part.off for part in parts)), parts)


def of_asset(components: Mapping[str, Health]) -> Health:
    """Return an asset's health: its worst component's, less a share of what the others lack."""
    if not components:
        return Health(100.0, ())
    worst = min(components, key=lambda name: (components[name].score, name))
    others = [100 - health.score for name, health in components.items() if name != worst]
    lack = OTHERS_SHARE * sum(others) / len(others) if others else 0.0
    parts = [Part(worst, 100 - components[worst].score, "the worst component")]
    if lack > 0:
        parts.append(Part("others", lack, f"{OTHERS_SHARE:.0%} of what the other components lack on average"))
    return Health(_clamped(components[worst].score - lack), tuple(parts))


def of_site(assets: Mapping[str, Health]) -> Health:
    """Return a site's health: half its worst asset's, half the mean of all."""
    if not assets:
        return Health(100.0, ())
    worst = min(assets, key=lambda name: (assets[name].score, name))
    mean = sum(health.score for health in assets.values()) / len(assets)
    low = assets[worst].score
    parts = (
        Part(worst, WORST_SHARE * (100 - low), f"the worst asset, at {low:.0f}, counts {WORST_SHARE:.0%}"),
        Part("all", (1 - WORST_SHARE) * (100 - mean), f"the mean of {len(assets)} assets is {mean:.0f}"),
    )
    return Health(_clamped(WORST_SHARE * low + (1 - WORST_SHARE) * mean), parts)


def keep(session: Session, now: datetime) -> int:
    """Write today's index of everything; the same day again replaces it. Returns how many were written."""
    rows = []
    by_site: dict[str, dict[str, Health]] = {}
    for asset, components in _components(session):
        whole = of_asset(components)
        by_site.setdefault(asset.site_id, {})[asset.asset_id] = whole
        rows += [_row("component", f"{asset.asset_id}/{name}", health, now) for name, health in components.items()]
        rows.append(_row("asset", asset.asset_id, whole, now))
    rows += [_row("site", site, of_site(assets), now) for site, assets in by_site.items()]
    if rows:
        added = insert(HealthRow)
        new = {name: added.excluded[name] for name in ("index", "derivation", "made_at")}
        session.execute(added.on_conflict_do_update(index_elements=["scope", "subject", "day"], set_=new), rows)
    return len(rows)


def history(session: Session, scope: str, subject: str) -> list[HealthRow]:
    """Return the kept days of a subject, oldest first."""
    query = select(HealthRow).where(HealthRow.scope == scope, HealthRow.subject == subject)
    return list(session.scalars(query.order_by(HealthRow.day)))


def _components(session: Session) -> Iterable[tuple[Asset, dict[str, Health]]]:
    """Yield every asset with its components' health: blades A to C of a turbine, the whole of anything else."""
    found = session.execute(
        select(Finding, DefectLink.state)
        .outerjoin(DefectLink, DefectLink.finding_id == Finding.finding_id)
        .where(Finding.status != FindingStatus.REJECTED.value)
        .order_by(Finding.detected_at, Finding.finding_id)
    ).all()
    latest = {finding.link_group: (finding, state == "grown") for finding, state in found}
    defects: dict[tuple[str, str], list[tuple[Finding, bool]]] = {}
    for finding, grows in latest.values():
        if finding.status != FindingStatus.REPAIRED.value:
            defects.setdefault((finding.asset_id, finding.blade or "whole"), []).append((finding, grows))
    for asset in session.scalars(select(Asset).order_by(Asset.asset_id)):
        names = ["A", "B", "C"] if asset.kind == "wind_turbine" else []
        if (asset.asset_id, "whole") in defects or not names:
            names.append("whole")
        yield asset, {name: of_component(defects.get((asset.asset_id, name), ())) for name in names}


def _row(scope: str, subject: str, health: Health, now: datetime) -> dict[str, Any]:
    return {
        "scope": scope,
        "subject": subject,
        "day": now.date().isoformat(),
        "index": round(health.score, 2),
        "derivation": health.derivation(),
        "made_at": now,
    }


def _clamped(index: float) -> float:
    return max(0.0, min(100.0, index))
