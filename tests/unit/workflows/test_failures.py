"""What people read when a run failed."""

from __future__ import annotations

import pytest

from workflows.events import Failure
from workflows.handlers.fail import _told, outage_of


@pytest.mark.parametrize(
    ("cause", "says"),
    [
        ('{"message": "SAP refused.", "hint": "Mend it."}', "SAP refused. Mend it."),
        ("Task timed out waiting for callback", "Task timed out waiting for callback"),
        ("", "The step ticket failed with States.Timeout."),
        ('{"unexpected": 1}', '{"unexpected": 1}'),
        ("[1]", "[1]"),
    ],
)
def test_a_cause_becomes_a_sentence(cause: str, says: str) -> None:
    assert _told(Failure(task="ticket", error="States.Timeout", cause=cause)) == says


@pytest.mark.parametrize(
    ("failed", "whose"),
    [
        ([("ticket", "SapUnavailable"), ("notify", "Unexpected")], "maintenance"),
        ([("notify", "Unavailable")], "platform"),
        ([("segment", "StillAnalysing")], "platform"),
        ([("ticket", "SapRejected"), ("ask", "DecisionExpired")], ""),
        ([], ""),
    ],
)
def test_whose_outage_ended_a_run_is_told_by_the_errors_kinds(failed: list[tuple[str, str]], whose: str) -> None:
    assert outage_of([Failure(task=task, error=error) for task, error in failed]) == whose
