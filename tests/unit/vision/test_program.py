from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from contracts.geo import GeoPoint
from contracts.vocabulary import BladeSide
from tests.vision_views import SMALL, TURBINE, RedFinder, corners_of, encode, manifest_of, painted, pass_along, place_at
from vision import detector
from vision.__main__ import app

RUNNER = CliRunner()


@pytest.fixture
def flight(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with a short flight past a red patch; red patches are what the detector finds."""
    monkeypatch.setattr(detector, "open_detector", lambda *_, **__: Named())
    poses = pass_along(BladeSide.PS, 7.0, 9.0, 24)
    patch = corners_of(place_at(BladeSide.PS, 8.0), 0.4, 0.3)
    video = encode(tmp_path / "flight.mp4", [painted(p, SMALL, [patch]) for p in poses])
    (tmp_path / "manifest.json").write_text(manifest_of(video, poses).model_dump_json())
    (tmp_path / "geometry.json").write_text(TURBINE.model_dump_json())
    return tmp_path


class Named(RedFinder):
    engine = "red patches"


def test_any_video_gives_findings_and_a_picture(flight: Path) -> None:
    wall = np.random.default_rng(0).integers(60, 140, (800, 1400, 3), np.uint8)
    wall = np.asarray(cv2.GaussianBlur(wall, (0, 0), 2), np.uint8)
    cv2.rectangle(wall, (600, 300), (650, 340), (0, 0, 255), -1)
    encode(flight / "pan.mp4", [np.ascontiguousarray(wall[100:644, x : x + 960]) for x in range(0, 360, 15)])
    done = RUNNER.invoke(app, ["detect", str(flight / "pan.mp4"), "--out", str(flight / "out"), "--json"])
    assert done.exit_code == 0, done.output
    report = json.loads(done.stdout)
    assert [f["kind"] for f in report["findings"]] == ["crack"]
    first = report["findings"][0]["evidence"][0]
    assert 0 <= first["box"]["x0"] < first["box"]["x1"] <= 1
    assert json.loads((flight / "out" / "findings.json").read_text()) == report
    picture = cv2.imread(report["pictures"][0])
    assert picture is not None
    assert picture.shape[1] == SMALL.width_px


def test_with_poses_findings_have_places(flight: Path) -> None:
    known = ["--manifest", str(flight / "manifest.json"), "--geometry", str(flight / "geometry.json")]
    done = RUNNER.invoke(app, ["detect", str(flight / "flight.mp4"), "--out", str(flight / "out"), "--json", *known])
    assert done.exit_code == 0, done.output
    report = json.loads(done.stdout)
    assert report["findings"][0]["place"]["distance_to_root_m"] == pytest.approx(8.0, abs=0.05)
    assert report["coverage"]
    told = RUNNER.invoke(app, ["detect", str(flight / "flight.mp4"), "--out", str(flight / "out"), *known])
    assert "crack 0.90 at A PS" in told.stdout


def test_with_poses_and_no_asset_findings_have_points(flight: Path) -> None:
    known = ["detect", str(flight / "flight.mp4"), "--out", str(flight / "out")]
    known += ["--manifest", str(flight / "manifest.json")]
    report = json.loads(RUNNER.invoke(app, [*known, "--json"]).stdout)
    (finding,) = report["findings"]
    truth = TURBINE.surface_point(place_at(BladeSide.PS, 8.0))
    off = TURBINE.frame().to_enu(GeoPoint(**finding["point"])).minus(truth)
    assert np.hypot(off.east, off.north) < min(finding["ce90_m"], 0.5)
    assert abs(off.up) < min(finding["le90_m"], 0.5)
    assert "(CE90 " in RUNNER.invoke(app, known).stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--geometry", "geometry.json"], "Give --manifest too"),
        (["--manifest", "none.json", "--geometry", "geometry.json"], "There is no file"),
        (["--manifest", "geometry.json", "--geometry", "geometry.json"], "is no segment manifest"),
        (["--manifest", "manifest.json", "--geometry", "manifest.json"], "is no geometry of an asset"),
    ],
)
def test_wrong_input_is_one_clear_line(
    flight: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    monkeypatch.chdir(flight)
    done = RUNNER.invoke(app, ["detect", "flight.mp4", *arguments])
    assert done.exit_code == 1
    assert message in done.stderr
    assert "Traceback" not in done.output


def test_a_file_that_is_no_video_is_said_so(flight: Path) -> None:
    (flight / "text.mp4").write_text("hello")
    done = RUNNER.invoke(app, ["detect", str(flight / "text.mp4"), "--json"])
    assert done.exit_code == 1
    assert json.loads(done.stderr)["error"] == "corrupt_media"


def test_help_names_every_verb() -> None:
    shown = RUNNER.invoke(app, ["--help"]).stdout
    assert all(verb in shown for verb in ("work", "detect", "train", "export", "evaluate", "card"))
