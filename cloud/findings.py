"""A finding by its id, for whoever was told of it a while ago."""

from __future__ import annotations

from sqlalchemy.orm import Session

from cloud.tables import Finding
from contracts.errors import NotFound


def finding(session: Session, finding_id: str, *, kept: bool = False, fresh: bool = False) -> Finding:
    """Return a finding; ``kept``: nobody deletes it in this transaction, ``fresh``: read again.

    Raises:
        NotFound: No such finding (any more).

    """
    lock = {"key_share": True} if kept else None
    found = session.get(Finding, finding_id, with_for_update=lock, populate_existing=fresh)
    if found is None:
        raise NotFound(f"No finding {finding_id!r}.", hint="It may have been merged into another.")
    return found
