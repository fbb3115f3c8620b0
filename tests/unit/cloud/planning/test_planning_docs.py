"""docs/planning.md says what the code checks, and its picture is drawn from today's routes."""

from __future__ import annotations

import re
from pathlib import Path

from cloud.planning.pictures import planning_svg
from cloud.planning.wishes import Pattern

REPOSITORY = Path(__file__).resolve().parents[4]
PAGE = (REPOSITORY / "docs" / "planning.md").read_text()
SAID_BY_VARIABLE = {"fence", "no_fly", "clearance_tower", "clearance_nacelle", "clearance_blade"}


def test_the_table_of_checks_is_that_of_the_code() -> None:
    rows = PAGE.split("## Checks")[1].split("##")[0].splitlines()
    documented = {name for row in rows if row.startswith("| `") for name in re.findall(r"`(\w+)`", row.split("|")[1])}
    sources = "".join(path.read_text() for path in sorted((REPOSITORY / "cloud" / "planning").glob("*.py")))
    coded = set(re.findall(r'\bRow\(\s*"(\w+)"', sources)) | set(re.findall(r'Check\(\s*name="(\w+)"', sources))
    assert documented == coded | SAID_BY_VARIABLE


def test_every_pattern_is_described() -> None:
    assert all(f"| `{pattern.value}` |" in PAGE for pattern in Pattern)


def test_the_picture_is_drawn_from_todays_routes() -> None:
    assert (REPOSITORY / "docs" / "planning.svg").read_text() == planning_svg(), "run `make docs`"
