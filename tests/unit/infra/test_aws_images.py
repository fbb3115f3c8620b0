"""What the images are built from keeps the rules that a container's host cannot enforce."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from infra.aws.gates import nag, scan
from infra.aws.gates.nag import Finding

REPOSITORY = Path(__file__).resolve().parents[3]
DOCKERFILES = sorted(file for folder in scan.IMAGES for file in folder.rglob("Dockerfile"))


def instructions(file: Path) -> list[tuple[str, str]]:
    """Return each instruction and what follows it; lines that go on are joined, comments left out."""
    text = re.sub(r"\\\n", " ", "\n".join(line for line in file.read_text().splitlines() if not line.startswith("#")))
    return [(word, rest.strip()) for word, _, rest in (line.partition(" ") for line in text.splitlines() if line)]


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
        assert all("-c requirements.lock" in how or "requirements.lock)" in how for how in installed)
        assert "pip uninstall -y pip" in runs

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
