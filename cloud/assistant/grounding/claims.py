"""What a language model wrote, sentence by sentence: bound to rows it names, in words that can be checked, or removed.

The gate of ``citations`` holds for every sentence. A model's sentence must pass more: no markup, digits only, no word
that could carry a claim outside the rows, no denial without a row that counted nothing.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from datetime import datetime
from zoneinfo import ZoneInfo

from cloud.assistant.evidence import Row, Sentence
from cloud.assistant.grounding.citations import Removed, check
from cloud.assistant.grounding.vocabulary import REPORTING
from cloud.assistant.words import NUMBER_WORDS

MAX_SENTENCE_CHARS = 400
MAX_SENTENCES = 60
_MARKS = re.compile(r"\s*\[\s*#?(E\d{1,2}\.[\w.]+(?:\s*[,;]\s*#?E\d{1,2}\.[\w.]+)*)\s*\]\s*([.!?])?")
_MARKUP = re.compile(r"https?:|www\.|[<>{}\[\]`|\\]|&#|javascript:|data:", re.IGNORECASE)
_DENIAL = re.compile(r"\b(?:no|not|none|never|nothing|without|neither|nor|cannot|\w+n't)\b", re.IGNORECASE)
_NUMBER_WORD = re.compile(
    rf"\b(?:zero|{'|'.join(NUMBER_WORDS)}|hundreds?|thousands?|dozens?|half|twice|double)\b", re.IGNORECASE
)
_WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)?")


def drafted(text: str) -> Iterator[Sentence]:
    """Yield the sentences of a model's text with the rows each names: ``F-12 is a crack. [E1.2]``.

    What stands before a mark, up to the mark before it, is one claim of that mark, however many full stops it has:
    a claim cannot hide in front of another's evidence. Text after the last mark names nothing.
    """
    at = 0
    for mark in _MARKS.finditer(text):
        said = _plain(text[at : mark.start()])
        if said:
            refs = tuple(re.findall(r"E\d{1,2}\.[\w.]*\w", mark[1]))
            yield Sentence(text=said if said[-1] in ".!?" else said + (mark[2] or "."), refs=refs)
        at = mark.end()
    rest = _plain(text[at:])
    if rest:
        yield Sentence(text=rest)


def _plain(text: str) -> str:
    """Return the text on one line, in compatibility form: full-width and circled digits become digits."""
    return " ".join(unicodedata.normalize("NFKC", text).split()).strip("*-•# ")


def bind(sentence: Sentence, rows: dict[str, Row], zone: ZoneInfo) -> Sentence | Removed:
    """Return a model's sentence with its citations, or why it may not be said."""
    reason = _unfit(sentence.text)
    if reason:
        return Removed(text=sentence.text[:MAX_SENTENCE_CHARS], reason=reason)
    if not sentence.refs:
        return Removed(text=sentence.text, reason="names no evidence")
    checked = check(sentence, rows, zone)
    if isinstance(checked, Removed):
        return checked
    behind = [rows[ref] for ref in sentence.refs]
    reason = _unbound(sentence.text, behind)
    return Removed(text=sentence.text, reason=reason) if reason else checked


def _unfit(text: str) -> str:
    if len(text) > MAX_SENTENCE_CHARS:
        return f"longer than {MAX_SENTENCE_CHARS} characters"
    if not _WORD.search(text):
        return "says nothing"
    if _MARKUP.search(text) or any(not c.isprintable() for c in text):
        return "holds markup or an address"
    if any(c.isnumeric() and not c.isascii() for c in text):
        return "writes numbers in other signs than digits"
    if found := _NUMBER_WORD.search(text):
        return f"says {found[0]!r} in words; figures must be digits"
    return ""


def _unbound(text: str, behind: list[Row]) -> str:
    """Return why a sentence claims more than its rows: a denial nothing counted, or a word no row and no report has."""
    counted_nothing = any(row.values.get("total") == 0 or row.values.get("seen") is False for row in behind)
    if (denial := _DENIAL.search(text)) and not counted_nothing:
        return f"{denial[0]!r} denies what no evidence denies"
    known = {word for row in behind for word in _words_of(row)}
    for word in _WORD.findall(text):
        if word.lower() not in REPORTING and word.lower() not in known and len(word) > 1:
            return f"{word!r} is in no evidence"
    return ""


def _words_of(row: Row) -> set[str]:
    values = [f"{value:%b}" if isinstance(value, datetime) else str(value) for value in row.values.values()]
    said = [row.label, *values, *(cite.label for cite in row.cites)]
    return {word.lower() for text in said for word in _WORD.findall(text)}
