"""How much of a language model a user may still use today."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from cloud.assistant import transcripts
from cloud.assistant.conversation import Assistance
from cloud.assistant.dialogue.loop import Limits
from cloud.services import Services

_USED_UP = "Your daily budget for the language model is used up; only the built-in planner answers until it refills."


def of(services: Services, session: Session, username: str, now: datetime) -> Assistance:
    """Return the models and limits for one answer: what is left of the day is the most it may take."""
    settings = services.settings
    if not services.models:
        return Assistance()
    used = transcripts.spent(session, username, now)
    tokens = min(settings.assistant_answer_tokens, settings.assistant_daily_tokens - used.tokens)
    cost_usd = min(settings.assistant_answer_usd, settings.assistant_daily_usd - used.cost_usd)
    if tokens <= 0 or cost_usd <= 0:
        return Assistance(note=_USED_UP)
    limits = Limits(steps=settings.assistant_max_steps, tokens=tokens, cost_usd=cost_usd)
    return Assistance(models=services.models, limits=limits)
