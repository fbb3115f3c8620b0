"""Which sites an asker may see: a limit that a session puts on every SELECT, so that no query can forget it."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, event, false, select
from sqlalchemy.orm import ORMExecuteState, Session, with_loader_criteria

from cloud.tables import Asset, Base, Drone, Finding, Flight, Media, Proposal, User

_WAYS = (
    ("asset_id", Asset.__table__.c),
    ("drone_id", Drone.__table__.c),
    ("flight_id", Flight.__table__.c),
    ("finding_id", Finding.__table__.c),
    ("segment_id", Media.__table__.c),
)
"""How a row leads to its site, the shortest way first."""


_OF_NO_SITE = (Proposal, User)
"""Tables that are about people: their own rules say who sees what."""


def limit(session: Session, sites: Iterable[str] | None) -> None:
    """Let a session read rows of these sites only; None is all sites, and no limit.

    It holds for ORM statements, their sub-queries and joins. Rows that lead to no site are not seen by a limited
    asker. Statements written as text are not limited: the assistant's tools have none.
    """
    if sites is None:
        return
    allowed = tuple(sorted(sites))

    def add(state: ORMExecuteState) -> None:
        if state.is_select:
            state.statement = state.statement.options(*_options(allowed))

    event.listen(session, "do_orm_execute", add)


@cache
def _options(sites: tuple[str, ...]) -> tuple[Any, ...]:
    """Return one criterion per table: a table that comes later is limited without being named here."""
    return tuple(
        with_loader_criteria(
            mapper.class_, _criterion(mapper.class_.__table__.c, sites, mapper.class_), include_aliases=True
        )
        for mapper in Base.registry.mappers
        if mapper.class_ not in _OF_NO_SITE
    )


def _criterion(columns: Any, sites: tuple[str, ...], mapped: Any = None) -> ColumnElement[bool]:
    """Return the limit of a table; sub-queries are over bare tables, which no criterion touches a second time."""
    outer = mapped or columns
    if "site_id" in columns:
        return outer.site_id.in_(sites)  # type: ignore[no-any-return]
    for name, target in _WAYS:
        if name in columns:
            of_sites = select(target[name]).where(_criterion(target, sites))
            return getattr(outer, name).in_(of_sites)  # type: ignore[no-any-return]
    return false()
