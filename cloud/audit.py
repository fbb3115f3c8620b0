"""Who did what to what: one row per change, in the transaction that makes it."""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from cloud.tables import Audit


def record(
    session: Session,
    actor: str,
    action: str,
    object_id: str,
    *,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
) -> None:
    """Write an audit row; ``action`` reads like ``flight.approve``."""
    session.add(Audit(actor=actor, action=action, object=object_id, before=before, after=after))
