"""The one format of a plan, whoever made it: calls of tools in steps, run by one executor."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from pydantic import Field

from cloud.assistant.evidence import Period
from contracts.geo import Frozen


class Subject(StrEnum):
    """What a question is about; it decides how the rows are worded."""

    FINDINGS = "findings"
    FINDING = "finding"
    COUNT = "count"
    MEASURE = "measure"
    COMPARE = "compare"
    COVERAGE = "coverage"
    TICKETS = "tickets"
    FLIGHTS = "flights"
    TELEMETRY = "telemetry"
    ASSETS = "assets"
    SITES = "sites"
    DRONES = "drones"
    POLICY = "policy"
    FRAMES = "frames"
    REPORT = "report"


class Understood(Frozen):
    """Words of the question and what they were taken to mean."""

    words: str
    means: str = Field(max_length=200)


class Step(Frozen):
    """One tool call. A parameter ``#E1`` stands for what step E1 found.

    ``only_if_none`` names a step: this one runs when that one found nothing.
    """

    id: str
    tool: str
    title: str
    parameters: dict[str, Any]
    only_if_none: str | None = Field(default=None)


class Plan(Frozen):
    """What will be looked up, and how the question was understood."""

    question: str
    subject: Subject
    steps: tuple[Step, ...]
    period: Period | None = None
    understood: tuple[Understood, ...] = ()


class Refusal(Frozen):
    """Why there is no answer, and what could be asked instead."""

    question: str
    reason: str
    not_understood: tuple[str, ...] = ()
    proposal: dict[str, Any] | None = Field(default=None, description="a form for a person to confirm")
    final: bool = Field(default=False, description="no language model may be asked either")
    questions: tuple[str, ...] = Field(default=(), description="the nearest questions that can be answered")
