"""Asks every question in every phrasing and scores the answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from cloud.assistant.conversation import Assistance, answer
from cloud.assistant.evaluation.questions import Case
from cloud.assistant.evaluation.scoring import Scored, expected, score
from cloud.assistant.tools.declarations import Asker
from cloud.db import Database
from cloud.security import Principal
from contracts.vocabulary import Role

NOW = datetime(2026, 11, 20, 16, 40, tzinfo=UTC)
"""The questions' dates are of this day."""
ZONE = ZoneInfo("Europe/Berlin")
_ASKER = Principal("evaluation", frozenset({Role.VIEWER}), "token")


def evaluate(
    database: Database,
    cases: list[Case],
    help_: Assistance | None = None,
    told: Callable[[int, int], None] | None = None,
) -> Iterator[Scored]:
    """Yield every phrasing's score; ``told`` hears how many of how many questions are done."""
    for number, case in enumerate(cases, 1):
        with database.session() as session:
            truth = expected(session, case, NOW)
        for question in case.phrasings:
            with database.session() as session:
                said = answer(Asker(session, _ASKER, NOW, ZONE), question, help_=help_)
            yield score(case, question, said, truth)
        if told:
            told(number, len(cases))
