"""What the programs work with: backends behind Protocols, built once by the composition root."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol, cast

from starlette.requests import Request

from cloud.alerts.rounds import Channel
from cloud.changes import Pages, Pulse
from cloud.db import Database
from cloud.drone_life import Certificates
from cloud.executions import Workflows
from cloud.maintenance import MaintenanceSystem
from cloud.model_turns import Models
from cloud.quarantine import Gate
from cloud.rates import ASKS_PER_MINUTE, DEFAULT_PER_MINUTE, Rates
from cloud.settings import Settings
from cloud.signing import Signer
from cloud.summaries import LanguageModel
from cloud.tokens import Issuer, Verifier
from cloud.users import LoginBackoff
from contracts.routes import Route
from evidence.signatures import BundleSigner


class ObjectInfo(NamedTuple):
    """An object in the store. ``version`` is empty where the bucket has no versions."""

    key: str
    size_bytes: int
    version: str


class Objects(Protocol):
    """Media in S3. A missing key raises NotFound, an unreachable store Unavailable."""

    def get(self, key: str) -> bytes:
        """Return the whole object."""

    def put(self, key: str, body: bytes, content_type: str) -> ObjectInfo:
        """Store an object; the same key again replaces it."""

    def head(self, key: str) -> ObjectInfo:
        """Return size and version."""

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """Yield every object below a prefix, in key order."""

    def presign_get(self, key: str, expires_s: int = 900) -> str:
        """Return a link that reads the object for a while."""

    def sha256_stream(self, key: str) -> str:
        """Return the SHA-256 of the object's bytes, read in pieces."""

    def read_range(self, key: str, first: int, last: int) -> bytes:
        """Return bytes ``first``..``last`` (inclusive)."""


class Routes(Protocol):
    """Routes in DynamoDB: a cache of what the planner makes from a plan row."""

    def put(self, route: Route) -> None:
        """Store a route under (plan, version); again is harmless."""

    def get(self, plan_id: str, version: int) -> Route | None:
        """Return the route, or None when the table has lost it."""


class Message(NamedTuple):
    """A message received from a queue."""

    id: str
    body: str
    receipt: str
    receives: int


class Queues(Protocol):
    """SQS, by queue name. At least once: handlers may see a message again."""

    def send(self, queue: str, body: str) -> None:
        """Send one message."""

    def receive(self, queue: str, max_messages: int = 10, wait_s: int = 0, hold_s: int | None = None) -> list[Message]:
        """Return messages, hidden from others until deleted or ``hold_s`` (else the queue's own time) is over."""

    def delete(self, queue: str, receipt: str) -> None:
        """Remove a handled message."""

    def delete_all(self, queue: str, receipts: Sequence[str]) -> None:
        """Remove up to ten handled messages; one that is not removed comes back."""

    def extend(self, queue: str, receipt: str, seconds: int) -> None:
        """Hide a message for longer, from now."""

    def waiting(self, queue: str) -> int:
        """Return about how many messages are in a queue, those being worked on included."""


@dataclass(frozen=True)
class Services:
    """Everything a request or a daemon step may use."""

    settings: Settings
    database: Database
    objects: Objects
    routes: Routes
    queues: Queues
    workflows: Workflows
    maintenance: MaintenanceSystem
    channels: Mapping[str, Channel]
    """Ways to reach people on call, by the rota's names for them."""
    language_model: LanguageModel | None
    signer: Signer | None
    issuer: Issuer | None
    verifier: Verifier
    session_key: bytes
    evidence_signer: BundleSigner | None = None
    certificates: Certificates | None = None
    """Where drones' certificates were issued; None where nobody issues them by machine."""
    gate: Gate | None = None
    """Where drones in quarantine are shut out."""
    reach: Mapping[str, Callable[[], None]] = field(default_factory=dict)
    """Dependencies by name, and how to ask whether they are there: raises Unavailable when not."""
    backoff: LoginBackoff = field(default_factory=LoginBackoff)
    asks: Rates = field(default_factory=lambda: Rates(ASKS_PER_MINUTE))
    """Questions to the assistant, per asker."""
    models: Models = field(default_factory=Models)
    """Language models that may help the assistant's planner."""
    rates: Rates = field(default_factory=lambda: Rates(DEFAULT_PER_MINUTE))
    pulse: Pulse = field(default_factory=Pulse)
    """How far changes have come, for all streams of this process."""
    pages: Pages = field(default_factory=Pages)
    """What of them streams read together."""


def of(request: Request) -> Services:
    """Return what the composition root built for the application that a request came to."""
    return cast("Services", request.app.state.services)
