"""cfn-guard with Control Tower's rules, against the list of findings that are meant.

The binary and the rules come inside ``cdklabs-cdk-validator-cfnguard``. It reads the templates as they were written:
as a plugin of the CDK it would run in each size, and say no more.
"""

from __future__ import annotations

import json
import platform
import re
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from contracts.errors import Unavailable
from infra.aws.gates.nag import Finding

PACKAGE = "cdklabs/cdk_validator_cfnguard/_jsii"
ACCEPTED = Path(__file__).parent / "accepted-guard.yaml"
_RULES = "package/rules/control-tower/cfn-guard/"
_BINARIES = {"x86_64": "package/bin/ubuntu/x86_64/cfn-guard", "aarch64": "package/bin/ubuntu/aarch64/cfn-guard"}
_NUMBER = re.compile(r"\[(CT\.[A-Z0-9.]+)\]")


def scan(folder: Path) -> list[Finding]:
    """Return what breaks which of Control Tower's rules in a folder of templates.

    Raises:
        Unavailable: cfn-guard is not installed or not made for this machine, or ended without a report.

    """
    packages = sorted(path for part in sys.path for path in Path(part).glob(f"{PACKAGE}/*.jsii.tgz"))
    binary = _BINARIES.get(platform.machine())
    if not packages or binary is None:
        raise Unavailable(f"No cfn-guard for {platform.machine()}.", hint="make setup-aws, on x86_64 or aarch64 Linux.")
    data = [part for file in sorted(folder.glob("*.template.json")) for part in ("--data", str(file))]
    with tempfile.TemporaryDirectory() as there, tarfile.open(packages[0]) as package:
        wanted = [one for one in package if one.name == binary or one.name.startswith(_RULES)]
        package.extractall(there, members=wanted, filter="data")
        command = [f"{there}/{binary}", "validate", "--rules", f"{there}/{_RULES}", *data]
        done = subprocess.run(
            [*command, "--output-format", "json", "--show-summary", "none", "--structured"],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
    try:
        return read(json.loads(done.stdout))
    except ValueError as error:
        said = (done.stderr or done.stdout).strip().splitlines()
        raise Unavailable(f"cfn-guard gave no report: {said[-1] if said else 'nothing was said'}") from error


def read(reports: Iterable[dict[str, Any]]) -> list[Finding]:
    """Return the findings of cfn-guard's report on several templates: rule, ``stack/resource``."""
    found = set()
    for report in reports:
        stack = Path(str(report["name"])).name.removesuffix(".template.json")
        for broken in report["not_compliant"]:
            number = _NUMBER.search(json.dumps(broken))
            rule = number[1] if number else str(broken["Rule"]["name"])
            found |= {Finding(rule, f"{stack}/{resource}", "") for resource in _resources(broken)}
    return sorted(found)


def _resources(node: object) -> Iterator[str]:
    """Yield the resources that a broken rule's paths lead into."""
    if isinstance(node, dict):
        path = str(node.get("path", "")).split("/")
        if path[:2] == ["", "Resources"]:
            yield path[2]
    for part in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from _resources(part)
