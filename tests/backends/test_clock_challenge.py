"""A command to a drone whose clock is wrong: challenged, sent once more with the nonce, carried out; or refused."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from cloud import fleet
from cloud.backends.link import Credentials, MqttLink
from cloud.dispatch import Dispatch
from cloud.ingest import Ingest
from cloud.services import Services
from cloud.signing import Signer
from cloud.tables import Audit, CommandRow, Drone, DroneEventRow
from contracts.commands import AckState, CommandAck
from contracts.ids import mint
from contracts.vocabulary import CommandKind
from edge.clock import now_us
from edge.journal import Journal
from infra.local.certificates import COMMAND_KEY_ID
from infra.local.instance import free_port
from tests import platform
from tests.services import Broker, DatabaseServer

NONCE = "0" * 32


@pytest.fixture
def services(postgres_server: DatabaseServer) -> Iterator[Services]:
    with platform.stocked(postgres_server) as built:
        yield built


def issued(services: Services, **more: Any) -> str:
    with services.database.session() as session:
        row = fleet.issue_command(
            session,
            flight=None,
            drone_id="kite-01",
            kind=CommandKind.SET_LIMITS,
            issuer="olga",
            params={"limits": {"battery_reserve_percent": 30.0}, **more},
        )
        return row.command_id


def told(services: Services, command_id: str, **fields: Any) -> CommandRow:
    values: dict[str, Any] = {"seq": 1, "command_id": command_id, "state": AckState.REJECTED, "code": "clock_untrusted"}
    ack = CommandAck.model_validate({**values, "at": datetime.now(UTC), "nonce": NONCE, **fields})
    with services.database.session() as session:
        row = fleet.on_ack(session, "kite-01", ack)
        assert row is not None
        return row


def sent(services: Services) -> list[tuple[str, bytes]]:
    wire = platform.Wire()
    assert services.signer is not None
    platform.drain(Dispatch(services.database, wire, services.routes, services.signer).step)
    return wire.sent


@pytest.fixture
def agent(tmp_path: Path, broker: Broker) -> Iterator[subprocess.Popen[bytes]]:
    """The real agent; what its journal knows lies an hour ahead of its clock, and no GPS tells it better."""
    state = tmp_path / "edge"
    state.mkdir(mode=0o700)
    Journal(state / "journal.db", now_us=lambda: now_us() + 3_600_000_000).close()
    identity = broker.identity("kite-01")
    env = os.environ | {
        "EDGE_DRONE_ID": "kite-01",
        "EDGE_STATE_DIR": str(state),
        "EDGE_MQTT_URL": broker.url,
        "EDGE_CA_FILE": str(identity.ca_file),
        "EDGE_CERT_FILE": str(identity.cert_file),
        "EDGE_KEY_FILE": str(identity.key_file),
        "EDGE_AUTOPILOT_URL": f"udpin:127.0.0.1:{free_port(set())}",
        "EDGE_CAMERA_URL": "http://127.0.0.1:9",
        "EDGE_CAMERA_FOCAL_PX": "90",
        "EDGE_CAMERA_WIDTH_PX": "64",
        "EDGE_CAMERA_HEIGHT_PX": "48",
        "EDGE_COMMAND_KEYS_DIR": str(broker.keys.command_keys_dir),
    }
    with (tmp_path / "edge.log").open("wb") as log:
        process = subprocess.Popen([sys.executable, "-m", "edge", "run"], env=env, stderr=log)
    yield process
    process.terminate()
    process.wait(20)


def until(
    reached: Callable[[], object],
    work: Callable[[], object],
    told_so_far: Callable[[], object] = lambda: "it did not happen in time",
    timeout_s: float = 30.0,
) -> None:
    deadline = time.monotonic() + timeout_s
    while not reached():
        assert time.monotonic() < deadline, told_so_far()
        work()


@pytest.mark.backends
def test_an_agent_with_a_wrong_clock_carries_it_out_once_challenged(
    services: Services, broker: Broker, agent: subprocess.Popen[bytes]
) -> None:
    link = MqttLink(broker.url, mint("kestrel-cloud"), Credentials(*broker.platform))
    link.start()
    assert link.wait_connected(20)
    key = load_pem_private_key(broker.keys.command_signing_key_file.read_bytes(), password=None)
    ingest = Ingest(services.database, link)
    dispatch = Dispatch(services.database, link, services.routes, Signer(key, COMMAND_KEY_ID))  # type: ignore[arg-type]

    def online() -> bool:
        with services.database.session() as session:
            return session.get_one(Drone, "kite-01").boot_id is not None

    def healthy() -> bool:
        with services.database.session() as session:
            return (session.get_one(Drone, "kite-01").health or {}).get("agent_version") is not None

    def now() -> CommandRow:
        with services.database.session() as session:
            return session.get_one(CommandRow, command_id)

    def work() -> None:
        ingest.step()
        dispatch.step()

    try:
        until(online, work)
        until(healthy, work)
        command_id = issued(services)
        until(lambda: now().state == "done", work, lambda: (now().state, now().code, now().detail, now().challenged))
    finally:
        link.stop()
    assert now().challenged
    with services.database.session() as session:
        reports = [row.body for row in session.query(DroneEventRow).filter_by(stream="acks").order_by("seq")]
        assert session.query(Audit).filter_by(action="command.challenge", object=command_id).count() == 1
    assert [(r["state"], r["code"]) for r in reports] == [
        ("rejected", "clock_untrusted"),
        ("acked", ""),
        ("executing", ""),
        ("done", ""),
    ]


@pytest.mark.backends
class TestAChallenge:
    """What the cloud makes of one."""

    def test_sends_the_same_command_again_with_the_nonce(self, services: Services) -> None:
        command_id = issued(services)
        first = sent(services)
        row = told(services, command_id)
        assert (row.state, row.code, row.challenged) == ("accepted", "clock_untrusted", True)
        again = sent(services)
        assert len(first) == len(again) == 1
        assert NONCE in again[0][1].decode()
        assert command_id in again[0][1].decode()
        assert sent(services) == []

    def test_is_answered_once_and_a_second_one_ends_nothing(self, services: Services) -> None:
        command_id = issued(services)
        sent(services)
        told(services, command_id)
        sent(services)
        assert told(services, command_id, seq=2, nonce="1" * 32).state == "sent"
        assert sent(services) == []
        assert told(services, command_id, seq=3, state=AckState.ACKED, code="", nonce=None).state == "acked"
        assert told(services, command_id, seq=4, nonce="2" * 32).state == "acked"

    def test_that_comes_too_late_refuses_it(self, services: Services) -> None:
        command_id = issued(services)
        sent(services)
        with services.database.session() as session:
            session.get_one(CommandRow, command_id).not_after = datetime.now(UTC) - timedelta(seconds=1)
        row = told(services, command_id)
        assert (row.state, row.code) == ("rejected", "clock_untrusted")
        assert "too late" in row.hint

    def test_of_what_people_signed_refuses_it(self, services: Services) -> None:
        row = told(services, issued(services, approvals_needed=2))
        assert (row.state, row.challenged) == ("rejected", False)
        assert "approve anew" in row.hint
