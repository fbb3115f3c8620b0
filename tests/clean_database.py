"""One migrated database for a module of tests, emptied before each test: much faster than a database for each."""

from __future__ import annotations

from sqlalchemy import text

from cloud.db import Database
from cloud.tables import Base


def empty(database: Database) -> None:
    """Delete every row and start numbers at 1 again."""
    names = ", ".join(f'"{table.name}"' for table in Base.metadata.sorted_tables)
    with database.session() as session:
        session.execute(text(f"TRUNCATE {names} RESTART IDENTITY CASCADE"))
