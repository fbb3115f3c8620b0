"""Live reading: Server-Sent Events that resume, Remote ID, SensorThings, the document of the MQTT side."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
import yaml

from cloud import changes, sample_rows, samples
from cloud.db import Database, notify
from cloud.services import Services
from cloud.tables import Flight
from cloud.web import mapping
from contracts import asyncapi
from contracts.sample_table import of_batch
from contracts.telemetry import TelemetryBatch
from contracts.topics import TOPICS
from contracts.vocabulary import Role
from infra.local.layout import REPOSITORY
from tests import clean_database, platform
from tests.platform import Server
from tests.services import DatabaseServer


@pytest.fixture(scope="module")
def platform_services(postgres_server: DatabaseServer) -> Iterator[Services]:
    with postgres_server.database(migrated=True) as url:
        built = platform.build(url)
        yield built
        built.database.close()


@pytest.fixture
def services(platform_services: Services) -> Services:
    clean_database.empty(platform_services.database)
    platform.stock(platform_services)
    return platform_services


@pytest.fixture(scope="module")
def server(platform_services: Services) -> Iterator[Server]:
    with Server(platform_services) as running:
        yield running


@pytest.fixture
def http(services: Services, server: Server) -> Iterator[httpx.Client]:
    with server.client(Role.VIEWER) as client:
        yield client


def change(services: Services, object_id: str, kind: Any = "drone") -> None:
    with services.database.session() as session:
        notify(session, kind, object_id)


def read(http: httpx.Client, path: str, wanted: int, **asked: Any) -> list[dict[str, str]]:
    """Return the first events of a stream."""
    events: list[dict[str, str]] = []
    with http.stream("GET", path, **asked) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        event: dict[str, str] = {}
        for line in answer.iter_lines():
            if line and not line.startswith(":"):
                name, _, value = line.partition(": ")
                event[name] = value
            elif "data" in event:
                events.append(event)
                event = {}
                if len(events) == wanted:
                    break
            else:
                event = {}
    return events


def test_a_stream_goes_on_behind_the_last_event_seen(services: Services, http: httpx.Client) -> None:
    for number in range(5):
        change(services, f"kite-0{number}")
    first = read(http, "/v1/events", 2, headers={"Last-Event-ID": "0-0"})
    rest = read(http, "/v1/events", 3, headers={"Last-Event-ID": first[-1]["id"]})
    assert [json.loads(e["data"])["id"] for e in first + rest] == [f"kite-0{n}" for n in range(5)]
    assert {e["event"] for e in first + rest} == {"drone.changed"}


def test_only_the_kinds_that_were_asked_for(services: Services, http: httpx.Client) -> None:
    change(services, "kite-01")
    change(services, "flt-1", "flight")
    [event] = read(http, "/v1/events", 1, params={"kinds": "flight"}, headers={"Last-Event-ID": "0-0"})
    assert json.loads(event["data"])["id"] == "flt-1"


def test_what_commits_late_is_not_overtaken(services: Services) -> None:
    """A change with a lower number that commits later than one with a higher number is not left out."""
    slow = services.database.session()
    session = slow.__enter__()
    notify(session, "drone", "slow")
    change(services, "quick")
    with services.database.session() as other:
        early = changes.after(other, changes.Position(0, 0), 10)
    slow.__exit__(None, None, None)
    with services.database.session() as other:
        late = changes.after(other, changes.Position(0, 0), 10)
    assert [row.object_id for row in early] == [], "nothing behind a running transaction is shown"
    assert [row.object_id for row in late] == ["slow", "quick"]


def test_a_stream_ends_when_its_time_is_over(http: httpx.Client) -> None:
    text = http.get("/v1/events", params={"seconds": 1}).text
    assert text.startswith("retry: ")
    assert text.rstrip().endswith("reconnect with Last-Event-ID")


@pytest.mark.parametrize("value", ["x", "1", "-", "9" * 30 + "-1", "1-" + "9" * 19, "\u00b2-1"])
def test_an_id_that_is_none_is_refused(http: httpx.Client, value: str) -> None:
    answer = http.get("/v1/events", headers={b"Last-Event-ID": value.encode()})
    assert (answer.status_code, answer.json()["field"]) == (422, "Last-Event-ID")


def fly(database: Database, *, seconds_ago: float = 1.0, count: int = 20) -> None:
    """Let kite-01 be in the air now."""
    now = datetime.now(UTC) - timedelta(seconds=seconds_ago)
    batch = TelemetryBatch.model_validate_json(platform.telemetry(1, count))
    moved = tuple(
        s.model_copy(update={"captured_at": now - timedelta(milliseconds=100 * (count - s.seq)), "vel_east_mps": 3.0})
        for s in batch.samples
    )
    with database.session() as session:
        samples.store(session, [sample_rows.rows(of_batch(batch.model_copy(update={"samples": moved})))])
        session.add(
            Flight(
                flight_id="flt-live",
                asset_id="wt-01",
                drone_id="kite-01",
                plan_id="pln-1",
                plan_version=1,
                route_hash="0" * 64,
                state="flying",
                created_by="t",
            )
        )


def test_telemetry_streams_what_came_since(services: Services, http: httpx.Client) -> None:
    fly(services.database)
    since = (datetime.now(UTC) - timedelta(minutes=1)).isoformat()
    path = "/v1/drones/kite-01/telemetry/stream"
    first = read(http, path, 5, headers={"Last-Event-ID": since})
    rest = read(http, path, 15, headers={"Last-Event-ID": first[-1]["id"]})
    times = [json.loads(e["data"])["captured_at"] for e in first + rest]
    assert times == sorted(set(times))
    assert len(times) == 20


def test_a_stream_says_that_a_charge_is_unknown(services: Services, http: httpx.Client) -> None:
    now = datetime.now(UTC)
    untold = platform.sample(1, captured_at=now, battery_percent=None, battery_v=None)
    batch = TelemetryBatch(drone_id="kite-01", boot_id="boot-1", samples=(untold,))
    with services.database.session() as session:
        samples.store(session, [sample_rows.rows(of_batch(batch))])
    since = (now - timedelta(minutes=1)).isoformat()
    [event] = read(http, "/v1/drones/kite-01/telemetry/stream", 1, headers={"Last-Event-ID": since})
    told = json.loads(event["data"])
    assert (told["battery_percent"], told["battery_v"]) == (None, None)
    with services.database.session() as session:
        [drawn] = mapping.last_samples(session, ["kite-01"]).values()
    assert drawn["battery_percent"] is None, "the page is told the same"


VIEW = {"view": "54.88,8.28,54.92,8.32"}


def test_remote_id_shows_who_is_in_the_air_now(services: Services, http: httpx.Client) -> None:
    fly(services.database)
    [shown] = http.get("/v1/remote-id/flights", params=VIEW | {"recent_positions_duration": 30}).json()["flights"]
    state = shown["current_state"]
    assert (state["operational_status"], state["track"], state["speed"]) == ("Airborne", 90.0, 3.0)
    assert (state["position"]["lat"], state["position"]["lng"]) == (54.9, 8.3)
    assert len(shown["recent_positions"]) == 20
    details = http.get(f"/v1/remote-id/flights/{shown['id']}/details").json()["details"]
    assert details["uas_id"]["serial_number"] == "kite-01"


@pytest.mark.parametrize("view", ["54.9,8.3,56.9,8.4", "8.3,200,8.4,200", "a,b,c,d", "1,2,3", ""])
def test_a_view_that_is_none_or_too_wide_is_refused(http: httpx.Client, view: str) -> None:
    answer = http.get("/v1/remote-id/flights", params={"view": view})
    assert (answer.status_code, answer.json()["field"]) == (422, "view")


def test_remote_id_forgets_after_a_minute(services: Services, http: httpx.Client) -> None:
    fly(services.database, seconds_ago=90)
    assert http.get("/v1/remote-id/flights", params=VIEW).json()["flights"] == []


def test_things_lead_to_observations_page_by_page(services: Services, http: httpx.Client) -> None:
    fly(services.database)
    root = http.get("/v1/sensorthings/v1.1").json()
    things = http.get(next(s["url"] for s in root["value"] if s["name"] == "Things")).json()["value"]
    streams = http.get(things[0]["Datastreams@iot.navigationLink"]).json()["value"]
    battery = next(s for s in streams if s["@iot.id"] == "kite-01.battery_percent")
    assert battery["unitOfMeasurement"]["symbol"] == "%"
    link: str | None = battery["Observations@iot.navigationLink"] + "?$top=8"
    seen: list[dict[str, Any]] = []
    while link:
        page = http.get(link).json()
        seen += page["value"]
        link = page.get("@iot.nextLink")
    assert len(seen) == 20
    assert {row["result"] for row in seen} == {80.0}
    assert len({row["phenomenonTime"] for row in seen}) == 20


def test_a_datastream_that_is_none_is_not_found(http: httpx.Client) -> None:
    assert http.get("/v1/sensorthings/v1.1/Datastreams('kite-01.secrets')").status_code == 404
    assert http.get("/v1/sensorthings/v1.1/Things('nobody')").status_code == 404


def test_the_asyncapi_document_holds_every_topic_and_resolves(http: httpx.Client) -> None:
    document = http.get("/v1/asyncapi.json").json()
    assert document["asyncapi"] == "3.0.0"
    assert {channel["address"] for channel in document["channels"].values()} == {topic.template for topic in TOPICS}
    for reference in _references(document):
        found: Any = document
        for part in reference.removeprefix("#/").split("/"):
            found = found[part]
        assert found
    assert yaml.safe_load((REPOSITORY / "docs" / "asyncapi.yaml").read_text()) == asyncapi.document()


def _references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        for name, value in node.items():
            if name == "$ref":
                yield value
            else:
                yield from _references(value)
    elif isinstance(node, list):
        for value in node:
            yield from _references(value)


def test_the_streams_of_a_process_ask_once_how_far_changes_have_come(services: Services) -> None:
    pulse = changes.Pulse()
    before = pulse.newest(services.database, within_s=3600)
    change(services, "kite-01")
    assert pulse.known(within_s=3600) == pulse.newest(services.database, within_s=3600) == before
    assert pulse.newest(services.database, within_s=0) > before
