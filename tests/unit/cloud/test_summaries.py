"""What a language model may say, and what it may not."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cloud.summaries import TEMPLATE, Facts, Sentence, untrue, worded
from contracts.errors import Unavailable

FACTS = Facts(
    [
        Sentence(
            text="F-142 is a crack of 240 x 12 mm (± 8 mm) on T-01, blade A, 17.4 m from the root.", citations=["fnd-1"]
        ),
        Sentence(text="It is GWO 4 by policy wind-gwo-1.", citations=["fnd-1"]),
        Sentence(text="It was F-17 on 2026-05-01, then 120 mm long.", citations=["fnd-1", "fnd-0"]),
    ],
    frozenset({"fnd-1", "fnd-0"}),
)
GOOD: list[dict[str, Any]] = [
    {"text": "The crack F-142 on T-01 measures 240 x 12 mm.", "citations": ["fnd-1"]},
    {"text": "It was F-17 and 120 mm long on 2026-05-01.", "citations": ["fnd-1", "fnd-0"]},
]


class Model:
    """A language model that says what it is told to."""

    name = "bedrock:test"

    def __init__(self, answer: str | Exception) -> None:
        self.answer = answer
        self.prompts: list[str] = []

    def complete(self, system: str, prompt: str, *, max_tokens: int = 400) -> str:
        self.prompts.append(prompt)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def test_a_true_draft_is_taken() -> None:
    model = Model(f"Here it is:\n{json.dumps(GOOD)}")
    source, sentences = worded(model, FACTS)
    assert source == "bedrock:test"
    assert [s.model_dump() for s in sentences] == GOOD
    assert "240 x 12 mm" in model.prompts[0]


@pytest.mark.parametrize(
    ("text", "citations", "says"),
    [
        ("It measures 245 mm.", ["fnd-1"], "says 245"),
        ("It is 17.5 m from the root.", ["fnd-1"], "says 17.5"),
        ("See F-143.", ["fnd-1"], "names F-143"),
        ("See fnd-9.", ["fnd-1"], "names fnd-9"),
        ("It measures 240 mm.", ["fnd-9"], "cites fnd-9"),
        ("It has two branches.", ["fnd-1"], "says 'two' in words"),
    ],
)
def test_a_false_draft_is_refused_and_the_template_used(text: str, citations: list[str], says: str) -> None:
    draft = [GOOD[0], {"text": text, "citations": citations}]
    assert untrue([Sentence.model_validate(s) for s in draft], FACTS) == says
    source, sentences = worded(Model(json.dumps(draft)), FACTS)
    assert source == f"{TEMPLATE} (bedrock:test refused: {says})"
    assert sentences == FACTS.sentences


@pytest.mark.parametrize(
    "answer",
    ["I cannot.", "[]", '[{"text": "x"}]', '[{"text": "x", "citations": []}]', Unavailable("Bedrock did not answer.")],
)
def test_an_unusable_answer_gives_the_template(answer: str | Exception) -> None:
    source, sentences = worded(Model(answer), FACTS)
    assert source.startswith(TEMPLATE)
    assert sentences == FACTS.sentences


def test_without_a_model_the_template_speaks() -> None:
    assert worded(None, FACTS) == (TEMPLATE, FACTS.sentences)


def test_too_many_sentences_are_refused() -> None:
    assert untrue([Sentence.model_validate(GOOD[0])] * 5, FACTS) == "5 sentences"
