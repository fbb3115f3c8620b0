"""A question in, an answer out: plan, evidence, sentences that passed the gate, end; streamed or whole."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import Any, Literal, NamedTuple

from pydantic import Field

from cloud.assistant.dialogue.loop import BrokeOff, Dialogue, Limits
from cloud.assistant.dialogue.router import route
from cloud.assistant.evidence import Citation, Period, Row, Sentence
from cloud.assistant.executor import StepRows, execute, found_any
from cloud.assistant.grammar import names
from cloud.assistant.grammar.planner import plan
from cloud.assistant.grammar.steps import absence_steps
from cloud.assistant.grounding.citations import Removed, check, unique
from cloud.assistant.plans import Plan, Refusal, Subject
from cloud.assistant.tools.declarations import Asker, begin
from cloud.assistant.writer import Writer
from cloud.logbook import log
from cloud.model_turns import Converser, Models, Usage
from contracts.errors import Unavailable
from contracts.geo import Frozen

SOURCE = "planner"
"""Who wrote the answer: the built-in planner and templates; else ``bedrock:<model id>``."""


class Event(Frozen):
    """One part of a streamed answer."""

    type: Literal["plan", "evidence", "sentence", "removed", "refusal", "note", "end"]
    data: dict[str, Any]


class Answer(Frozen):
    """A whole answer. ``answered`` is False for a refusal; then ``reason`` and ``questions`` say what to do."""

    question: str
    answered: bool
    source: str = SOURCE
    period: Period | None = None
    understood: tuple[dict[str, str], ...] = ()
    steps: tuple[dict[str, Any], ...] = ()
    sentences: tuple[Sentence, ...] = ()
    citations: tuple[Citation, ...] = ()
    removed: tuple[Removed, ...] = ()
    notes: tuple[str, ...] = ()
    reason: str = ""
    not_understood: tuple[str, ...] = ()
    questions: tuple[str, ...] = Field(default=(), description="what could be asked instead")
    proposal: dict[str, Any] | None = Field(default=None, description="a form that a person may confirm")
    elapsed_ms: float = 0.0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: float = 0.0

    @property
    def text(self) -> str:
        """Return the sentences, or the refusal, as one text."""
        return " ".join(s.text for s in self.sentences) or self.reason

    @property
    def usage(self) -> Usage:
        """Return what language models used for it."""
        return Usage(self.input_tokens, self.output_tokens, 0, self.cost_usd)


class Assistance(NamedTuple):
    """What may help the planner: language models, and how much one answer may take of them.

    ``note`` is said where no model may be asked, such as: the day's budget is used up.
    """

    models: Models = Models()
    limits: Limits = Limits()
    note: str = ""


def stream(asker: Asker, question: str, previous: str = "", help_: Assistance | None = None) -> Iterator[Event]:
    """Yield the parts of an answer; the last is always ``end``. ``previous`` is the question before, for follow-ups.

    Raises:
        Forbidden: The asker may not read.

    """
    began = time.perf_counter()
    begin(asker)
    assistance = help_ or Assistance()
    planned = plan(question, names.load(asker.session), asker.now, asker.zone, previous)
    model = route(question, planned, assistance.models)
    told = _Told()
    if model is not None:
        yield from told.watch(_by_model(asker, model, question, assistance.limits, told))
    if not told.sentences:
        if assistance.note and isinstance(planned, Refusal) and not planned.final:
            yield _note(assistance.note)
        told.source = SOURCE
        yield from told.watch(_by_planner(asker, planned))
    usage = {"input_tokens": told.usage.input_tokens, "output_tokens": told.usage.output_tokens,
             "cost_usd": told.usage.cost_usd}  # fmt: skip
    elapsed_ms = round(1000 * (time.perf_counter() - began), 1)
    ended = {"answered": told.sentences > 0, "source": told.source, "elapsed_ms": elapsed_ms, **usage}
    yield Event(type="end", data=ended)


class _Told:
    """What has been said so far, by whom, and what it cost."""

    def __init__(self) -> None:
        self.sentences = 0
        self.source = SOURCE
        self.usage = Usage()

    def watch(self, events: Iterable[Event]) -> Iterator[Event]:
        """Pass events on and count the sentences."""
        for event in events:
            self.sentences += event.type == "sentence"
            yield event


def _note(text: str) -> Event:
    return Event(type="note", data={"text": text})


def _by_planner(asker: Asker, planned: Plan | Refusal) -> Iterator[Event]:
    if isinstance(planned, Refusal):
        yield Event(type="refusal", data=planned.model_dump(mode="json"))
        return
    yield Event(type="plan", data=planned.model_dump(mode="json"))
    said = 0
    for event in _answer(asker, planned):
        said += event.type == "sentence"
        yield event
    if not said:
        yield _nothing(planned.question)


def _by_model(asker: Asker, model: Converser, question: str, limits: Limits, told: _Told) -> Iterator[Event]:
    """Yield a model's answer; where it fails, a note: the planner takes over unless something was said already."""
    dialogue = Dialogue(asker, model, limits)
    told.source = model.name
    steps: list[StepRows] = []
    try:
        for part in dialogue.run(question):
            if isinstance(part, StepRows):
                steps.append(part)
                yield _evidence(part)
            else:
                yield _said(part)
    except (BrokeOff, Unavailable) as error:
        log("assistant_model_failed", model=model.name, reason=str(error)[:300])
        yield _note(f"The language model could not answer ({error.message}) The built-in planner answers instead.")
        told.usage = dialogue.usage
        return
    told.usage = dialogue.usage
    yield from _what_was_not_seen(asker, question, steps)
    if not told.sentences:
        yield _note("The language model said nothing that the evidence holds.")


