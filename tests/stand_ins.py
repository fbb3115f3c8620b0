"""Stand-ins in memory for queues, workflows, SAP and people, and services built from them."""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

from pydantic import SecretStr

from cloud.db import Database
from cloud.maintenance import FieldReport, NotificationDraft, NotificationState, OrderDraft, Picture
from cloud.services import Message, Services
from cloud.settings import Settings
from cloud.tokens import Verifier
from contracts.errors import PlatformError
from tests.factories import MemoryObjects, MemoryRoutes


class MemoryQueues:
    """Queues whose received messages come back when told to."""

    def __init__(self) -> None:
        self.waiting_in: dict[str, list[Message]] = defaultdict(list)
        self.taken: dict[str, tuple[str, Message]] = {}
        self._numbers = itertools.count(1)

    def send(self, queue: str, body: str) -> None:
        self.waiting_in[queue].append(Message(f"m{next(self._numbers)}", body, "", 0))

    def receive(self, queue: str, max_messages: int = 10, wait_s: int = 0, hold_s: int | None = None) -> list[Message]:
        found = [self.waiting_in[queue].pop(0) for _ in range(min(max_messages, len(self.waiting_in[queue])))]
        given = [m._replace(receipt=f"r{next(self._numbers)}", receives=m.receives + 1) for m in found]
        self.taken.update({m.receipt: (queue, m) for m in given})
        return given

    def delete(self, queue: str, receipt: str) -> None:
        self.taken.pop(receipt, None)

    def delete_all(self, queue: str, receipts: Sequence[str]) -> None:
        for receipt in receipts:
            self.delete(queue, receipt)

    def extend(self, queue: str, receipt: str, seconds: int) -> None:
        """Hiding is for ever here; see :meth:`reappear`."""

    def waiting(self, queue: str) -> int:
        return len(self.waiting_in[queue]) + sum(1 for name, _ in self.taken.values() if name == queue)

    def reappear(self) -> None:
        """Let the hiding time of every received message be over."""
        for queue, message in self.taken.values():
            self.waiting_in[queue].append(message)
        self.taken.clear()

    def lose_all(self) -> None:
        """Forget everything, as a killed emulator does."""
        self.waiting_in.clear()
        self.taken.clear()

    def bodies(self, queue: str) -> list[str]:
        return [m.body for m in self.waiting_in[queue]]


class MemoryWorkflows:
    """Step Functions as a dictionary of executions and a list of answers."""

    def __init__(self) -> None:
        self.executions: dict[str, str] = {}
        self.inputs: dict[str, str] = {}
        self.answers: list[tuple[str, str, str]] = []
        self.down: PlatformError | None = None
        self.tokens: set[str] | None = None

    def start(self, machine: str, name: str, body: str) -> str:
        self._refuse()
        self.executions.setdefault(f"arn:{name}", "RUNNING")
        self.inputs[name] = body
        return f"arn:{name}"

    def status(self, arn: str) -> str | None:
        self._refuse()
        return self.executions.get(arn)

    def succeed(self, token: str, output: str) -> bool:
        return self._answer(token, "", output)

    def fail(self, token: str, error: str, cause: str) -> bool:
        return self._answer(token, error, cause)

    def beat(self, token: str) -> bool:
        return self.tokens is None or token in self.tokens

    def _answer(self, token: str, error: str, text: str) -> bool:
        self._refuse()
        self.answers.append((token, error, text))
        return self.tokens is None or token in self.tokens

    def _refuse(self) -> None:
        if self.down is not None:
            raise self.down


class MemorySap:
    """SAP that counts what it is asked for."""

    name = "sap"

    def __init__(self) -> None:
        self.held: dict[str, NotificationDraft] = {}
        self.calls: Counter[str] = Counter()
        self.refusal: PlatformError | None = None
        self.changed: dict[str, dict[str, Any]] = {}
        """Number -> what people changed there."""
        self.attached: dict[str, list[Picture]] = defaultdict(list)
        self.reports: dict[str, list[FieldReport]] = defaultdict(list)
        self.orders: dict[str, str] = {}

    def find(self, reference: str) -> NotificationState | None:
        self.calls["find"] += 1
        return self._state(reference) if reference in self.held else None

    def read(self, number: str) -> NotificationState | None:
        self.calls["read"] += 1
        found = [self._state(reference) for reference in self.held]
        return next((state for state in found if state.number == number), None)

    def pictures(self, number: str) -> list[str]:
        return [picture.name for picture in self.attached[number]]

    def attach(self, number: str, picture: Picture) -> None:
        self.attached[number].append(picture)

    def find_order(self, number: str) -> str | None:
        return self.orders.get(number)

    def create_order(self, draft: OrderDraft) -> str:
        self.calls["create_order"] += 1
        return self.orders.setdefault(draft.notification, f"{4_000_001 + len(self.orders)}")

    def report(self, number: str, said: FieldReport) -> bool:
        known = {one.key for one in self.reports[number]}
        self.reports[number] += [] if said.key in known else [said]
        return said.key not in known

    def create(self, draft: NotificationDraft) -> NotificationState:
        self.calls["create"] += 1
        if self.refusal is not None:
            raise self.refusal
        self.held[draft.reference] = draft
        return self._state(draft.reference)

    def _state(self, reference: str) -> NotificationState:
        number = f"{10_000_001 + list(self.held).index(reference)}"
        made = NotificationState(number, "Outstanding", f"memory:{number}")
        return made._replace(**self.changed.get(number, {}))


class MemoryChannel:
    """People who keep their mail."""

    def __init__(self) -> None:
        self.mail: list[tuple[str, str, str]] = []
        self.keys: list[str] = []
        self.down: PlatformError | None = None

    def send(self, address: str, subject: str, text: str, key: str) -> str:
        if self.down is not None:
            raise self.down
        self.mail.append((address, subject, text))
        self.keys.append(key)
        return f"msg-{len(self.mail)}"


def services_on(database: Database, url: str) -> Services:
    """Return services with a real database and stand-ins for the rest."""
    return Services(
        settings=Settings(database_url=SecretStr(url)),
        database=database,
        objects=MemoryObjects(),
        routes=MemoryRoutes(),
        queues=MemoryQueues(),
        workflows=MemoryWorkflows(),
        maintenance=MemorySap(),
        channels={"topic": MemoryChannel()},
        language_model=None,
        signer=None,
        issuer=None,
        verifier=Verifier(None, "http://127.0.0.1/oidc", "kestrel"),
        session_key=b"k" * 32,
    )
