"""Alembic's entry: run with a connection that ``cloud.schema`` passes in."""

from __future__ import annotations

from alembic import context

from cloud.tables import Base

context.configure(
    connection=context.config.attributes["connection"], target_metadata=Base.metadata, compare_server_default=True
)
with context.begin_transaction():
    context.run_migrations()
