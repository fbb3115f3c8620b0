"""kestrel plan convert: the file, the report, the exit code."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from infra.local.__main__ import app
from tests.unit.interchange import samples

RUN = CliRunner()


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    path = tmp_path / "in.plan"
    path.write_bytes(samples.as_bytes(samples.MAVSDK_SAMPLE))
    return path


def test_it_writes_the_file_and_prints_the_report(plan: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.kmz"
    done = RUN.invoke(app, ["plan", "convert", str(plan), str(out), "--json"])
    assert done.exit_code == 0, done.output
    report = json.loads(done.stdout)
    assert (report["source"], report["target"], report["items"]) == ("qgc-plan", "wpml", 6)
    assert report["counts"]["defaulted"] == sum(loss["severity"] == "defaulted" for loss in report["losses"])
    assert out.read_bytes().startswith(b"PK")


def test_without_json_it_prints_a_table(plan: Path, tmp_path: Path) -> None:
    done = RUN.invoke(app, ["plan", "convert", str(plan), str(tmp_path / "out.csv")])
    assert done.exit_code == 0
    assert "losses" in done.stdout


@pytest.mark.parametrize(
    ("name", "options"),
    [("out.pdf", []), ("no/such/folder.kml", []), ("out.wpml", ["--from", "litchi"])],
)
def test_a_refusal_exits_with_1_and_writes_nothing(plan: Path, tmp_path: Path, name: str, options: list[str]) -> None:
    done = RUN.invoke(app, ["plan", "convert", str(plan), str(tmp_path / name), *options])
    assert done.exit_code == 1
    assert "kestrel:" in done.stderr
    assert not (tmp_path / name).exists()
