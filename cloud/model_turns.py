"""What the assistant and a language model say to each other, in the shapes of Bedrock Converse."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple, Protocol

Message = dict[str, Any]
"""A Converse message: ``{"role": "user" | "assistant", "content": [blocks]}``."""


class Usage(NamedTuple):
    """What a turn cost. Cached input is counted apart: it is cheaper."""

    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    cost_usd: float = 0.0

    def plus(self, other: Usage) -> Usage:
        """Return both together."""
        return Usage(
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.cached_tokens + other.cached_tokens,
            self.cost_usd + other.cost_usd,
        )


class ToolCall(NamedTuple):
    """A tool the model wants run. ``arguments`` is None where they were not JSON of an object."""

    id: str
    name: str
    arguments: dict[str, Any] | None
    raw: str = ""


class Turn(NamedTuple):
    """One whole answer of a model: text, or tools to run first."""

    text: str
    calls: tuple[ToolCall, ...]
    usage: Usage
    stop: str
    """end_turn | tool_use | max_tokens | guardrail_intervened | content_filtered | …"""

    def message(self) -> Message:
        """Return the turn as it goes back into the conversation."""
        blocks: list[dict[str, Any]] = [{"text": self.text}] if self.text else []
        blocks += [
            {"toolUse": {"toolUseId": call.id, "name": call.name, "input": call.arguments or {}}} for call in self.calls
        ]
        return {"role": "assistant", "content": blocks or [{"text": "(nothing)"}]}


class Converser(Protocol):
    """A model that can use tools."""

    name: str

    def converse(
        self, system: str, messages: list[Message], tools: list[dict[str, Any]], *, max_tokens: int
    ) -> Iterator[str | Turn]:
        """Yield pieces of text as they come, then the whole turn.

        Raises:
            Unavailable: No answer, throttled beyond the retries, or broken off midway.

        """


class Models(NamedTuple):
    """The models at hand, either may be missing."""

    small: Converser | None = None
    large: Converser | None = None

    def __bool__(self) -> bool:
        return self.small is not None or self.large is not None
