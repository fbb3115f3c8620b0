"""The database's schema version: bring it up to date, and say how it differs from ``cloud.tables``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from cloud import row_security
from cloud.datasets import views
from cloud.db import Database
from cloud.tables import Base

_LOCK = 0x6B657374
"""Advisory lock of migrations: two programs that start together migrate one after the other."""


def _config(connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    return config


def migrate(database: Database) -> str:
    """Bring the schema to the newest version; harmless when it is. Returns the version."""
    with database.engine.begin() as connection:
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        command.upgrade(_config(connection), "head")
        for statement in views.create():
            connection.execute(text(statement))
        row_security.apply(connection)
    return newest_version()


def newest_version() -> str:
    """Return the version this code expects."""
    return str(ScriptDirectory.from_config(_config()).get_current_head())


def present_version(database: Database) -> str | None:
    """Return the version the database has, None when it was never migrated."""
    with database.engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def differences(database: Database) -> list[Any]:
    """Return how the database differs from the tables in the code (empty: not at all)."""
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_server_default": True})
        return list(compare_metadata(context, Base.metadata))


def write_revision(database: Database, message: str) -> None:
    """Write a new migration file for what changed in the tables (for developers)."""
    with database.engine.begin() as connection:
        command.revision(_config(connection), message=message, autogenerate=True)
