"""A question in, an answer out: plan, evidence, sentences that passed the gate, end; streamed or whole."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any, Literal

from pydantic import Field

from cloud.assistant.evidence import Citation, Period, Row, Sentence
from cloud.assistant.executor import StepRows, execute
from cloud.assistant.grammar import names
from cloud.assistant.grammar.planner import plan
from cloud.assistant.grounding.citations import Removed, check, unique
from cloud.assistant.plans import Plan, Refusal
from cloud.assistant.tools.declarations import Asker, begin
from cloud.assistant.writer import Writer
from contracts.geo import Frozen

SOURCE = "planner"
"""Who wrote the answer: the built-in planner and templates."""


class Event(Frozen):
    """One part of a streamed answer."""

    type: Literal["plan", "evidence", "sentence", "removed", "refusal", "end"]
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
    reason: str = ""
    not_understood: tuple[str, ...] = ()
    questions: tuple[str, ...] = Field(default=(), description="what could be asked instead")
    elapsed_ms: float = 0.0

    @property
    def text(self) -> str:
        """Return the sentences, or the refusal, as one text."""
        return " ".join(s.text for s in self.sentences) or self.reason


def stream(asker: Asker, question: str, previous: str = "") -> Iterator[Event]:
    """Yield the parts of an answer; the last is always ``end``. ``previous`` is the question before, for follow-ups.

    Raises:
        Forbidden: The asker may not read.

    """
    began = time.perf_counter()
    begin(asker)
    known = names.load(asker.session)
    planned = plan(question, known, asker.now, asker.zone, previous)
    said = 0
    if isinstance(planned, Refusal):
        yield Event(type="refusal", data=planned.model_dump(mode="json"))
    else:
        yield Event(type="plan", data=planned.model_dump(mode="json"))
        for event in _answer(asker, planned):
            said += event.type == "sentence"
            yield event
        if not said:
            yield _nothing(planned)
    elapsed_ms = round(1000 * (time.perf_counter() - began), 1)
    yield Event(type="end", data={"answered": said > 0, "source": SOURCE, "elapsed_ms": elapsed_ms})


def _answer(asker: Asker, planned: Plan) -> Iterator[Event]:
    done: list[StepRows] = []
    rows: dict[str, Row] = {}
    for found in execute(asker, planned):
        done.append(found)
        rows |= {row.ref: row for row in found.rows}
        yield Event(type="evidence", data={"step": found.step.model_dump(mode="json", exclude={"parameters"}),
                    "rows": [row.model_dump(mode="json") for row in found.rows],
                    "elapsed_ms": round(found.elapsed_ms, 1)})  # fmt: skip
    for sentence in Writer(asker.zone).write(planned, done):
        checked = check(sentence, rows, asker.zone)
        kind: Literal["removed", "sentence"] = "removed" if isinstance(checked, Removed) else "sentence"
        yield Event(type=kind, data=checked.model_dump(mode="json"))


def _nothing(planned: Plan) -> Event:
    """Return the refusal of a sound question that nothing in the database bears on."""
    reason = "There is nothing in the database that this question could be answered from."
    return Event(type="refusal", data=Refusal(question=planned.question, reason=reason).model_dump(mode="json"))


def answer(asker: Asker, question: str, previous: str = "") -> Answer:
    """Return the whole answer to a question.

    Raises:
        Forbidden: The asker may not read.

    """
    return collect(question, stream(asker, question, previous))


def collect(question: str, events: Iterator[Event]) -> Answer:
    """Return the answer that a stream of events makes."""
    found: dict[str, Any] = {"question": question, "answered": False}
    steps: list[dict[str, Any]] = []
    sentences: list[Sentence] = []
    removed: list[Removed] = []
    for event in events:
        if event.type == "plan":
            found |= {"period": event.data["period"], "understood": event.data["understood"]}
        elif event.type == "evidence":
            steps.append(event.data)
        elif event.type == "sentence":
            sentences.append(Sentence.model_validate(event.data))
        elif event.type == "removed":
            removed.append(Removed.model_validate(event.data))
        elif event.type == "refusal":
            found |= {k: event.data[k] for k in ("reason", "not_understood", "questions")}
        else:
            found |= {k: event.data[k] for k in ("answered", "elapsed_ms", "source")}
    return Answer.model_validate(
        found | {"steps": steps, "sentences": sentences, "removed": removed, "citations": unique(sentences)}
    )
