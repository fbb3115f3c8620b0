"""What confidence means, and the levels that follow: accept, review, drop."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from contracts.vocabulary import DefectKind
from tests.unit.vision.test_evaluate import write_set
from tests.unit.vision.test_quality import Named
from tests.vision_views import CARD
from vision import detector
from vision.__main__ import app
from vision.boxes import KINDS, Boxes
from vision.calibration import Platt, calibrated, fit
from vision.card import plain_card, write_levels
from vision.detector import Card, load_card
from vision.evaluate import Judged

BOX = [10.0, 10.0, 50.0, 50.0]


def images(chance_of: dict[float, float], each: int = 60, kind: DefectKind = DefectKind.CRACK) -> list[Judged]:
    """Return images with one box each: of a confidence, right in a share of them."""
    made = []
    for confidence, chance in chance_of.items():
        for number in range(each):
            right = (number * 0.6180339887) % 1.0 < chance
            truth = Boxes.of([BOX] * right, [1.0] * right, [KINDS.index(kind)] * right)
            made.append(Judged(Boxes.of([BOX], [confidence], [KINDS.index(kind)]), truth))
    return made


def names(count: int) -> list[str]:
    return [f"photo-{number}" for number in range(count)]


def test_an_overconfident_detector_is_brought_to_its_true_chances() -> None:
    judged = images({0.3: 0.05, 0.6: 0.3, 0.9: 0.6})
    made = calibrated(CARD, judged, names(len(judged)), ["quay/val"]).of_all
    assert made.d_ece_before is not None
    assert made.d_ece_after is not None
    assert made.d_ece_before > 0.25
    assert made.d_ece_after < 0.1
    assert Platt(made.slope, made.offset).chance(np.array([0.3, 0.6, 0.9])) == pytest.approx([0.05, 0.3, 0.6], abs=0.08)


def test_what_is_worth_a_look_lies_between_drop_and_accept_and_every_box_has_one_answer() -> None:
    judged = images({0.25: 0.02, 0.45: 0.4, 0.68: 0.9})
    made = calibrated(CARD, judged, names(len(judged)), ["quay/val"]).by_kind[DefectKind.CRACK]
    assert CARD.threshold < 0.25 < made.review <= 0.45 < made.accept
    counts = {name: known.right + known.wrong for name, known in made.answers.items()}
    assert counts == {"accept": 60, "review": 60, "drop": 60}
    assert made.answers["drop"].right <= 3


@pytest.mark.parametrize("judged", [[], images({0.5: 0.0}, each=3), images({0.9: 0.0, 0.3: 1.0})])
def test_where_confidence_says_nothing_nobody_is_asked_to_look(judged: list[Judged]) -> None:
    made = calibrated(CARD, judged, names(len(judged)), ["quay/val"])
    assert made.of_all.review <= made.of_all.accept
    if len(judged) > 3:
        assert made.of_all.review == made.of_all.accept


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), max_size=40))
def test_any_boxes_give_a_finite_fit_that_orders_as_its_slope_says(boxes: list[tuple[float, bool]]) -> None:
    platt = fit(np.array([c for c, _ in boxes]), np.array([h for _, h in boxes], np.bool_))
    assert np.isfinite(platt).all()
    chances = platt.chance(np.array([0.1, 0.5, 0.9]))
    assert ((chances >= 0) & (chances <= 1)).all()
    assert (np.diff(chances) * np.sign(platt.slope) >= 0).all()


def test_a_card_without_review_levels_asks_nobody_and_never_above_what_it_accepts() -> None:
    card = CARD.model_copy(update={"accept": 0.5, "accept_by_kind": {DefectKind.CRACK: 0.3}})
    assert card.reviews(DefectKind.CORROSION) == 0.5
    card = card.model_copy(update={"review": 0.4, "review_by_kind": {DefectKind.CORROSION: 0.2}})
    assert [card.reviews(k) for k in (DefectKind.CRACK, DefectKind.CORROSION, DefectKind.DAMAGE)] == [0.3, 0.2, 0.4]


@pytest.fixture
def quay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a labelled set of the split test, licensed; red patches are what the detector finds."""
    monkeypatch.setattr(detector, "open_detector", lambda *_, **__: Named())
    root = write_set(tmp_path / "quay", ["crack"])
    (root / "SOURCE.json").write_text(json.dumps({"license": "MIT"}))
    return root


def calibrate(*more: str) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, ["calibrate", "--split", "test", "--json", *more])
    return done.exit_code, done.stdout, done.stderr


def test_the_verb_says_the_levels_and_writes_them_into_the_card(quay: Path, tmp_path: Path) -> None:
    weights = tmp_path / "model.onnx"
    weights.write_bytes(b"weights")
    hashed = CARD.model_copy(update={"sha256": "9f5ec8c77f2ab5ca2a2ff9ae6ab4a5fbdd5d2c7c0c0f1c6a6ed6a2e8b5fb8a1f"})
    weights.with_suffix(".json").write_text(hashed.model_dump_json())
    code, said, _ = calibrate("--data", str(quay), "--model", str(weights), "--write")
    assert code == 0
    told = json.loads(said)
    assert (told["sets"], told["of_all"]["boxes"]) == (["quay/test"], 1)
    card = Card.model_validate_json(weights.with_suffix(".json").read_text())
    assert (card.accept, card.review) == (told["of_all"]["accept"], told["of_all"]["review"])


def test_levels_are_never_learnt_from_what_may_only_evaluate(quay: Path) -> None:
    (quay / "SOURCE.json").write_text(json.dumps({"license": "none stated"}))
    code, _, said = calibrate("--data", str(quay))
    assert (code, json.loads(said)["field"]) == (1, "license")


def test_the_shipped_card_leaves_to_a_person_what_it_looked_at_and_did_not_accept() -> None:
    card = load_card(detector.SHIPPED)
    assert card.review == card.threshold < card.accept


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    made = tmp_path / "blade.onnx"
    made.write_bytes(b"weights")
    made.with_suffix(".json").write_text(plain_card(made, KINDS, 0.2, 0.35).model_dump_json())
    return made


def planted(weights: Path, **changed: object) -> Path:
    told = {"detector_sha256": load_card(weights).sha256, "asset_kind": "wind_turbine", "flights": 4, "from_px": 12,
            "measured_at": "2026-11-27T18:00:00+00:00", "all": {"found": 31, "of": 48}, "by_light": {}}  # fmt: skip
    out = weights.parent / "planted.json"
    out.write_text(json.dumps(told | changed))
    return out


def test_what_was_told_of_planted_defects_is_in_the_card_until_its_levels_change(weights: Path) -> None:
    assert CliRunner().invoke(app, ["planted", str(weights), str(planted(weights))]).exit_code == 0
    rate = load_card(weights).planted
    assert rate is not None
    assert (rate.found, rate.of, rate.flights) == (31, 48, 4)
    write_levels(weights, {"accept": 0.4})
    assert load_card(weights).planted is None


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param({"detector_sha256": "00" * 32}, id="of another detector"),
        pytest.param({"all": {"found": 49, "of": 48}}, id="more than planted"),
        pytest.param({"measured_at": None}, id="of no day"),
    ],
)
def test_figures_that_are_not_this_detectors_are_refused(weights: Path, changed: dict[str, object]) -> None:
    before = weights.with_suffix(".json").read_text()
    assert CliRunner().invoke(app, ["planted", str(weights), str(planted(weights, **changed))]).exit_code != 0
    assert weights.with_suffix(".json").read_text() == before
