"""Rows of the analysts' views, as plain values in the order of their columns."""

from __future__ import annotations

from typing import Any, NamedTuple

from sqlalchemy import text
from sqlalchemy.orm import Session

from cloud.datasets.views import VIEWS
from contracts.errors import NotFound


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
    # The view's own query and not the view, which would show every site: so the session's asker reads it.
    query = text(f"SELECT * FROM ({VIEWS[view]}) AS shown{where} ORDER BY 1, 2")  # noqa: S608 - own constants
    found = session.execute(query, {"asset": asset_id})
    return Table(view, list(found.keys()), [tuple(row) for row in found])
