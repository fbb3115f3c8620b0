"""What an operator asks of a drone, and what the drone answers."""

from __future__ import annotations

from enum import StrEnum

from pydantic import AwareDatetime, Field, model_validator

from contracts.geo import Frozen
from contracts.ids import CommandId, DroneId, FlightId, Sha256
from contracts.routes import Route
from contracts.vocabulary import AircraftState, CommandKind

SAFETY_INCREASING = frozenset({CommandKind.PAUSE, CommandKind.RETURN_HOME, CommandKind.LAND, CommandKind.HOLD})
"""Always accepted from an authentic signer, whatever the sequence number."""
MAX_TAKE_OFF_M = 120.0
"""The open category's ceiling (Regulation (EU) 2019/947, UAS.OPEN.010): a take-off knows no route with a fence yet."""
MAX_LIFE_S: dict[CommandKind, float] = {
    CommandKind.TAKE_OFF: 10.0,
    CommandKind.BEGIN_FLIGHT: 30.0,
    CommandKind.RESUME: 10.0,
    CommandKind.ADJUST_ROUTE: 30.0,
    CommandKind.PAUSE: 60.0,
    CommandKind.RETURN_HOME: 60.0,
    CommandKind.LAND: 60.0,
    CommandKind.HOLD: 60.0,
    CommandKind.SET_LIMITS: 600.0,
}
"""The longest ``not_after - issued_at`` a drone accepts; what carries a route has to come over a slow link first."""
APPROVAL_PREFIX = b"kestrel-approval-v1\n"
"""Goes before the payload in what an approver signs, so that no signature of a command is an approval."""
APPROVERS_NEEDED = 2
NONCE = r"^[0-9a-f]{32}$"


class LimitsChange(Frozen):
    """What the owner of a drone allows from now on; what is None stays as it is."""

    battery_reserve_percent: float | None = Field(default=None, ge=5, le=60)
    battery_min_v: float | None = Field(default=None, gt=0, le=1000)
    link_loss_return_s: float | None = Field(default=None, gt=0, le=3600)
    max_first_leg_m: float | None = Field(default=None, gt=0, le=20000)

    @model_validator(mode="after")
    def _something(self) -> LimitsChange:
        if all(value is None for value in dict(self).values()):
            raise ValueError("set_limits changes nothing")
        return self


class Preconditions(Frozen):
    """What the sender believes of the drone; the drone refuses when it is otherwise."""

    states: tuple[AircraftState, ...] = Field(default=(), max_length=8, description="any of these; empty: any at all")
    route_hash: Sha256 | None = Field(default=None, description="content hash of the route being flown")


class Command(Frozen):
    """One instruction. The drone runs it at most once and never after ``not_after`` on its own clock."""

    command_id: CommandId
    drone_id: DroneId
    kind: CommandKind
    epoch: int = Field(default=1, ge=1, description="grows when the sender's numbering starts anew")
    seq: int = Field(ge=1, description="grows by one for each command of a drone within an epoch")
    issued_at: AwareDatetime
    not_after: AwareDatetime
    issuer: str = Field(min_length=1, max_length=120)
    flight_id: FlightId | None = None
    altitude_m: float | None = Field(default=None, gt=0, le=MAX_TAKE_OFF_M, description="take_off: above home")
    route: Route | None = Field(default=None, description="begin_flight, adjust_route")
    route_hash: Sha256 | None = Field(default=None, description="Route.content_hash() of ``route``")
    resume_at: int = Field(
        default=0,
        ge=0,
        le=649,
        description="begin_flight, adjust_route: the waypoint of ``route`` to fly to first. After a battery swap, the "
        "last one reached: the interrupted leg is filmed whole, with the camera and recording as they were there",
    )
    limits: LimitsChange | None = Field(default=None, description="set_limits")
    preconditions: Preconditions = Preconditions()
    nonce: str | None = Field(
        default=None, pattern=NONCE, description="echoes CommandAck.nonce of a drone that cannot trust its clock"
    )

    @model_validator(mode="after")
    def _complete(self) -> Command:
        for name in _NEEDED.get(self.kind, ()):
            if getattr(self, name) is None:
                raise ValueError(f"{self.kind} needs {', '.join(_NEEDED[self.kind])}")
        if self.kind is CommandKind.ADJUST_ROUTE and self.preconditions.route_hash is None:
            raise ValueError("adjust_route needs preconditions.route_hash of the route it changes")
        if self.route is not None and self.resume_at >= len(self.route.waypoints):
            raise ValueError("resume_at is behind the last waypoint of the route")
        return self


_NEEDED: dict[CommandKind, tuple[str, ...]] = {
    CommandKind.TAKE_OFF: ("altitude_m",),
    CommandKind.BEGIN_FLIGHT: ("flight_id", "route", "route_hash"),
    CommandKind.ADJUST_ROUTE: ("flight_id", "route", "route_hash"),
    CommandKind.SET_LIMITS: ("limits",),
}


class Approval(Frozen):
    """One person's consent to exactly these payload bytes: Ed25519 over ``APPROVAL_PREFIX + payload``."""

    key_id: str = Field(min_length=1, max_length=64, description="an approver whose public key the drone holds")
    signature_b64: str = Field(min_length=88, max_length=88)


class SignedCommand(Frozen):
    """A command as sent: the exact JSON text that was signed, and an Ed25519 signature over its bytes."""

    payload: str = Field(max_length=120_000, description="Command as JSON")
    signature_b64: str = Field(min_length=88, max_length=88)
    key_id: str = Field(min_length=1, max_length=64)
    approvals: tuple[Approval, ...] = Field(
        default=(), max_length=8, description="two different approvers where a safety margin is lowered"
    )


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
    """The agent died between journalling and the effect, or the autopilot fell silent; never run again by itself."""


class CommandAck(Frozen):
    """One step of a command's life, reported by the drone."""

    seq: int = Field(ge=1)
    command_id: CommandId
    state: AckState
    at: AwareDatetime
    code: str = Field(default="", max_length=64)
    detail: str = Field(default="", max_length=400)
    hint: str = Field(default="", max_length=400)
    nonce: str | None = Field(
        default=None, pattern=NONCE, description="code clock_untrusted: send the command anew with this nonce in it"
    )


class AckBatch(Frozen):
    """What one message on the acks topic carries."""

    drone_id: DroneId
    boot_id: str
    acks: tuple[CommandAck, ...] = Field(min_length=1, max_length=100)
