"""checkov's findings in templates and Dockerfiles, and hadolint's in Dockerfiles, against the list of what is meant.

Both stand in an environment of their own (``requirements-scan.lock``): checkov's pins exclude those of cfn-lint.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from contracts.errors import Unavailable
from infra.aws.gates.nag import Finding

REPOSITORY = Path(__file__).resolve().parents[3]
CHECKOV = REPOSITORY / ".venv-scan" / "bin" / "checkov"
HADOLINT = CHECKOV.with_name("hadolint")
IMAGES = (REPOSITORY / "infra" / "aws" / "images", REPOSITORY / "edge" / "deploy")
ACCEPTED = Path(__file__).parent / "accepted-scan.yaml"


def scan(folders: Iterable[Path]) -> tuple[list[Finding], int]:
    """Scan folders of templates and the Dockerfiles; return the findings, and how many checks were passed.

    Raises:
        Unavailable: checkov is not installed, or ended without a report.

    """
    if not CHECKOV.exists():
        raise Unavailable(f"No scanner at {CHECKOV}.", hint="make setup-aws")
    where = [part for folder in (*folders, *IMAGES) for part in ("-d", str(folder))]
    # Offline: its own rules only, no call to a vendor's platform.
    command = [str(CHECKOV), *where, "--framework", "cloudformation", "dockerfile", "--skip-download", "-o", "json"]
    done = subprocess.run([*command, "--compact"], capture_output=True, text=True, check=False)
    try:
        return read(list(_documents(done.stdout)))
    except ValueError as error:
        said = (done.stderr or done.stdout).strip().splitlines()
        raise Unavailable(f"checkov gave no report: {said[-1] if said else 'nothing was said'}") from error


def linted() -> list[Finding]:
    """Return what hadolint finds in the Dockerfiles, the shell in them included.

    Raises:
        Unavailable: hadolint is not installed, or ended without a report.

    """
    if not HADOLINT.exists():
        raise Unavailable(f"No linter at {HADOLINT}.", hint="make setup-aws")
    files = [str(file) for file in dockerfiles()]
    command = [str(HADOLINT), "--no-fail", "--format", "json", *files]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        return sorted({Finding(one["code"], _named(Path(one["file"])), "") for one in json.loads(done.stdout)})
    except ValueError as error:
        said = (done.stderr or done.stdout).strip().splitlines()
        raise Unavailable(f"hadolint gave no report: {said[-1] if said else 'nothing was said'}") from error


def dockerfiles() -> list[Path]:
    """Return the files that the images are built from."""
    return sorted(file for folder in IMAGES for file in folder.rglob("Dockerfile"))


def _named(file: Path) -> str:
    return f"{file.parent.name}/{file.name}"


def _documents(text: str) -> Iterator[Any]:
    """Yield checkov's JSON documents: it writes one for each folder, one after the other."""
    decoder, at = json.JSONDecoder(), 0
    if not text.strip():
        raise ValueError
    while at < len(text.rstrip()):
        document, at = decoder.raw_decode(text, at + len(text[at:]) - len(text[at:].lstrip()))
        yield document


def read(documents: Iterable[dict[str, Any] | list[dict[str, Any]]]) -> tuple[list[Finding], int]:
    """Return the findings of checkov's documents, each a report or a list of them, and how many checks were passed.

    A file that checkov could not read is a finding too.
    """
    found: set[Finding] = set()
    passed = 0
    for report in (one for document in documents for one in (document if isinstance(document, list) else [document])):
        results = report.get("results", {})
        passed += int(report.get("summary", {}).get("passed", 0))
        found |= set(_failed(results.get("failed_checks", [])))
        found |= {Finding("unreadable", str(file), "") for file in results.get("parsing_errors", [])}
    return sorted(found), passed


def _failed(checks: Iterable[dict[str, Any]]) -> Iterator[Finding]:
    """Name a place like the other gates do: ``stack/resource``, or the folder of a Dockerfile."""
    for check in checks:
        file, resource = Path(str(check.get("file_abs_path") or check["file_path"])), str(check["resource"])
        if file.name == "Dockerfile":
            place = _named(file)
        else:
            place = f"{file.name.removesuffix('.template.json')}/{resource.rpartition('.')[2]}"
        yield Finding(str(check["check_id"]), place, "")
