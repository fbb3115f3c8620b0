from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from contracts.errors import InvalidInput
from contracts.vocabulary import AssetKind
from simulators import dataset, line_tiles
from simulators.__main__ import app
from simulators.line_defects import LINE_KINDS
from simulators.line_tiles import LineTileMaker
from tests.unit.simulators.lines import short_line


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line_tiles, "random_line", short_line)


def test_the_same_seed_cuts_the_same_tiles() -> None:
    one, other = (LineTileMaker(3, 64) for _ in range(2))
    for background in (False, True):
        first, second = one.make(background=background), other.make(background=background)
        assert np.array_equal(first.image, second.image)
        assert first.labels == second.labels
        assert bool(first.labels) is not background


def test_a_set_holds_every_kind_says_its_command_and_keeps_labels_inside(tmp_path: Path) -> None:
    contents = dataset.Contents(background=0.2, asset=AssetKind.POWER_LINE)
    said = dataset.write_dataset(tmp_path / "d", 18, 5, 192, contents)
    assert {kind for kind, count in said["labels"].items() if count} == set(LINE_KINDS)  # type: ignore[attr-defined]
    assert said["background"]
    for labels in (tmp_path / "d" / "labels").rglob("*.txt"):
        for line in labels.read_text().splitlines():
            _, x, y, w, h = map(float, line.split())
            assert w > 0
            assert h > 0
            assert min(x - w / 2, y - h / 2) >= -1e-5
            assert max(x + w / 2, y + h / 2) <= 1 + 1e-5
    source = json.loads((tmp_path / "d" / "SOURCE.json").read_text())["origin"]
    assert source == "kestrel-sim dataset --images 18 --seed 5 --tile 192 --background 0.2 --asset power_line"


def test_marks_of_blades_and_assets_that_nobody_draws_are_refused(tmp_path: Path) -> None:
    for contents in (
        dataset.Contents(small=True, asset=AssetKind.POWER_LINE),
        dataset.Contents(marks=("serial",), asset=AssetKind.POWER_LINE),
        dataset.Contents(asset=AssetKind.PIPELINE),
    ):
        with pytest.raises(InvalidInput) as refused:
            dataset.write_dataset(tmp_path / "d", 1, 1, 64, contents)
        assert refused.value.field == "asset"
    ran = CliRunner().invoke(app, ["dataset", "--out", str(tmp_path / "e"), "--asset", "pipeline"])
    assert ran.exit_code == 2
    assert "power_line" in ran.output
