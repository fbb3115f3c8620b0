"""What each program of the cloud needs to do its work, as checks for ``instruments.readiness``."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sqlalchemy import text

from cloud.ingest import Link
from cloud.services import Services
from contracts.errors import Unavailable
from instruments.readiness import Check, Pulse, Readiness, pulses

DATABASE, BROKER, OBJECT_STORE = "database", "broker", "object store"


def of_daemon(services: Services, *needs: str, watched: tuple[Pulse, ...], link: Link | None = None) -> Readiness:
    """Return the readiness of a daemon: the database, what else it ``needs``, its steps, its link."""
    checks: dict[str, Check] = {DATABASE: lambda: answers(services)}
    checks |= {name: services.reach[name] for name in needs if name in services.reach}
    if link is not None:
        checks[BROKER] = lambda: _subscribed(link)
    return Readiness(checks | pulses(*watched))


def of_api(services: Services, migrated: Callable[[], None]) -> Readiness:
    """Return the readiness of the API: the database with this version's schema, the key, and what else is known."""
    reach: Mapping[str, Check] = services.reach
    return Readiness({DATABASE: migrated, "signer": lambda: _signs(services), **reach})


def answers(services: Services) -> None:
    """Ask the database for nothing.

    Raises:
        Unavailable: It does not answer.

    """
    with services.database.session() as session:
        session.execute(text("SELECT 1"))


def _subscribed(link: Link) -> None:
    if not link.connected:
        raise Unavailable("The broker has not accepted the connection and its subscriptions.")


def _signs(services: Services) -> None:
    if services.signer is None:
        raise Unavailable("no command signing key is configured")
