"""cdk-nag's and CloudFormation Validate's findings against the list of those that are meant."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import yaml
from pydantic import BaseModel, ConfigDict, Field

ACCEPTED = Path(__file__).parent / "accepted.yaml"


class Finding(NamedTuple):
    """One finding: its rule, where, and which of several at that place (``[Resource::*]``, often empty)."""

    rule: str
    where: str
    detail: str


class Acceptance(BaseModel):
    """One row of the list."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rule: str
    where: str
    finding: str = ""
    reason: str = Field(min_length=25)

    def takes(self, found: Finding) -> bool:
        """Return whether this row accepts a finding."""
        return (
            re.fullmatch(self.rule, found.rule) is not None
            and re.fullmatch(self.where, found.where) is not None
            and re.fullmatch(self.finding, found.detail) is not None
        )


def acceptances(path: Path = ACCEPTED) -> list[Acceptance]:
    """Read the list.

    Raises:
        ValidationError: A row lacks something, or its reason is too short to be one.

    """
    return [Acceptance.model_validate(row) for row in yaml.safe_load(path.read_text(encoding="utf-8"))]


def findings(report: Path) -> list[Finding]:
    """Read the report that a synthesis with ``--nag`` leaves beside its templates."""
    found: list[Finding] = []
    for plugin in json.loads(report.read_text())["pluginReports"]:
        for violation in plugin["violations"]:
            rule, bracket, detail = str(violation["ruleName"]).partition("[")
            places = [str(place["constructPath"]) for place in violation["violatingConstructs"]]
            found += [Finding(rule, place, bracket + detail) for place in places]
    return found


def unaccepted(found: Iterable[Finding], rows: Iterable[Acceptance]) -> list[str]:
    """Return what no row takes."""
    known = list(rows)
    left = [one for one in found if not any(row.takes(one) for row in known)]
    return [f"{one.rule}{one.detail}: {one.where}" for one in left]


def stale(found: Iterable[Finding], rows: Iterable[Acceptance]) -> list[str]:
    """Return the rows that take nothing any more."""
    all_found = list(found)
    return [f"{row.rule} at {row.where}" for row in rows if not any(row.takes(one) for one in all_found)]
