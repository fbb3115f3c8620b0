"""What the pages say: every text of a template is a message, and every message is translated."""

from __future__ import annotations

import re
import runpy
from pathlib import Path
from typing import Any

import pytest
from jinja2 import Environment
from markupsafe import Markup

from cloud import language
from cloud.web import labels
from cloud.web.wording import Wording

REPOSITORY = Path(__file__).resolve().parents[3]
PLACE = re.compile(r"\{\d+[^}]*\}|%[-+#0-9.]*[a-z]")


@pytest.fixture(scope="module")
def tool() -> dict[str, Any]:
    return runpy.run_path(str(REPOSITORY / "scripts/words"))


def shouted(source: str, **values: object) -> str:
    """Fill a template in a language that shouts: whatever stays quiet is no message."""
    env = Environment(autoescape=True, extensions=[Wording])
    env.globals |= {
        "_": lambda text: text.upper(),
        "phrase": lambda text, *given: Markup(text.upper()).format(*given),  # noqa: S704 - texts of this file
    }
    return env.from_string(source).render(**values)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("<p>{{ n }} of {{ m }} seen</p>", "<p>3 OF 7 SEEN</p>"),
        ("<p> seen \n  by {{ who }} </p>", "<p> SEEN BY &lt;b&gt; </p>"),
        ('<a title="{{ n }} seen" class="seen">x</a>', '<a title="3 SEEN" class="seen">x</a>'),
        ("<li{% if n %} class='on'{% endif %}>seen</li>", "<li class='on'>SEEN</li>"),
        ("{{ 'drone' if n == 1 else 'drones' }}", "DRONES"),
        ("{{ {'pass': 'no go'}['pass'] }}", "NO GO"),
        ("{% if word == 'not seen' %}not seen{% endif %}", "NOT SEEN"),
        ("<code>kestrel demo</code> flies <kbd>Enter</kbd>", "<code>kestrel demo</code> FLIES <kbd>Enter</kbd>"),
        ("{{ n }} mm &plusmn; {{ m }} · SAP", "3 mm &plusmn; 7 · SAP"),
        ("{% macro acts(url) %}hx-post='{{ url }}' seen{% endmacro %}<p {{ acts('/x') }}>", "<p hx-post='/x' seen>"),
        ("{% if n %}{{ n }} seen{% else %}none seen{% endif %}", "3 SEEN"),
    ],
)
def test_every_text_between_tags_and_in_spoken_attributes_is_a_message(source: str, said: str) -> None:
    assert shouted(source, n=3, m=7, who="<b>", word="not seen") == said


@pytest.mark.parametrize("path", sorted(language.CATALOGUES.glob("*.po")), ids=lambda path: path.stem)
def test_a_catalogue_holds_every_text_of_the_pages_and_translates_it(tool: dict[str, Any], path: Path) -> None:
    now = tool["updated"](path.stem, path)
    assert tool["written"](now).decode() == path.read_text(), "`make words` brings it up to date"
    for entry in now:
        assert entry.string, entry.id
        if entry.id:
            assert sorted(PLACE.findall(entry.id)) == sorted(PLACE.findall(entry.string)), entry.id


def test_every_language_on_offer_has_a_catalogue() -> None:
    assert {path.stem for path in language.CATALOGUES.glob("*.po")} == language.LANGUAGES.keys() - {language.SOURCE}


@pytest.mark.parametrize(
    ("cookies", "accepted", "chosen"),
    [
        ("", "", "en"),
        ("", "de-CH,de;q=0.9,en;q=0.8", "de"),
        ("", "fr, en;q=0.4, de;q=0.7", "de"),
        ("", "de;q=0, en", "en"),
        ("kestrel_language=en", "de", "en"),
        ("kestrel_language=xx", "de", "de"),
        ("kestrel_language=;;=\x00", ";q=x,,*;q=", "en"),
    ],
)
def test_the_reader_chooses_else_the_browser_else_it_is_english(cookies: str, accepted: str, chosen: str) -> None:
    assert language.choose(cookies, accepted) == chosen


def test_a_page_brings_what_its_modules_say_and_nothing_that_ends_the_script(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(language, "spoken", lambda: "de")
    assert '"Play":"Abspielen"' in language.page_words()
    assert "<" not in language.page_words()


@pytest.mark.parametrize("state", ["new", "same", "grown", "reappeared", "repaired", "gone", "not_visible"])
def test_each_state_of_a_defect_is_said_in_german(state: str) -> None:
    token = language._spoken.set("de")
    try:
        assert labels.words(state) != labels.first_up(state.replace("_", " "))
    finally:
        language._spoken.reset(token)
