"""Builders and fakes for the agent's tests."""

from __future__ import annotations

import base64
from collections.abc import Callable
from concurrent.futures import Future
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from pydantic import BaseModel

from contracts.commands import (
    APPROVAL_PREFIX,
    MAX_LIFE_S,
    Approval,
    Command,
    CommandAck,
    LimitsChange,
    Preconditions,
    SignedCommand,
)
from contracts.events import DroneEventKind
from contracts.geo import Enu, GeoPoint, LocalFrame
from contracts.routes import Fence, Route, Waypoint, WaypointAction
from contracts.telemetry import Stream
from contracts.vocabulary import CommandKind
from edge.aircraft import Aircraft, Fix, Landed, MissionState
from edge.flights import Flight
from edge.once import once_of
from edge.safety import Limits

HOME = GeoPoint(lat_deg=56.7, lon_deg=8.2, alt_m=45.0)
FRAME = LocalFrame(HOME)
NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
NOW_US = 1_795_176_000_000_000
LIMITS = Limits(battery_reserve_percent=20.0, battery_min_v=None, link_loss_return_s=300.0, max_first_leg_m=3000.0)


def at(east: float, north: float, up: float) -> GeoPoint:
    """Return a place in metres from home."""
    return FRAME.to_geo(Enu(east, north, up))


def waypoint(seq: int, east: float, north: float, up: float, **changes: Any) -> Waypoint:
    """Return a waypoint in metres from home."""
    fields: dict[str, Any] = {
        "seq": seq,
        "point": at(east, north, up),
        "speed_mps": 4.0,
        "camera_yaw_deg": 90.0,
        "camera_pitch_deg": -5.0,
    }
    return Waypoint(**(fields | changes))


def route(*waypoints: Waypoint, **changes: Any) -> Route:
    """Return a short safe route."""
    fields: dict[str, Any] = {
        "plan_id": "plan-1",
        "version": 1,
        "asset_id": "wt-01",
        "pattern": "blade",
        "home": HOME,
        "standoff_m": 12.0,
        "fence": Fence(centre=HOME, radius_m=200.0, max_alt_rel_m=120.0),
        "waypoints": waypoints
        or (
            waypoint(0, 20, 0, 30, action=WaypointAction.START_VIDEO),
            waypoint(1, 20, 30, 30, speed_mps=2.0),
            waypoint(2, 20, 30, 50, camera_pitch_deg=10.0, action=WaypointAction.STOP_VIDEO),
        ),
    }
    return Route(**(fields | changes))


def flight(**changes: Any) -> Flight:
    """Return a flight being prepared."""
    fields: dict[str, Any] = {
        "flight_id": "flt-1",
        "command_id": "cmd-1",
        "route": route(),
        "started_us": NOW_US,
    }
    return Flight(**(fields | changes))


def aircraft(**changes: Any) -> Aircraft:
    """Return an aircraft on the ground, ready."""
    up = float(changes.pop("up", 0.0))
    climb = float(changes.pop("climb_mps", 0.0))
    fix = Fix(NOW_US, at(0, 0, up), up, 0.0, 0.0, climb)
    ready = Aircraft(
        connected=True,
        heard=True,
        autopilot="ArduPilot",
        mode="GUIDED",
        landed=Landed.ON_GROUND,
        fix=fix,
        home=HOME,
        battery_percent=95.0,
        battery_v=24.0,
        gps_fix=6,
        satellites=20,
        clock_set=True,
    )
    return ready._replace(**changes)


def in_flight(**changes: Any) -> Aircraft:
    """Return an aircraft on its mission."""
    flying = {
        "mode": "AUTO",
        "armed": True,
        "landed": Landed.IN_AIR,
        "mission_state": MissionState.ACTIVE,
        "up": 30.0,
    }
    return aircraft(**(flying | changes))


