"""Requests about repairs. Crews go to every site, so a plan is made over all of them, with the platform's own sight.

Whoever asks must see the repair himself first: callers read it in the asker's session.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from sqlalchemy.orm import Session

from cloud.repairs import book
from cloud.repairs.methods import load
from cloud.services import Services
from cloud.tables import RepairSlot


@contextmanager
def wanted(services: Services, finding_id: str) -> Iterator[tuple[Session, RepairSlot]]:
    """Yield a finding's slot, planned."""
    with services.database.session() as session:
        slot_id = book.want(session, finding_id).slot_id
        methods = load(services.settings.repair_methods_file)
        yield session, book.plan_wanted(session, methods, slot_id, datetime.now(UTC))


@contextmanager
def moved(
    services: Services, slot_id: str, crew_id: str, starts_at: datetime, by: str
) -> Iterator[tuple[Session, RepairSlot]]:
    """Yield a slot, pinned to a crew and a time; see :func:`cloud.repairs.book.move` for what is refused."""
    with services.database.session() as session:
        methods = load(services.settings.repair_methods_file)
        yield session, book.move(session, methods, slot_id, crew_id, starts_at, by=by, now=datetime.now(UTC))


@contextmanager
def released(services: Services, slot_id: str, by: str) -> Iterator[tuple[Session, RepairSlot]]:
    """Yield a slot, given back to the planner."""
    with services.database.session() as session:
        methods = load(services.settings.repair_methods_file)
        yield session, book.release(session, methods, slot_id, by=by, now=datetime.now(UTC))


def plan(services: Services, by: str, reason: str) -> None:
    """Solve everything that is open anew."""
    with services.database.session() as session:
        book.plan(session, load(services.settings.repair_methods_file), datetime.now(UTC), by, reason)
