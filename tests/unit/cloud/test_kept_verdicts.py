"""Which verdict stands when findings turn out to be one: none that a person gave is lost to a weaker one."""

from __future__ import annotations

import pytest

from cloud import kept_verdicts
from cloud.tables import Finding


def judged(status: str, rank: int = 3, *, by: str | None = None, source: str = "policy") -> Finding:
    return Finding(status=status, severity_rank=rank, reviewed_by=by, severity_source=source)


@pytest.mark.parametrize(
    ("kept", "others", "status", "by"),
    [
        (judged("rejected", by="ben"), [judged("confirmed", by="ana")], "confirmed", "ana"),
        (judged("rejected", by="ben"), [judged("open")], "open", None),
        (judged("open"), [judged("rejected", by="ben"), judged("confirmed", by="ana")], "confirmed", "ana"),
        (judged("confirmed", by="ana"), [judged("rejected", by="ben")], "confirmed", "ana"),
        (judged("repaired", by="ana"), [judged("open")], "repaired", "ana"),
        (judged("open"), [judged("repaired", by="ana")], "open", None),
    ],
)
def test_what_weighs_most_stands(kept: Finding, others: list[Finding], status: str, by: str | None) -> None:
    kept_verdicts.take(kept, others)
    assert (kept.status, kept.reviewed_by) == (status, by)


@pytest.mark.parametrize(("source", "rank"), [("manual", 5), ("policy", 2)])
def test_a_grade_by_hand_goes_with_its_verdict_and_the_policys_does_not(source: str, rank: int) -> None:
    kept = judged("open", 2)
    kept_verdicts.take(kept, [judged("confirmed", 5, by="ana", source=source)])
    assert (kept.severity_rank, kept.severity_source) == (rank, source if source == "manual" else "policy")
