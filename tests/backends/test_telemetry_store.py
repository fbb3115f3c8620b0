"""Old telemetry: it leaves Postgres whole or not at all, and is answered as before; months, minutes, odd clocks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import func, select, text

from cloud.assistant.evidence import Period
from cloud.assistant.tools.parameters import TelemetryGroup, TelemetryQuery
from cloud.assistant.tools.telemetry_rows import telemetry as figures
from cloud.db import Database
from cloud.ingest import Ingest
from cloud.security import Principal
from cloud.services import Services
from cloud.tables import Flight, Telemetry, TelemetryArchive, TelemetryMinute, WatermarkRow
from cloud.telemetry_store import minutes, months, past, retention
from contracts.errors import CorruptMedia, Forbidden, Unavailable
from contracts.topics import TELEMETRY
from contracts.vocabulary import Role
from tests import platform
from tests.clean_database import empty
from tests.factories import HOME, MemoryObjects, World
from tests.mortal import Killed
from tests.platform import Wire, drain

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
LONG_AGO = datetime(2026, 3, 14, 11, 58, tzinfo=UTC)
"""The flight goes over noon, so that two objects hold it."""
KEPT_DAYS = 90
SAMPLES, BEFORE_NOON = 73, 24


class Objects(MemoryObjects):
    """An object store, and the process around it that dies once at a moment of its choosing."""

    dies: str = ""
    damages = False

    def put(self, key: str, body: bytes, content_type: str) -> Any:
        """Store, with death before or after."""
        self._die("before the put")
        stored = super().put(key, body[:-1] if self.damages else body, content_type)
        self._die("after the put")
        return stored

    def get(self, key: str) -> bytes:
        """Read back, with death before."""
        self._die("before reading back")
        return super().get(key)

    def _die(self, moment: str) -> None:
        if self.dies == moment:
            self.dies = ""
            raise Killed


@pytest.fixture(scope="module")
def store() -> Objects:
    return Objects()


@pytest.fixture(scope="module")
def built(database_url: str, store: Objects) -> Iterator[Services]:
    services = replace(platform.build(database_url), objects=store)
    yield services
    services.database.close()


@pytest.fixture
def flight(services: Services, store: Objects) -> str:
    """A flight of March with a sample every five seconds, all of it behind its watermark, and one sample of today."""
    store.__init__()  # type: ignore[misc] # the module's store, empty again
    store.dies, store.damages = "", False
    with services.database.session() as session:
        world = World(session, NOW)
        world.site()
        asset = world.asset("N 1", 240.0, 10.0, asset_id="n-01")
        drone = world.drone("Merlin 1")
        old = world.flight(asset, drone, LONG_AGO)
        services.routes.put(world.routes.stored[old.plan_id, old.plan_version])
        world.fly(old, step_s=5.0)
        world.telemetry(old, 9000, NOW, HOME).flight_id = None
        session.flush()
        session.execute(text("UPDATE telemetry SET received_at = captured_at"))
        session.add(WatermarkRow(drone_id=drone.drone_id, boot_id="boot-1", stream="telemetry", seq=9000))
        return old.flight_id


def keep_up(services: Services) -> dict[str, int]:
    return dict(retention.keep_up(services.database, services.objects, NOW, KEPT_DAYS))


def present(database: Database) -> int:
    with database.session() as session:
        return session.scalar(select(func.count()).select_from(Telemetry)) or 0


def archived(services: Services, flight_id: str) -> int:
    with services.database.session() as session:
        return len(past.of_flight(session, services.objects, flight_id))


def drone_of(services: Services, flight_id: str) -> str:
    with services.database.session() as session:
        return session.get_one(Flight, flight_id).drone_id


def answers(operator: httpx.Client, services: Services, flight_id: str) -> dict[str, Any]:
    """Return what every reader of a flight's samples says."""
    drone_id = drone_of(services, flight_id)
    period = {"from": LONG_AGO.isoformat(), "to": (LONG_AGO + timedelta(hours=1)).isoformat()}
    things = f"/v1/sensorthings/v1.1/Datastreams('{drone_id}.battery_percent')/Observations"
    asked: dict[str, tuple[str, dict[str, Any]]] = {
        "track": (f"/v1/flights/{flight_id}/track", {}),
        "thinned": (f"/v1/flights/{flight_id}/track", {"max_points": 20}),
        "drone": (f"/v1/drones/{drone_id}/telemetry", period),
        "latest": (f"/v1/drones/{drone_id}/telemetry/latest", {}),
        "flight": (f"/v1/flights/{flight_id}", {}),
        "log": (f"/v1/flights/{flight_id}/log", {"format": "csv"}),
        "json log": (f"/v1/flights/{flight_id}/log", {}),
        "axis": (f"/flights/{flight_id}/axis.json", {}),
        "map": ("/map.json", {"flight": flight_id}),
        "things": (things, {"$top": 60}),
        "older things": (things, {"$top": 3, "$skiptoken": (LONG_AGO + timedelta(minutes=3)).isoformat()}),
    }
    found = {}
    for name, (path, params) in asked.items():
        answer = operator.get(path, params=params)
        assert answer.status_code == 200, (name, answer.text)
        found[name] = answer.json() if answer.headers["content-type"] == "application/json" else answer.text
    return found


