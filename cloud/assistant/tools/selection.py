"""Which findings a filter means, how many there are, and which of them to cite."""

from __future__ import annotations

from collections import Counter
from itertools import accumulate
from typing import Any, NamedTuple

from sqlalchemy import BigInteger, ColumnElement, and_, cast, func, or_, select, tuple_
from sqlalchemy.orm import Session

from cloud.assistant.tools.parameters import FindingFilter, GroupBy, Order
from cloud.tables import Asset, Finding, Site, Ticket
from contracts.vocabulary import FindingStatus

MAX_CITED = 12
"""Findings a counted row names; how many stand behind it is told beside them."""
LARGEST = func.greatest(Finding.length_mm, Finding.width_mm)
WORST_FIRST = (Finding.severity_rank.desc(), LARGEST.desc(), Finding.number)
ORDERS = {
    Order.SEVERITY: WORST_FIRST,
    Order.SIZE: (LARGEST.desc(), Finding.number),
    Order.NEWEST: (Finding.detected_at.desc(), Finding.number.desc()),
    Order.OLDEST: (Finding.detected_at, Finding.number),
    Order.CONFIDENCE: (Finding.confidence.desc(), Finding.number),
}

GROUP_COLUMNS: dict[GroupBy, Any] = {
    GroupBy.SITE: Site.name,
    GroupBy.ASSET: Asset.name,
    GroupBy.BLADE: Finding.blade,
    GroupBy.SIDE: Finding.side,
    GroupBy.COMPONENT: Finding.blade + " " + Finding.side,
    GroupBy.KIND: Finding.kind,
    GroupBy.SEVERITY: Finding.severity_rank,
    GroupBy.STATUS: Finding.status,
    GroupBy.FLIGHT: Finding.flight_id,
}


def conditions(query: FindingFilter, *, with_status: bool = True) -> list[ColumnElement[bool]]:
    """Return the WHERE terms of a filter over ``findings`` left-joined with ``tickets``."""
    found: list[ColumnElement[bool]] = []
    for column, wanted in (
        (Finding.number, query.numbers),
        (Asset.site_id, query.site_ids),
        (Finding.asset_id, query.asset_ids),
        (Finding.flight_id, query.flight_ids),
        (Finding.kind, query.kinds),
        (Finding.blade, query.blades),
        (Finding.side, query.sides),
    ):
        if wanted:
            found.append(column.in_([str(w) if not isinstance(w, int) else w for w in wanted]))
    if query.without_kinds:
        found.append(Finding.kind.not_in([k.value for k in query.without_kinds]))
    for term, bound in (
        (Finding.severity_rank.__ge__, query.min_rank),
        (Finding.severity_rank.__le__, query.max_rank),
        (Finding.distance_to_root_m.__ge__, query.min_distance_m),
        (Finding.distance_to_root_m.__le__, query.max_distance_m),
        (LARGEST.__ge__, query.min_length_mm),
        (LARGEST.__le__, query.max_length_mm),
        (Finding.width_mm.__ge__, query.min_width_mm),
        (Finding.width_mm.__le__, query.max_width_mm),
        (Finding.detected_at.__ge__, query.period.start if query.period else None),
        (Finding.detected_at.__lt__, query.period.end if query.period else None),
    ):
        if bound is not None:
            found.append(term(bound))
    if query.reviewed is not None:
        found.append(Finding.reviewed_at.is_not(None) if query.reviewed else Finding.reviewed_at.is_(None))
    if query.has_ticket is not None:
        found.append(Ticket.ticket_id.is_not(None) if query.has_ticket else Ticket.ticket_id.is_(None))
    return [*found, _status_term(query)] if with_status else found


def _status_term(query: FindingFilter) -> ColumnElement[bool]:
    if query.statuses:
        return Finding.status.in_([s.value for s in query.statuses])
    if query.numbers:
        return Finding.status.is_not(None)
    return Finding.status != FindingStatus.REJECTED.value


