"""Plan, approve and command a flight over HTTP, with a real database."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from cloud import fleet, reports, sample_rows, samples
from cloud.dispatch import Dispatch
from cloud.services import Services
from cloud.signing import Signer
from cloud.tables import Audit, CommandRow, Drone, Flight, IdempotencyKey, Plan
from contracts.commands import Command, SignedCommand
from contracts.events import DroneEvent, DroneEventKind, EventBatch
from contracts.sample_table import of_batch
from contracts.telemetry import TelemetryBatch
from contracts.topics import COMMANDS
from contracts.vocabulary import AircraftState, CommandKind, FlightState, Role
from edge import verification
from tests import platform
from tests.platform import RouteShelf, Server, Wire
from tests.services import DatabaseServer


@pytest.fixture
def services(postgres_server: DatabaseServer) -> Iterator[Services]:
    with platform.stocked(postgres_server) as built:
        yield built


@pytest.fixture
def server(services: Services) -> Iterator[Server]:
    with Server(services) as running:
        yield running


@pytest.fixture
def operator(server: Server) -> Iterator[httpx.Client]:
    with server.client(Role.OPERATOR) as http:
        yield http


def plan(operator: httpx.Client, **params: Any) -> dict[str, Any]:
    answer = operator.post("/v1/plans", json={"asset_id": "wt-01", "params": {"blades": ["A"], **params}})
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def flight(operator: httpx.Client, *, approved: bool = True) -> str:
    made = plan(operator)
    body = {"plan_id": made["plan_id"], "version": made["version"], "drone_id": "kite-01"}
    flight_id: str = operator.post("/v1/flights", json=body).json()["flight_id"]
    if approved:
        assert operator.post(f"/v1/flights/{flight_id}/approve").json()["state"] == "approved"
    return flight_id


def dispatch(services: Services) -> tuple[Dispatch, Wire]:
    wire = Wire()
    assert services.signer is not None
    return Dispatch(services.database, wire, services.routes, services.signer), wire


def test_a_flight_goes_from_plan_to_signed_command(services: Services, operator: httpx.Client) -> None:
    flight_id = flight(operator)
    sent = operator.post(f"/v1/flights/{flight_id}/commands", json={"kind": "begin_flight"})
    assert sent.status_code == 202, sent.text
    outbound, wire = dispatch(services)
    assert outbound.step() is True
    topic, payload = wire.sent[0]
    assert topic == COMMANDS.of("kite-01")
    command = Command.model_validate_json(SignedCommand.model_validate_json(payload).payload)
    assert command.route is not None
    assert command.route_hash == command.route.content_hash()
    assert operator.get(f"/v1/commands/{command.command_id}").json()["state"] == "sent"
    assert outbound.step() is None, "nothing is left to send"


def test_a_command_that_may_have_been_sent_is_sent_again_the_same(services: Services, operator: httpx.Client) -> None:
    flight_id = flight(operator)
    operator.post(f"/v1/flights/{flight_id}/commands", json={"kind": "begin_flight"})
    outbound, wire = dispatch(services)
    wire.connected = False
    assert outbound.step() is None
    wire.connected = True
    outbound.step()
    with services.database.session() as session:
        session.query(CommandRow).update({"state": "accepted"})  # as if killed before the commit
    outbound.step()
    assert len(wire.sent) == 2
    assert wire.sent[0] == wire.sent[1]


def test_a_route_the_table_lost_is_made_again_with_the_same_hash(services: Services, operator: httpx.Client) -> None:
    made = plan(operator)
    shelf = services.routes
    assert isinstance(shelf, RouteShelf)
    shelf.kept.clear()
    path = f"/v1/plans/{made['plan_id']}/1/route"
    assert operator.get(path).json()["content_hash"] == made["content_hash"]
    assert shelf.kept, "and kept again"
    shelf.away = True
    assert operator.get(path).json()["content_hash"] == made["content_hash"]


def test_a_route_that_cannot_be_made_again_is_refused(services: Services, operator: httpx.Client) -> None:
    flight_id = flight(operator)
    operator.post(f"/v1/flights/{flight_id}/commands", json={"kind": "begin_flight"})
    shelf = services.routes
    assert isinstance(shelf, RouteShelf)
    shelf.kept.clear()
    with services.database.session() as session:
        session.query(Plan).update({"content_hash": "0" * 64})
    outbound, wire = dispatch(services)
    outbound.step()
    assert wire.sent == []
    [command] = operator.get(f"/v1/flights/{flight_id}/commands").json()["data"]
    assert (command["state"], command["code"]) == ("rejected", "conflict")
    assert command["hint"]


def test_a_blocked_plan_is_not_approved(operator: httpx.Client) -> None:
    made = plan(operator, wind_mps=15.0)
    body = {"plan_id": made["plan_id"], "version": 1, "drone_id": "kite-01"}
    flight_id = operator.post("/v1/flights", json=body).json()["flight_id"]
    refused = operator.post(f"/v1/flights/{flight_id}/approve")
    assert refused.status_code == 409
    assert "15.0 m/s" in refused.json()["detail"]
    assert refused.json()["hint"] == "Wait for less wind."
    assert operator.get(f"/v1/flights/{flight_id}").json()["state"] == "planned"


def test_a_plan_gets_versions(operator: httpx.Client) -> None:
    first = plan(operator)
    body = {"asset_id": "wt-01", "plan_id": first["plan_id"], "params": {"blades": ["A"], "standoff_m": 12}}
    second = operator.post("/v1/plans", json=body).json()
    assert (second["plan_id"], second["version"]) == (first["plan_id"], 2)
    assert second["content_hash"] != first["content_hash"]
    listed = operator.get("/v1/plans", params={"limit": 1}).json()
    assert listed["data"][0]["version"] == 2
    rest = operator.get("/v1/plans", params={"limit": 1, "cursor": listed["next_cursor"]}).json()
    assert (rest["data"][0]["version"], rest["next_cursor"]) == (1, None)


LEGAL = {
    FlightState.PLANNED: set(),
    FlightState.APPROVED: {"take_off", "begin_flight", "return_home", "land"},
    FlightState.FLYING: {"pause", "hold", "return_home", "land"},
    FlightState.PAUSED: {"resume", "hold", "return_home", "land"},
    FlightState.RETURNING: {"hold", "return_home", "land"},
    FlightState.LANDED: set(),
    FlightState.COMPLETE: set(),
    FlightState.ABORTED: set(),
}


@pytest.mark.parametrize("state", list(FlightState))
def test_which_commands_are_legal_when(services: Services, operator: httpx.Client, state: FlightState) -> None:
    flight_id = flight(operator)
    with services.database.session() as session:
        session.get_one(Flight, flight_id).state = state.value
    for kind in CommandKind:
        body = {"kind": kind.value} | ({"altitude_m": 15} if kind is CommandKind.TAKE_OFF else {})
        answer = operator.post(f"/v1/flights/{flight_id}/commands", json=body)
        if kind is CommandKind.ADJUST_ROUTE and state in {FlightState.FLYING, FlightState.PAUSED}:
            assert (answer.status_code, answer.json()["field"]) == (422, "plan_version")
            continue
        legal = kind.value in LEGAL[state]
        assert answer.status_code == (202 if legal else 409), f"{kind} in {state}: {answer.text}"
        if not legal:
            assert state.value in answer.json()["detail"]
            assert answer.json()["hint"]


def test_a_silent_drone_is_not_sent_flying_but_may_be_called_home(services: Services, operator: httpx.Client) -> None:
    flight_id = flight(operator)
    with services.database.session() as session:
        session.get_one(Drone, "kite-01").last_seen_at = datetime.now(UTC) - timedelta(minutes=5)
    path = f"/v1/flights/{flight_id}/commands"
    refused = operator.post(path, json={"kind": "take_off", "altitude_m": 15})
    assert refused.status_code == 409
    assert "300 s ago" in refused.json()["detail"]
    assert operator.post(path, json={"kind": "return_home"}).status_code == 202
    assert operator.get("/v1/drones/kite-01").json()["online"] is False


def test_take_off_needs_its_altitude(operator: httpx.Client) -> None:
    refused = operator.post(f"/v1/flights/{flight(operator)}/commands", json={"kind": "take_off"})
    assert (refused.status_code, refused.json()["field"]) == (422, "altitude_m")


def test_a_command_under_way_is_not_doubled(operator: httpx.Client) -> None:
    path = f"/v1/flights/{flight(operator)}/commands"
    assert operator.post(path, json={"kind": "begin_flight"}).status_code == 202
    assert operator.post(path, json={"kind": "begin_flight"}).status_code == 409


def test_a_drone_in_the_air_takes_no_second_flight(services: Services, operator: httpx.Client) -> None:
    first, second = flight(operator), flight(operator)
    with services.database.session() as session:
        session.get_one(Flight, first).state = "flying"
    refused = operator.post(f"/v1/flights/{second}/commands", json={"kind": "begin_flight"})
    assert refused.status_code == 409
    assert first in refused.json()["detail"]


def test_a_drone_without_a_flight_takes_only_safe_commands(operator: httpx.Client) -> None:
    for kind, status in {"return_home": 202, "land": 202, "pause": 202, "resume": 409, "begin_flight": 409}.items():
        assert operator.post("/v1/drones/kite-01/commands", json={"kind": kind}).status_code == status, kind


def test_the_same_key_gives_the_first_answer_even_side_by_side(services: Services, operator: httpx.Client) -> None:
    path, key = f"/v1/flights/{flight(operator)}/commands", {"Idempotency-Key": "press-1"}
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: operator.post(path, json={"kind": "land"}, headers=key), range(6)))
    assert {answer.status_code for answer in answers} == {202}
    assert all(answer.json() == answers[0].json() for answer in answers)
    with services.database.session() as session:
        assert session.query(CommandRow).count() == 1
    other = operator.post(path, json={"kind": "return_home"}, headers=key)
    assert (other.status_code, other.json()["field"]) == (409, "Idempotency-Key")


def test_a_key_is_forgotten_after_two_days(services: Services, operator: httpx.Client) -> None:
    body, key = {"asset_id": "wt-01", "params": {"blades": ["A"]}}, {"Idempotency-Key": "press-1"}
    first = operator.post("/v1/plans", json=body, headers=key).json()["plan_id"]
    assert operator.post("/v1/plans", json=body, headers=key).json()["plan_id"] == first
    with services.database.session() as session:
        session.query(IdempotencyKey).update({"created_at": datetime.now(UTC) - timedelta(hours=49)})
    assert operator.post("/v1/plans", json=body, headers=key).json()["plan_id"] != first


def test_keys_of_different_people_do_not_meet(server: Server, operator: httpx.Client) -> None:
    path, key = f"/v1/flights/{flight(operator)}/commands", {"Idempotency-Key": "press-1"}
    first = operator.post(path, json={"kind": "land"}, headers=key).json()["command_id"]
    with server.client(Role.ADMIN) as admin:
        assert admin.post(path, json={"kind": "land"}, headers=key).json()["command_id"] != first


def test_numbers_of_a_drone_grow_by_one_whoever_asks(services: Services, operator: httpx.Client) -> None:
    path = f"/v1/flights/{flight(operator)}/commands"
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda _: operator.post(path, json={"kind": "land"}), range(12)))
    with services.database.session() as session:
        numbers = sorted(row.seq for row in session.query(CommandRow))
    assert numbers == list(range(1, 13))


def test_the_drone_verifies_what_the_cloud_signs(services: Services, operator: httpx.Client, tmp_path: Path) -> None:
    key = Ed25519PrivateKey.generate()
    signer = Signer(key, "k7")
    operator.post(f"/v1/flights/{flight(operator)}/commands", json={"kind": "land"})
    wire = Wire()
    Dispatch(services.database, wire, services.routes, signer).step()
    pem = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (tmp_path / "k7.pem").write_bytes(pem)
    signed = SignedCommand.model_validate_json(wire.sent[0][1])
    verification.authenticate(signed, tmp_path)
    assert verification.parse(signed).kind is CommandKind.LAND


def test_unanswered_commands_expire(services: Services, operator: httpx.Client) -> None:
    path = f"/v1/flights/{flight(operator)}/commands"
    command_id = operator.post(path, json={"kind": "land"}).json()["command_id"]
    with services.database.session() as session:
        assert fleet.expire(session) == 0
        assert fleet.expire(session, datetime.now(UTC) + timedelta(seconds=11)) == 1
    shown = operator.get(f"/v1/commands/{command_id}").json()
    assert (shown["state"], shown["code"]) == ("expired", "expired")
    assert shown["hint"]
    outbound, wire = dispatch(services)
    outbound.step()
    assert wire.sent == [], "an expired command is never sent"


def test_who_did_what_is_kept(services: Services, operator: httpx.Client) -> None:
    flight_id = flight(operator)
    with services.database.session() as session:
        actions = {row.action: row.actor for row in session.query(Audit).filter(Audit.object == flight_id)}
    assert actions == {"flight.create": "operator", "flight.approve": "operator"}


def test_an_aborted_flight_stays_on_the_ground(operator: httpx.Client) -> None:
    flight_id = flight(operator)
    assert operator.post(f"/v1/flights/{flight_id}/abort").json()["state"] == "aborted"
    assert operator.post(f"/v1/flights/{flight_id}/approve").status_code == 409


def _heard(services: Services, seq: int, kind: DroneEventKind, flight_id: str, **more: Any) -> None:
    said = {"seq": seq, "kind": kind, "at": datetime.now(UTC) - timedelta(minutes=11), "flight_id": flight_id, **more}
    batch = EventBatch(drone_id="kite-01", boot_id="boot-1", events=(DroneEvent.model_validate(said),))
    with services.database.session() as session:
        reports.store_events(session, batch)


def _silent(services: Services, minutes: float) -> None:
    with services.database.session() as session:
        session.get_one(Drone, "kite-01").last_seen_at = datetime.now(UTC) - timedelta(minutes=minutes)


def test_a_flight_whose_aircraft_is_lost_can_be_given_up_and_what_is_heard_later_counts(
    services: Services, operator: httpx.Client
) -> None:
    flight_id = flight(operator)
    path = f"/v1/flights/{flight_id}"
    begin = operator.post(f"{path}/commands", json={"kind": "begin_flight"}).json()["command_id"]
    refused = operator.post(f"{path}/abort").json()
    assert "under way" in refused["detail"], "it may take off any moment"
    _heard(services, 1, DroneEventKind.FLIGHT_STARTED, flight_id)
    assert operator.get(path).json()["silent_since"] is None
    _silent(services, 5)
    assert operator.get(path).json()["silent_since"] is not None
    assert "has not been heard for 5 min" in operator.get(f"/flights/{flight_id}").text
    assert "after 10 min" in operator.post(f"{path}/abort").json()["detail"]
    _silent(services, 11)
    assert operator.post(f"{path}/abort").json()["state"] == "aborted"
    assert operator.get(f"/v1/commands/{begin}").json()["state"] == "unknown"
    _heard(services, 2, DroneEventKind.STATE_CHANGED, flight_id, state=AircraftState.RETURNING)
    assert operator.get(path).json()["state"] == "returning"
    _heard(services, 3, DroneEventKind.FLIGHT_ENDED, flight_id)
    assert operator.get(path).json()["state"] == "landed"


def test_a_silent_autopilot_on_a_drone_that_is_heard_is_a_lost_aircraft_too(
    services: Services, operator: httpx.Client
) -> None:
    flight_id = flight(operator)
    _heard(services, 1, DroneEventKind.FLIGHT_STARTED, flight_id)
    _heard(services, 2, DroneEventKind.STATE_CHANGED, flight_id, state=AircraftState.DISCONNECTED)
    assert "autopilot has been silent for 11 min" in operator.get(f"/flights/{flight_id}").text
    assert operator.post(f"/v1/flights/{flight_id}/abort").json()["state"] == "aborted"


def test_telemetry_is_thinned_and_ordered(services: Services, operator: httpx.Client) -> None:
    with services.database.session() as session:
        samples.store(
            session, [sample_rows.rows(of_batch(TelemetryBatch.model_validate_json(platform.telemetry(1, 200))))]
        )
    period = {"from": "2026-11-20T12:00:00Z", "to": "2026-11-20T12:01:00Z"}
    path = "/v1/drones/kite-01/telemetry"
    every = operator.get(path, params=period).json()["data"]
    assert len(every) == 200
    few = operator.get(path, params=period | {"max_points": 30}).json()["data"]
    assert 20 <= len(few) <= 30
    times = [datetime.fromisoformat(row["captured_at"]) for row in few]
    assert times == sorted(times)
    assert operator.get(f"{path}/latest").json()["captured_at"] == every[-1]["captured_at"]
    assert operator.get(path, params={"from": period["to"], "to": period["from"]}).status_code == 422
