"""The figures of lists and insights, read in few statements, against the plain computation from every row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import Select, event, select, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import ORMExecuteState, Session

from cloud import coverage, users
from cloud.assistant.tools import coverage_rows
from cloud.assistant.tools.parameters import CoverageQuery
from cloud.line_towers import TowersSeen
from cloud.parts_seen import SEEN_SHARE
from cloud.security import Principal
from cloud.services import Services
from cloud.tables import Asset, AssetRisk, Coverage, Finding, Flight, HealthRow, PartCoverage, Plan
from cloud.web import asset_view, desk, insights_rest, insights_view, schematic
from contracts.parts import parts_of
from contracts.vocabulary import DefectKind, Role
from tests import platform, stock

pytestmark = pytest.mark.backends

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
FLOWN = ("landed", "complete")
EDGES = ("2026-09-30T10:59Z", "2026-09-30T11:00Z", "2026-10-31T10:59Z", "2026-10-31T11:00Z", "2026-12-31T11:30Z")
"""Round the ends of months in Auckland; the last is yet to come."""


@pytest.fixture(scope="module")
def built(database_url: str) -> Iterator[Services]:
    services = platform.build(database_url)
    with services.database.session() as session:
        stock.stock_all(session, NOW)
        users.put_user(session, "ana", "fly-high-9", [Role.ANALYST])
        rows = session.scalars(select(Finding).order_by(Finding.number).limit(len(EDGES)))
        for finding, at in zip(rows, EDGES, strict=True):
            finding.detected_at = datetime.fromisoformat(at)
        line = session.scalars(select(Flight).where(Flight.asset_id == "line-110")).one()
        quality = {"seen_share": 0.9, "best_gsd_mm_px": 2.0, "best_incidence_deg": 5.0, "best_sharpness": 300.0}
        cells = [PartCoverage(flight_id=line.flight_id, part="span-0001", cell=cell, **quality) for cell in range(10)]
        session.add_all(cells)
    yield services
    services.database.close()


@pytest.fixture
def session(built: Services) -> Iterator[Session]:
    with built.database.session() as session:
        yield session


def asked_of(session: Session) -> list[str]:
    """Return the list that what a session asks comes to stand in, with its values."""
    asked: list[str] = []

    def note(state: ORMExecuteState) -> None:
        statement, dialect = cast("Select[Any]", state.statement), postgresql.dialect()  # type: ignore[no-untyped-call]
        compiled = statement.compile(dialect=dialect, compile_kwargs={"literal_binds": True})
        asked.append(str(compiled))

    event.listen(session, "do_orm_execute", note)
    return asked


def ranks(session: Session, asset_id: str) -> dict[int, int]:
    latest: dict[str, Finding] = {}
    for f in session.scalars(select(Finding).where(Finding.status != "rejected").order_by(Finding.detected_at)):
        latest[f.link_group] = f
    live = [f for f in latest.values() if f.asset_id == asset_id and f.status in ("open", "confirmed")]
    return dict(Counter(f.severity_rank for f in live))


def score(session: Session, asset_id: str, day: datetime) -> float | None:
    rows = session.scalars(select(HealthRow).where(HealthRow.scope == "asset", HealthRow.subject == asset_id))
    known = {row.day: row.index for row in rows if row.day <= day.date().isoformat()}
    return known[max(known)] if known else None


def begun(session: Session, asset_id: str, *states: str) -> list[Flight]:
    rows = session.scalars(select(Flight).where(Flight.asset_id == asset_id).order_by(Flight.created_at.desc()))
    return [flight for flight in rows if not states or flight.state in states]


@pytest.mark.parametrize("sort", ["health", "risk", "name"])
def test_the_list_of_assets_says_what_all_rows_say(session: Session, sort: str) -> None:
    found = asset_view.listed(session, asset_view.Wanted.model_validate({"sort": sort}), NOW)
    every = list(session.scalars(select(Asset).order_by(Asset.name)))
    assert found.total == len(every) == len(found.rows)
    risk = {asset.asset_id: session.get(AssetRisk, asset.asset_id) for asset in every}
    for row in found.rows:
        asset_id, times = row.asset.asset_id, [f.started_at for f in begun(session, row.asset.asset_id, *FLOWN)]
        assert row.score == score(session, asset_id, NOW)
        assert row.before == score(session, asset_id, NOW - timedelta(days=30))
        assert row.flown_at == max((at for at in times if at), default=None)
        assert row.ranks == ranks(session, asset_id)
        assert row.risk == risk[asset_id]
    scores = {row.asset.asset_id: row.score for row in found.rows}
    order: dict[str, Callable[[Asset], Any]] = {
        "health": lambda a: (scores[a.asset_id] is None, scores[a.asset_id] or 0.0),
        "risk": lambda a: -r.chance_365_days if (r := risk[a.asset_id]) else 1.0,
        "name": lambda _: 0,
    }
    assert [row.asset for row in found.rows] == sorted(every, key=order[sort])


def test_the_rest_of_a_list_begins_where_its_first_part_ended(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = asset_view.listed(session, asset_view.Wanted(), NOW)
    monkeypatch.setattr(asset_view, "AT_ONCE", 2)
    parts = [asset_view.listed(session, asset_view.Wanted(start=n), NOW) for n in range(0, whole.total + 2, 2)]
    assert [row for part in parts for row in part.rows] == list(whole.rows)
    assert {part.total for part in parts} == {whole.total}


@pytest.mark.parametrize("zone", ["UTC", "Pacific/Auckland", "America/St_Johns"])
def test_a_finding_counts_in_the_month_of_the_reader_s_zone(session: Session, zone: str) -> None:
    since, local = NOW - timedelta(days=365), ZoneInfo(zone)
    rows = [f for f in session.scalars(select(Finding)) if f.detected_at >= since]
    kept = [f for f in rows if f.status != "rejected"]
    plain = Counter(f"{f.detected_at.astimezone(local):%b %y}" for f in kept)
    found = insights_view.build(session, insights_view.Wanted(), NOW, local)
    last = f"{NOW.astimezone(local):%b %y}"
    assert found.by_month.bars[-1].label == last
    assert {bar.label: bar.total for bar in found.by_month.bars} == {
        b.label: plain[b.label] for b in found.by_month.bars
    }
    assert (found.findings, found.rejected) == (len(kept), len(rows) - len(kept))


def test_what_was_not_seen_is_told_of_the_last_flight_with_coverage(session: Session) -> None:
    expected = {}
    for asset in session.scalars(select(Asset)):
        times = [f.started_at for f in begun(session, asset.asset_id, *FLOWN) if f.started_at]
        cells = [list(session.scalars(select(Coverage).where(Coverage.flight_id == f.flight_id)))
                 for f in begun(session, asset.asset_id)]  # fmt: skip
        looked = next((some for some in cells if some), None)
        whole_m = 12 * -int(-asset.turbine.blade_length_m // 1) if asset.turbine else 0
        unseen_m = None
        if asset.turbine and looked is not None:
            unseen_m = whole_m - sum(cell.seen_share >= SEEN_SHARE for cell in looked)
        others = [list(session.scalars(select(PartCoverage).where(PartCoverage.flight_id == f.flight_id)))
                  for f in begun(session, asset.asset_id)]  # fmt: skip
        told = next((some for some in others if some), None)
        if asset.turbine is None and asset.shape is not None:
            parts = parts_of(asset.shape)
            whole_m = round(sum(len(part.cells) * part.step_m for part in parts))
            if told is not None:
                names = {part.part for part in parts}
                seen = [cell for cell in told if cell.part in names and cell.seen_share >= SEEN_SHARE]
                unseen_m = whole_m - len(seen) * round(parts[0].step_m)
        if not times or unseen_m != 0:
            expected[asset.asset_id] = (max(times, default=None), unseen_m, whole_m)
    found = insights_rest.build(session, insights_view.Wanted()).unseen
    assert expected["line-110"][1] == 4 * 290 - 100
    assert expected["pipe-2"][1] is None, "flown, and nothing is recorded of what was seen"
    assert {u.asset.asset_id: u[1:4] for u in found} == expected
    towers = {u.asset.asset_id: u.towers for u in found if u.towers}
    assert towers == {"line-220": TowersSeen(whole=0, part=1, unseen=4)}
    assert len({u.flown_at is None for u in found}) == 2
    order = [(u.flown_at is not None, -(u.unseen_m or 0)) for u in found]
    assert order == sorted(order)


@pytest.mark.parametrize("sites", [None, frozenset({"nordmarsch"})])
def test_what_is_left_to_judge_is_counted_from_an_index_alone(built: Services, sites: frozenset[str] | None) -> None:
    asker = Principal("ana", frozenset({Role.ANALYST}), "session", sites)
    with built.database.session_of(asker) as session:
        session.execute(text("SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off"))
        asked = asked_of(session)
        desk.build(session, desk.Wanted(kind=DefectKind.CRACK))
        plan = "\n".join(session.scalars(text(f"EXPLAIN {asked[0]}")))
    assert "Index Only Scan using findings_left on findings" in plan


def test_who_asks_is_read_in_one_statement(built: Services) -> None:
    with built.database.session() as session:
        asked = asked_of(session)
        assert users.rights_of(session, "ana") == users.Rights(frozenset({Role.ANALYST}), None)
    assert len(asked) == 1


TOWERS = "towers and insulator strings: what was seen of them was not counted when the flight was analysed"


def test_what_a_line_s_flight_saw_is_drawn_and_the_rest_is_said(session: Session) -> None:
    flight = session.scalars(select(Flight).where(Flight.asset_id == "line-110")).one()
    drawn = schematic.of_flight(session, flight)
    assert drawn is not None
    assert ([round(strip.seen_m) for strip in drawn.strips], round(drawn.whole_m)) == ([0, 100, 0, 0], 1131)
    assert coverage.gaps(session, flight.flight_id) == []
    rest = ["span M0–M1, 0–283 m", "span M1–M2, 100–283 m", "spans M2–M3 to M3–M4, 0–566 m", TOWERS]
    assert coverage.beyond(session, flight.flight_id) == rest
    rows = coverage_rows.coverage(session, "s1", CoverageQuery(asset_ids=("line-110",)))
    assert [row.values.get("beyond") for row in rows] == [None, "; ".join(rest)]


def test_what_its_plan_asks_for_and_no_frame_shows_is_a_gap(session: Session) -> None:
    flight = session.scalars(select(Flight).where(Flight.asset_id == "line-110")).one()
    plan = session.get_one(Plan, (flight.plan_id, flight.plan_version))
    plan.pattern, plan.params = "corridor", {"params": {"sides": ["left", "right"], "last_span": 1}}
    session.flush()
    said = [str(gap) for gap in coverage.gaps(session, flight.flight_id)]
    assert said == ["span M0–M1, 0–283 m", "span M1–M2, 100–283 m"]
    assert coverage.beyond(session, flight.flight_id) == ["spans M2–M3 to M3–M4, 0–566 m", TOWERS]
    flight.continues = flight.flight_id
    session.flush()
    assert coverage.gaps(session, flight.flight_id) == [], "a flight that carries another one on flies only the rest"
    session.rollback()
