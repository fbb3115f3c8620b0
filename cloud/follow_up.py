"""What a critical finding still needs: a ticket, a message, a summary; nothing where people closed it."""

from __future__ import annotations

from typing import Literal, NamedTuple

from sqlalchemy.orm import Session

from cloud import notifications, tickets
from cloud.tables import Finding, Notification, Summary
from contracts.vocabulary import FindingStatus

Step = Literal["ticket", "notify", "summarise"]


class LeftToDo(NamedTuple):
    """The steps to take, and why there are none where there are none."""

    todo: list[Step]
    reason: str


def left_to_do(session: Session, finding_id: str, critical_rank: int) -> LeftToDo:
    """Return what a finding still needs; asking twice, or too late, is harmless."""
    finding = session.get(Finding, finding_id)
    if finding is None:
        return LeftToDo([], "The finding was merged into another.")
    if finding.status in (FindingStatus.REJECTED.value, FindingStatus.REPAIRED.value):
        return LeftToDo([], f"The finding is {finding.status}.")
    if finding.severity_rank < critical_rank:
        return LeftToDo([], f"The finding is of rank {finding.severity_rank} by now.")
    todo: list[Step] = []
    if tickets.of_defect(session, finding) is None:
        todo.append("ticket")
    if session.get(Notification, (finding_id, notifications.CHANNEL)) is None:
        todo.append("notify")
    if session.get(Summary, finding_id) is None:
        todo.append("summarise")
    return LeftToDo(todo, "" if todo else "Everything is done already.")
