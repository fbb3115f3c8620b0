"""A charge or voltage that an autopilot does not tell is unknown, and no part of a minute's least and mean.

Nothing is rewritten: a sample stored before keeps its number, and an older release's 0 % may mean "not told".
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0037"
down_revision = "0036"
branch_labels = None
depends_on = None
_MAY_BE_UNKNOWN = (
    ("telemetry", ("battery_percent", "battery_v")),
    ("telemetry_minutes", ("min_battery_percent", "sum_battery_percent")),
)


def upgrade() -> None:
    """Apply."""
    for table, columns in _MAY_BE_UNKNOWN:
        for column in columns:
            op.alter_column(table, column, nullable=True)
    op.add_column(
        "telemetry_minutes", sa.Column("battery_untold", sa.BigInteger(), nullable=False, server_default="0")
    )


def downgrade() -> None:
    """Undo: what was not told is 0 again, as the older release stores it. Archived objects keep what they hold."""
    op.execute("UPDATE telemetry_minutes SET min_battery_percent = 0 WHERE battery_untold > 0")
    op.drop_column("telemetry_minutes", "battery_untold")
    for table, columns in _MAY_BE_UNKNOWN:
        for column in columns:
            op.execute(f"UPDATE {table} SET {column} = 0 WHERE {column} IS NULL")  # noqa: S608 - our own names
            op.alter_column(table, column, nullable=False)
