"""Every defect as it stands: what the kept rows say is what a walk over all findings would."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from itertools import groupby

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from cloud.db import Database
from cloud.history import standing
from cloud.tables import Asset, DefectChange, Finding, Flight
from contracts.turbine import TurbineGeometry
from contracts.vocabulary import DefectKind
from tests.factories import World
from tests.scenes import utc_now

STEPS = st.lists(
    st.tuples(
        st.sampled_from(("add", "judge", "regrade", "move", "drop", "fold")), st.integers(0, 5), st.integers(1, 5)
    ),
    min_size=1,
    max_size=12,
)


@pytest.fixture(scope="module")
def database(database_url: str) -> Iterator[Database]:
    made = Database(database_url)
    with made.session() as session:
        world = World(session, utc_now())
        world.site()
        world.flight(world.asset("T-01", 240.0, 10.0), world.drone(), world.now)
    yield made
    made.close()


def kept(session: Session) -> dict[str, tuple[object, ...]]:
    """Return what readers are told, by defect."""
    return {row.link_group: tuple(row) for row in session.execute(select(standing.latest()))}


def walked(session: Session) -> dict[str, tuple[object, ...]]:
    """Return the same from all findings, in the plainest way."""
    session.flush()
    rows = session.scalars(select(Finding).where(Finding.status != "rejected").order_by(Finding.link_group)).all()
    found: dict[str, tuple[object, ...]] = {}
    for group, members in groupby(rows, key=lambda f: f.link_group):
        seen = list(members)
        f = min(seen, key=lambda f: (-f.detected_at.timestamp(), f.finding_id))
        first = min(s.detected_at for s in seen)
        said = (f.finding_id, f.asset_id, f.kind, f.severity_rank, f.status, f.length_mm, f.detected_at, first)
        found[group] = (group, *said)
    return found


@settings(max_examples=25, deadline=None)
@given(STEPS)
def test_what_is_kept_is_what_a_walk_over_all_findings_finds(
    database: Database, steps: list[tuple[str, int, int]]
) -> None:
    with database.session() as session:
        world = World(session, utc_now(), seed=31)
        for number, (step, which, value) in enumerate(steps):
            _take(session, world, number, step, which, value)
            session.flush()
            assert kept(session) == walked(session)
        session.rollback()


def _take(session: Session, world: World, number: int, step: str, which: int, value: int) -> None:
    rows = session.scalars(select(Finding).order_by(Finding.finding_id)).all()
    chosen = rows[which % len(rows)] if rows else None
    if step == "fold":
        standing.fold(session)
    elif step == "add" or chosen is None:
        found = _finding(session, world, rank=value)
        found.link_group, found.detected_at = f"lnk-{which % 3}", world.now - timedelta(days=10 * value + number % 2)
    elif step == "judge":
        chosen.status = ("open", "confirmed", "rejected", "repaired", "rejected")[value - 1]
    elif step == "regrade":
        chosen.severity_rank = value
    elif step == "move":
        chosen.link_group = f"lnk-{value % 3}"
    else:
        session.execute(delete(Finding).where(Finding.finding_id == chosen.finding_id))


def _finding(session: Session, world: World, rank: int) -> Finding:
    flight = session.scalars(select(Flight)).one()
    world.geometries[flight.asset_id] = TurbineGeometry.model_validate(session.get_one(Asset, flight.asset_id).geometry)
    return world.finding(flight, DefectKind.CRACK, rank=rank)


def test_what_a_slower_writer_changes_while_rows_are_folded_is_not_lost(database: Database) -> None:
    with database.session() as session:
        found = _finding(session, World(session, utc_now(), seed=32), rank=2)
        group, finding_id = found.link_group, found.finding_id
    with database.session() as slow:
        slow.get_one(Finding, finding_id).severity_rank = 5
        slow.flush()
        with database.session() as session:
            assert standing.fold(session) == 1
            assert kept(session)[group][4] == 2
    with database.session() as session:
        assert kept(session)[group][4] == 5
        assert standing.fold(session) == 1
        assert standing.fold(session) == 0
        assert kept(session)[group][4] == 5
        assert session.scalars(select(DefectChange)).all() == []


def test_two_folds_do_not_run_at_once(database: Database) -> None:
    with database.session() as session:
        _finding(session, World(session, utc_now(), seed=33), rank=2)
    with database.session() as first, database.session() as second:
        assert standing.fold(first) == 1
        assert standing.fold(second) == 0
