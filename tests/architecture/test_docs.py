"""Pages that must say what the code says."""

from __future__ import annotations

from pathlib import Path

import pytest

from contracts.topics import TOPICS
from infra import docs

REPOSITORY = Path(__file__).resolve().parents[2]


def test_generated_pages_are_fresh() -> None:
    assert docs.stale() == [], "run `make docs`"


@pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.name)
def test_every_topic_and_field_is_described(topic: object) -> None:
    row = next(t for t in TOPICS if t is topic)
    page = docs.topics_page()
    assert f"`{row.template}`" in page
    assert all(f"| `{name}` |" in page for name in row.schema.model_fields)


def test_every_make_verb_of_the_readme_exists() -> None:
    verbs = {line.split(":")[0] for line in (REPOSITORY / "Makefile").read_text().splitlines() if ":" in line}
    readme = (REPOSITORY / "README.md").read_text()
    named = {word.split()[0] for word in readme.split("`make ")[1:] for word in [word.replace("`", " ")]}
    assert named <= {name for group in verbs for name in group.split()}
