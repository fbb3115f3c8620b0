"""What an operator asks of a drone, and what the drone answers."""

from __future__ import annotations

from enum import StrEnum

from pydantic import AwareDatetime, Field, model_validator

from contracts.geo import Frozen
from contracts.ids import CommandId, DroneId, FlightId, Sha256
from contracts.routes import Route
from contracts.vocabulary import CommandKind

SAFETY_INCREASING = frozenset({CommandKind.PAUSE, CommandKind.RETURN_HOME, CommandKind.LAND})
"""Always accepted from an authentic signer, whatever the sequence number."""


class Command(Frozen):
    """One instruction. The drone runs it at most once and never after ``not_after`` on its own clock."""

    command_id: CommandId
    drone_id: DroneId
    kind: CommandKind
    seq: int = Field(ge=1, description="grows by one for each command of a drone")
    issued_at: AwareDatetime
    not_after: AwareDatetime
    issuer: str = Field(min_length=1, max_length=120)
    flight_id: FlightId | None = None
    altitude_m: float | None = Field(default=None, gt=0, le=500, description="take_off: above home")
    route: Route | None = Field(default=None, description="begin_flight")
    route_hash: Sha256 | None = Field(default=None, description="begin_flight: Route.content_hash()")

    @model_validator(mode="after")
    def _complete(self) -> Command:
        if self.kind is CommandKind.BEGIN_FLIGHT and not (self.route and self.route_hash and self.flight_id):
            raise ValueError("begin_flight needs flight_id, route and route_hash")
        if self.kind is CommandKind.TAKE_OFF and self.altitude_m is None:
            raise ValueError("take_off needs altitude_m")
        return self


class SignedCommand(Frozen):
    """A command as sent: the exact JSON text that was signed, and an Ed25519 signature over its bytes."""

    payload: str = Field(max_length=120_000, description="Command as JSON")
    signature_b64: str = Field(min_length=88, max_length=88)
    key_id: str = Field(min_length=1, max_length=64)


class AckState(StrEnum):
    """What became of a command on the drone."""

    ACKED = "acked"
    """Verified and journalled; will run."""
    EXECUTING = "executing"
    DONE = "done"
    REJECTED = "rejected"
    """Refused before running; ``code`` and ``hint`` say why."""
    FAILED = "failed"
    """Started and did not reach its effect."""
    UNKNOWN = "unknown"
    """The agent died between journalling and the effect; never run again by itself."""


class CommandAck(Frozen):
    """One step of a command's life, reported by the drone."""

    seq: int = Field(ge=1)
    command_id: CommandId
    state: AckState
    at: AwareDatetime
    code: str = Field(default="", max_length=64)
    detail: str = Field(default="", max_length=400)
    hint: str = Field(default="", max_length=400)


class AckBatch(Frozen):
    """What one message on the acks topic carries."""

    drone_id: DroneId
    boot_id: str
    acks: tuple[CommandAck, ...] = Field(min_length=1, max_length=100)
