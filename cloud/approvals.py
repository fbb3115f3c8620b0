"""Two people's consent to a command that lowers a drone's margins: their own signatures, which the drone verifies.

The cloud holds no approver's key, neither public nor private: it collects signatures and carries them.
"""

from __future__ import annotations

from sqlalchemy import ColumnElement, Integer, func
from sqlalchemy.orm import Session

from cloud import audit
from cloud.db import notify
from cloud.tables import CommandRow
from contracts.commands import Approval
from contracts.errors import Conflict, NotFound
from contracts.vocabulary import CommandState


def enough() -> ColumnElement[bool]:
    """Return the condition that a command has the approvals it was said to need."""
    wanted = func.coalesce(CommandRow.params["approvals_needed"].astext.cast(Integer), 0)
    return func.jsonb_array_length(func.coalesce(CommandRow.params["approvals"], func.jsonb_build_array())) >= wanted


def of(row: CommandRow) -> tuple[Approval, ...]:
    """Return the approvals collected for a command."""
    return tuple(Approval.model_validate(item) for item in row.params.get("approvals", ()))


def add(session: Session, command_id: str, approval: Approval, by: str) -> CommandRow:
    """Add one approver's signature; the same approver again replaces it.

    Raises:
        NotFound: No such command.
        Conflict: It waits for no approval (any more).

    """
    row = session.get(CommandRow, command_id, with_for_update=True)
    if row is None:
        raise NotFound(f"No command {command_id!r}.")
    if row.state != CommandState.ACCEPTED.value or not row.params.get("approvals_needed"):
        raise Conflict(f"The command {command_id} waits for no approval: it is {row.state}.", hint="Send it anew.")
    others = [item for item in of(row) if item.key_id != approval.key_id]
    kept = [item.model_dump(mode="json") for item in (*others, approval)]
    row.params = row.params | {"approvals": kept}
    audit.record(session, by, "command.approve", command_id, after={"key_id": approval.key_id})
    notify(session, "command", command_id)
    return row