def test_an_old_flight_is_answered_as_before(services: Services, operator: httpx.Client, flight: str) -> None:
    before = answers(operator, services, flight)
    assert len(before["track"]["data"]) == SAMPLES
    assert keep_up(services)["telemetry_archived"] == SAMPLES
    assert present(services.database) == 1
    assert answers(operator, services, flight) == before
    assert "telemetry_archived" not in keep_up(services)


def test_of_two_samples_of_a_moment_a_thinned_track_has_one(
    services: Services, operator: httpx.Client, flight: str
) -> None:
    with services.database.session() as session:
        session.execute(
            text("UPDATE telemetry SET captured_at = captured_at + interval '5 s' WHERE seq % 2 = 1 AND seq < 9000")
        )
    path = f"/v1/flights/{flight}/track"
    assert len(operator.get(path).json()["data"]) == SAMPLES, "nothing is thinned"
    thinned = operator.get(path, params={"max_points": 20}).json()["data"]
    moments = [sample["captured_at"] for sample in thinned]
    assert moments == sorted(set(moments))
    assert len(moments) <= 20


@pytest.mark.parametrize("moment", ["before the put", "after the put", "before reading back", "uncommitted"])
def test_killed_at_any_step_no_sample_is_lost_or_twice(
    services: Services, store: Objects, flight: str, moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.dies = moment
    if moment == "uncommitted":
        exchange = retention._exchange

        def dying(*args: Any) -> int:
            exchange(*args)
            raise Killed

        monkeypatch.setattr(retention, "_exchange", dying)
    with pytest.raises(Killed):
        keep_up(services)
    assert archived(services, flight) + present(services.database) == SAMPLES + 1
    monkeypatch.undo()
    keep_up(services)
    assert (archived(services, flight), present(services.database)) == (SAMPLES, 1)
    with services.database.session() as session:
        rows = session.scalars(select(TelemetryArchive).order_by(TelemetryArchive.first_at)).all()
        assert [row.rows for row in rows] == [BEFORE_NOON, SAMPLES - BEFORE_NOON]
        assert {row.key for row in rows} == set(store.stored), "what was written twice has one name"


def test_what_is_read_back_wrong_deletes_nothing(services: Services, store: Objects, flight: str) -> None:
    store.damages = True
    with pytest.raises(CorruptMedia, match="not what was written"):
        keep_up(services)
    assert present(services.database) == SAMPLES + 1
    assert archived(services, flight) == 0


def test_samples_that_came_between_reading_and_deleting_stop_the_deletion(
    services: Services, store: Objects, flight: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    confirm = retention._confirm

    def meanwhile(*args: Any) -> None:
        confirm(*args)
        with services.database.session() as session:
            session.execute(text("UPDATE telemetry SET captured_at = captured_at + interval '1 day' WHERE seq = 1"))

    monkeypatch.setattr(retention, "_confirm", meanwhile)
    with pytest.raises(Unavailable, match="23 samples would be deleted for 24"):
        keep_up(services)
    assert present(services.database) == SAMPLES + 1


def test_what_the_watermark_does_not_cover_stays(services: Services, flight: str) -> None:
    with services.database.session() as session:
        session.execute(text("UPDATE watermarks SET seq = 12"))
    keep_up(services)
    assert archived(services, flight) == 12
    assert present(services.database) == SAMPLES - 12 + 1


def test_a_silent_drones_newest_hours_stay(services: Services, flight: str) -> None:
    with services.database.session() as session:
        session.execute(text("DELETE FROM telemetry WHERE seq = 9000"))
    keep_up(services)
    assert (archived(services, flight), present(services.database)) == (BEFORE_NOON, SAMPLES - BEFORE_NOON)


def test_a_replay_of_archived_samples_changes_nothing(services: Services, flight: str) -> None:
    drone_id = drone_of(services, flight)
    sent = [platform.sample(seq, captured_at=LONG_AGO + timedelta(seconds=seq)) for seq in (5, 6, 9001)]
    wire = Wire()
    keep_up(services)
    payload = platform.message(sent, drone_id=drone_id)
    for _ in range(2):
        wire.offer(TELEMETRY.of(drone_id), payload)
        drain(Ingest(services.database, wire).step)
    with services.database.session() as session:
        assert list(session.scalars(select(Telemetry.seq).order_by(Telemetry.seq))) == [9000, 9001]
    assert archived(services, flight) == SAMPLES


def test_a_record_that_comes_again_with_another_time_is_the_same_record(services: Services, flight: str) -> None:
    drone_id = drone_of(services, flight)
    wire = Wire()
    for minute in (1, 2):
        moved = [platform.sample(9001, captured_at=NOW + timedelta(minutes=minute))]
        wire.offer(TELEMETRY.of(drone_id), platform.message(moved, drone_id=drone_id))
        drain(Ingest(services.database, wire).step)
    with services.database.session() as session:
        assert session.scalar(select(func.count()).where(Telemetry.seq == 9001)) == 1


ODD = [datetime(1970, 1, 1, 0, 0, 7, tzinfo=UTC), datetime(2024, 2, 29, tzinfo=UTC), datetime(2099, 12, 31, tzinfo=UTC)]


@pytest.mark.parametrize("at", ODD, ids=lambda at: str(at.year))
def test_a_sample_of_no_month_that_was_made_is_stored_too(services: Services, flight: str, at: datetime) -> None:
    drone_id = drone_of(services, flight)
    wire = Wire()
    wire.offer(TELEMETRY.of(drone_id), platform.message([platform.sample(9001, captured_at=at)], drone_id=drone_id))
    drain(Ingest(services.database, wire).step)
    with services.database.session() as session:
        assert session.scalar(text(f"SELECT captured_at FROM {months.UNPLACED} WHERE seq = 9001")) == at  # noqa: S608


def test_months_are_made_ahead_with_what_came_before_them_and_dropped_when_empty(
    services: Services, flight: str
) -> None:
    in_march = LONG_AGO - timedelta(days=5)
    with services.database.session() as session:
        assert months.make_ahead(session, in_march) == ["m2026_03", "m2026_04", "m2026_05", "m2026_06"]
        assert months.make_ahead(session, in_march) == []
        assert session.scalar(text("SELECT count(*) FROM telemetry_months.m2026_03")) == SAMPLES
        assert months.drop_emptied(session, months.begins(NOW)) == ["m2026_04", "m2026_05", "m2026_06"]
    assert keep_up(services)["telemetry_months_dropped"] == 1
    with services.database.session() as session:
        assert "m2026_03" not in months.made(session)
    assert (archived(services, flight), present(services.database)) == (SAMPLES, 1)


def test_figures_are_the_same_from_samples_and_from_minutes(services: Services, flight: str) -> None:
    whole = TelemetryQuery(flight_ids=(flight,), group_by=TelemetryGroup.FLIGHT)
    start, end = LONG_AGO + timedelta(seconds=90), LONG_AGO + timedelta(seconds=200)
    cut = Period(start=start, end=end, asked="then", says="then", zone="UTC")
    asked = [whole, TelemetryQuery(flight_ids=(flight,), group_by=TelemetryGroup.HOUR, period=cut)]

    def told() -> list[Any]:
        with services.database.session() as session:
            rows = [[row.values for row in figures(session, "s1", query, "Europe/Berlin")] for query in asked]
        return [[{k: round(v, 9) if isinstance(v, float) else v for k, v in row.items()} for row in r] for r in rows]

    before = told()
    assert before[0][0]["samples"] == SAMPLES
    assert [row["samples"] for row in before[1]] == [16, 6]
    for _ in range(2):
        with services.database.session() as session:
            minutes.roll(session)
    with services.database.session() as session:
        assert session.scalar(select(func.sum(TelemetryMinute.samples))) == SAMPLES + 1
    assert told() == before
    keep_up(services)
    assert told()[0] == before[0], "as before, with no sample left in Postgres"


UNTOLD = text("UPDATE telemetry SET battery_percent = NULL, battery_v = NULL WHERE seq % :every = 0")


@pytest.mark.parametrize("every", [2, 1], ids=["every second sample", "every sample"])
def test_a_charge_that_is_not_told_is_no_part_of_any_figure(services: Services, flight: str, every: int) -> None:
    with services.database.session() as session:
        session.execute(UNTOLD, {"every": every})
        expected = session.execute(
            text("SELECT min(battery_percent), avg(battery_percent) FROM telemetry WHERE flight_id = :flight"),
            {"flight": flight},
        ).one()
    query = TelemetryQuery(flight_ids=(flight,), group_by=TelemetryGroup.FLIGHT)

    def told() -> tuple[Any, Any]:
        with services.database.session() as session:
            [row] = figures(session, "s1", query, "Europe/Berlin")
        assert row.values["samples"] == SAMPLES
        return row.values["min_battery_percent"], row.values["mean_battery_percent"]

    assert told() == pytest.approx(tuple(expected)), "from samples"
    with services.database.session() as session:
        minutes.roll(session)
    assert told() == pytest.approx(tuple(expected)), "from minutes"
    keep_up(services)
    assert told() == pytest.approx(tuple(expected)), "with no sample left in Postgres"


def test_a_minute_that_grows_keeps_what_it_was_told(services: Services, flight: str) -> None:
    with services.database.session() as session:
        before = session.execute(text("SELECT min(battery_percent), sum(battery_percent) FROM telemetry")).one()
        minutes.roll(session)
        session.execute(text("UPDATE telemetry_rolled SET settled_at = '-infinity'"))
        session.execute(UNTOLD, {"every": 1})
        minutes.roll(session)
        total = text(
            "SELECT min(min_battery_percent), sum(sum_battery_percent), sum(battery_untold) FROM telemetry_minutes"
        )
        assert session.execute(total).one() == pytest.approx((*before, SAMPLES + 1))


def test_an_unknown_charge_is_answered_as_unknown_however_old(
    services: Services, operator: httpx.Client, flight: str
) -> None:
    with services.database.session() as session:
        session.execute(UNTOLD, {"every": 1})
    before = answers(operator, services, flight)
    assert {sample["battery_percent"] for sample in before["track"]["data"]} == {None}
    assert before["latest"]["battery_v"] is None
    assert {sample[5] for sample in before["axis"]["samples"]} == {None}
    assert before["things"]["value"] == [], "nothing was observed"
    assert ",,6,6.4," in before["log"], "an empty cell"
    keep_up(services)
    assert answers(operator, services, flight) == before


def test_a_month_is_no_way_round_the_policies(services: Services, flight: str) -> None:
    stranger = Principal("sam", frozenset({Role.ADMIN}), "token", frozenset({"elsewhere"}))
    keep_up(services)
    with services.database.session_of(stranger) as session:
        for table in (Telemetry, TelemetryArchive, TelemetryMinute):
            assert session.scalar(select(func.count()).select_from(table)) == 0
        assert past.of_flight(session, services.objects, flight) == []
    with pytest.raises(Forbidden), services.database.session_of(stranger) as session:
        session.execute(text(f"SELECT count(*) FROM {months.UNPLACED}"))  # noqa: S608
    empty(services.database)
