"""What was asked and answered, kept without secrets and people's addresses; and what a user has spent in a day."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from cloud.model_turns import Usage
from cloud.tables import Transcript
from contracts.geo import Frozen
from contracts.ids import mint

if TYPE_CHECKING:
    from cloud.assistant.conversation import Answer

KEPT_DAYS = 90
_REDACTED = (
    (re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+"), "[e-mail]"),
    (re.compile(r"\beyJ[\w-]{8,}\.[\w-]+\.[\w-]*"), "[token]"),
    (re.compile(r"\b(?:bearer|basic)\s+\S+", re.IGNORECASE), "[bearer]"),
    (re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"), "[key]"),
    (re.compile(r"\b(?:password|passwort|contraseña|secret|api[_ -]?key|token)\b\s*(?:is|ist|es|[:=])?\s*\S+",
                re.IGNORECASE), "[secret]"),
    (re.compile(r"\b[A-Za-z0-9_+/-]{32,}={0,2}"), "[key]"),
    (re.compile(r"(?<!\w)\+\d[\d ()/-]{7,}\d"), "[phone]"),
)  # fmt: skip


class Spent(Frozen):
    """What language models cost a user in the last 24 hours."""

    tokens: int
    cost_usd: float


def redacted(text: str) -> str:
    """Return the text without e-mail addresses, tokens, keys, passwords and telephone numbers."""
    for pattern, said in _REDACTED:
        text = pattern.sub(said, text)
    return text


def spent(session: Session, username: str, now: datetime) -> Spent:
    """Return what a user has used of the daily budget."""
    tokens, cost = session.execute(
        select(
            func.coalesce(func.sum(Transcript.input_tokens + Transcript.output_tokens), 0),
            func.coalesce(func.sum(Transcript.cost_usd), 0.0),
        ).where(Transcript.asked_by == username, Transcript.asked_at > now - timedelta(days=1))
    ).one()
    return Spent(tokens=int(tokens), cost_usd=float(cost))


def record(session: Session, username: str, channel: str, said: Answer, usage: Usage) -> Transcript:
    """Keep one question and its answer."""
    row = Transcript(
        transcript_id=mint("asn"),
        asked_by=username,
        channel=channel,
        question=redacted(said.question),
        answered=said.answered,
        source=said.source,
        sentences=[{"text": redacted(s.text), "citations": [c.id for c in s.citations]} for s in said.sentences],
        removed=[{"text": redacted(r.text), "reason": redacted(r.reason)} for r in said.removed],
        steps=[step["step"] for step in said.steps],
        reason=redacted(said.reason),
        elapsed_ms=said.elapsed_ms,
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cost_usd=usage.cost_usd,
    )
    session.add(row)
    session.flush()
    return row


def forget(session: Session, now: datetime) -> int:
    """Delete transcripts older than ``KEPT_DAYS``; return how many."""
    done = session.execute(delete(Transcript).where(Transcript.asked_at < now - timedelta(days=KEPT_DAYS)))
    return int(done.rowcount)  # type: ignore[attr-defined]
