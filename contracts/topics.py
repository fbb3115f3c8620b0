"""THE table of every MQTT message: topic, schema, QoS, retain, rate, direction.

The broker ACL, the IoT policies and ``docs/topics.md`` are generated from it. The MQTT client id and the
certificate's common name of a drone are its drone id; the platform's own certificate is ``kestrel-cloud``.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple, cast

from pydantic import BaseModel, ValidationError

from contracts import columns, sample_table
from contracts.commands import AckBatch, SignedCommand
from contracts.errors import InvalidInput, TooLarge
from contracts.events import EventBatch, SegmentVerified
from contracts.media import UploadOrder
from contracts.sample_table import SampleTable
from contracts.telemetry import DroneStatus, TelemetryBatch, Watermark

PLATFORM_IDENTITY = "kestrel-cloud"
MAX_PAYLOAD_BYTES = 128_000
"""AWS IoT Core's limit on one publish."""
_ROOT = "kestrel/v1/drones"


class Direction(StrEnum):
    """Who publishes."""

    UP = "up"
    DOWN = "down"


class Topic(NamedTuple):
    """One row of the table."""

    name: str
    schema: type[BaseModel]
    direction: Direction
    qos: int
    retain: bool
    rate: str
    purpose: str

    @property
    def template(self) -> str:
        """Return the topic with ``{drone_id}`` in place."""
        return f"{_ROOT}/{{drone_id}}/{self.name}"

    def of(self, drone_id: str) -> str:
        """Return this topic for one drone."""
        return f"{_ROOT}/{drone_id}/{self.name}"

    def any_drone(self) -> str:
        """Return the subscription that matches every drone."""
        return f"{_ROOT}/+/{self.name}"


TELEMETRY = Topic(
    "telemetry", TelemetryBatch, Direction.UP, 1, False, "10 Hz sampled, 1-10 batches/s", "position, attitude, battery"
)
ACKS = Topic("acks", AckBatch, Direction.UP, 1, False, "3 per command", "what became of each command")
EVENTS = Topic("events", EventBatch, Direction.UP, 1, False, "on change", "states, waypoints, segments, safety")
STATUS = Topic("status", DroneStatus, Direction.UP, 1, True, "on connect; last will", "presence")
COMMANDS = Topic("commands", SignedCommand, Direction.DOWN, 1, False, "on demand", "signed instructions")
WATERMARKS = Topic("watermarks", Watermark, Direction.DOWN, 1, False, "<= 1 Hz per stream", "what is committed")
VERIFIED = Topic("verified", SegmentVerified, Direction.DOWN, 1, False, "1 per segment", "what may be deleted")
UPLOAD_ORDERS = Topic("upload-orders", UploadOrder, Direction.DOWN, 1, False, "on demand", "which segments first")

TOPICS: tuple[Topic, ...] = (TELEMETRY, ACKS, EVENTS, STATUS, COMMANDS, WATERMARKS, VERIFIED, UPLOAD_ORDERS)


def parse_topic(topic: str) -> tuple[str, Topic]:
    """Return (drone id, row) of a concrete topic.

    Raises:
        InvalidInput: No row matches.

    """
    head, _, name = topic.rpartition("/")
    root, _, drone_id = head.rpartition("/")
    row = next((t for t in TOPICS if t.name == name), None)
    if root != _ROOT or row is None or not drone_id:
        raise InvalidInput(f"No message is defined for topic {topic!r}.", hint="See docs/topics.md.", field="topic")
    return drone_id, row


def decode_samples(topic: str, payload: bytes) -> SampleTable:
    """Return the samples of a telemetry message, packed or JSON; raises like ``decode``."""
    if not columns.is_deflated(payload):
        _, batch = decode(topic, payload)
        return sample_table.of_batch(cast("TelemetryBatch", batch))
    drone_id, _ = parse_topic(topic)
    _check_size(topic, payload)
    table = sample_table.read(payload)
    if table.drone_id != drone_id:
        raise InvalidInput(f"{topic} carries a message of drone {table.drone_id!r}.", field="drone_id")
    return table


def denial(drone_id: str) -> str:
    """Return the lines of a Mosquitto ACL file that deny a drone everything; denials go before the patterns."""
    return f"user {drone_id}\ntopic deny #\n"


def decode(topic: str, payload: bytes) -> tuple[str, BaseModel]:
    """Return (drone id, message) of a publish; the message's own drone id must match the topic's.

    Raises:
        TooLarge: Over ``MAX_PAYLOAD_BYTES``.
        InvalidInput: Unknown topic, malformed JSON or columns, a field out of range, or another drone's id inside.

    """
    drone_id, row = parse_topic(topic)
    _check_size(topic, payload)
    try:
        if row is TELEMETRY and columns.is_deflated(payload):
            message: BaseModel = TelemetryBatch.model_validate(columns.unpack(payload))
        else:
            message = row.schema.model_validate_json(payload)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        field = ".".join(str(part) for part in first["loc"])
        raise InvalidInput(f"{topic}: {field or 'payload'}: {first['msg']}.", field=field or None) from error
    inside = getattr(message, "drone_id", drone_id)
    if inside != drone_id:
        raise InvalidInput(f"{topic} carries a message of drone {inside!r}.", field="drone_id")
    return drone_id, message


def _check_size(topic: str, payload: bytes) -> None:
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise TooLarge(
            f"{topic}: payload of {len(payload)} bytes is over {MAX_PAYLOAD_BYTES}.",
            hint="Send less per message or store the rest in S3.",
        )
