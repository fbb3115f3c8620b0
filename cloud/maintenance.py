"""The customer's maintenance system, whichever it is: what we ask of it, and the words we say it in.

Every adapter (`cloud/backends`) is held to the same suite, `tests/backends/test_maintenance_systems.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Literal, NamedTuple, Protocol


class CatalogueCode(NamedTuple):
    """A code of the customer's catalogues."""

    catalogue: str
    group: str
    code: str


class NotificationDraft(NamedTuple):
    """What a maintenance notification says. Texts are within SAP's limits; times are UTC."""

    reference: str
    kind: str
    text: str
    long_text: str
    priority: str
    functional_location: str
    location: str
    malfunction_at: datetime
    required_by: datetime | None
    is_down: bool
    coding: CatalogueCode | None = None


class NotificationState(NamedTuple):
    """A notification as the system holds it."""

    number: str
    phase: str
    url: str
    status: Literal["open", "closed", "cancelled"] = "open"
    order: str = ""
    """Number of the maintenance order made of it; empty while there is none."""
    completed_at: datetime | None = None


class Picture(NamedTuple):
    """A picture that goes with a notification."""

    name: str
    content_type: str
    body: bytes


class FieldReport(NamedTuple):
    """What a crew said at the place, on its way into a notification. Times are UTC."""

    key: str
    """Ours, up to 35 characters; marks the note, so that it is written once."""
    text: str
    priority: str = ""
    """The notification's priority from now on, on SAP's scale; empty: as it is."""
    ended_at: datetime | None = None
    """When the malfunction ended: the crew has repaired it."""


class OrderDraft(NamedTuple):
    """A maintenance order for a notification. Texts are within SAP's limits; times are UTC."""

    notification: str
    kind: str
    """The customer's order type, such as PM01."""
    text: str
    priority: str
    functional_location: str
    starts_at: datetime
    ends_at: datetime
    operations: tuple[str, ...]


class MaintenanceSystem(Protocol):
    """The customer's system. Every method may raise Unavailable (ask again) or MaintenanceRejected (mend it first)."""

    name: str
    """What tickets of it are marked with."""

    def find(self, reference: str) -> NotificationState | None:
        """Return the notification with our reference, None when there is none."""

    def read(self, number: str) -> NotificationState | None:
        """Return a notification by its number, None when there is none (any more)."""

    def create(self, draft: NotificationDraft) -> NotificationState:
        """Create a notification. When it is Unavailable, it may or may not have been created."""

    def pictures(self, number: str) -> Sequence[str]:
        """Return the names of what is attached to a notification."""

    def attach(self, number: str, picture: Picture) -> None:
        """Attach a picture to a notification. When it is Unavailable, it may or may not have been attached."""

    def find_order(self, number: str) -> str | None:
        """Return the number of the order made for a notification, None when there is none."""

    def create_order(self, draft: OrderDraft) -> str:
        """Create an order and return its number. When it is Unavailable, it may or may not have been created."""

    def report(self, number: str, said: FieldReport) -> bool:
        """Write what a crew said into a notification, with what follows for its state; False when it is there already.

        When it is Unavailable, it may or may not have been written.
        """
