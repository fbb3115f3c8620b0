"""One migrated database for a module of tests, emptied before each test: much faster than a database for each."""

from __future__ import annotations

from sqlalchemy import text

from cloud.db import Database
from cloud.tables import Base

# TRUNCATE makes new files for every table and index, 0.1 to 0.3 s of processor time; few of the tables hold a row.
_EMPTY = """
DO $$
DECLARE one text;
BEGIN
  PERFORM set_config('session_replication_role', 'replica', true);  -- no foreign keys, no triggers
  FOREACH one IN ARRAY ARRAY[{}] LOOP EXECUTE format('DELETE FROM %I', one); END LOOP;
  PERFORM setval(format('%I.%I', schemaname, sequencename)::regclass, start_value, false)
    FROM pg_sequences WHERE last_value IS NOT NULL;
END $$
"""


def empty(database: Database) -> None:
    """Delete every row and start numbers at 1 again."""
    names = ", ".join(f"'{table.name}'" for table in Base.metadata.sorted_tables)
    with database.session() as session:
        session.execute(text(_EMPTY.format(names)))
