"""A drone that cannot trust its clock challenges a command with a nonce: the same command goes out once more with it.

The cloud's clock says whether the command is still wanted; the nonce tells the drone that what it got is fresh.
"""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy.orm import Session

from cloud import audit
from cloud.logbook import log
from cloud.tables import CommandRow
from contracts.commands import AckState, CommandAck
from contracts.vocabulary import CommandState

CODE = "clock_untrusted"
_OPEN = (CommandState.ACCEPTED.value, CommandState.SENT.value, CommandState.EXPIRED.value)


def answer(session: Session, row: CommandRow, ack: CommandAck, now: datetime | None = None) -> CommandAck | None:
    """Return the report to go on with; None where it is a challenge that is dealt with here and ends nothing.

    The first challenge sends the same command again, id and number unchanged, with the nonce in it. A later one may
    answer a second delivery of what was sent first, while the answered one is carried out: the command's time ends it.
    Commands that people signed are refused: their signatures cover the payload without a nonce.
    """
    if ack.state is not AckState.REJECTED or ack.code != CODE or ack.nonce is None:
        return ack
    if row.challenged or row.state not in _OPEN:
        return None
    if row.params.get("approvals_needed"):
        return ack.model_copy(update={"hint": "Wait until the drone's clock is right, then send it and approve anew."})
    if (now or datetime.now(UTC)) >= row.not_after:
        return ack.model_copy(update={"hint": "The answer came too late. Send the command again."})
    row.params = row.params | {"nonce": ack.nonce}
    row.state, row.code = CommandState.ACCEPTED.value, CODE
    row.detail, row.hint = "The drone cannot trust its clock: the command is sent again with its nonce.", ""
    audit.record(session, row.drone_id, "command.challenge", row.command_id, after={"at": ack.at.isoformat()})
    log("command_challenged", command_id=row.command_id, drone_id=row.drone_id)
    return None
