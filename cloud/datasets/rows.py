"""Rows of the analysts' views, as plain values in the order of their columns."""

from __future__ import annotations

from typing import Any, NamedTuple

from sqlalchemy import text
from sqlalchemy.orm import Session

from cloud.datasets.views import VIEWS
from contracts.errors import NotFound
from contracts.lake import SCHEMA


class Table(NamedTuple):
    """A view's columns and rows."""

    name: str
    columns: list[str]
    rows: list[tuple[Any, ...]]

    def records(self) -> list[dict[str, Any]]:
        """Return the rows as dictionaries."""
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]


def read(session: Session, view: str, asset_id: str | None = None) -> Table:
    """Return a view, or what it says of one asset.

    Raises:
        NotFound: No such view.

    """
    if view not in VIEWS:
        raise NotFound(f"No view {view!r}.", hint=f"There are {', '.join(VIEWS)}.", field="view")
    where = " WHERE asset_id = :asset" if asset_id is not None else ""
    # The names are this program's own constants.
    found = session.execute(text(f"SELECT * FROM {SCHEMA}.{view}{where} ORDER BY 1, 2"), {"asset": asset_id})  # noqa: S608
    return Table(view, list(found.keys()), [tuple(row) for row in found])
