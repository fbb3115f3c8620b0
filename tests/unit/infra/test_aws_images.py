"""What the images are built from keeps the rules that a container's host cannot enforce."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest

from infra.aws.gates import nag, scan
from infra.aws.gates.nag import Finding

REPOSITORY = Path(__file__).resolve().parents[3]
DOCKERFILES = scan.dockerfiles()
PACKAGES = {folder.parent.name for folder in REPOSITORY.glob("*/__init__.py")}
"""Our own, the top of each."""


def instructions(file: Path) -> list[tuple[str, str]]:
    """Return each instruction and what follows it; lines that go on are joined, comments left out."""
    text = re.sub(r"\\\n", " ", "\n".join(line for line in file.read_text().splitlines() if not line.startswith("#")))
    return [(word, rest.strip()) for word, _, rest in (line.partition(" ") for line in text.splitlines() if line)]


def brought(file: Path) -> set[str]:
    """Return what a build takes from the repository."""
    taken = [rest.split() for word, rest in instructions(file) if word == "COPY" and "--from=" not in rest]
    return {source for words in taken for source in words[:-1] if not source.startswith("--")}


def imported(package: str) -> set[str]:
    """Return which of our packages a package imports, anywhere in it."""
    text = "\n".join(module.read_text(encoding="utf-8") for module in (REPOSITORY / package).rglob("*.py"))
    found = re.findall(r"^\s*(?:from (\w+)[\w.]* import |import (\w+))", text, re.MULTILINE)
    return {name for pair in found for name in pair} & PACKAGES


def project_of(file: Path, folder: Path) -> dict[str, Any]:
    """Return pyproject.toml as the build leaves it: its own commands are run on copies of the two files they change."""
    for name in ("pyproject.toml", "requirements.lock"):
        (folder / name).write_bytes((REPOSITORY / name).read_bytes())
    runs = " ".join(rest for word, rest in instructions(file) if word == "RUN")
    for command in re.findall(r"&& (sed -i .*?)(?= && )", re.sub(r"\s+", " ", runs)):
        subprocess.run(
            ["sh", "-euc", command], cwd=folder, env={"PATH": "/usr/bin:/bin", "RUNTIME": "fast"}, check=True
        )
    return tomllib.loads((folder / "pyproject.toml").read_text())


def extras(file: Path) -> list[str]:
    """Return the extras that an image installs."""
    said = file.read_text()
    [asked] = re.findall(r"pip install [^&]*[\"']\.\[(.+?)\][\"']", said)
    return re.sub(r"\$\{EXTRAS\}", "".join(re.findall(r"ARG EXTRAS=(.*)", said)), asked).split(",")


def test_there_is_an_image_of_the_drone_the_cloud_and_vision() -> None:
    assert [file.parent.name for file in DOCKERFILES] == ["deploy", "cloud", "vision"]


@pytest.mark.parametrize("file", DOCKERFILES, ids=lambda file: file.parent.name)
class TestImage:
    def test_its_base_is_an_argument_that_can_be_a_digest(self, file: Path) -> None:
        said = instructions(file)
        [base] = [rest for word, rest in said if word == "ARG" and rest.startswith("BASE=")]
        assert re.fullmatch(r"BASE=[\w./-]+:[\w.-]+", base), "a tag at least, never latest by silence"
        stages = [rest.split() for word, rest in said if word == "FROM"]
        names = {stage[2] for stage in stages if len(stage) == 3}
        assert all(stage[0] == "${BASE}" or stage[0] in names for stage in stages)

    def test_what_builds_it_stays_behind(self, file: Path) -> None:
        said = instructions(file)
        last = max(index for index, (word, _) in enumerate(said) if word == "FROM")
        copied = [rest for word, rest in said[last:] if word == "COPY"]
        assert "--from=build /opt/kestrel /opt/kestrel" in copied
        assert not [rest for word, rest in said[last:] if word == "RUN" and "pip install" in rest]

    def test_it_is_nobody_in_particular_and_not_root(self, file: Path) -> None:
        assert [rest for word, rest in instructions(file) if word == "USER"] == ["10001"]

    def test_what_it_writes_are_volumes_so_that_its_root_can_be_read_only(self, file: Path) -> None:
        [volumes] = [rest for word, rest in instructions(file) if word == "VOLUME"]
        assert "/run/kestrel" in volumes or "/var/lib/kestrel" in volumes

    def test_packages_are_the_locked_ones_and_pip_is_gone(self, file: Path) -> None:
        runs = " ".join(rest for word, rest in instructions(file) if word == "RUN")
        installed = re.findall(r"pip install (?P<how>[^&]*)", runs)
        assert all("-c requirements.lock" in how or "-r train.lock" in how for how in installed)
        assert "pip uninstall -y pip" in runs

    def test_what_it_is_built_from_exists(self, file: Path) -> None:
        assert [source for source in brought(file) if not (REPOSITORY / source).exists()] == []

    def test_what_its_packages_import_of_ours_is_in_it(self, file: Path) -> None:
        inside = brought(file) & PACKAGES
        assert {name for package in inside for name in imported(package)} <= inside

    def test_its_package_is_cut_to_what_is_in_it_and_each_program_starts(self, file: Path, tmp_path: Path) -> None:
        project = project_of(file, tmp_path)
        packed = {name.removesuffix("*") for name in project["tool"]["setuptools"]["packages"]["find"]["include"]}
        assert packed == brought(file) & PACKAGES
        assert {entry.partition(".")[0] for entry in project["project"]["scripts"].values()} <= packed

    def test_it_holds_the_system_libraries_that_its_wheels_load(self, file: Path, tmp_path: Path) -> None:
        known = project_of(file, tmp_path)["project"]["optional-dependencies"]
        wanted = [package for extra in extras(file) for package in known[extra]]
        last = [rest.split()[0] for word, rest in instructions(file) if word == "FROM"][-1]
        if any(package.startswith("opencv-python") for package in wanted):
            assert last == "system"
            [system] = re.findall(r"AS system\n(.*?)\nFROM", file.read_text(), re.DOTALL)
            assert "libgl1 libglib2.0-0" in system

    def test_its_release_brings_a_bill_of_materials(self, file: Path) -> None:
        said = file.read_text()
        assert "--sbom=true" in said
        assert "@sha256:" in said


REPORT = {
    "summary": {"passed": 7},
    "results": {
        "failed_checks": [
            {"check_id": "CKV_1", "file_path": "/kestrel-iot.template.json", "resource": "AWS::Lambda::Function.Hook"},
            {"check_id": "CKV_2", "file_path": "/cloud/Dockerfile", "resource": "/cloud/Dockerfile.FROM"},
        ],
        "parsing_errors": ["/broken.template.json"],
    },
}


def test_a_report_of_the_scanner_is_read_with_what_it_could_not_read() -> None:
    found, passed = scan.read([REPORT, [REPORT]])
    assert found == [
        Finding("CKV_1", "kestrel-iot/Hook", ""),
        Finding("CKV_2", "cloud/Dockerfile", ""),
        Finding("unreadable", "/broken.template.json", ""),
    ]
    assert passed == 14


def test_what_is_accepted_of_the_scanner_has_a_reason_and_no_row_takes_every_rule() -> None:
    rows = nag.acceptances(scan.ACCEPTED)
    assert rows
    assert not any(row.takes(Finding("CKV_X_0", "kestrel-storage/Media", "")) for row in rows)


def test_another_runtime_of_the_detector_is_the_locked_version_too(tmp_path: Path) -> None:
    project = project_of(next(file for file in DOCKERFILES if file.parent.name == "vision"), tmp_path)
    assert any(package.startswith("fast>=") for package in project["project"]["optional-dependencies"]["vision"])
    assert re.search(r"^fast==\d", (tmp_path / "requirements.lock").read_text(), re.MULTILINE)
