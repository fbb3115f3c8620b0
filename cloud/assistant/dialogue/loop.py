"""A model answers a question with the tools: bounded in steps, tokens and money, every sentence past the gate."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from cloud.assistant.dialogue import prompt
from cloud.assistant.evidence import Row, Sentence
from cloud.assistant.executor import StepRows, run_step
from cloud.assistant.grounding.citations import Removed
from cloud.assistant.grounding.claims import MAX_SENTENCES, bind, drafted
from cloud.assistant.plans import Step
from cloud.assistant.tools.declarations import TOOLS, Asker
from cloud.model_turns import Converser, Message, ToolCall, Turn, Usage
from contracts.errors import PlatformError
from contracts.geo import Frozen


class Limits(Frozen):
    """How much one answer may take."""

    steps: int = 8
    turns: int = 6
    tokens: int = 40_000
    cost_usd: float = 0.25
    max_tokens_per_turn: int = 1500


class BrokeOff(PlatformError):
    """A model's answer cannot be used: it ran in circles or over a limit. The planner answers instead."""

    code = "assistant_broke_off"
    http_status = 502


@dataclass
class Dialogue:
    """One question to one model. ``usage`` is what it has cost so far."""

    asker: Asker
    model: Converser
    limits: Limits
    usage: Usage = field(default_factory=Usage)
    found: dict[str, tuple[Row, ...]] = field(default_factory=dict)
    _asked: set[str] = field(default_factory=set)

    def run(self, question: str) -> Iterator[StepRows | Sentence | Removed]:
        """Yield what was looked up and what may be said of it.

        Raises:
            BrokeOff: Too many steps, turns or tokens, too much money, or an answer that was cut.
            Unavailable: The model does not answer or broke off midway.

        """
        messages: list[Message] = [{"role": "user", "content": [{"text": prompt.told(self.asker, question)}]}]
        tools = prompt.tool_specs()
        for _ in range(self.limits.turns):
            turn = self._turn(messages, tools)
            if not turn.calls:
                yield from self._said(turn)
                return
            messages.append(turn.message())
            results = []
            for call in turn.calls:
                made = self._call(call)
                if isinstance(made, StepRows):
                    yield made
                    text = prompt.result_text(made.step.id, made.rows)
                    results.append(_result(call, text))
                else:
                    results.append(_result(call, made, status="error"))
            messages.append({"role": "user", "content": results})
        raise BrokeOff(f"{self.model.name} did not come to an answer in {self.limits.turns} turns.")

    def _turn(self, messages: list[Message], tools: list[dict[str, Any]]) -> Turn:
        turn: Turn | None = None
        for part in self.model.converse(prompt.SYSTEM, messages, tools, max_tokens=self.limits.max_tokens_per_turn):
            turn = part if isinstance(part, Turn) else turn
        if turn is None:
            raise BrokeOff(f"{self.model.name} said nothing.")
        self.usage = self.usage.plus(turn.usage)
        if self.usage.input_tokens + self.usage.output_tokens > self.limits.tokens:
            raise BrokeOff(f"{self.model.name} used more than {self.limits.tokens} tokens.")
        if self.usage.cost_usd > self.limits.cost_usd:
            raise BrokeOff(f"{self.model.name} cost more than {self.limits.cost_usd} USD.")
        return turn

    def _call(self, call: ToolCall) -> StepRows | str:
        """Run one tool call; return its rows, or what is wrong with it for the model to read.

        Raises:
            BrokeOff: The same call again, or one step too many.

        """
        key = json.dumps([call.name, call.arguments, call.raw], sort_keys=True)
        if key in self._asked:
            raise BrokeOff(f"{self.model.name} asked for the same thing twice: it runs in circles.")
        self._asked.add(key)
        if len(self._asked) > self.limits.steps:
            raise BrokeOff(f"{self.model.name} wanted more than {self.limits.steps} steps.")
        if call.arguments is None:
            return "The input is not a JSON object."
        step = Step(id=f"E{len(self.found) + 1}", tool=call.name[:60], title=_title(call.name),
                    parameters=call.arguments)  # fmt: skip
        try:
            made = run_step(self.asker, step, self.found)
        except ValidationError as error:
            first = error.errors(include_url=False, include_context=False, include_input=False)[0]
            return f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}"
        except PlatformError as error:
            return str(error)
        self.found[step.id] = made.rows
        return made

    def _said(self, turn: Turn) -> Iterator[Sentence | Removed]:
        if turn.stop == "max_tokens":
            raise BrokeOff(f"{self.model.name}'s answer was cut at {self.limits.max_tokens_per_turn} tokens.")
        if turn.stop in {"guardrail_intervened", "content_filtered"}:
            raise BrokeOff(f"A guardrail stopped {self.model.name}.")
        rows = {row.ref: row for rows in self.found.values() for row in rows}
        for number, sentence in enumerate(drafted(turn.text)):
            if number >= MAX_SENTENCES:
                yield Removed(text="…", reason=f"more than {MAX_SENTENCES} sentences")
                return
            yield bind(sentence, rows, self.asker.zone)


def _title(name: str) -> str:
    return TOOLS[name].description if name in TOOLS else name[:60]


def _result(call: ToolCall, text: str, *, status: str = "success") -> dict[str, Any]:
    return {"toolResult": {"toolUseId": call.id, "content": [{"text": text}], "status": status}}