def _what_was_not_seen(asker: Asker, question: str, steps: list[StepRows]) -> Iterator[Event]:
    """Say beside a model's "none found" which flights looked and how much they saw; no finding is not no defect."""
    tools = {step.step.tool for step in steps}
    empty = [s for s in steps if s.step.tool in {"findings", "count_findings"} and not found_any(s.rows)]
    if empty and "coverage" not in tools:
        looked = absence_steps(empty[0].step)
        yield from _answer(asker, Plan(question=question, subject=Subject.FINDINGS, steps=looked))


def _answer(asker: Asker, planned: Plan) -> Iterator[Event]:
    done: list[StepRows] = []
    rows: dict[str, Row] = {}
    for found in execute(asker, planned):
        done.append(found)
        rows |= {row.ref: row for row in found.rows}
        yield _evidence(found)
    for sentence in Writer(asker.zone).write(planned, done):
        yield _said(check(sentence, rows, asker.zone))


def _evidence(found: StepRows) -> Event:
    return Event(type="evidence", data={"step": found.step.model_dump(mode="json"),
                 "rows": [row.model_dump(mode="json") for row in found.rows],
                 "elapsed_ms": round(found.elapsed_ms, 1)})  # fmt: skip


def _said(part: Sentence | Removed) -> Event:
    kind: Literal["removed", "sentence"] = "removed" if isinstance(part, Removed) else "sentence"
    return Event(type=kind, data=part.model_dump(mode="json"))


def _nothing(question: str) -> Event:
    """Return the refusal of a sound question that nothing in the database bears on."""
    reason = "There is nothing in the database that this question could be answered from."
    return Event(type="refusal", data=Refusal(question=question, reason=reason).model_dump(mode="json"))


def answer(asker: Asker, question: str, previous: str = "", help_: Assistance | None = None) -> Answer:
    """Return the whole answer to a question.

    Raises:
        Forbidden: The asker may not read.

    """
    return collect(question, stream(asker, question, previous, help_))


def collect(question: str, events: Iterable[Event]) -> Answer:
    """Return the answer that a stream of events makes."""
    found: dict[str, Any] = {"question": question, "answered": False}
    kept: dict[str, list[Any]] = {"evidence": [], "sentence": [], "removed": [], "note": []}
    for event in events:
        if event.type in kept:
            kept[event.type].append(event.data)
        elif event.type == "plan":
            found |= {"period": event.data["period"], "understood": event.data["understood"]}
        elif event.type == "refusal":
            found |= {
                k: event.data[k] for k in ("reason", "not_understood", "questions", "proposal") if k in event.data
            }
        else:
            found |= event.data
    sentences = [Sentence.model_validate(data) for data in kept["sentence"]]
    notes = [data["text"] for data in kept["note"]]
    parts = {"steps": kept["evidence"], "sentences": sentences, "removed": kept["removed"], "notes": notes}
    return Answer.model_validate(found | parts | {"citations": unique(sentences)})
