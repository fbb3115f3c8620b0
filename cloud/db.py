"""Postgres: the engine, units of work, and NOTIFY for live pages."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, Literal, Protocol

from psycopg2 import InterfaceError as DriverInterfaceError
from psycopg2 import OperationalError as DriverError
from sqlalchemy import create_engine, event, text
from sqlalchemy.exc import InterfaceError, OperationalError, ProgrammingError
from sqlalchemy.orm import Session, sessionmaker

from cloud import site_limits
from contracts.errors import Forbidden, Unavailable

LIVE_CHANNEL = "kestrel_live"
_KEEP_CHANGES = text(
    "INSERT INTO changes (xact, kind, object_id)"
    " SELECT pg_current_xact_id()::text::bigint, :kind, id FROM unnest(CAST(:ids AS text[])) AS t(id)"
)
_TELL = text("SELECT pg_notify(:channel, payload) FROM unnest(CAST(:payloads AS text[])) AS t(payload)")
_NOT_ALLOWED = "42501"
"""SQLSTATE: a row that the asker may not write."""
LiveKind = Literal["telemetry", "flight", "command", "media", "finding", "ticket", "drone", "report"]


class Asking(Protocol):
    """Who asks; ``sites`` are the only ones they may see, None is all."""

    @property
    def username(self) -> str:
        """Return their name."""

    @property
    def sites(self) -> frozenset[str] | None:
        """Return the ids of their sites."""


class Database:
    """One engine and its sessions. Times come back in UTC.

    ``password`` makes one for each new connection, where the URL holds none.
    """

    def __init__(self, url: str, *, pool_size: int = 10, password: Callable[[], str] | None = None) -> None:
        self._password = password
        self._pool_size = pool_size
        self.engine = create_engine(
            url,
            pool_pre_ping=True,
            pool_size=pool_size,
            max_overflow=10,
            # Pages come from solid-state disks: what an index holds is read from it, not by going through the table.
            connect_args={"options": "-c timezone=UTC -c random_page_cost=1.1", "connect_timeout": 5},
        )
        if password is not None:
            event.listen(self.engine, "do_connect", self._give_password)
        self._sessions = sessionmaker(self.engine, expire_on_commit=False)

    @contextmanager
    def session(self) -> Iterator[Session]:
        """Yield a session that sees everything; commit when the block ends well, roll back when it raises.

        Raises:
            Unavailable: The database does not answer or went away midway; nothing was committed.

        """
        with _reaching(), self._sessions.begin() as session:
            yield session

    @contextmanager
    def session_of(self, asker: Asking) -> Iterator[Session]:
        """Yield a session in which Postgres shows and takes rows of the asker's sites only.

        Raises:
            Forbidden: A row of another site was to be written.
            Unavailable: As for ``session``.

        """
        try:
            with self.session() as session:
                site_limits.hold(session, asker.username, asker.sites)
                yield session
        except ProgrammingError as error:
            if getattr(error.orig, "pgcode", None) != _NOT_ALLOWED:
                raise
            hint = "Ask an administrator for the site."
            raise Forbidden(f"{asker.username} may not write to this site.", hint=hint) from error

    def open_pool(self) -> None:
        """Connect as often as the pool keeps connections, so that nobody who asks waits for it.

        Raises:
            Unavailable: The database does not answer.

        """
        with _reaching(), ExitStack() as held:
            for _ in range(self._pool_size):
                held.enter_context(self.engine.connect())

    def driver_url(self) -> str:
        """Return the address for a connection of one's own, with a password that is good now."""
        url = self.engine.url.set(drivername="postgresql")
        return (url.set(password=self._password()) if self._password else url).render_as_string(hide_password=False)

    def _give_password(self, _dialect: object, _record: object, _arguments: object, said: dict[str, Any]) -> None:
        if self._password is not None:
            said["password"] = self._password()

    def close(self) -> None:
        """Close every pooled connection."""
        self.engine.dispose()


@contextmanager
def _reaching() -> Iterator[None]:
    try:
        yield
    except (OperationalError, InterfaceError, DriverError, DriverInterfaceError) as error:
        raise Unavailable("The database does not answer.", hint="Retry; see `kestrel status`.") from error


def notify(session: Session, kind: LiveKind, object_id: str) -> None:
    """Tell live pages, on commit, that something changed; it is kept, for streams and webhooks."""
    notify_all(session, kind, [object_id])


def notify_all(session: Session, kind: LiveKind, object_ids: Sequence[str]) -> None:
    """Do the same for several things of a kind, in two statements."""
    if object_ids:
        _tell(session, kind, object_ids)
        session.execute(_KEEP_CHANGES, {"kind": kind, "ids": list(object_ids)})


def notify_of_telemetry(session: Session, drone_ids: Sequence[str]) -> None:
    """Tell live pages, on commit, that samples of these drones came; streams read the samples themselves."""
    if drone_ids:
        _tell(session, "telemetry", drone_ids)


def _tell(session: Session, kind: LiveKind, object_ids: Sequence[str]) -> None:
    payloads = [json.dumps({"kind": kind, "id": object_id}) for object_id in object_ids]
    session.execute(_TELL, {"channel": LIVE_CHANNEL, "payloads": payloads})
