"""From a question to a plan of tool calls, by grammar and gazetteer, or to an honest refusal.

Every word must be understood: a word that no rule takes and that is not plain filler makes the whole question a
refusal that names it. So an answer is never about less than what was asked.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from cloud.assistant.grammar import conditions, subjects
from cloud.assistant.grammar.actions import proposed
from cloud.assistant.grammar.languages import LANGUAGES, to_english
from cloud.assistant.grammar.names import Names
from cloud.assistant.grammar.reading import MAX_QUESTION_CHARS, Reading
from cloud.assistant.grammar.steps import compare_steps, finding_steps, other_steps
from cloud.assistant.grammar.subjects import ALLOWED, OF_FINDINGS
from cloud.assistant.grammar.suggestions import nearest
from cloud.assistant.plans import Plan, Refusal, Subject, Understood
from cloud.assistant.tools.parameters import Order
from cloud.assistant.words import ACTIONS, STOP_WORDS

_ONLY_READ = "I only read; I cannot change anything or act."
_FORM = "I only read; here is a form. Nothing happens until you, or someone with the right, confirm it."
_ASKS_TO_ACT = rf"(?:please |can you |could you |now |then )*{ACTIONS}\b(?! (?:tickets|findings|defects)\b)"
_FOLLOWS = r"^(?:and|what about|how about|(?:the )?same for|only|just)"


class _Read(NamedTuple):
    """A question that was understood whole."""

    subject: Subject
    found: dict[str, Any]
    compared: tuple[str, tuple[Any, Any]] | None
    understood: tuple[Understood, ...]


class _Reason(NamedTuple):
    """Why it was not."""

    text: str
    words: tuple[str, ...] = ()
    final: bool = False


def plan(question: str, known: Names, now: datetime, zone: ZoneInfo, previous: str = "") -> Plan | Refusal:
    """Return what to look up for a question asked at ``now`` in ``zone``.

    ``previous`` is the question before: "and on blade B?" keeps its conditions and changes those it names.
    """
    reason = _unfit(question)
    if reason:
        return _refuse(question[:MAX_QUESTION_CHARS], known, reason)
    if form := proposed(Reading(question).text):
        return Refusal(question=question, reason=_FORM, proposal=form, final=True, questions=nearest(question, known))
    context = _understood(previous, known, now, zone) if previous and not _unfit(previous) else None
    read = _understood(question, known, now, zone, context if isinstance(context, _Read) else None)
    if isinstance(read, _Reason):
        return _refuse(question, known, read)
    return Plan(question=question, subject=Subject.COMPARE if read.compared else read.subject, steps=_steps(read),
                period=read.found.get("period"), understood=read.understood)  # fmt: skip


def _understood(
    question: str, known: Names, now: datetime, zone: ZoneInfo, context: _Read | None = None
) -> _Read | _Reason:
    """Return what a question means in the first language that understands it whole; else English's reason."""
    first: _Reason | None = None
    for language, text in _wordings(question, known):
        read = _read(Reading(text), known, now, zone, context)
        if isinstance(read, _Read):
            note = (Understood(words=question[:60], means=f"{LANGUAGES[language]}: {text}"[:200]),) if language else ()
            return read._replace(understood=(*note, *read.understood))
        if first is None or len(read.words) < len(first.words):
            first = read
    return first or _Reason("There is no question.")


def _wordings(question: str, known: Names) -> Iterator[tuple[str, str]]:
    """Yield a question as it stands, in other words, translated, and both; each only where it differs."""
    yield "", question
    said = {Reading(question).text}
    for language in LANGUAGES:
        text = to_english(question, language, known)
        for wording in (text, to_english(text, "en", known)):
            if wording not in said:
                said.add(wording)
                yield language, wording


def _read(reading: Reading, known: Names, now: datetime, zone: ZoneInfo, context: _Read | None) -> _Read | _Reason:
    follows = context is not None and reading.take(_FOLLOWS, "as before") is not None
    found, comparing, compared = conditions.read(reading, known, now, zone)
    merged = context.found | found if follows and context else found
    subject = subjects.choose(reading, merged)
    left = reading.leftovers(STOP_WORDS)
    if left:
        return _Reason(f"I did not understand {_quoted(left)}.", tuple(left))
    if follows and context and subjects.keeps(context.subject, subject):
        subject = context.subject
    if comparing:
        return _comparison(subject or Subject.FINDINGS, merged, compared, reading)
    if subject is None:
        return _Reason("I did not understand what the question is about.")
    odd = sorted(set(merged) - ALLOWED[subject] | _unordered(subject, merged))
    if odd:
        said = ", ".join(name.replace("_", " ") for name in odd)
        return _Reason(f"I cannot combine {subject.value} with a condition on {said}.")
    return _Read(subject, merged, None, tuple(reading.understood))


def _comparison(
    subject: Subject, found: dict[str, Any], compared: tuple[str, tuple[Any, Any]] | None, reading: Reading
) -> _Read | _Reason:
    if compared is None:
        return _Reason("I did not understand which two things to compare; name two assets, sites, blades or periods.")
    if subject not in OF_FINDINGS | {Subject.ASSETS, Subject.SITES} or not set(found) <= ALLOWED[Subject.COMPARE]:
        return _Reason("I can compare how many findings there are, nothing else yet.")
    return _Read(Subject.COMPARE, found, compared, tuple(reading.understood))


def _steps(read: _Read) -> Any:
    if read.compared:
        return compare_steps(read.found, *read.compared)
    build = finding_steps if read.subject in OF_FINDINGS else other_steps
    return build(read.subject.value, read.found)


def _unordered(subject: Subject, found: dict[str, Any]) -> set[str]:
    """Tickets and flights come newest first; any other order is one they do not have."""
    newest_only = subject in {Subject.TICKETS, Subject.FLIGHTS}
    return {"order"} if newest_only and found.get("order", Order.NEWEST) is not Order.NEWEST else set()


def _unfit(question: str) -> _Reason | None:
    """Return why a question cannot be read at all; None when it can."""
    text = Reading(question).text
    if not text:
        return _Reason("There is no question.", final=True)
    if len(question) > MAX_QUESTION_CHARS:
        return _Reason(f"A question may have {MAX_QUESTION_CHARS} characters.", final=True)
    acts = re.match(_ASKS_TO_ACT, text) and proposed(text) is None
    return _Reason(_ONLY_READ, tuple(text.split()[:1]), final=True) if acts else None


def _quoted(words: list[str]) -> str:
    return ", ".join(f"“{word}”" for word in words[:6])


def _refuse(question: str, known: Names, reason: _Reason) -> Refusal:
    return Refusal(question=question, reason=reason.text, not_understood=reason.words, final=reason.final,
                   questions=nearest(question, known))  # fmt: skip
