"""A page says what to do in a person's words: no address of the API, no command, no name out of the code."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from cloud.web import rendering
from cloud.web.advice import WAYS, advice, plain
from contracts.errors import InvalidInput, NotFound

REPOSITORY = Path(__file__).resolve().parents[3]
FOR_PROGRAMS = re.compile(r"/v1/|\b(?:GET|POST|PUT|PATCH|DELETE)\b|`|\bkestrel[ -]|[A-Z]_[A-Z]|[a-z]_[a-z]")
TELL = "If it stays so, tell who runs this platform."


@pytest.mark.parametrize(
    ("hint", "text", "href"),
    [
        ("List flights with GET /v1/flights.", "", "/"),
        ("List them with GET /v1/decisions?state=waiting.", "", "/waiting"),
        ("List them with GET /v1/sites/{site_id}/zones.", "", "/assets"),
        ("Register it with POST /v1/drones.", "", "/fleet"),
        ("Retry; see `kestrel status`.", f"Retry. {TELL}", None),
        ("It will be tried again; check CLOUD_SMTP_HOST.", f"It will be tried again. {TELL}", None),
        ("Replace its certificate; then an admin ends it with POST /v1/drones/{id}/readmit.",
         "Replace its certificate.", "/fleet"),
        ("Raise params.standoff_m, or lower front_overlap.", "Raise standoff, or lower front overlap.", None),
        ("It takes the role admin; ask one.", "It takes the role admin; ask one.", None),
        (None, "", None),
    ],
)  # fmt: skip
def test_a_hint_becomes_what_a_person_can_do(hint: str | None, text: str, href: str | None) -> None:
    said, way = advice(hint)
    assert (said, way and way.href) == (text, href)


def hints() -> Iterator[str]:
    """Yield every hint that the code holds, what it fills in left as a word."""
    for part in ("cloud", "contracts", "workflows"):
        for file in (REPOSITORY / part).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text())):
                said = isinstance(node, ast.keyword) and node.arg == "hint"
                held = isinstance(node, ast.Assign) and any(getattr(t, "id", "") == "hint" for t in node.targets)
                if said or held:
                    yield from texts(node.value)  # type: ignore[attr-defined]


def texts(value: ast.expr) -> Iterator[str]:
    """Yield the texts an expression may come to."""
    if isinstance(value, ast.Constant) and isinstance(value.value, str):
        yield value.value
    elif isinstance(value, ast.JoinedStr):
        yield "".join(str(v.value) if isinstance(v, ast.Constant) else "x" for v in value.values)
    elif isinstance(value, ast.IfExp):
        yield from texts(value.body)
        yield from texts(value.orelse)


def test_no_hint_of_the_code_speaks_to_a_person_as_to_a_program() -> None:
    found = sorted(set(hints()))
    assert len(found) > 150
    assert [hint for hint in found if FOR_PROGRAMS.search(advice(hint).text)] == []
    listed = {name for hint in found for name in re.findall(r"/v1/([a-z-]+)", hint)}
    assert listed <= set(WAYS)


@pytest.mark.parametrize("template", ["_problem.html", "error.html"])
def test_a_problem_leads_to_the_page_that_helps(template: str) -> None:
    error = NotFound("No flight 'flt-1'.", hint="List flights with GET /v1/flights.")
    said = rendering.render(template, {"error": error, "title": "Not found", "quoted": ""})
    assert '<a href="/">To the flights</a>' in said
    assert "/v1/" not in said


def test_a_field_in_a_message_is_words_and_a_name_stays_as_it_is() -> None:
    error = InvalidInput("`expires_at` lies in the past, says ana_b.")
    assert plain(error.message) == "expires at lies in the past, says ana_b."
