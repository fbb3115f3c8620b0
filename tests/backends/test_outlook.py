"""The daily job on a recorded history: predictions, the fleet's risk, health with its derivation, all over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from sqlalchemy import select

from cloud import health_index, places
from cloud.prediction.fitting import fit
from cloud.prediction.outlook import predict, standings
from cloud.services import Services
from cloud.tables import Asset, Finding, Flight, HealthRow, PartCoverage
from contracts.shafts import shaft_of
from contracts.vocabulary import Role
from simulators.history import HistoryPlan, history
from tests import platform
from tests.clean_database import empty
from tests.histories import seed
from tests.platform import Server

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def services(database_url: str) -> Iterator[Services]:
    built = platform.build(database_url)
    empty(built.database)
    with built.database.session() as session:
        seed(session, history(HistoryPlan(seed=8, turbines=2, inspections=3, years=2)))
    with built.database.session() as session:
        predict(session, NOW, fit)
        health_index.keep(session, NOW - timedelta(days=1))
        health_index.keep(session, NOW)
        health_index.keep(session, NOW)
    yield built
    built.database.close()


@pytest.fixture(scope="module")
def viewer(services: Services) -> Iterator[httpx.Client]:
    with Server(services) as server, server.client(Role.VIEWER) as http:
        yield http


def test_every_open_defect_has_a_prediction_with_an_interval(viewer: httpx.Client, services: Services) -> None:
    rows = viewer.get("/v1/predictions", params={"limit": 200}).json()["data"]
    with services.database.session() as session:
        groups = {f.link_group for f in session.scalars(select(Finding)) if f.status != "repaired"}
    assert {r["link_group"] for r in rows} <= groups
    assert len(rows) >= 15
    for row in rows:
        assert row["length_low_mm"] <= row["length_mm"] <= row["length_high_mm"]
        assert row["too_little"] == ""
        if row["next_rank"]:
            assert 0 <= row["chance_180_days"] <= row["chance_365_days"] <= 1
        if row["life_days"] is not None and row["life_low_days"] is not None:
            assert row["life_low_days"] <= row["life_days"]


def test_the_fleet_is_ranked_and_each_asset_has_a_date(viewer: httpx.Client) -> None:
    rows = viewer.get("/v1/fleet-risk").json()["data"]
    chances = [row["chance_365_days"] for row in rows]
    assert len(rows) == 2
    assert chances == sorted(chances, reverse=True)
    for row in rows:
        assert timedelta(days=14) <= datetime.fromisoformat(row["inspect_by"]) - NOW <= timedelta(days=365)
        assert row["because"]


def test_too_little_data_is_said(services: Services) -> None:
    with services.database.session() as session:
        done = predict(session, NOW, lambda _: fit([]))
        assert done["predictions"] == 0
        assert done["too_little"] > 0
        session.rollback()


def test_health_is_kept_by_day_and_adds_up(viewer: httpx.Client, services: Services) -> None:
    days = viewer.get("/v1/health-index/asset/wt-01").json()["data"]
    assert [d["day"] for d in days] == ["2026-11-24", "2026-11-25"]
    with services.database.session() as session:
        for row in session.scalars(select(HealthRow)):
            off = sum(part["off"] for part in row.derivation["parts"])
            assert row.index == pytest.approx(max(0.0, 100 - off), abs=0.01)
    blade = viewer.get("/v1/health-index/component/wt-01/A").json()["data"][-1]
    assert days[-1]["index"] <= blade["index"]
    assert viewer.get("/v1/health-index/planet/x").status_code == 422


def test_a_tower_that_was_seen_without_the_defect_counts_as_a_look(services: Services) -> None:
    with services.database.session() as session:
        found = session.scalars(select(Finding).order_by(Finding.detected_at.desc())).first()
        assert found is not None
        shape = session.get_one(Asset, found.asset_id).turbine
        assert shape is not None
        found.link_group = "lnk-tower"
        places.keep(found, shaft_of(shape).place(20.5, 3.0))
        cell = places.cell_of(found)
        earlier = session.scalars(select(Flight).where(Flight.asset_id == found.asset_id).order_by(Flight.created_at))
        flight = earlier.first()
        assert cell is not None
        assert flight is not None
        seen = {"best_gsd_mm_px": 2.0, "best_incidence_deg": 5.0, "best_sharpness": 300.0}
        for number, share in ((cell[1], 0.9), (cell[1] + 1, 0.9)):
            session.add(PartCoverage(flight_id=flight.flight_id, part=cell[0], cell=number, seen_share=share, **seen))
        session.flush()
        years = (flight.created_at - found.detected_at) / timedelta(days=365.25)
        course = next(one.course for one in standings(session) if one.course.defect_id == "lnk-tower")
        assert course.not_seen == pytest.approx((years,))
        session.rollback()
