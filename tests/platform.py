"""The cloud as tests use it: services over a real database, stand-ins for the rest, a signed-in HTTP client."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Self, cast

import httpx
import uvicorn
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cloud.app import create_app
from cloud.db import Database
from cloud.ingest import Received
from cloud.services import Services
from cloud.settings import Settings
from cloud.signing import Signer
from cloud.tables import Asset, Drone, Site
from cloud.tokens import Issuer, Verifier
from contracts.errors import Unavailable
from contracts.geo import GeoPoint
from contracts.routes import Route
from contracts.telemetry import TelemetryBatch, TelemetrySample
from contracts.turbine import TurbineGeometry
from contracts.vocabulary import AircraftState, Role
from tests.services import DatabaseServer
from tests.stand_ins import MemoryQueues

ISSUER, AUDIENCE = "http://testserver/oidc", "kestrel"
FOOT = GeoPoint(lat_deg=54.9, lon_deg=8.3, alt_m=45.0)
HOME = GeoPoint(lat_deg=54.8997, lon_deg=8.2993, alt_m=45.0)
TURBINE = TurbineGeometry(foot=FOOT)
CAMERA = {"width_px": 3840, "height_px": 2160, "focal_px": 3600.0}


@dataclass
class RouteShelf:
    """A routes table in memory that can lose everything or be away."""

    kept: dict[tuple[str, int], Route] = field(default_factory=dict)
    away: bool = False

    def put(self, route: Route) -> None:
        if self.away:
            raise Unavailable("away")
        self.kept[route.plan_id, route.version] = route

    def get(self, plan_id: str, version: int) -> Route | None:
        if self.away:
            raise Unavailable("away")
        return self.kept.get((plan_id, version))


@dataclass
class Wire:
    """A broker link in memory: ``inbox`` comes in, ``sent`` went out."""

    inbox: list[Received] = field(default_factory=list)
    sent: list[tuple[str, bytes]] = field(default_factory=list)
    acknowledged: int = 0
    connected: bool = True

    def receive(self, max_messages: int, wait_s: float) -> list[Received]:
        taken, self.inbox = self.inbox[:max_messages], self.inbox[max_messages:]
        return taken

    def publish(self, topic: str, payload: bytes, *, expires_s: int | None = None) -> None:
        if not self.connected:
            raise Unavailable("not connected")
        self.sent.append((topic, payload))

    def offer(self, topic: str, payload: bytes) -> None:
        """Put a message in the inbox."""
        self.inbox.append(Received(topic, payload, self._count))

    def _count(self) -> None:
        self.acknowledged += 1


def build(url: str) -> Services:
    """Return services over a real database; SAP and the like are absent, queues in memory."""
    issuer = Issuer(ec.generate_private_key(ec.SECP256R1()), ISSUER, AUDIENCE)
    absent = cast("Any", None)
    return Services(
        settings=Settings(database_url=url, issuer=ISSUER, audience=AUDIENCE),
        database=Database(url),
        objects=absent,
        routes=RouteShelf(),
        queues=MemoryQueues(),
        workflows=absent,
        maintenance=absent,
        channels={},
        language_model=None,
        signer=Signer(Ed25519PrivateKey.generate(), "k1"),
        issuer=issuer,
        verifier=Verifier(issuer, ISSUER, AUDIENCE),
        session_key=b"k" * 32,
    )


class Server(uvicorn.Server):
    """The API on a free loopback port, in a thread."""

    def __init__(self, services: Services) -> None:
        self.web = create_app(services.settings, services)
        super().__init__(uvicorn.Config(self.web, host="127.0.0.1", port=0, log_config=None, lifespan="off"))
        self.services = services
        self._thread = threading.Thread(target=self.run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        while not self.started:
            self._thread.join(timeout=0.005)
            assert self._thread.is_alive()
        return self

    def __exit__(self, *_: object) -> None:
        self.should_exit = True
        self._thread.join(timeout=10)

    @property
    def url(self) -> str:
        """Return where it answers."""
        host, port = self.servers[0].sockets[0].getsockname()[:2]
        return f"http://{host}:{port}"

    def client(self, *roles: Role, name: str = "") -> httpx.Client:
        """Return a client; with ``roles`` it carries a token of a person who has them."""
        http = httpx.Client(base_url=self.url, timeout=20)
        if roles and self.services.issuer:
            token = self.services.issuer.mint(name or roles[0].value, frozenset(roles))
            http.headers["Authorization"] = f"Bearer {token}"
        return http


@contextmanager
def stocked(server: DatabaseServer) -> Iterator[Services]:
    """Yield services over a database of their own that holds what ``stock`` registers."""
    with server.database(migrated=True) as url:
        built = build(url)
        stock(built)
        yield built
        built.database.close()


def stock(services: Services) -> None:
    """Register one site, one turbine and one drone that was heard just now."""
    with services.database.session() as session:
        session.add(
            Site(
                site_id="north",
                name="North",
                home_lat_deg=HOME.lat_deg,
                home_lon_deg=HOME.lon_deg,
                home_alt_m=HOME.alt_m,
            )
        )
        session.flush()
        session.add(
            Asset(
                asset_id="wt-01",
                site_id="north",
                kind="wind_turbine",
                name="Turbine 1",
                functional_location="",
                geometry=TURBINE.model_dump(mode="json"),
            )
        )
        session.add(
            Drone(
                drone_id="kite-01",
                site_id="north",
                name="Kite 1",
                camera=CAMERA,
                online=True,
                last_seen_at=datetime.now(UTC),
            )
        )


def sample(seq: int, **changes: Any) -> TelemetrySample:
    """Return a plausible telemetry sample."""
    values: dict[str, Any] = {
        "seq": seq,
        "captured_at": datetime(2026, 11, 20, 12, tzinfo=UTC) + timedelta(milliseconds=100 * seq),
        "monotonic_ms": 100 * seq,
        "state": AircraftState.ON_ROUTE,
        "lat_deg": 54.9,
        "lon_deg": 8.3,
        "alt_m": 100.0,
        "alt_rel_m": 55.0,
        "battery_percent": 80.0,
        "battery_v": 22.2,
        "gps_fix": 6,
        "satellites": 20,
    }
    zero = ("yaw", "pitch", "roll", "gimbal_yaw", "gimbal_pitch")
    values |= {f"{name}_deg": 0.0 for name in zero} | {f"vel_{name}_mps": 0.0 for name in ("east", "north", "up")}
    return TelemetrySample(**(values | changes))


def telemetry(first: int, last: int, *, drone_id: str = "kite-01", boot_id: str = "boot-1") -> bytes:
    """Return a telemetry message with samples ``first``..``last``."""
    return message([sample(seq) for seq in range(first, last + 1)], drone_id=drone_id, boot_id=boot_id)


def message(samples: Sequence[TelemetrySample], *, drone_id: str = "kite-01", boot_id: str = "boot-1") -> bytes:
    """Return a telemetry message with these samples."""
    return TelemetryBatch(drone_id=drone_id, boot_id=boot_id, samples=tuple(samples)).model_dump_json().encode()


def drain(step: Callable[[], bool | None]) -> None:
    """Step until there is nothing to do."""
    while step():
        pass
