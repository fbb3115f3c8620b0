"""The gate: a sentence says nothing its rows do not say, whoever wrote it."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.assistant.evidence import Citation, Row, RowKind, Sentence
from cloud.assistant.grounding.citations import Removed, check

ZONE = ZoneInfo("Europe/Berlin")
FINDING = Row(
    ref="E1.1",
    kind=RowKind.FINDING,
    label="F-142",
    values={
        "number": "F-142",
        "asset": "T-03",
        "kind": "crack",
        "severity_rank": 4,
        "severity": "serious",
        "blade": "B",
        "side": "leading edge",
        "distance_to_root_m": 14.23,
        "length_mm": 320.4,
        "detected_at": datetime(2026, 11, 20, 16, 41, tzinfo=UTC),
        "ticket": "000010000012",
        "priority": "2",
    },
    cites=(Citation(kind=RowKind.FINDING, id="fnd-1", label="F-142", number=142),),
)
EMPTY = Row(ref="E1.n", kind=RowKind.COUNT, label="all", values={"total": 0}, cites=())
ROWS = {row.ref: row for row in (FINDING, EMPTY)}

TRUE = [
    "F-142: crack, severity 4 (serious), on T-03, blade B, leading edge, 14.2 m from the root.",
    "It is 320 mm long; ticket 000010000012, priority 2.",
    "Seen 20 Nov 2026 17:41.",
    "Seen on 20 Nov 2026.",
    "A crack on T-03.",
]
FALSE = [
    ("F-143: crack.", "143"),
    ("It is 321 mm long.", "321"),
    ("It lies 14.3 m from the root.", "14.3"),
    ("F-142 is on blade A.", "blade A"),
    ("F-142 is a delamination.", "delamination"),
    ("F-142 is of critical severity.", "critical"),
    ("F-142 is on the trailing edge.", "trailing edge"),
    ("Seen 21 Nov 2026 17:41.", "21"),
    ("Ticket 000010000013 was opened.", "000010000013"),
    ("There are 7 of them.", "7"),
    ("F-142 was seen on T-04.", "04"),
]


@pytest.mark.parametrize("text", TRUE)
def test_what_the_row_says_passes_with_its_citation(text: str) -> None:
    checked = check(Sentence(text=text, refs=("E1.1",)), ROWS, ZONE)
    assert isinstance(checked, Sentence), checked
    assert [c.id for c in checked.citations] == ["fnd-1"]


@pytest.mark.parametrize(("text", "word"), FALSE)
def test_what_the_row_does_not_say_is_removed_with_the_reason(text: str, word: str) -> None:
    checked = check(Sentence(text=text, refs=("E1.1",)), ROWS, ZONE)
    assert isinstance(checked, Removed), checked
    assert word in checked.reason


@pytest.mark.parametrize("refs", [(), ("E1.n",), ("E9.9",)], ids=["none", "an empty row", "an unknown row"])
def test_a_sentence_without_evidence_is_removed(refs: tuple[str, ...]) -> None:
    assert isinstance(check(Sentence(text="All is well.", refs=refs), ROWS, ZONE), Removed)


@given(st.integers(min_value=0, max_value=10**9))
def test_no_invented_number_passes(number: int) -> None:
    known = {4, 142, 14, 320, 2, 10000012, 10, 2026, 20, 17, 41, 3}
    checked = check(Sentence(text=f"There are {number} of them.", refs=("E1.1",)), ROWS, ZONE)
    assert isinstance(checked, Removed) or number in known


@given(st.text(max_size=60))
def test_any_text_is_either_cited_or_removed(text: str) -> None:
    checked = check(Sentence(text=text, refs=("E1.1",)), ROWS, ZONE)
    assert isinstance(checked, Removed) or checked.citations
