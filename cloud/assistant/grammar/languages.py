"""Other wordings, German and Spanish, word by word into the English that the grammar reads.

The grammar takes words in any order, so a lexicon is enough: whatever it does not know stays as it is, is not
understood there, and makes the question a refusal that names it.
"""

from __future__ import annotations

import re
from functools import cache
from importlib import resources
from typing import Any

import yaml

from cloud.assistant.grammar.names import Names
from cloud.assistant.grammar.reading import Reading

LANGUAGES = {"en": "in other words", "de": "German", "es": "Spanish"}
_MASK = "\x01{}\x01"


@cache
def _lexicon(language: str) -> tuple[tuple[re.Pattern[str], str], ...]:
    folder = resources.files("cloud").joinpath("assistant", "grammar", "lexicons", f"{language}.yaml")
    entries: list[Any] = yaml.safe_load(folder.read_text(encoding="utf-8"))
    return tuple((re.compile(rf"(?<![\w-])(?:{foreign})(?![\w-])"), english) for foreign, english in entries)


def to_english(question: str, language: str, known: Names) -> str:
    """Return the question with every word that the lexicon knows in English; names of things stay as they are."""
    text = Reading(question.replace("¿", " ").replace("¡", " ")).text
    names = sorted({Reading(name).text for group in known for _, name in group} - {""}, key=len, reverse=True)
    kept = [name for name in names if name in text]
    for i, name in enumerate(kept):
        text = re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", _MASK.format(i), text)
    for foreign, english in _lexicon(language):
        text = foreign.sub(english, text)
    for i, name in enumerate(kept):
        text = text.replace(_MASK.format(i), name)
    return " ".join(text.split())
