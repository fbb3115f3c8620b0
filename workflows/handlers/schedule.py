"""A time and a crew for the repair."""

from __future__ import annotations

from datetime import UTC, datetime

from cloud import findings, tickets
from cloud.repairs import book
from cloud.repairs.methods import load
from cloud.services import Services
from contracts.events import WorkflowTask
from workflows.events import parsed


def handle(services: Services, task: WorkflowTask) -> dict[str, object]:
    """Return when the repair is proposed, or why there is no time for it; nothing where no ticket wants one."""
    finding_id = parsed(task).finding.finding_id
    with services.database.session() as session:
        if tickets.of_defect(session, findings.finding(session, finding_id)) is None:
            return {"slot": None}
        slot_id = book.want(session, finding_id).slot_id
    methods = load(services.settings.repair_methods_file)
    with services.database.session() as session:
        slot = book.plan_wanted(session, methods, slot_id, datetime.now(UTC))
        starts_at = slot.starts_at.isoformat() if slot.starts_at else None
        return {"slot": slot_id, "starts_at": starts_at, "late": slot.late, "reason": slot.reason}
