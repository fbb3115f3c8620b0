"""Bedrock Converse and ConverseStream: one prompt, or a conversation with tools, by profiles of model families."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

import boto3
from botocore.config import Config
from botocore.eventstream import ParserError
from botocore.exceptions import BotoCoreError, ClientError
from urllib3.exceptions import HTTPError

from cloud.model_turns import Message, ToolCall, Turn, Usage
from contracts.errors import Unavailable

_REGIONS = ("us.", "eu.", "apac.", "jp.", "au.", "global.", "us-gov.")
"""Prefixes of cross-region inference profiles: ``eu.amazon.nova-lite-v1:0`` is Nova Lite, routed within Europe."""


class Profile(NamedTuple):
    """What a model family needs and costs. Prices are USD per million tokens, list prices of 2025; input, output."""

    prefix: str
    input_usd: float
    output_usd: float
    greedy: dict[str, Any]
    """Fields that make tool calls greedy: topK 1."""
    caches: bool = True
    """Takes ``cachePoint`` blocks after the system text and, where ``caches_tools``, after the tools."""
    caches_tools: bool = False
    fast: bool = False
    """Offers latency-optimised inference (``performanceConfig``) in some regions."""


_NOVA: dict[str, Any] = {"inferenceConfig": {"topK": 1}}
_CLAUDE: dict[str, Any] = {"top_k": 1}
PROFILES = (
    Profile("amazon.nova-micro", 0.035, 0.14, _NOVA),
    Profile("amazon.nova-lite", 0.06, 0.24, _NOVA),
    Profile("amazon.nova-pro", 0.80, 3.20, _NOVA, fast=True),
    Profile("amazon.nova", 2.50, 12.50, _NOVA),
    Profile("anthropic.claude-3-5-haiku", 0.80, 4.00, _CLAUDE, caches_tools=True, fast=True),
    Profile("anthropic.claude-haiku", 1.00, 5.00, _CLAUDE, caches_tools=True),
    Profile("anthropic.claude", 3.00, 15.00, _CLAUDE, caches_tools=True),
)
_UNKNOWN = Profile("", 15.00, 75.00, {}, caches=False)
"""A model without a profile is taken as dear, so that a budget never runs over unnoticed."""
_CACHED_SHARE = 0.1
"""Cached input costs a tenth."""


def profile_of(model_id: str) -> Profile:
    """Return the profile of a model id, an inference profile id or its ARN."""
    name = model_id.rsplit("/", 1)[-1]
    name = next((name.removeprefix(region) for region in _REGIONS if name.startswith(region)), name)
    return next((profile for profile in PROFILES if name.startswith(profile.prefix)), _UNKNOWN)


class BedrockConverse:
    """One model. ``name`` is what sources of texts are called: ``bedrock:<model id>``.

    Throttling and server errors are retried by the SDK, four attempts with growing waits.
    """

    def __init__(self, model_id: str, *, fast: bool = False, guardrail: tuple[str, str] | None = None) -> None:
        config = Config(connect_timeout=3, read_timeout=60, retries={"mode": "standard", "max_attempts": 4})
        self._bedrock = boto3.client("bedrock-runtime", config=config)
        self._model_id = model_id
        self._profile = profile_of(model_id)
        self._fast = fast and self._profile.fast
        self._guardrail = guardrail
        self.name = f"bedrock:{model_id}"

    def complete(self, system: str, prompt: str, *, max_tokens: int = 400) -> str:
        """Return the model's answer to one prompt.

        Raises:
            Unavailable: Bedrock does not answer, throttles or refuses.

        """
        message: Message = {"role": "user", "content": [{"text": prompt}]}
        try:
            answer = self._bedrock.converse(**self._request(system, [message], [], max_tokens))
        except (ClientError, BotoCoreError) as error:
            raise self._failed(error) from error
        return "".join(block.get("text", "") for block in answer["output"]["message"]["content"])

    def converse(
        self, system: str, messages: list[Message], tools: list[dict[str, Any]], *, max_tokens: int
    ) -> Iterator[str | Turn]:
        """Yield pieces of text as they stream, then the whole turn.

        Raises:
            Unavailable: Bedrock does not answer, throttles, refuses, or the stream ends before its end.

        """
        assembly = _Assembly()
        try:
            answer = self._bedrock.converse_stream(**self._request(system, messages, tools, max_tokens))
            for event in answer["stream"]:
                text = assembly.take(event)
                if text:
                    yield text
        except (ClientError, BotoCoreError, ParserError, HTTPError) as error:
            raise self._failed(error) from error
        if not assembly.stop:
            raise Unavailable(f"{self.name} broke off midway.", hint="Try again.")
        yield assembly.turn(self._profile)

    def _request(self, system: str, messages: list[Message], tools: list[Any], max_tokens: int) -> dict[str, Any]:
        point = {"cachePoint": {"type": "default"}}
        request: dict[str, Any] = {
            "modelId": self._model_id,
            "system": [{"text": system}, *([point] if self._profile.caches else [])],
            "messages": messages,
            "inferenceConfig": {"maxTokens": max_tokens, "temperature": 0.0},
        }
        if tools:
            request["toolConfig"] = {"tools": [*tools, *([point] if self._profile.caches_tools else [])]}
            if self._profile.greedy:
                request["additionalModelRequestFields"] = self._profile.greedy
        if self._fast:
            request["performanceConfig"] = {"latency": "optimized"}
        if self._guardrail:
            identifier, version = self._guardrail
            request["guardrailConfig"] = {"guardrailIdentifier": identifier, "guardrailVersion": version}
        return request

    def _failed(self, error: Exception) -> Unavailable:
        return Unavailable(f"Bedrock did not answer with {self._model_id}: {error}.", hint="Try again.")


class _Assembly:
    """Puts a ConverseStream back together, block by block."""

    def __init__(self) -> None:
        self.stop = ""
        self._texts: dict[int, str] = {}
        self._calls: dict[int, dict[str, str]] = {}
        self._usage: dict[str, Any] = {}

    def take(self, event: dict[str, Any]) -> str:
        """Take one event; return the text it brings, if any."""
        if "contentBlockStart" in event:
            start = event["contentBlockStart"]
            use = start["start"].get("toolUse")
            if use:
                named = {"id": use["toolUseId"], "name": use["name"], "input": ""}
                self._calls[start["contentBlockIndex"]] = named
        elif "contentBlockDelta" in event:
            return self._delta(event["contentBlockDelta"])
        elif "messageStop" in event:
            self.stop = event["messageStop"]["stopReason"]
        elif "metadata" in event:
            self._usage = event["metadata"].get("usage", {})
        return ""

    def _delta(self, event: dict[str, Any]) -> str:
        index, delta = event["contentBlockIndex"], event["delta"]
        if "toolUse" in delta and index in self._calls:
            self._calls[index]["input"] += delta["toolUse"]["input"]
        text = str(delta.get("text", ""))
        self._texts[index] = self._texts.get(index, "") + text
        return text

    def turn(self, profile: Profile) -> Turn:
        """Return the whole turn."""
        calls = tuple(_call(self._calls[index]) for index in sorted(self._calls))
        text = "".join(self._texts[index] for index in sorted(self._texts))
        return Turn(text, calls, _usage(self._usage, profile), self.stop)


def _call(block: dict[str, str]) -> ToolCall:
    try:
        arguments = json.loads(block["input"] or "{}")
    except json.JSONDecodeError:
        arguments = None
    whole = arguments if isinstance(arguments, dict) else None
    return ToolCall(block["id"], block["name"], whole, "" if whole is not None else block["input"])


def _usage(told: dict[str, Any], profile: Profile) -> Usage:
    fresh, out = int(told.get("inputTokens", 0)), int(told.get("outputTokens", 0))
    cached = int(told.get("cacheReadInputTokens", 0))
    cost = (fresh + cached * _CACHED_SHARE) * profile.input_usd + out * profile.output_usd
    return Usage(fresh + cached, out, cached, cost / 1_000_000)
