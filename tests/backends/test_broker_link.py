"""Drone and cloud over a real broker with certificates: telemetry up, watermarks and signed commands down."""

from __future__ import annotations

import queue
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple, TypeVar

import pytest
from sqlalchemy import func, select

from cloud import fleet
from cloud.backends.link import Credentials, MqttLink
from cloud.dispatch import Dispatch
from cloud.ingest import Ingest, Received
from cloud.services import Services
from cloud.tables import CommandRow, DeadLetter, Outgoing, Telemetry
from contracts.commands import Command, SignedCommand
from contracts.errors import Unavailable
from contracts.ids import mint
from contracts.telemetry import Watermark
from contracts.topics import COMMANDS, STATUS, TELEMETRY, VERIFIED, WATERMARKS
from contracts.vocabulary import CommandKind
from edge.backends import link as drone_link
from tests import platform
from tests.platform import telemetry
from tests.services import Broker, DatabaseServer

T = TypeVar("T")
_PATIENCE_S = 20.0


def until(find: Callable[[], T | None]) -> T:
    """Return what ``find`` finds; fail when it finds nothing for long."""
    deadline = time.monotonic() + _PATIENCE_S
    while time.monotonic() < deadline:
        if (found := find()) is not None:
            return found
    raise AssertionError("it did not happen in time")


class Field(NamedTuple):
    """A drone, a broker and the cloud's two halves."""

    services: Services
    name: str
    cloud: MqttLink
    drone: drone_link.MqttLink
    ingest: Ingest
    dispatch: Dispatch


def connect(broker: Broker, name: str) -> MqttLink:
    link = MqttLink(broker.url, name, Credentials(*broker.platform))
    link.start()
    assert link.wait_connected(_PATIENCE_S)
    return link


@pytest.fixture
def field(postgres_server: DatabaseServer, broker: Broker) -> Iterator[Field]:
    with postgres_server.database(migrated=True) as url:
        services = platform.build(url)
        platform.stock(services)
        name = mint("kestrel-cloud")  # of its own: a session left by another test would bring its messages
        cloud = connect(broker, name)
        down = (COMMANDS.of("kite-01"), WATERMARKS.of("kite-01"), VERIFIED.of("kite-01"))
        identity = broker.identity("kite-01")
        drone = drone_link.MqttLink(
            broker.url,
            "kite-01",
            drone_link.Credentials(identity.ca_file, identity.cert_file, identity.key_file),
            drone_link.Post(drone_link.Will(STATUS.of("kite-01"), b"{}"), down, (COMMANDS.of("kite-01"),)),
        )
        drone.start()
        assert drone.wait_connected(_PATIENCE_S)
        assert services.signer is not None
        ingest = Ingest(services.database, cloud)
        dispatch = Dispatch(services.database, cloud, services.routes, services.signer)
        yield Field(services, name, cloud, drone, ingest, dispatch)
        drone.stop()
        cloud.stop()
        services.database.close()


def hear(field: Field, topic: str) -> bytes:
    """Return the next message of a topic that the drone gets, while the cloud works."""

    def look() -> bytes | None:
        field.ingest.step()
        field.dispatch.step()
        try:
            message = field.drone.inbox.get(timeout=0.05)
        except queue.Empty:
            return None
        message.settle()
        return message.payload if message.topic == topic else None

    return until(look)


def _of_the_drone(messages: list[Received]) -> list[Received]:
    """Return its telemetry alone: the broker still holds the last words of other tests' drones."""
    return [message for message in messages if message.topic == TELEMETRY.of("kite-01")]


def hear_mark(field: Field) -> Watermark:
    """Return the next mark of this test's boot: the broker kept those of other tests for the drone's session."""
    while True:
        mark = Watermark.model_validate_json(hear(field, WATERMARKS.of("kite-01")))
        if mark.boot_id == "boot-1":
            return mark


def test_telemetry_up_and_the_watermark_down(field: Field) -> None:
    field.drone.publish(TELEMETRY.of("kite-01"), telemetry(1, 50), qos=1, retain=False).result(10)
    mark = hear_mark(field)
    assert mark.seq == 50
    with field.services.database.session() as session:
        assert session.scalar(select(func.count()).select_from(Telemetry)) == 50


