"""What makes a session an asker's: the role and the sites that the policies of ``cloud.row_security`` go by."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from sqlalchemy import event, text
from sqlalchemy.orm import Session

ROLE: Final = "kestrel_asker"
_LIMIT = text(
    "SELECT set_config('kestrel.asker', :asker, true), set_config('kestrel.sites', CAST(:sites AS text[])::text, true),"
    f" set_config('role', '{ROLE}', true)"
)


def hold(session: Session, asker: str, sites: Iterable[str] | None) -> None:
    """Limit every transaction that a session begins from now on to these sites; None is all sites, and no limit."""
    if sites is None:
        return
    held = {"asker": asker, "sites": sorted(sites)}
    event.listen(session, "after_begin", lambda _session, _transaction, connection: connection.execute(_LIMIT, held))


def limit(session: Session, asker: str, sites: Iterable[str] | None) -> None:
    """Do the same, for the transaction that runs already as well."""
    hold(session, asker, sites)
    if sites is not None:
        session.execute(_LIMIT, {"asker": asker, "sites": sorted(sites)})
