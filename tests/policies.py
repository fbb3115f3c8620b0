"""Severity policies for tests: the shipped one with some values changed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

SHIPPED = Path("cloud/policies/wind_gwo_v1.yaml")


def asking(folder: Path, **changes: Any) -> Path:
    """Write a policy that asks a person before a notification at every rank, and return its file."""
    policy = yaml.safe_load(SHIPPED.read_text(encoding="utf-8"))
    for reaction in policy["reactions"].values():
        reaction["ticket"] = "person"
    file = folder / "policy.yaml"
    file.write_text(yaml.safe_dump(policy | {"version": "asking-1"} | changes), encoding="utf-8")
    return file


def stricter() -> str:
    """Return the shipped policy as a new version in which every rank of a crack starts at four fifths of its size."""
    policy = yaml.safe_load(SHIPPED.read_text(encoding="utf-8"))
    for grade in policy["grades"]["crack"]:
        grade["from_mm"] = round(0.8 * grade["from_mm"])
    return yaml.safe_dump(policy | {"version": "wind-stricter-2"}, sort_keys=False)
