"""Plan, approve and command a flight over HTTP, with a real database."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from cloud.dispatch import Dispatch
from cloud.services import Services
from cloud.tables import CommandRow
from contracts.commands import AckState, Command, CommandAck, SignedCommand
from contracts.topics import ACKS, COMMANDS, EVENTS
from contracts.vocabulary import Role
from tests import platform
from tests.platform import Server, Wire
from tests.services import DatabaseServer


@pytest.fixture
def services(postgres_server: DatabaseServer) -> Iterator[Services]:
    with postgres_server.database(migrated=True) as url:
        built = platform.build(url)
        platform.stock(built)
        yield built
        built.database.close()


@pytest.fixture
def server(services: Services) -> Iterator[Server]:
    with Server(services) as running:
        yield running


@pytest.fixture
def operator(server: Server) -> Iterator[httpx.Client]:
    with server.client(Role.OPERATOR) as http:
        yield http


def plan(operator: httpx.Client, **more: Any) -> dict[str, Any]:
    answer = operator.post("/v1/plans", json={"asset_id": "wt-01", **more})
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def flight(operator: httpx.Client, *, approved: bool = True) -> str:
    made = plan(operator)
    body = {"plan_id": made["plan_id"], "version": made["version"], "drone_id": "kite-01"}
    flight_id: str = operator.post("/v1/flights", json=body).json()["flight_id"]
    if approved:
        assert operator.post(f"/v1/flights/{flight_id}/approve").json()["state"] == "approved"
    return flight_id


def test_a_flight_goes_from_plan_to_signed_command(services: Services, operator: httpx.Client) -> None:
    flight_id = flight(operator)
    sent = operator.post(f"/v1/flights/{flight_id}/commands", json={"kind": "begin_flight"})
    assert sent.status_code == 202, sent.text

    wire = Wire()
    assert services.signer is not None
    assert Dispatch(services.database, wire, services.routes, services.signer).step() is True
    topic, payload = wire.sent[0]
    assert topic == COMMANDS.of("kite-01")
    command = Command.model_validate_json(SignedCommand.model_validate_json(payload).payload)
    assert command.route is not None
    assert command.route_hash == command.route.content_hash()
    assert operator.get(f"/v1/commands/{command.command_id}").json()["state"] == "sent"
