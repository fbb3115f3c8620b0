"""The drone's connection, against a real broker with mutual TLS and the generated rights."""

from __future__ import annotations

import json
import queue
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from contracts.errors import Unavailable
from contracts.reconnect import Pauses
from contracts.topics import COMMANDS, EVENTS, STATUS, TELEMETRY, VERIFIED, WATERMARKS
from edge.backends.link import Credentials, MqttLink, Patience, Post, Will
from edge.inbox import Inbound
from infra.local.certificates import Identity
from tests.services import Broker

DRONE = "drone-7"
pytestmark = pytest.mark.backends


def link_of(broker: Broker, identity: Identity, client_id: str, hears: tuple[str, ...], will: str) -> MqttLink:
    files = Credentials(identity.ca_file, identity.cert_file, identity.key_file)
    post = Post(Will(will, b'{"online": false}'), hears, settled_by_us=(COMMANDS.of(DRONE),))
    return MqttLink(broker.url, client_id, files, post)


@pytest.fixture
def drone(broker: Broker) -> Iterator[Callable[[], MqttLink]]:
    made: list[MqttLink] = []

    def connect() -> MqttLink:
        hears = (COMMANDS.of(DRONE), WATERMARKS.of(DRONE), VERIFIED.of(DRONE))
        link = link_of(broker, broker.identity(DRONE), DRONE, hears, STATUS.of(DRONE))
        made.append(link)
        link.start()
        assert link.wait_connected(10)
        return link

    yield connect
    for link in made:
        link.stop()


@pytest.fixture
def cloud(broker: Broker) -> Iterator[MqttLink]:
    hears = tuple(topic.any_drone() for topic in (TELEMETRY, EVENTS, STATUS))
    link = link_of(broker, broker.platform, "kestrel-cloud-test", hears, STATUS.of("unused"))
    link.start()
    assert link.wait_connected(10)
    yield link
    link.stop()


def heard(link: MqttLink, topic: str, timeout_s: float = 10.0) -> Inbound:
    while True:
        message = link.inbox.get(timeout=timeout_s)
        if message.topic == topic:
            return message


def test_telemetry_goes_up_and_watermarks_come_down(drone: Callable[[], MqttLink], cloud: MqttLink) -> None:
    link = drone()
    link.publish(TELEMETRY.of(DRONE), b"{}", qos=1, retain=False).result(10)
    assert heard(cloud, TELEMETRY.of(DRONE)).payload == b"{}"
    cloud.publish(WATERMARKS.of(DRONE), b"[1]", qos=1, retain=False).result(10)
    assert heard(link, WATERMARKS.of(DRONE)).payload == b"[1]"


def test_a_command_comes_again_until_it_is_settled(drone: Callable[[], MqttLink], cloud: MqttLink) -> None:
    first = drone()
    cloud.publish(COMMANDS.of(DRONE), b"fly", qos=1, retain=False).result(10)
    assert heard(first, COMMANDS.of(DRONE)).payload == b"fly"
    first.stop()
    second = drone()
    again = heard(second, COMMANDS.of(DRONE))
    assert again.payload == b"fly"
    again.settle()
    second.publish(EVENTS.of(DRONE), b"settled", qos=1, retain=False).result(10)
    second.stop()
    third = drone()
    with pytest.raises(queue.Empty):
        heard(third, COMMANDS.of(DRONE), timeout_s=1.0)


def test_another_drones_topics_are_refused(drone: Callable[[], MqttLink], cloud: MqttLink) -> None:
    link = drone()
    with pytest.raises(Unavailable, match="135"):
        link.publish(TELEMETRY.of("drone-8"), b"{}", qos=1, retain=False).result(10)


def test_presence_is_retained_and_said_on_leaving(drone: Callable[[], MqttLink], cloud: MqttLink) -> None:
    link = drone()
    link.publish(STATUS.of(DRONE), b'{"online": true}', qos=1, retain=True).result(10)
    assert json.loads(heard(cloud, STATUS.of(DRONE)).payload) in ({"online": True}, {"online": False})
    link.stop(Will(STATUS.of(DRONE), b'{"online": false, "bye": true}'))
    said = [json.loads(heard(cloud, STATUS.of(DRONE)).payload) for _ in range(1)]
    while "bye" not in said[-1]:
        said.append(json.loads(heard(cloud, STATUS.of(DRONE)).payload))
    assert said[-1] == {"online": False, "bye": True}


def test_a_network_that_is_back_is_used_at_once_whatever_the_client_still_rests(broker: Broker) -> None:
    identity = broker.identity(DRONE)
    files = Credentials(identity.ca_file, identity.cert_file, identity.key_file)
    post = Post(None, (WATERMARKS.of(DRONE),), settled_by_us=())
    patience = Patience(rests=Pauses(first_ms=600_000, longest_ms=600_000))
    link = MqttLink(broker.url, DRONE, files, post, patience=patience)
    link.start()
    try:
        assert link.wait_connected(10)
        broker.kill()
        while link.generation:
            pass
        assert not link.wait_connected(5), "its port is closed, and has been dialled"
        broker.start()
        assert link.wait_connected(60)
    finally:
        link.stop()


def test_offline_a_publish_fails_at_once_and_it_comes_back_by_itself(
    drone: Callable[[], MqttLink], broker: Broker
) -> None:
    link = drone()
    before = link.generation
    broker.kill()
    try:
        while link.generation:
            pass
        with pytest.raises(Unavailable):
            link.publish(TELEMETRY.of(DRONE), b"{}", qos=1, retain=False).result(10)
    finally:
        broker.start()
    assert link.wait_connected(60)
    assert link.generation > before


def test_a_certificate_of_another_authority_never_connects(broker: Broker, tmp_path: Path) -> None:
    with Broker(tmp_path / "other") as other:
        stranger = other.identity(DRONE)
        link = link_of(
            broker,
            Identity(broker.platform.ca_file, stranger.cert_file, stranger.key_file),
            DRONE,
            (COMMANDS.of(DRONE),),
            STATUS.of(DRONE),
        )
        link.start()
        try:
            assert not link.wait_connected(2)
        finally:
            link.stop()
