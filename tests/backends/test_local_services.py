"""The services behave as the design says: rights by certificate, events from S3, resources after a crash."""

from __future__ import annotations

import json
import os
import socket
import ssl
import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING
from urllib.parse import unquote_plus

import boto3
import psycopg2
import pytest
from awscrt import io, mqtt5

from cloud.backends.broker_rules import BrokerRules
from contracts import resources as names
from contracts.topics import COMMANDS, MAX_PAYLOAD_BYTES, STATUS, TELEMETRY
from infra.local import certificates, resources
from infra.local.broker import configure, denied, pid_file, rules_file

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from infra.local.certificates import Identity
    from tests.services import AwsServer, Broker, MiniStack

TIMEOUT_S = 10


class Connection:
    """An MQTT 5 client that says when it is connected or refused."""

    def __init__(self, broker: Broker, identity: Identity, client_id: str) -> None:
        self.arrived: Future[mqtt5.PublishPacket] = Future()
        self._outcome: Future[str] = Future()
        self._stopped = threading.Event()
        tls = io.TlsContextOptions.create_client_with_mtls_from_path(str(identity.cert_file), str(identity.key_file))
        tls.override_default_trust_store_from_path(None, str(identity.ca_file))
        self.client = mqtt5.Client(
            mqtt5.ClientOptions(
                host_name="127.0.0.1",
                port=broker.port,
                tls_ctx=io.ClientTlsContext(tls),
                connect_options=mqtt5.ConnectPacket(client_id=client_id),
                on_publish_callback_fn=lambda data: self.arrived.set_result(data.publish_packet),
                on_lifecycle_event_connection_success_fn=lambda _: self._say("connected"),
                on_lifecycle_event_connection_failure_fn=lambda _: self._say("refused"),
                on_lifecycle_event_stopped_fn=lambda _: self._stopped.set(),
            )
        )
        self.client.start()

    def _say(self, outcome: str) -> None:
        if not self._outcome.done():
            self._outcome.set_result(outcome)

    def outcome(self) -> str:
        return self._outcome.result(TIMEOUT_S)

    def publish(self, topic: str, payload: bytes) -> int:
        """Return the broker's reason code; 0 and 16 (nobody listens) are good."""
        packet = mqtt5.PublishPacket(topic=topic, payload=payload, qos=mqtt5.QoS.AT_LEAST_ONCE)
        return int(self.client.publish(packet).result(TIMEOUT_S).puback.reason_code)

    def subscribe(self, topic: str) -> int:
        """Return the broker's reason code; 1 grants QoS 1."""
        packet = mqtt5.SubscribePacket([mqtt5.Subscription(topic, mqtt5.QoS.AT_LEAST_ONCE)])
        return int(self.client.subscribe(packet).result(TIMEOUT_S).reason_codes[0])

    def close(self) -> None:
        self.client.stop()
        assert self._stopped.wait(TIMEOUT_S)


@pytest.fixture
def drone(broker: Broker) -> Iterator[Connection]:
    connection = Connection(broker, broker.identity("drone-1"), "drone-1")
    assert connection.outcome() == "connected"
    yield connection
    connection.close()


@pytest.fixture
def platform(broker: Broker) -> Iterator[Connection]:
    connection = Connection(broker, broker.platform, "kestrel-cloud")
    assert connection.outcome() == "connected"
    yield connection
    connection.close()


def test_a_command_reaches_its_drone(drone: Connection, platform: Connection) -> None:
    assert drone.subscribe(COMMANDS.of("drone-1")) == mqtt5.SubackReasonCode.GRANTED_QOS_1
    assert platform.publish(COMMANDS.of("drone-1"), b"go") == 0
    assert drone.arrived.result(TIMEOUT_S).payload == b"go"


@pytest.mark.parametrize(
    ("topic", "allowed"),
    [
        (TELEMETRY.of("drone-1"), True),
        (STATUS.of("drone-1"), True),
        (TELEMETRY.of("drone-2"), False),
        (COMMANDS.of("drone-1"), False),
        ("kestrel/v1/drones/drone-1/other", False),
        ("$SYS/broker/x", False),
    ],
)
def test_a_drone_publishes_only_what_is_its_own(drone: Connection, topic: str, *, allowed: bool) -> None:
    assert (drone.publish(topic, b"{}") in {0, 16}) is allowed


@pytest.mark.parametrize("topic", [COMMANDS.of("drone-2"), TELEMETRY.of("drone-2")])
def test_a_drone_receives_nothing_of_another(drone: Connection, platform: Connection, topic: str) -> None:
    drone.subscribe(topic)
    platform.publish(topic, b"secret")
    assert drone.subscribe(COMMANDS.of("drone-1")) == mqtt5.SubackReasonCode.GRANTED_QOS_1
    platform.publish(COMMANDS.of("drone-1"), b"mine")
    assert drone.arrived.result(TIMEOUT_S).payload == b"mine"