def test_a_command_is_sent_signed_and_marked_sent(field: Field) -> None:
    with field.services.database.session() as session:
        row = fleet.issue_command(
            session, flight=None, drone_id="kite-01", kind=CommandKind.RETURN_HOME, issuer="operator"
        )
    signed = SignedCommand.model_validate_json(hear(field, COMMANDS.of("kite-01")))
    command = Command.model_validate_json(signed.payload)
    assert (command.command_id, command.kind) == (row.command_id, CommandKind.RETURN_HOME)
    with field.services.database.session() as session:
        assert session.get_one(CommandRow, row.command_id).state == "sent"


def test_notices_are_sent_and_forgotten(field: Field) -> None:
    payload = {"segment_id": "flt-1.00000", "sha256": "0" * 64}
    with field.services.database.session() as session:
        session.add(Outgoing(drone_id="kite-01", topic=VERIFIED.of("kite-01"), payload=payload))
    assert b"flt-1.00000" in hear(field, VERIFIED.of("kite-01"))
    with field.services.database.session() as session:
        assert session.scalar(select(func.count()).select_from(Outgoing)) == 0


def test_what_was_not_committed_comes_again_after_a_crash(field: Field, broker: Broker) -> None:
    field.drone.publish(TELEMETRY.of("kite-01"), telemetry(1, 5), qos=1, retain=False).result(10)
    taken = until(lambda: _of_the_drone(field.cloud.receive(10, 0.05)) or None)
    assert [message.payload for message in taken] == [telemetry(1, 5)]
    field.cloud.stop()  # without acknowledging: as if killed before the commit
    again = connect(broker, field.name)
    try:
        ingest = Ingest(field.services.database, again)
        until(ingest.step)
        with field.services.database.session() as session:
            assert session.scalar(select(func.count()).select_from(Telemetry)) == 5
    finally:
        again.stop()


def test_a_broker_restart_between_receipt_and_commit_loses_nothing(field: Field, broker: Broker) -> None:
    field.drone.publish(TELEMETRY.of("kite-01"), telemetry(1, 5), qos=1, retain=False).result(10)
    taken = until(lambda: _of_the_drone(field.cloud.receive(10, 0.05)) or None)
    broker.kill()
    broker.start()
    for message in taken:
        message.acknowledge()  # too late, and harmless
    assert field.cloud.wait_connected(_PATIENCE_S)
    assert field.drone.wait_connected(2 * _PATIENCE_S)
    field.drone.publish(TELEMETRY.of("kite-01"), telemetry(1, 8), qos=1, retain=False).result(10)
    assert hear_mark(field).seq == 8


def test_ingest_processes_side_by_side_share_the_work(field: Field, broker: Broker) -> None:
    field.cloud.stop()
    pair = [MqttLink(broker.url, f"kestrel-cloud-{n}", Credentials(*broker.platform), shared_group="g") for n in "ab"]
    try:
        for link in pair:
            link.start()
            assert link.wait_connected(_PATIENCE_S)
        for number in range(20):
            topic, one = TELEMETRY.of("kite-01"), telemetry(number + 1, number + 1)
            field.drone.publish(topic, one, qos=1, retain=False).result(10)
        ingests = [Ingest(field.services.database, link) for link in pair]

        def stored() -> bool | None:
            worked = [ingest.step() for ingest in ingests]
            with field.services.database.session() as session:
                done = session.scalar(select(func.count()).select_from(Telemetry)) == 20
            return True if done and not any(worked) else None

        assert until(stored)
    finally:
        for link in pair:
            link.stop()


def test_a_200_kb_payload_disturbs_nobody(field: Field) -> None:
    big = field.drone.publish(TELEMETRY.of("kite-01"), b"x" * 200_000, qos=1, retain=False)
    with pytest.raises(Unavailable):
        big.result(15)
    assert field.drone.wait_connected(_PATIENCE_S)
    field.drone.publish(TELEMETRY.of("kite-01"), b"x" * 1_000, qos=1, retain=False).result(10)
    field.drone.publish(TELEMETRY.of("kite-01"), telemetry(1, 5), qos=1, retain=False).result(10)
    mark = hear_mark(field)
    assert mark.seq == 5
    with field.services.database.session() as session:
        assert session.scalar(select(func.count()).select_from(DeadLetter)) == 1