def joined(select_: Any, terms: list[ColumnElement[bool]]) -> Any:
    """Return ``select_`` over the findings that match; outer joins, since Postgres drops those that nothing reads."""
    return (
        select_.select_from(Finding)
        .outerjoin(Asset, Asset.asset_id == Finding.asset_id)
        .outerjoin(Site, Site.site_id == Asset.site_id)
        .outerjoin(Ticket, Ticket.finding_id == Finding.finding_id)
        .where(and_(True, *terms))
    )


class Tally(NamedTuple):
    """A group of findings: how many, on how many assets, the worst rank, and the worst few as (id, number)."""

    key: Any
    total: int
    assets: int
    worst_rank: int | None
    worst: tuple[tuple[str, int], ...]


def tally(session: Session, terms: list[ColumnElement[bool]]) -> Tally:
    """Return the one group of all findings that match; only the ranks that hold its worst few are sorted."""
    counted = session.execute(
        joined(select(Finding.asset_id, Finding.severity_rank, func.count()), terms).group_by(
            Finding.asset_id, Finding.severity_rank
        )
    ).all()
    if not counted:
        return Tally(None, 0, 0, None, ())
    per_rank: Counter[int] = Counter()
    for _, rank, count in counted:
        per_rank[rank] += count
    worst = session.execute(
        joined(select(Finding.finding_id, Finding.number), [*terms, Finding.severity_rank >= _least_cited(per_rank)])
        .order_by(*WORST_FIRST)
        .limit(MAX_CITED)
    )
    assets = len({asset_id for asset_id, _, _ in counted})
    return Tally(None, per_rank.total(), assets, max(per_rank), tuple((i, n) for i, n in worst))


def _least_cited(per_rank: Counter[int]) -> int:
    """Return the lowest rank among the ``MAX_CITED`` worst."""
    ranks = sorted(per_rank, reverse=True)
    reached = accumulate(per_rank[rank] for rank in ranks)
    return next((rank for rank, total in zip(ranks, reached, strict=True) if total >= MAX_CITED), ranks[-1])


def tallies(
    session: Session, terms: list[ColumnElement[bool]], column: Any, limit: int, *, by_key: bool = False
) -> list[Tally]:
    """Return the groups of findings by ``column``: the biggest first, or by falling key.

    They are counted per asset first: counting distinct assets in one go would sort every finding.
    """
    figures = func.count().label("total"), func.max(Finding.severity_rank).label("worst_rank")
    parts = (
        joined(select(column.label("key"), Finding.asset_id, *figures), terms)
        .group_by(column, Finding.asset_id)
        .subquery()
    )
    total, worst_rank = cast(func.sum(parts.c.total), BigInteger), func.max(parts.c.worst_rank)
    whole = select(
        parts.c.key, total.label("total"), func.count().label("assets"), worst_rank.label("worst_rank")
    ).group_by(parts.c.key)
    order = (parts.c.key.desc(),) if by_key else (total.desc(), worst_rank.desc(), parts.c.key)
    groups = session.execute(whole.order_by(*order).limit(limit)).all()
    worst = _worst(session, terms, column, groups)
    return [Tally(g.key, g.total, g.assets, g.worst_rank, tuple(worst.get(g.key, ()))) for g in groups]


def _worst(session: Session, terms: list[ColumnElement[bool]], column: Any, groups: Any) -> dict[Any, Any]:
    """Return the worst findings per group; of a big group only its worst rank is sorted."""
    small = [g.key for g in groups if g.total <= MAX_CITED and g.key is not None]
    big = [(g.key, g.worst_rank) for g in groups if g.total > MAX_CITED and g.key is not None]
    wanted = or_(column.in_(small), tuple_(column, Finding.severity_rank).in_(big), column.is_(None))
    place = func.row_number().over(partition_by=column, order_by=WORST_FIRST)
    ranked = joined(
        select(column.label("key"), Finding.finding_id, Finding.number, place.label("place")), [*terms, wanted]
    ).subquery()
    rows = select(ranked).where(ranked.c.place <= MAX_CITED).order_by(ranked.c.place)
    found: dict[Any, list[tuple[str, int]]] = {}
    for key, finding_id, number, _ in session.execute(rows):
        found.setdefault(key, []).append((finding_id, number))
    return found
