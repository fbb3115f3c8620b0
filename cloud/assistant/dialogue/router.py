"""Who answers: the planner what it understands whole, a small model the rest, a large one what is hard."""

from __future__ import annotations

import re

from cloud.assistant.plans import Plan, Refusal
from cloud.model_turns import Converser, Models

_HARD = re.compile(
    r"\b(?:why|explain|summari[sz]e|report|correlat\w*|relation|because|reasons?|between .* and .* (?:which|what)"
    r"|and (?:then|which|what|how)|warum|weshalb|por qué)\b",
    re.IGNORECASE,
)
_LONG_WORDS = 22


def route(question: str, planned: Plan | Refusal, models: Models) -> Converser | None:
    """Return the model that answers; None where the planner does: it understood the question, or there is no model.

    A refusal to act ("delete all findings") is final: no model is asked.
    """
    if isinstance(planned, Plan) or not models or planned.final:
        return None
    hard = len(question.split()) > _LONG_WORDS or _HARD.search(question) is not None or question.count("?") > 1
    return (models.large or models.small) if hard else (models.small or models.large)
