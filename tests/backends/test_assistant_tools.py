"""Every tool of the assistant: what it says it returns, how much, and for whom."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pydantic import ValidationError
from sqlalchemy import text
from sqlalchemy.orm import Session

from cloud.assistant.evidence import Row
from cloud.assistant.executor import run_step
from cloud.assistant.plans import Step
from cloud.assistant.tools.declarations import TOOLS, Asker, begin, run
from cloud.db import Database
from cloud.security import Principal
from contracts.errors import Forbidden, InvalidInput
from contracts.vocabulary import DefectKind, Role
from tests.scenes import seed_history

pytestmark = pytest.mark.backends

NOW = datetime(2026, 11, 20, 16, 40, tzinfo=UTC)
VIEWER = frozenset({Role.VIEWER})
PERIOD = {
    "start": NOW - timedelta(days=30), "end": NOW, "asked": "last month", "says": "in the last 30 days", "zone": "UTC",
}  # fmt: skip
CALLS: dict[str, dict[str, Any]] = {
    "findings": {"limit": 50},
    "count_findings": {"group_by": "asset"},
    "measure_findings": {"statistic": "median", "group_by": "site"},
    "frames": {"numbers": list(range(1, 21))},
    "coverage": {"period": PERIOD},
    "flights": {"limit": 50},
    "telemetry": {"period": PERIOD},
    "tickets": {"limit": 50},
    "sites": {},
    "assets": {},
    "drones": {},
    "policy": {"kinds": ["crack"]},
    "aggregate": {"source": "#E2", "statistic": "sum", "column": "total"},
    "rank": {"source": "#E2", "by": "worst_rank"},
    "join": {"left": "#E2", "right": "#E3", "on": "group"},
    "difference": {"left": "#E2", "right": "#E3"},
    "chart": {"source": "#E2"},
    "map": {"source": "#E4"},
}
BEFORE = (
    ("E2", "count_findings", {"group_by": "asset"}),
    ("E3", "count_findings", {"group_by": "asset", "kinds": ["crack"]}),
    ("E4", "findings", {"limit": 20, "numbers": list(range(1, 21))}),
)


@pytest.fixture(scope="module")
def database(database_url: str) -> Iterator[Database]:
    opened = Database(database_url)
    with opened.session() as session:
        world = seed_history(session, NOW)
        world.site("south", "South Ridge")
        asset = world.asset("S-01", 900.0, 500.0, site_id="south")
        flight = world.flight(asset, world.drone("Osprey 1", site_id="south"), NOW - timedelta(days=2))
        segment = world.segment(flight, 0, NOW - timedelta(days=2))
        finding = world.finding(flight, DefectKind.CRACK, rank=5, length_mm=9000.0, at=NOW - timedelta(days=2))
        world.evidence(finding, segment)
        world.ticket(finding, number="000099990001")
        world.coverage(flight, {})
        world.fly(flight, share=0.1, gap=(0.5, 0.6))
        session.flush()
    yield opened
    opened.close()


def asker(session: Session, sites: frozenset[str] | None = None, roles: frozenset[Role] = VIEWER) -> Asker:
    made = Asker(session, Principal("ana", roles, "token", sites), NOW, ZoneInfo("Europe/Berlin"))
    begin(made)
    return made


def call(who: Asker, tool: str) -> tuple[Row, ...]:
    done: dict[str, tuple[Row, ...]] = {}
    for name, earlier, parameters in BEFORE:
        done[name] = run_step(who, Step(id=name, tool=earlier, title="", parameters=parameters), done).rows
    return run_step(who, Step(id="E9", tool=tool, title="", parameters=CALLS[tool]), done).rows


def test_there_is_a_call_for_every_tool() -> None:
    assert CALLS.keys() == TOOLS.keys()


@pytest.mark.parametrize("tool", TOOLS)
def test_rows_hold_the_columns_that_are_declared(database: Database, tool: str) -> None:
    with database.session() as session:
        rows = call(asker(session), tool)
    held = {name for row in rows for name in row.values}
    declared = {name for name in TOOLS[tool].columns if "…" not in name and not name.startswith("as in")}
    if tool == "policy":  # reactions have no kind, sizes no action: two calls
        declared -= {"action", "due_days"}
    assert rows
    assert declared <= held
    assert all(row.cites for row in rows if row.values.get("total") != 0)


@pytest.mark.parametrize("tool", TOOLS)
def test_no_tool_shows_another_site(database: Database, tool: str) -> None:
    with database.session() as session:
        everything = str([row.model_dump() for row in call(asker(session), tool)])
    with database.session() as session:
        limited = str([row.model_dump() for row in call(asker(session, frozenset({"nordmarsch"})), tool)])
    for secret in ("S-01", "South Ridge", "Osprey", "000099990001", "9000.0"):
        assert secret not in limited
    seen_by_all = any(secret in everything for secret in ("S-01", "South Ridge", "Osprey", "000099990001", "9000.0"))
    assert seen_by_all or tool in {"policy", "frames", "map"} or everything != limited


@pytest.mark.parametrize("tool", [t for t in TOOLS if t not in {"policy", "aggregate", "rank", "join", "chart", "map"}])
def test_an_asker_of_no_site_sees_nothing(database: Database, tool: str) -> None:
    with database.session() as session:
        rows = call(asker(session, frozenset()), tool)
    assert [cite for row in rows for cite in row.cites] == []
    assert {row.values.get("total", 0) for row in rows} <= {0}


def test_an_id_of_another_site_finds_nothing_and_says_nothing(database: Database) -> None:
    with database.session() as session:
        who = asker(session, frozenset({"nordmarsch"}))
        rows = run(who, "E1", "findings", {"asset_ids": ["s-01"]})
        assert rows[0].values["total"] == 0
        assert rows[0].values["assets_asked"] is None


def test_without_a_role_there_is_no_tool(database: Database) -> None:
    with database.session() as session, pytest.raises(Forbidden):
        asker(session, roles=frozenset())


@pytest.mark.parametrize(
    ("tool", "parameters"),
    [
        ("findings", {"limit": 51}),
        ("findings", {"sql": "DROP TABLE findings"}),
        ("count_findings", {"group_by": "password"}),
        ("telemetry", {}),
        ("telemetry", {"period": {**PERIOD, "start": NOW - timedelta(days=32)}}),
        ("frames", {"numbers": []}),
        ("rank", {"source": "E1; DELETE", "by": "total"}),
        ("chart", {"source": "#E2", "mark": "<script>"}),
    ],
)
def test_arguments_that_are_not_the_tools_are_refused(database: Database, tool: str, parameters: Any) -> None:
    with database.session() as session, pytest.raises(ValidationError):
        run(asker(session), "E1", tool, parameters)


@pytest.mark.parametrize(
    ("tool", "parameters", "why"),
    [
        ("nothing", {}, "no tool"),
        ("rank", {"source": "#E7", "by": "total"}, "no earlier step"),
        ("rank", {"source": "#E2", "by": "colour"}, "no column"),
        ("aggregate", {"source": "#E2", "statistic": "mean", "column": "group"}, "column of numbers"),
        ("difference", {"left": "#E2", "right": "#E5"}, "counted and measured nothing"),
        ("map", {"source": "#E2"}, "No row"),
        ("chart", {"source": "#E2", "y": "group"}, "no column of figures"),
        ("aggregate", {"source": "#E6", "statistic": "mean", "column": "length_mm"}, "lists 3 of"),
    ],
)
def test_a_step_that_cannot_be_run_says_why(database: Database, tool: str, parameters: Any, why: str) -> None:
    with database.session() as session:
        who = asker(session)
        done = {
            "E2": tuple(run(who, "E2", "count_findings", {"group_by": "asset"})),
            "E5": tuple(run(who, "E5", "policy", {})),
            "E6": tuple(run(who, "E6", "findings", {"limit": 3})),
        }
        with pytest.raises(InvalidInput, match=why):
            run_step(who, Step(id="E9", tool=tool, title="", parameters=parameters), done)


def scalar(session: Session, sql: str) -> Any:
    return session.execute(text(sql)).scalar_one()


@pytest.mark.parametrize(
    ("statistic", "measure", "sql"),
    [
        ("mean", "size_mm", "avg(greatest(length_mm, width_mm))"),
        ("median", "length_mm", "percentile_cont(0.5) WITHIN GROUP (ORDER BY length_mm)"),
        ("min", "distance_to_root_m", "min(distance_to_root_m)"),
        ("max", "confidence_percent", "100 * max(confidence)"),
        ("sum", "length_mm", "sum(length_mm)"),
        ("mean", "severity_rank", "avg(severity_rank)"),
    ],
)
def test_measures_equal_sql(database: Database, statistic: str, measure: str, sql: str) -> None:
    with database.session() as session:
        rows = run(asker(session), "E1", "measure_findings", {"statistic": statistic, "measure": measure})
        expected = scalar(session, f"SELECT {sql} FROM findings WHERE status <> 'rejected'")  # noqa: S608
    assert rows[0].values["figure"] == pytest.approx(float(expected))


def test_telemetry_is_summed_up_as_sql_does(database: Database) -> None:
    with database.session() as session:
        [row] = run(asker(session), "E1", "telemetry", {"period": PERIOD, "group_by": "flight"})
        expected = session.execute(
            text("SELECT count(*), min(battery_percent), max(wind_mps), max(alt_rel_m) FROM telemetry")
        ).one()
    names = ("samples", "min_battery_percent", "max_wind_mps", "max_alt_rel_m")
    assert tuple(row.values[name] for name in names) == pytest.approx(tuple(expected))


def test_the_difference_of_two_counts_is_per_group_too(database: Database) -> None:
    with database.session() as session:
        rows = call(asker(session), "difference")
        expected = session.execute(
            text("SELECT a.name, count(*) FILTER (WHERE f.kind = 'crack') - count(*) FROM findings f "
                 "JOIN assets a USING (asset_id) WHERE status <> 'rejected' GROUP BY 1")
        ).all()  # fmt: skip
    assert {row.label: row.values["difference"] for row in rows[1:]} == dict(expected)
    assert rows[0].values["difference"] == sum(change for _, change in expected)


def test_a_map_holds_every_place_and_a_chart_every_group(database: Database) -> None:
    with database.session() as session:
        who = asker(session)
        [drawn], [plotted] = call(who, "map"), call(who, "chart")
        groups = scalar(session, "SELECT count(DISTINCT asset_id) FROM findings WHERE status <> 'rejected'")
    assert drawn.figure
    assert plotted.figure
    features = drawn.figure["geojson"]["features"]
    assert len(features) == drawn.values["points"]
    assert all(53 < f["geometry"]["coordinates"][1] < 56 for f in features)
    assert len(plotted.figure["vega_lite"]["data"]["values"]) == groups
