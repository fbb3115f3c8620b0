from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from contracts.errors import InvalidInput, NotFound
from contracts.geo import LocalFrame
from simulators.__main__ import app
from simulators.world import default_scene, load_scene, save_scene


def test_scene_survives_json_and_yaml(tmp_path: Path) -> None:
    scene = default_scene(4)
    save_scene(scene, tmp_path / "scene.json")
    (tmp_path / "scene.yaml").write_text(yaml.safe_dump(scene.model_dump(mode="json")))
    assert load_scene(tmp_path / "scene.json") == scene
    assert load_scene(tmp_path / "scene.yaml") == scene


def test_farm_stands_on_the_ground_with_homes_clear_of_the_rotor() -> None:
    scene = default_scene(1)
    assert [a.asset_id for a in scene.assets] == ["wt-01", "wt-02", "wt-03"]
    for asset in scene.assets:
        home = LocalFrame(asset.geometry.foot).to_enu(asset.home)
        assert 30 < home.norm() < 80
        assert abs(home.up) < 0.1


@pytest.mark.parametrize("text", ["", "{", '{"seed": 1}', '{"seed": 1, "assets": [], "nonsense": 2}'])
def test_bad_scene_file_is_refused_with_a_hint(tmp_path: Path, text: str) -> None:
    path = tmp_path / "scene.json"
    path.write_text(text)
    with pytest.raises(InvalidInput, match="kestrel-sim scene"):
        load_scene(path)


def test_unknown_asset_names_the_known_ones() -> None:
    with pytest.raises(NotFound, match="wt-02"):
        default_scene(1).asset("wt-09")


def test_scene_verb_writes_scene_and_truth(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["scene", "--out", str(tmp_path), "--seed", "9", "--json"])
    assert result.exit_code == 0, result.output
    said = json.loads(result.stdout)
    assert said["defects"] == len(json.loads((tmp_path / "truth.json").read_text()))
    assert load_scene(tmp_path / "scene.json").seed == 9
