"""What a critical finding still needs: a ticket, a message, a summary; nothing where people closed it."""

from __future__ import annotations

from typing import Literal, NamedTuple

from sqlalchemy.orm import Session

from cloud import decisions, findings, notifications, tickets
from cloud.grading import Policy
from cloud.inspections import lock_ticketing
from cloud.logbook import log
from cloud.maintenance import MaintenanceSystem
from cloud.policy.versions import active_policy
from cloud.tables import Finding, Notification, Summary, Ticket
from contracts.vocabulary import FindingStatus

Step = Literal["ask", "ticket", "notify", "summarise"]


class LeftToDo(NamedTuple):
    """The steps to take, and why there are none where there are none."""

    todo: list[Step]
    reason: str


def left_to_do(session: Session, finding_id: str, shipped: Policy) -> LeftToDo:
    """Return what a finding still needs; asking twice, or too late, is harmless."""
    finding = session.get(Finding, finding_id, populate_existing=True)
    if finding is None:
        return LeftToDo([], "The finding was merged into another.")
    policy = active_policy(session, finding.asset_id, shipped)
    if finding.status in (FindingStatus.REJECTED.value, FindingStatus.REPAIRED.value):
        return LeftToDo([], f"The finding is {finding.status}.")
    if finding.severity_rank < policy.critical_rank:
        return LeftToDo([], f"The finding is of rank {finding.severity_rank} by now.")
    todo = _towards_ticket(session, finding, policy)
    if session.get(Notification, (finding_id, notifications.CHANNEL)) is None:
        todo.append("notify")
    if session.get(Summary, finding_id) is None:
        todo.append("summarise")
    return LeftToDo(todo, "" if todo else "Everything is done already.")


def _towards_ticket(session: Session, finding: Finding, policy: Policy) -> list[Step]:
    if tickets.of_defect(session, finding) is not None:
        return []
    ways: dict[decisions.Way, list[Step]] = {"open": ["ticket"], "ask": ["ask"], "leave": []}
    return ways[decisions.way(session, finding, policy)]


def open_ticket(session: Session, system: MaintenanceSystem, finding_id: str, shipped: Policy) -> Ticket | None:
    """Return the finding's ticket, opening it if it is still due: much may have happened since that was decided.

    Raises:
        NotFound: No such finding (any more).
        Unavailable: The system does not answer; nothing is recorded, ask again.
        MaintenanceRejected: It refuses, or the asset has no functional location.

    """
    lock_ticketing(session, finding_id)
    finding = findings.finding(session, finding_id, fresh=True)
    left = left_to_do(session, finding_id, shipped)
    if "ticket" in left.todo:
        policy = active_policy(session, finding.asset_id, shipped)
        return tickets.open_ticket(session, system, finding_id, policy)
    log("ticket_not_due", finding_id=finding_id, reason=left.reason)
    return tickets.of_defect(session, finding)
