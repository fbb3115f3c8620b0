"""The severity policy that ships, case by case, and what a policy file may not say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from cloud import grading
from cloud.grading import Measured, Policy, grade, load_policy, parse_policy, shipped_policy
from contracts.errors import InvalidInput
from contracts.vocabulary import BEYOND_BLADES, NEVER_ON, AssetKind, BladeSide, DefectKind

POLICY = shipped_policy()
FILE = Path(str(grading.__file__)).parent / "policies" / "wind_gwo_v1.yaml"


def measured(kind: DefectKind, size_mm: float, **more: Any) -> Measured:
    known = Measured(kind, size_mm, 10.0, 8.0, BladeSide.PS, 0.3, 15.0)
    return known._replace(**more)


@pytest.mark.parametrize(
    ("kind", "size_mm", "more", "rank"),
    [
        (DefectKind.CRACK, 40, {}, 2),
        (DefectKind.CRACK, 100, {}, 3),
        (DefectKind.CRACK, 299.9, {}, 3),
        (DefectKind.CRACK, 300, {}, 4),
        (DefectKind.CRACK, 700, {}, 5),
        (DefectKind.CRACK, 240, {"span_share": 0.8}, 4),
        (DefectKind.CRACK, 150, {"span_share": 0.8}, 3),
        (DefectKind.CRACK, 240, {"side": BladeSide.LE}, 4),
        (DefectKind.CRACK, 90, {"side": BladeSide.LE}, 2),
        (DefectKind.CRACK, 240, {"side": BladeSide.LE, "span_share": 0.9}, 4),
        (DefectKind.CRACK, 900, {"side": BladeSide.LE}, 5),
        (DefectKind.CRACK, 240, {"side": None, "span_share": None}, 3),
        (DefectKind.LIGHTNING_BURN, 100, {}, 3),
        (DefectKind.LIGHTNING_BURN, 150, {}, 4),
        (DefectKind.LIGHTNING_BURN, 300, {}, 5),
        (DefectKind.LIGHTNING_BURN, 40, {"width_mm": 320.0}, 5),
        (DefectKind.LEADING_EDGE_EROSION, 200, {}, 2),
        (DefectKind.LEADING_EDGE_EROSION, 600, {}, 3),
        (DefectKind.LEADING_EDGE_EROSION, 1000, {}, 4),
        (DefectKind.DELAMINATION, 250, {}, 3),
        (DefectKind.DELAMINATION, 300, {}, 4),
        (DefectKind.CORROSION, 200, {}, 2),
        (DefectKind.CORROSION, 5000, {}, 3),
        (DefectKind.MISSING_COATING, 200, {}, 2),
        (DefectKind.MISSING_COATING, 400, {}, 3),
        (DefectKind.DAMAGE, 5, {}, 3),
    ],
)
def test_the_shipped_policy_grades(kind: DefectKind, size_mm: float, more: dict[str, object], rank: int) -> None:
    severity = grade(POLICY, measured(kind, size_mm, **more))
    assert (severity.rank, severity.code, severity.scheme) == (rank, str(rank), "gwo")
    assert severity.critical == (rank >= 4)
    assert severity.reaction == "abcde"[rank - 1]


def test_a_reason_is_one_sentence_with_the_numbers() -> None:
    severity = grade(POLICY, measured(DefectKind.CRACK, 240, span_share=0.8))
    assert severity.reason == (
        "Crack of 240 x 10 mm (± 8 mm) reaches rank 3 from 100 mm; "
        "raised to 4 because it lies in the outer third (wind-gwo-1)."
    )


def test_unknown_damage_and_grazing_views_ask_for_a_person() -> None:
    severity = grade(POLICY, measured(DefectKind.DAMAGE, 50, incidence_deg=75.0))
    assert "a person must look" in severity.reason
    assert "75 degrees" in severity.reason


@given(
    st.sampled_from(DefectKind),
    st.floats(0, 20000),
    st.floats(0, 20000),
    st.sampled_from(BladeSide),
    st.floats(0, 1),
)
def test_a_larger_defect_is_never_graded_lower(
    kind: DefectKind, size_mm: float, other_mm: float, side: BladeSide, share: float
) -> None:
    small, large = sorted((size_mm, other_mm))
    ranks = [grade(POLICY, measured(kind, mm, side=side, span_share=share)).rank for mm in (small, large)]
    assert ranks == sorted(ranks)
    assert all(1 <= rank <= 5 for rank in ranks)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"grades": {"crack": [{"rank": 2, "from_mm": 0}]}}, "no grades for"),
        ({"reactions": {1: {"letter": "a", "action": "x", "due_days": None}}}, "ranks 1 to 5"),
        ({"sources": []}, "sources"),
        ({"surprise": 1}, "surprise"),
        ({"critical_rank": 9}, "critical_rank"),
    ],
)
def test_a_broken_policy_is_refused_with_the_reason(change: dict[str, object], says: str) -> None:
    body = yaml.safe_load(FILE.read_text(encoding="utf-8")) | change
    with pytest.raises(InvalidInput, match=says):
        parse_policy(yaml.safe_dump(body), "test.yaml")


@pytest.mark.parametrize(
    "grades",
    [
        [{"rank": 2, "from_mm": 10}],
        [{"rank": 3, "from_mm": 0}, {"rank": 2, "from_mm": 10}],
        [{"rank": 2, "from_mm": 0}, {"rank": 3, "from_mm": 0}],
        [],
    ],
)
def test_grades_must_grow_from_zero(grades: list[dict[str, object]]) -> None:
    body = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    body["grades"]["crack"] = grades
    with pytest.raises(InvalidInput, match="grades of crack"):
        parse_policy(yaml.safe_dump(body), "test.yaml")


def test_text_that_is_not_yaml_is_refused() -> None:
    with pytest.raises(InvalidInput, match="is not YAML"):
        parse_policy("{", "test.yaml")


def test_a_customers_file_replaces_the_shipped_one(tmp_path: Path) -> None:
    body = yaml.safe_load(FILE.read_text(encoding="utf-8")) | {"version": "ours-7"}
    file = tmp_path / "ours.yaml"
    file.write_text(yaml.safe_dump(body), encoding="utf-8")
    assert load_policy(file).version == "ours-7"
    assert load_policy() is shipped_policy()


@pytest.mark.parametrize(
    ("asset", "kind", "size_mm", "code"),
    [
        (AssetKind.TELECOM_TOWER, DefectKind.CORROSION, 90, "maintain"),
        (AssetKind.TELECOM_TOWER, DefectKind.CRACK, 80, "unsafe"),
        (AssetKind.PIPELINE, DefectKind.CORROSION, 90, "monitored"),
        (AssetKind.PIPELINE, DefectKind.CRACK, 10, "scheduled"),
        (AssetKind.PIPELINE, DefectKind.CRACK, 50, "immediate"),
        (AssetKind.POWER_LINE, DefectKind.BROKEN_INSULATOR, 146, "2"),
        (AssetKind.POWER_LINE, DefectKind.BROKEN_INSULATOR, 600, "1"),
        (AssetKind.POWER_LINE, DefectKind.NEST, 500, "4"),
        (AssetKind.TELECOM_TOWER, DefectKind.LOOSE_MOUNT, 300, "assess"),
        (AssetKind.PIPELINE, DefectKind.LEAK, 20, "immediate"),
    ],
)
def test_lines_towers_and_pipelines_are_graded_in_words_of_their_own(
    asset: AssetKind, kind: DefectKind, size_mm: float, code: str
) -> None:
    policy = shipped_policy(asset)
    assert policy.asset_kinds == (asset,)
    assert grade(policy, measured(kind, size_mm, side=None, span_share=None)).code == code


def test_what_has_no_kind_of_its_own_on_towers_and_pipelines_asks_a_person() -> None:
    for asset in (AssetKind.TELECOM_TOWER, AssetKind.PIPELINE):
        assert "a person must look" in grade(shipped_policy(asset), measured(DefectKind.DAMAGE, 50)).reason


def test_a_policy_that_shipped_before_is_still_known() -> None:
    assert "tower-pipeline-1" in {policy.version for policy in grading.all_shipped()}


@pytest.mark.parametrize("asset", AssetKind)
def test_what_ships_grades_all_that_can_be_wrong_with_its_assets(asset: AssetKind) -> None:
    assert set(DefectKind) - NEVER_ON[asset] <= set(shipped_policy(asset).grades)


@pytest.mark.parametrize("kind", sorted(BEYOND_BLADES))
def test_a_kind_that_a_policy_is_older_than_is_graded_as_unspecified_damage(kind: DefectKind) -> None:
    older = next(policy for policy in grading.all_shipped() if policy.version == "utility-1")
    assert grade(older, measured(kind, 50)).rank == grade(older, measured(DefectKind.DAMAGE, 50)).rank
    assert "a person must look" in grade(older, measured(kind, 50)).reason


@pytest.mark.parametrize("kind", [DefectKind.NEST, DefectKind.VEGETATION])
def test_what_a_picture_cannot_decide_asks_a_person(kind: DefectKind) -> None:
    reason = grade(shipped_policy(AssetKind.POWER_LINE), measured(kind, 900)).reason
    assert "a person says" in reason or "measure it" in reason


def test_confidence_has_no_say() -> None:
    assert "confidence" not in Measured._fields
    assert "confidence" not in Policy.model_json_schema()["properties"]
