"""The database in a backup: one snapshot that is counted, hashed and dumped while the platform writes on."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import IO, Any, NamedTuple

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor  # noqa: N812 - it is a class

from contracts.errors import CorruptMedia, PlatformError, Unavailable
from infra.local.backup.manifest import TableState
from infra.local.postgres import DATABASE, USER, Postgres, program

COMMAND_NUMBERS_APART = 1_000_000
"""How far a drone's command numbers move on at a restore. A drone refuses a number that is not above its last; what was
sent after the snapshot is not known any more, and no drone is sent a million commands between two backups."""

_TABLES = """
SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition
  AND n.nspname NOT IN ('information_schema') AND n.nspname NOT LIKE 'pg\\_%'
ORDER BY 1, 2
"""
_STATE = "SELECT count(*), coalesce(sum(hashtextextended(t::text, 0)::numeric), 0)::text FROM {}.{} t"


class Snapshot(NamedTuple):
    """The database at one moment."""

    id: str
    """For `pg_dump --snapshot`; good while the transaction that took it lives."""
    at: datetime
    schema_version: str
    postgres_version: str
    roles: tuple[str, ...]
    tables: dict[str, TableState]

    def rows(self) -> int:
        """Return how many rows all tables have."""
        return sum(state.rows for state in self.tables.values())


@contextmanager
def connected(server: Postgres) -> Iterator[Cursor]:
    """Yield a cursor in one repeatable-read transaction, which ends with the block.

    Raises:
        Unavailable: The database does not answer.

    """
    try:
        connection = psycopg2.connect(server.url().replace("+psycopg2", ""), connect_timeout=5)
    except psycopg2.OperationalError as error:
        raise Unavailable("The database does not answer.", hint="Run `kestrel up`, or `kestrel doctor`.") from error
    try:
        connection.set_session(isolation_level="REPEATABLE READ")
        with connection, connection.cursor() as cursor:
            cursor.execute("SET LOCAL timezone = 'UTC'")
            yield cursor
    finally:
        connection.close()


@contextmanager
def snapshot(server: Postgres) -> Iterator[Snapshot]:
    """Yield the database as it stands now; the snapshot lives as long as the block."""
    with connected(server) as cursor:
        name, postgres_version = one(cursor, "SELECT pg_export_snapshot(), current_setting('server_version')")
        at = datetime.now(UTC)
        migrated = one(cursor, "SELECT to_regclass('alembic_version') IS NOT NULL")[0]
        schema_version = one(cursor, "SELECT version_num FROM alembic_version")[0] if migrated else ""
        roles = "SELECT rolname FROM pg_roles WHERE rolname !~ '^pg_' AND rolname <> current_user ORDER BY 1"
        cursor.execute(roles)
        names = tuple(row[0] for row in cursor.fetchall())
        yield Snapshot(name, at, schema_version, postgres_version, names, states(cursor))


def states(cursor: Cursor) -> dict[str, TableState]:
    """Return rows and hash of every table, as the cursor's transaction sees them."""
    cursor.execute(_TABLES)
    found = {}
    for schema, table in cursor.fetchall():
        rows, digest = one(cursor, sql.SQL(_STATE).format(sql.Identifier(schema), sql.Identifier(table)))
        found[f"{schema}.{table}"] = TableState(rows=rows, digest=digest)
    return found


def dump(server: Postgres, taken: Snapshot, into: IO[bytes]) -> None:
    """Write the snapshot in pg_dump's own compressed format."""
    options = ["--format=custom", "--compress=gzip:1", "--no-owner", f"--snapshot={taken.id}"]
    _run(server, [str(program("pg_dump")), *options], stdout=into)


def load(server: Postgres, source: IO[bytes], roles: tuple[str, ...]) -> None:
    """Fill an empty database, in one transaction."""
    with connected(server) as cursor:
        for role in roles:
            cursor.execute(sql.SQL("CREATE ROLE {} NOLOGIN").format(sql.Identifier(role)))
    options = ["--exit-on-error", "--single-transaction", "--no-owner", f"--dbname={DATABASE}"]
    _run(server, [str(program("pg_restore")), *options], stdin=source)


def compare(server: Postgres, expected: dict[str, TableState]) -> None:
    """Check that a database holds what the manifest says.

    Raises:
        CorruptMedia: A table differs.

    """
    with connected(server) as cursor:
        found = states(cursor)
    differing = [name for name in sorted({*found, *expected}) if found.get(name) != expected.get(name)]
    if differing:
        raise CorruptMedia(
            f"After loading, {len(differing)} tables differ from the backup: {', '.join(differing[:5])}.",
            hint="Restore another backup.",
        )


def move_command_numbers(server: Postgres) -> int:
    """Let every drone take the next command, whatever was sent after the snapshot; return how many drones there are."""
    with connected(server) as cursor:
        cursor.execute("UPDATE drones SET command_seq = command_seq + %s", (COMMAND_NUMBERS_APART,))
        return int(cursor.rowcount)


def one(cursor: Cursor, query: str | sql.Composable) -> tuple[Any, ...]:
    """Return the one row that a query gives."""
    cursor.execute(query)
    [row] = cursor.fetchall()
    return row


def _run(
    server: Postgres, command: list[str], *, stdin: IO[bytes] | None = None, stdout: IO[bytes] | None = None
) -> None:
    address = ["--host=127.0.0.1", f"--port={server.port}", f"--username={USER}", "--no-password"]
    database = [f"--dbname={DATABASE}"] if stdin is None else []
    env = {"PGPASSWORD": server.password, "LC_ALL": "C", "PATH": "/usr/bin:/bin"}
    with subprocess.Popen(
        [*command, *address, *database],
        stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
        stdout=stdout or subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=env,
    ) as running:
        if stdin and running.stdin:
            try:
                shutil.copyfileobj(stdin, running.stdin, 1 << 20)
            except BrokenPipeError:
                pass  # it has ended: what it said stands below
            finally:
                running.stdin.close()
        said = running.stderr.read().decode(errors="replace") if running.stderr else ""
    if running.returncode != 0:
        name = command[0].rpartition("/")[2]
        raise PlatformError(f"{name} failed: {said.strip()[-600:]}", hint="See `kestrel logs postgres`.")