@pytest.fixture
def gate(broker: Broker) -> BrokerRules:
    return BrokerRules(rules_file(broker.folder), pid_file(broker.folder))


def test_a_drone_in_quarantine_is_denied_until_it_is_let_in_again(
    broker: Broker, drone: Connection, gate: BrokerRules
) -> None:
    assert drone.publish(TELEMETRY.of("drone-1"), b"{}") in {0, 16}
    gate.shut("drone-1")
    gate.shut("drone-1")
    while drone.publish(TELEMETRY.of("drone-1"), b"{}") != mqtt5.PubackReasonCode.NOT_AUTHORIZED:
        pass  # the broker reads its rules between two packets
    configure(broker.folder, broker.port, broker.keys.identity("broker"))
    assert denied(rules_file(broker.folder)) == ["drone-1"], "a restart of the platform keeps it"
    gate.reopen("drone-1")
    while drone.publish(TELEMETRY.of("drone-1"), b"{}") not in {0, 16}:
        pass
    assert denied(rules_file(broker.folder)) == []


def test_a_broker_that_is_down_reads_its_rules_when_it_starts(tmp_path: Path) -> None:
    rules = tmp_path / "access.rules"
    rules.write_text("# rules\n")
    gate = BrokerRules(rules, tmp_path / "none.pid")
    gate.shut("drone-1")
    assert denied(rules) == ["drone-1"]
    (tmp_path / "some.pid").write_text(str(os.getpid()))
    BrokerRules(rules, tmp_path / "some.pid").reopen("drone-1")  # another program's process now: not signalled
    assert rules.read_text() == "# rules\n"


def test_a_foreign_authority_is_refused(broker: Broker, tmp_path: Path) -> None:
    foreign = certificates.Keys(tmp_path)
    certificates.create(foreign)
    rogue = certificates.issue_drone(foreign, "drone-1")
    connection = Connection(broker, rogue._replace(ca_file=broker.keys.ca_file), "drone-1")
    assert connection.outcome() == "refused"
    connection.close()


def test_no_certificate_is_refused(broker: Broker) -> None:
    context = ssl.create_default_context(cafile=str(broker.keys.ca_file))
    with (
        socket.create_connection(("127.0.0.1", broker.port), TIMEOUT_S) as plain,
        context.wrap_socket(plain, server_hostname="127.0.0.1") as secure,
        pytest.raises(ssl.SSLError, match="certificate required"),
    ):
        # In TLS 1.3 the server's refusal arrives after the client believes in the connection.
        secure.recv(1)


def test_a_payload_over_the_limit_is_not_delivered(drone: Connection, platform: Connection) -> None:
    platform.subscribe(TELEMETRY.any_drone())
    with pytest.raises(Exception, match=r"(?i)packet|disconnect|connection|size"):
        drone.publish(TELEMETRY.of("drone-1"), b"x" * (MAX_PAYLOAD_BYTES + 8192))
    assert not platform.arrived.done()


def test_s3_events_of_manifests_reach_the_queue(aws: AwsServer) -> None:
    s3, sqs = boto3.client("s3"), boto3.client("sqs")
    url = sqs.get_queue_url(QueueName=names.MEDIA_EVENTS_QUEUE)["QueueUrl"]
    for key in ("flights/d/f/00000.mp4", "crops/x.json", "flights/d/f/00000.json"):
        s3.put_object(Bucket=names.BUCKET, Key=key, Body=b"{}")
    keys = []
    while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=1).get("Messages"):
        for message in messages:
            keys += [unquote_plus(r["s3"]["object"]["key"]) for r in json.loads(message["Body"]).get("Records", [])]
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    assert keys == ["flights/d/f/00000.json"]


def test_ensure_twice_changes_nothing(aws: AwsServer) -> None:
    assert resources.ensure() == []


def test_a_killed_emulator_keeps_objects_and_gets_its_resources_back(aws_ministack: MiniStack) -> None:
    s3 = boto3.client("s3")
    version = s3.put_object(Bucket=names.BUCKET, Key="flights/d/f/1.mp4", Body=b"kept")["VersionId"]
    aws_ministack.kill()
    aws_ministack.start()
    assert set(names.QUEUES) <= set(resources.ensure())
    kept = s3.get_object(Bucket=names.BUCKET, Key="flights/d/f/1.mp4", VersionId=version)
    assert kept["Body"].read() == b"kept"


def test_a_fresh_database_answers(database_url: str) -> None:
    connection = psycopg2.connect(database_url.replace("+psycopg2", ""))
    with connection.cursor() as cursor:
        cursor.execute("SHOW server_encoding")
        assert cursor.fetchone() == ("UTF8",)
    connection.close()
