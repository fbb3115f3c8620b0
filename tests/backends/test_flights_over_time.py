"""Flights over their life: approved by people, adjusted in the air, carried on, scheduled, counted, logged."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from cloud import fleet, sample_rows, samples
from cloud.dispatch import Dispatch
from cloud.schedules.timetable import Timetable
from cloud.services import Services
from cloud.tables import Asset, CommandRow, DroneEventRow, Flight, Media, Plan
from contracts.commands import AckState, Command, CommandAck, SignedCommand
from contracts.sample_table import of_batch
from contracts.telemetry import TelemetryBatch
from contracts.vocabulary import Role
from tests import clean_database, platform
from tests.platform import Server, Wire
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
def operator(services: Services, server: Server) -> Iterator[httpx.Client]:
    with server.client(Role.OPERATOR) as http:
        yield http


def plan(operator: httpx.Client, plan_id: str | None = None) -> dict[str, Any]:
    body = {"asset_id": "wt-01", "plan_id": plan_id, "params": {"blades": ["A"], "standoff_m": 12 if plan_id else 10}}
    answer = operator.post("/v1/plans", json={k: v for k, v in body.items() if v is not None})
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def flight(operator: httpx.Client) -> dict[str, Any]:
    made = plan(operator)
    body = {"plan_id": made["plan_id"], "version": 1, "drone_id": "kite-01"}
    return dict(operator.post("/v1/flights", json=body).json())


def put(services: Services, flight_id: str, **values: Any) -> None:
    with services.database.session() as session:
        row = session.get_one(Flight, flight_id)
        for name, value in values.items():
            setattr(row, name, value)


def sent(services: Services) -> list[tuple[SignedCommand, Command]]:
    wire = Wire()
    assert services.signer is not None
    platform.drain(Dispatch(services.database, wire, services.routes, services.signer).step)
    signed = [SignedCommand.model_validate_json(payload) for _, payload in wire.sent]
    return [(one, Command.model_validate_json(one.payload)) for one in signed]


def report(services: Services, command_id: str, state: AckState, seq: int = 1) -> None:
    with services.database.session() as session:
        ack = CommandAck(seq=seq, command_id=command_id, state=state, at=datetime.now(UTC))
        assert fleet.on_ack(session, "kite-01", ack) is not None


def warn(services: Services, plan_id: str, version: int = 1, minutes: int = 5) -> None:
    said = f"It ends {minutes} minutes after dusk."
    check = {"name": "daylight", "verdict": "warn", "sentence": said, "mend": "Go earlier."}
    with services.database.session() as session:
        session.get_one(Plan, (plan_id, version)).checks = [check]


def test_a_warning_is_acknowledged_by_name_and_kept_with_the_flight(services: Services, operator: httpx.Client) -> None:
    made = flight(operator)
    warn(services, made["plan_id"])
    path = f"/v1/flights/{made['flight_id']}/approve"
    refused = operator.post(path)
    assert refused.status_code == 409
    assert "after dusk" in refused.json()["detail"]
    assert "daylight" in refused.json()["hint"]
    approved = operator.post(path, json={"acknowledged": ["daylight"]}).json()
    assert approved["state"] == "approved"
    assert [c["acknowledged"] for c in approved["consents"]] == [["daylight"]]


def test_two_people_approve_where_the_installation_says_so(services: Services) -> None:
    strict = services.settings.model_copy(update={"flight_approvals": 2})
    with (
        Server(dataclasses.replace(services, settings=strict)) as server,
        server.client(Role.OPERATOR, name="ana") as ana,
        server.client(Role.OPERATOR, name="ben") as ben,
    ):
        path = f"/v1/flights/{flight(ana)['flight_id']}/approve"
        assert ana.post(path).json()["state"] == "planned"
        assert ana.post(path).json()["state"] == "planned", "the same person twice is one person"
        assert ben.post(path).json()["state"] == "approved"


def test_a_decision_upon_what_has_changed_is_refused(operator: httpx.Client) -> None:
    path = f"/v1/flights/{flight(operator)['flight_id']}"
    seen = operator.get(path).headers["etag"]
    assert operator.post(f"{path}/approve", headers={"If-Match": seen}).status_code == 200
    stale = operator.post(f"{path}/abort", headers={"If-Match": seen})
    assert (stale.status_code, stale.json()["code"]) == (412, "precondition_failed")
    assert operator.get(path).json()["state"] == "approved"


def test_a_flight_under_way_takes_another_version_of_its_plan(services: Services, operator: httpx.Client) -> None:
    made = flight(operator)
    path, flight_id = f"/v1/flights/{made['flight_id']}/commands", made["flight_id"]
    put(services, flight_id, state="flying", waypoint=3)
    changed = plan(operator, made["plan_id"])
    body = {"kind": "adjust_route", "plan_version": 2, "resume_at": 4}
    command_id = operator.post(path, json=body).json()["command_id"]
    [(_, command)] = sent(services)
    assert command.route_hash == changed["content_hash"]
    assert command.preconditions.route_hash == made["route_hash"]
    assert command.resume_at == 4
    report(services, command_id, AckState.EXECUTING)
    assert operator.get(f"/v1/flights/{flight_id}").json()["plan_version"] == 1, "not before the drone says so"
    report(services, command_id, AckState.DONE, 2)
    shown = operator.get(f"/v1/flights/{flight_id}").json()
    assert (shown["plan_version"], shown["route_hash"]) == (2, changed["content_hash"])


def test_what_another_version_newly_warns_of_is_acknowledged_before_it_is_sent(
    services: Services, operator: httpx.Client
) -> None:
    made = flight(operator)
    path, flight_id = f"/v1/flights/{made['flight_id']}/commands", made["flight_id"]
    put(services, flight_id, state="flying")
    for _ in range(2):
        plan(operator, made["plan_id"])
    for version, minutes in ((1, 5), (2, 9), (3, 5)):
        warn(services, made["plan_id"], version, minutes)
    body: dict[str, Any] = {"kind": "adjust_route", "plan_version": 2}
    refused = operator.post(path, json=body)
    assert (refused.status_code, refused.json()["field"]) == (409, "acknowledged")
    assert "9 minutes after dusk" in refused.json()["detail"]
    body["acknowledged"] = ["daylight"]
    command_id = operator.post(path, json=body).json()["command_id"]
    report(services, command_id, AckState.DONE)
    kept = operator.get(f"/v1/flights/{flight_id}").json()["consents"]
    assert [consent["acknowledged"] for consent in kept] == [["daylight"]]
    put(services, flight_id, plan_version=1)
    assert operator.post(path, json={"kind": "adjust_route", "plan_version": 3}).status_code == 202, "read before"


def test_limits_go_out_with_two_signatures_of_the_very_payload(services: Services, operator: httpx.Client) -> None:
    body = {"kind": "set_limits", "limits": {"battery_reserve_percent": 15}, "lowers_margin": True}
    command_id = operator.post("/v1/drones/kite-01/commands", json=body).json()["command_id"]
    assert sent(services) == [], "held back"
    payload = operator.get(f"/v1/commands/{command_id}/payload").json()
    assert payload["approvals_needed"] == 2
    for key_id in ("ana", "ana", "ben"):
        assert sent(services) == []
        approval = {"key_id": key_id, "signature_b64": "A" * 88}
        assert operator.post(f"/v1/commands/{command_id}/approvals", json=approval).status_code == 202
    [(signed, command)] = sent(services)
    assert signed.payload == payload["payload"]
    assert [approval.key_id for approval in signed.approvals] == ["ana", "ben"]
    assert command.limits is not None
    late = operator.post(f"/v1/commands/{command_id}/approvals", json={"key_id": "cy", "signature_b64": "A" * 88})
    assert late.status_code == 409


@pytest.mark.parametrize("later", [AckState.DONE, AckState.FAILED, AckState.REJECTED])
def test_what_is_unknown_is_settled_by_a_late_report(
    services: Services, operator: httpx.Client, later: AckState
) -> None:
    body = {"kind": "land"}
    command_id = operator.post("/v1/drones/kite-01/commands", json=body).json()["command_id"]
    sent(services)
    report(services, command_id, AckState.UNKNOWN)
    shown = operator.get(f"/v1/commands/{command_id}").json()
    assert (shown["state"], shown["code"]) == ("unknown", "outcome_unknown")
    report(services, command_id, AckState.EXECUTING, 2)
    assert operator.get(f"/v1/commands/{command_id}").json()["state"] == "unknown", "never back"
    report(services, command_id, later, 3)
    assert operator.get(f"/v1/commands/{command_id}").json()["state"] == later.value


def test_a_flight_broken_off_is_carried_on_at_the_last_waypoint_reached(
    services: Services, operator: httpx.Client
) -> None:
    first = flight(operator)
    path = f"/v1/flights/{first['flight_id']}/carry-on"
    assert operator.post(path, json={}).status_code == 409, "it is not over"
    put(services, first["flight_id"], state="landed", waypoint=5)
    made = operator.post(path, json={})
    assert made.status_code == 201, made.text
    second = made.json()
    assert (second["continues"], second["resume_at"], second["state"]) == (first["flight_id"], 5, "planned")
    assert operator.post(path, json={}).status_code == 409, "once"
    operator.post(f"/v1/flights/{second['flight_id']}/approve")
    operator.post(f"/v1/flights/{second['flight_id']}/commands", json={"kind": "begin_flight"})
    [(_, command)] = sent(services)
    assert command.resume_at == 5
    assert command.route_hash == first["route_hash"], "the same route that was approved"


def test_a_flight_that_flew_its_whole_route_has_nothing_to_carry_on(services: Services, operator: httpx.Client) -> None:
    made = flight(operator)
    route = operator.get(f"/v1/plans/{made['plan_id']}/1/route").json()["route"]
    put(services, made["flight_id"], state="landed", waypoint=len(route["waypoints"]) - 1)
    assert operator.post(f"/v1/flights/{made['flight_id']}/carry-on", json={}).status_code == 409


def segment(flight_id: str, index: int, state: str) -> Media:
    return Media(
        segment_id=f"{flight_id}.{index:05d}",
        flight_id=flight_id,
        drone_id="kite-01",
        asset_id="wt-01",
        index=index,
        video_key="v",
        manifest_key="m",
        sha256="0" * 64,
        size_bytes=1,
        frames=1,
        started_at=datetime.now(UTC),
        duration_s=1.0,
        state=state,
    )


def test_what_was_recorded_is_held_against_what_arrived(services: Services, operator: httpx.Client) -> None:
    flight_id = flight(operator)["flight_id"]
    put(services, flight_id, expected_segments=5)
    with services.database.session() as session:
        session.add_all([segment(flight_id, 0, "analysed"), segment(flight_id, 3, "failed")])
    media = operator.get(f"/v1/flights/{flight_id}").json()["media"]
    assert media == {"expected": 5, "arrived": 2, "analysed": 1, "failed": 1, "missing": [1, 2, 4]}


@pytest.mark.parametrize("form", ["jsonl", "csv"])
def test_the_log_is_one_order_of_time(services: Services, operator: httpx.Client, form: str) -> None:
    flight_id = flight(operator)["flight_id"]
    with services.database.session() as session:
        batch = TelemetryBatch.model_validate_json(platform.telemetry(1, 50))
        moved = [s.model_copy(update={"flight_id": flight_id}) for s in batch.samples]
        samples.store(session, [sample_rows.rows(of_batch(batch.model_copy(update={"samples": tuple(moved)})))])
        at = batch.samples[20].captured_at + timedelta(milliseconds=50)
        said = {"detail": "=cmd|' /C calc'!A0"}
        session.add(
            DroneEventRow(
                drone_id="kite-01",
                boot_id="b",
                stream="events",
                seq=1,
                kind="safety",
                at=at,
                flight_id=flight_id,
                body=said,
            )
        )
    answer = operator.get(f"/v1/flights/{flight_id}/log", params={"format": form})
    if form == "csv":
        rows = list(csv.DictReader(io.StringIO(answer.text)))
        assert rows[21]["detail"].startswith("'="), "no spreadsheet runs it"
    else:
        rows = [json.loads(line) for line in answer.text.splitlines()]
    assert [row["at"] for row in rows] == sorted(row["at"] for row in rows)
    assert [row["what"] for row in rows].index("safety") == 21
    assert len(rows) == 51


SCHEDULE = {"name": "Blades", "drone_id": "kite-01", "starts_at": "2099-03-02T08:00:00Z"}


def scheduled(operator: httpx.Client, **changes: Any) -> httpx.Response:
    body = SCHEDULE | {"plan_id": plan(operator)["plan_id"]} | changes
    return operator.post("/v1/schedules", json=body)


def test_a_drone_is_not_in_two_places_at_once(operator: httpx.Client) -> None:
    first = scheduled(operator, rrule="FREQ=DAILY", starts_at="2027-03-02T08:00:00Z")
    assert first.status_code == 201, first.text
    clash = scheduled(operator, starts_at="2027-03-05T08:20:00Z")
    assert clash.status_code == 409
    assert first.json()["schedule_id"] in clash.json()["detail"]
    assert scheduled(operator, starts_at="2027-03-05T09:00:00Z").status_code == 201, "behind it is room"


def test_a_schedule_plans_its_flights_ahead_and_each_once(services: Services, operator: httpx.Client) -> None:
    made = scheduled(operator, rrule="FREQ=DAILY", lead_h=36).json()
    table = Timetable(services.database)
    begin = datetime(2099, 3, 2, 8, tzinfo=UTC)
    assert table.step(begin - timedelta(days=3)) is None
    assert table.step(begin - timedelta(hours=1)) is True
    assert table.step(begin - timedelta(hours=1)) is None, "each once"
    assert table.step(begin + timedelta(hours=24)) is True
    listed = operator.get("/v1/flights", params={"schedule_id": made["schedule_id"]}).json()["data"]
    assert sorted(row["due_at"] for row in listed) == [
        "2099-03-02T08:00:00Z",
        "2099-03-03T08:00:00Z",
        "2099-03-04T08:00:00Z",
    ]
    assert {row["state"] for row in listed} == {"planned"}, "a person approves"


def test_a_time_long_past_is_not_flown_late(services: Services, operator: httpx.Client) -> None:
    scheduled(operator, rrule="FREQ=DAILY;COUNT=3", lead_h=1)
    assert Timetable(services.database).step(datetime(2099, 3, 9, tzinfo=UTC)) is None
    assert operator.get("/v1/flights").json()["data"] == []


def test_a_paused_schedule_plans_nothing(services: Services, operator: httpx.Client) -> None:
    path = f"/v1/schedules/{scheduled(operator).json()['schedule_id']}"
    seen = operator.get(path).headers["etag"]
    assert operator.patch(path, json={"enabled": False}, headers={"If-Match": seen}).json()["enabled"] is False
    assert operator.patch(path, json={"enabled": True}, headers={"If-Match": seen}).status_code == 412
    assert Timetable(services.database).step(datetime(2099, 3, 2, 7, tzinfo=UTC)) is None


def test_the_due_list_names_the_rule_and_the_flight_that_answers_it(services: Services, operator: httpx.Client) -> None:
    with services.database.session() as session:
        session.add(
            Asset(
                asset_id="row-1", site_id="north", kind="pipeline", name="Line 1", functional_location="", geometry={}
            )
        )
    [clock] = operator.get("/v1/due", params={"asset_id": "row-1"}).json()["data"]
    assert (clock["rule_id"], clock["source"]) == ("us-49cfr195-412a", "49 CFR 195.412(a)")
    storm = {"kind": "extreme_weather", "happened_at": "2026-11-20T04:00:00Z", "accessible_at": "2026-11-20T12:00:00Z"}
    assert operator.post("/v1/assets/row-1/events", json=storm).status_code == 201
    first = operator.get("/v1/due", params={"asset_id": "row-1"}).json()["data"][0]
    assert (first["rule_id"], first["due_at"]) == ("us-49cfr195-414c", "2026-11-23T12:00:00Z")
    assert first["state"] == "overdue"


def test_a_customers_rule_is_data_and_a_regulation_stays(services: Services, operator: httpx.Client) -> None:
    rule = {
        "rule_id": "acme-yearly",
        "title": "Yearly",
        "asset_kinds": ["wind_turbine"],
        "max_interval_days": 365,
        "source": "Contract",
    }
    assert operator.post("/v1/due-rules", json=rule).status_code == 201
    assert operator.post("/v1/due-rules", json=rule).status_code == 409
    made = flight(operator)
    [item] = operator.get("/v1/due").json()["data"]
    assert (item["rule_id"], item["planned_flight"]) == ("acme-yearly", made["flight_id"])
    put(services, made["flight_id"], state="complete", started_at=datetime(2026, 1, 1, tzinfo=UTC))
    [item] = operator.get("/v1/due").json()["data"]
    assert item["due_at"] == "2027-01-01T00:00:00Z"
    assert operator.delete("/v1/due-rules/acme-yearly").status_code == 204
    assert operator.get("/v1/due").json()["data"] == []
    assert operator.delete("/v1/due-rules/us-49cfr195-412a").status_code == 409


def test_no_command_is_forgotten(services: Services, operator: httpx.Client) -> None:
    operator.post("/v1/drones/kite-01/commands", json={"kind": "hold"})
    with services.database.session() as session:
        assert session.query(CommandRow).count() == 1
