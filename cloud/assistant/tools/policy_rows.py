"""The tool ``policy``: what a severity asks for and from which size on, as the policy in force says."""

from __future__ import annotations

from cloud.assistant.evidence import Citation, Row, RowKind, Value, plain
from cloud.assistant.tools.parameters import PolicyQuery
from cloud.assistant.words import kind_label, severity_label
from cloud.grading import Policy


def policy_rows(step: str, query: PolicyQuery, policy: Policy) -> list[Row]:
    """Return a row per rank (its reaction), then a row per kind and rank (its smallest size)."""
    cite = Citation(kind=RowKind.POLICY, id=policy.version, label=f"policy {policy.version}")
    rows: list[Row] = []
    for rank, reaction in sorted(policy.reactions.items()):
        if not query.kinds and (not query.ranks or rank in query.ranks):
            values: dict[str, Value] = {
                "policy": policy.version,
                "severity_rank": rank,
                "severity": severity_label(rank),
                "action": plain(reaction.action, 200),
                "due_days": reaction.due_days,
            }
            rows.append(_row(f"{step}.{len(rows) + 1}", f"severity {rank}", values, cite))
    for kind, grades in policy.grades.items():
        if kind not in query.kinds:
            continue
        for grade in grades:
            if not query.ranks or grade.rank in query.ranks:
                sizes: dict[str, Value] = {
                    "policy": policy.version,
                    "kind": kind_label(kind),
                    "severity_rank": grade.rank,
                    "severity": severity_label(grade.rank),
                    "from_mm": grade.from_mm,
                }
                rows.append(_row(f"{step}.{len(rows) + 1}", f"{kind_label(kind)}, severity {grade.rank}", sizes, cite))
    return rows


def _row(ref: str, label: str, values: dict[str, Value], cite: Citation) -> Row:
    return Row(ref=ref, kind=RowKind.POLICY, label=label, values=values, cites=(cite,))