class Signer:
    """The cloud's signing key, installed on a drone."""

    def __init__(self, keys_dir: Path, key_id: str = "k1") -> None:
        self.key = Ed25519PrivateKey.generate()
        self.key_id = key_id
        keys_dir.mkdir(parents=True, exist_ok=True)
        public = self.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        (keys_dir / f"{key_id}.pem").write_bytes(public)

    def sign(self, payload: str, approvals: tuple[Approval, ...] = ()) -> bytes:
        """Return a signed command as sent."""
        signature = base64.b64encode(self.key.sign(payload.encode())).decode()
        signed = SignedCommand(payload=payload, signature_b64=signature, key_id=self.key_id, approvals=approvals)
        return signed.model_dump_json().encode()

    def approve(self, payload: str) -> Approval:
        """Return this person's consent to a payload."""
        signature = base64.b64encode(self.key.sign(APPROVAL_PREFIX + payload.encode())).decode()
        return Approval(key_id=self.key_id, signature_b64=signature)


def command(kind: CommandKind, seq: int = 1, **changes: Any) -> Command:
    """Return a command for ``drone-1``, fresh at ``NOW``."""
    fields: dict[str, Any] = {
        "command_id": f"cmd-{kind.replace('_', '-')}-{seq}",
        "drone_id": "drone-1",
        "kind": kind,
        "seq": seq,
        "issued_at": NOW,
        "not_after": NOW + timedelta(seconds=MAX_LIFE_S[kind]),
        "issuer": "olga",
    }
    if kind is CommandKind.TAKE_OFF:
        fields["altitude_m"] = 10.0
    if kind is CommandKind.BEGIN_FLIGHT:
        planned = route()
        fields |= {"flight_id": "flt-1", "route": planned, "route_hash": planned.content_hash()}
    if kind is CommandKind.ADJUST_ROUTE:
        changed = route().with_detour(0, (waypoint(0, 15, 0, 30, speed_mps=1.0),))
        fields |= {"flight_id": "flt-1", "route": changed, "route_hash": changed.content_hash(), "resume_at": 1}
        fields["preconditions"] = Preconditions(route_hash=route().content_hash())
    if kind is CommandKind.SET_LIMITS:
        fields["limits"] = LimitsChange(battery_reserve_percent=25.0)
    return Command(**(fields | changes))


class SetClock:
    """A clock that stands where it is set."""

    def __init__(self) -> None:
        self.utc = NOW
        self.ran_s = 1000.0
        self.good = True

    def now(self) -> datetime:
        """Return the time set."""
        return self.utc

    def elapsed_s(self) -> float:
        """Return the seconds set."""
        return self.ran_s

    def trusted(self) -> bool:
        """Tell what was set."""
        return self.good

    def wait(self, seconds: float) -> None:
        """Let time pass on both."""
        self.utc += timedelta(seconds=seconds)
        self.ran_s += seconds


class MemoryOutbox:
    """Keeps what was appended, numbered per stream."""

    def __init__(self) -> None:
        self.records: dict[Stream, list[BaseModel]] = {stream: [] for stream in Stream}

    def append(self, stream: Stream, make: Callable[[int], BaseModel]) -> Future[int]:
        """Keep ``make(seq)``."""
        self.records[stream].append(make(len(self.records[stream]) + 1))
        done: Future[int] = Future()
        done.set_result(len(self.records[stream]))
        return done

    def acks(self) -> list[tuple[str, str]]:
        """Return (state, code) of every acknowledgement."""
        return [(a.state, a.code) for a in self.records[Stream.ACKS] if isinstance(a, CommandAck)]


class Announcements:
    """Keeps events; of those that can happen only once the first, as the outbox does."""

    def __init__(self) -> None:
        self.said: list[tuple[DroneEventKind, dict[str, object]]] = []

    def __call__(self, kind: DroneEventKind, fields: dict[str, object]) -> None:
        if not once_of(kind, fields) or (kind, fields) not in self.said:
            self.said.append((kind, fields))

    def kinds(self) -> list[DroneEventKind]:
        """Return what kinds were announced, in order."""
        return [kind for kind, _ in self.said]

    def codes(self) -> list[object]:
        """Return the codes of what was announced with one, in order."""
        return [fields["code"] for _, fields in self.said if "code" in fields]
