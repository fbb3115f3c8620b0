"""Postgres: the engine, units of work, and NOTIFY for live pages."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from psycopg2 import InterfaceError as DriverInterfaceError
from psycopg2 import OperationalError as DriverError
from sqlalchemy import create_engine, text
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.orm import Session, sessionmaker

from contracts.errors import Unavailable

LIVE_CHANNEL = "kestrel_live"
_KEEP_CHANGE = text(
    "INSERT INTO changes (xact, kind, object_id) VALUES (pg_current_xact_id()::text::bigint, :kind, :id)"
)
LiveKind = Literal["telemetry", "flight", "command", "media", "finding", "ticket", "drone"]


class Database:
    """One engine and its sessions. Times come back in UTC."""

    def __init__(self, url: str, *, pool_size: int = 10) -> None:
        self.engine = create_engine(
            url,
            pool_pre_ping=True,
            pool_size=pool_size,
            max_overflow=10,
            connect_args={"options": "-c timezone=UTC", "connect_timeout": 5},
        )
        self._sessions = sessionmaker(self.engine, expire_on_commit=False)

    @contextmanager
    def session(self) -> Iterator[Session]:
        """Yield a session; commit when the block ends well, roll back when it raises.

        Raises:
            Unavailable: The database does not answer or went away midway; nothing was committed.

        """
        try:
            with self._sessions.begin() as session:
                yield session
        except (OperationalError, InterfaceError, DriverError, DriverInterfaceError) as error:
            raise Unavailable("The database does not answer.", hint="Retry; see `kestrel status`.") from error

    def close(self) -> None:
        """Close every pooled connection."""
        self.engine.dispose()


def notify(session: Session, kind: LiveKind, object_id: str) -> None:
    """Tell live pages, on commit, that something changed; all but telemetry is kept, for streams and webhooks."""
    payload = json.dumps({"kind": kind, "id": object_id})
    session.execute(text("SELECT pg_notify(:channel, :payload)"), {"channel": LIVE_CHANNEL, "payload": payload})
    if kind != "telemetry":
        session.execute(_KEEP_CHANGE, {"kind": kind, "id": object_id})
