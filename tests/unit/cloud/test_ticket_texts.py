"""What fits into a maintenance notification."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.backends.sap import odata_date, odata_time
from cloud.grading import Coding, shipped_policy
from cloud.maintenance import CatalogueCode
from cloud.places import where
from cloud.tables import Asset, Finding
from cloud.tickets import LONG_TEXT_MAX, TEXT_MAX, cut_at_word, drafted
from contracts.errors import SapRejected
from contracts.vocabulary import DefectKind

AT = datetime(2026, 11, 20, 16, 41, 38, tzinfo=UTC)


def finding(**more: object) -> Finding:
    values: dict[str, object] = {
        "finding_id": "fnd-1", "number": 142, "kind": "leading_edge_erosion", "blade": "A", "side": "LE",
        "distance_to_root_m": 17.43, "length_mm": 1012.4, "severity_rank": 5, "severity_scheme": "gwo",
        "severity_code": "5", "severity_reason": "Because.", "action": "Stop.", "due_at": AT + timedelta(days=2),
        "detected_at": AT,
    }  # fmt: skip
    return Finding(**(values | more))


def asset(**more: object) -> Asset:
    return Asset(**({"asset_id": "t-01", "name": "Turbine 1", "functional_location": "KES-T-01"} | more))


@pytest.mark.parametrize(
    ("text", "cut"),
    [
        ("short", "short"),
        ("exactly forty characters of text, really", "exactly forty characters of text, really"),
        ("Leading edge erosion 1012 mm, blade A LE 17.4 m, T-01", "Leading edge erosion 1012 mm, blade A LE"),
        ("x" * 50, "x" * 40),
        ("word, " + "x" * 50, "word"),
    ],
)
def test_a_long_text_is_cut_at_a_word(text: str, cut: str) -> None:
    assert cut_at_word(text, TEXT_MAX) == cut


@given(st.text(), st.integers(1, 60))
def test_a_cut_text_is_a_prefix_within_the_limit(text: str, limit: int) -> None:
    assert len(cut_at_word(text, limit)) <= limit
    assert text.startswith(cut_at_word(text, limit))


def test_a_draft_says_it_all_within_saps_limits() -> None:
    draft = drafted(finding(severity_reason="r" * 2000), asset(), shipped_policy())
    assert draft.text == "Leading edge erosion 1012 mm A LE 17.4 m"
    assert draft.long_text.startswith(
        "Leading edge erosion 1012 mm, blade A LE 17.4 m, Turbine 1.\nKestrel finding F-142"
    )
    assert len(draft.long_text) == LONG_TEXT_MAX
    assert (draft.kind, draft.priority, draft.reference) == ("M2", "1", "fnd-1")
    assert draft.functional_location == "KES-T-01"


@pytest.mark.parametrize(("rank", "priority"), [(5, "1"), (4, "2"), (3, "3"), (2, "4"), (1, "4")])
def test_priority_follows_rank(rank: int, priority: str) -> None:
    assert drafted(finding(severity_rank=rank), asset(), shipped_policy()).priority == priority


def test_a_place_that_is_not_known_is_said() -> None:
    assert where(finding(blade=None, distance_to_root_m=None)) == "place not determined"


def test_an_asset_without_a_functional_location_is_refused() -> None:
    with pytest.raises(SapRejected, match="no functional location"):
        drafted(finding(), asset(functional_location=""), shipped_policy())


def test_times_are_odata_v2_in_utc() -> None:
    local = datetime(2026, 11, 21, 0, 30, 5, tzinfo=timezone(timedelta(hours=2)))
    assert odata_date(local) == "/Date(1795132800000)/"
    assert odata_time(local) == "PT22H30M05S"


def test_priority_and_catalogue_code_are_the_policys() -> None:
    shipped = shipped_policy()
    reactions = shipped.reactions | {5: shipped.reactions[5].model_copy(update={"priority": "2"})}
    code = Coding(catalogue="C", group="BLADE", code="CR01")
    policy = shipped.model_copy(update={"reactions": reactions, "codes": {DefectKind.CRACK: code}})
    draft = drafted(finding(severity_rank=5, kind="crack"), asset(), policy)
    assert (draft.priority, draft.coding) == ("2", CatalogueCode("C", "BLADE", "CR01"))
    assert drafted(finding(kind="corrosion"), asset(), policy).coding is None
