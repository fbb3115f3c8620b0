"""Which verdict stands when findings of a flight turn out to be one defect. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from cloud.tables import Finding
from contracts.vocabulary import FindingStatus

VERDICT = ("status", "reviewed_by", "reviewed_at", "review_reason")
GRADE = (
    "severity_scheme", "severity_code", "severity_rank", "severity_source", "severity_reason", "action", "due_at",
    "policy_version",
)  # fmt: skip
_WEIGHS = (FindingStatus.REJECTED.value, FindingStatus.OPEN.value, FindingStatus.CONFIRMED.value)


def take(kept: Finding, others: Sequence[Finding]) -> None:
    """Give the finding that is kept the verdict that weighs most, and a grade by hand that goes with it.

    What was confirmed stays confirmed, and what nobody has judged is not rejected unseen. What was repaired stays so.
    """
    if kept.status not in _WEIGHS:
        return
    best = max((kept, *others), key=_weight)
    if best is not kept:
        for name in (*VERDICT, *(GRADE if best.severity_source == "manual" else ())):
            setattr(kept, name, getattr(best, name))


def _weight(finding: Finding) -> tuple[int, bool]:
    status = finding.status
    return _WEIGHS.index(status) if status in _WEIGHS else -1, finding.severity_source == "manual"
