"""Every input that a parser ever fell over, and the seeds they came from, are read or refused in words."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fuzzing import targets
from tests.fuzzing.__main__ import CORPUS

FILES = sorted(CORPUS.glob("*/*"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_a_parser_answers(path: Path) -> None:
    assert targets.run(path.parent.name, path.read_bytes()) in {"read", "refused"}


@pytest.mark.parametrize("name", targets.TARGETS)
def test_every_parser_has_a_seed_that_it_reads(name: str) -> None:
    seeds = [path for path in FILES if path.parent.name == name and path.name.startswith("seed-")]
    assert any(targets.run(name, path.read_bytes()) == "read" for path in seeds)
