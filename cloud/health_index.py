"""The health index of components, assets and sites: 100 is sound, 0 is stopped; every point taken off is named.

A defect takes off points by its severity rank, more when it is sure to grow. A component has what its defects leave;
an asset is as healthy as its worst component, less a share of what the others lack; a site is the mean of its assets,
held down by its worst. The points are this project's own choice, in one table below; no standard is claimed.

What nobody ever looked at is not sound: beside each index stands the share that was seen of what it speaks of, and a
component or an asset of which nothing was seen, and that never had a defect, has no index and counts in none.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import distinct_on, insert
from sqlalchemy.orm import Session

from cloud import health_components
from cloud.health_components import Seen
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
    """One reason for points off: ``why`` for programs; the kind, rank and growth of a defect, for a page to word."""

    subject: str
    off: float
    why: str
    defect: dict[str, Any] | None = None


class Health(NamedTuple):
    """An index, what it is made of, and the share seen of what it speaks of: None where nothing is counted there."""

    score: float
    parts: tuple[Part, ...]
    seen_share: float | None = None

    def derivation(self) -> dict[str, Any]:
        """Return the parts and the share as plain data."""
        share = None if self.seen_share is None else round(self.seen_share, 4)
        return {"parts": [part._asdict() for part in self.parts], "seen_share": share}


def of_component(
    defects: Iterable[tuple[Finding, bool]], seen_share: float | None = None, *, looked_at: bool = False
) -> Health | None:
    """Return a component's health from its open defects and whether each has surely grown.

    None where nobody looked: nothing of it was seen, and no defect of it is or was known.
    """
    parts = tuple(_of_defect(finding, grows=grows) for finding, grows in defects)
    if not (parts or seen_share or looked_at):
        return None
    return Health(_clamped(100 - sum(part.off for part in parts)), parts, seen_share)


def _of_defect(finding: Finding, *, grows: bool) -> Part:
    off = POINTS[finding.severity_rank] * (GROWING if grows else 1.0)
    why = f"{finding.kind.replace('_', ' ')} of rank {finding.severity_rank}{', growing' if grows else ''}"
    defect = {"kind": finding.kind, "rank": finding.severity_rank, "growing": grows}
    return Part(f"F-{finding.number}", off, why, defect)


def of_asset(components: Mapping[str, Health], seen_share: float | None = None) -> Health | None:
    """Return an asset's health: its worst component's, less a share of what the others lack; None without any."""
    if not components:
        return None
    worst = min(components, key=lambda name: (components[name].score, name))
    others = [100 - health.score for name, health in components.items() if name != worst]
    lack = OTHERS_SHARE * sum(others) / len(others) if others else 0.0
    parts = [Part(worst, 100 - components[worst].score, "the worst component")]
    if lack > 0:
        parts.append(Part("others", lack, f"{OTHERS_SHARE:.0%} of what the other components lack on average"))
    return Health(_clamped(components[worst].score - lack), tuple(parts), seen_share)


def of_site(assets: Mapping[str, Health], of: int) -> Health | None:
    """Return a site's health: half its worst asset's, half the mean of all that have one; None without any.

    Its share seen is the mean of all ``of`` assets it has, those that were never seen with it.
    """
    if not assets:
        return None
    worst = min(assets, key=lambda name: (assets[name].score, name))
    mean = sum(health.score for health in assets.values()) / len(assets)
    low = assets[worst].score
    parts = (
        Part(worst, WORST_SHARE * (100 - low), f"the worst asset, at {low:.0f}, counts {WORST_SHARE:.0%}"),
        Part("all", (1 - WORST_SHARE) * (100 - mean), f"the mean of {len(assets)} assets is {mean:.0f}"),
    )
    shares = [health.seen_share for health in assets.values() if health.seen_share is not None]
    return Health(_clamped(WORST_SHARE * low + (1 - WORST_SHARE) * mean), parts, sum(shares) / max(of, 1))


def keep(session: Session, now: datetime) -> int:
    """Write today's index of everything; the same day again replaces it. Returns how many were written.

    What has no index keeps no days: what was written of it before was a false alarm, or no more than a guess. Of what
    has no blades, a component is written when it changes: a line has thousands.
    """
    rows: list[dict[str, Any]] = []
    by_site: dict[str, dict[str, Health]] = {}
    sizes: Counter[str] = Counter()
    told, known = health_components.seen(session), _defects(session)
    for asset in session.scalars(select(Asset).order_by(Asset.asset_id)):
        sizes[asset.site_id] += 1
        components, share = _components(asset, told, known)
        whole = of_asset(components, share)
        if whole is None:
            _forget(session, asset.asset_id)
            continue
        by_site.setdefault(asset.site_id, {})[asset.asset_id] = whole
        made = [_row("component", f"{asset.asset_id}/{name}", health, now) for name, health in components.items()]
        rows += made if asset.turbine else _changed(session, asset.asset_id, made)
        rows.append(_row("asset", asset.asset_id, whole, now))
    sites = {site: of_site(assets, sizes[site]) for site, assets in by_site.items()}
    rows += [_row("site", site, health, now) for site, health in sites.items() if health is not None]
    if rows:
        added = insert(HealthRow)
        new = {name: added.excluded[name] for name in ("index", "derivation", "made_at")}
        session.execute(added.on_conflict_do_update(index_elements=["scope", "subject", "day"], set_=new), rows)
    return len(rows)


def components(session: Session, asset_id: str) -> list[HealthRow]:
    """Return the newest day of each component of an asset, the least healthy first."""
    newest = (
        select(HealthRow)
        .where(HealthRow.scope == "component", HealthRow.subject.startswith(f"{asset_id}/", autoescape=True))
        .ext(distinct_on(HealthRow.subject))
        .order_by(HealthRow.subject, HealthRow.day.desc())
    )
    return sorted(session.scalars(newest), key=lambda row: (row.index, row.subject))


def history(session: Session, scope: str, subject: str) -> list[HealthRow]:
    """Return the kept days of a subject, oldest first."""
    query = select(HealthRow).where(HealthRow.scope == scope, HealthRow.subject == subject)
    return list(session.scalars(query.order_by(HealthRow.day)))


def _defects(session: Session) -> dict[str, list[tuple[Finding, bool]]]:
    """Return the defects by asset, each as its latest finding says, with whether it has surely grown."""
    found = session.execute(
        select(Finding, DefectLink.state)
        .outerjoin(DefectLink, DefectLink.finding_id == Finding.finding_id)
        .where(Finding.status != FindingStatus.REJECTED.value)
        .order_by(Finding.detected_at, Finding.finding_id)
    ).all()
    latest = {finding.link_group: (finding, state == "grown") for finding, state in found}
    defects: dict[str, list[tuple[Finding, bool]]] = {}
    for finding, grows in latest.values():
        defects.setdefault(finding.asset_id, []).append((finding, grows))
    return defects


def _components(
    asset: Asset, told: Seen, known: Mapping[str, list[tuple[Finding, bool]]]
) -> tuple[dict[str, Health], float | None]:
    """Return the components of an asset that have an index, and the share seen of all that are counted."""
    on: dict[str, list[tuple[Finding, bool]]] = {}
    for finding, grows in known.get(asset.asset_id, ()):
        on.setdefault(health_components.key_of(finding, asset.shape), []).append((finding, grows))
    shares = {one.key: one.seen_share for one in health_components.of_asset(asset, told)}
    names = [*shares, *(key for key in sorted(on) if key not in shares)]
    found = {name: of_component(_open(on.get(name, ())), shares.get(name), looked_at=name in on) for name in names}
    counted = [share for share in shares.values() if share is not None]
    share = sum(counted) / len(counted) if counted else None
    return {name: health for name, health in found.items() if health is not None}, share


def _open(defects: Iterable[tuple[Finding, bool]]) -> list[tuple[Finding, bool]]:
    return [(finding, grows) for finding, grows in defects if finding.status != FindingStatus.REPAIRED.value]


def _changed(session: Session, asset_id: str, made: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the rows that say something new of their component; one that has no index any more is forgotten."""
    kept = {row.subject: row for row in components(session, asset_id)}
    gone = kept.keys() - {row["subject"] for row in made}
    session.execute(delete(HealthRow).where(HealthRow.scope == "component", HealthRow.subject.in_(gone)))
    return [row for row in made if not _same(kept.get(row["subject"]), row)]


def _same(known: HealthRow | None, made: Mapping[str, Any]) -> bool:
    return known is not None and (known.index, known.derivation) == (made["index"], made["derivation"])


def _forget(session: Session, asset_id: str) -> None:
    of_asset = (HealthRow.scope == "asset") & (HealthRow.subject == asset_id)
    of_part = (HealthRow.scope == "component") & HealthRow.subject.startswith(f"{asset_id}/", autoescape=True)
    session.execute(delete(HealthRow).where(of_asset | of_part))


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
