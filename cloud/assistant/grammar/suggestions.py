"""Questions that can be answered, nearest first."""

from __future__ import annotations

import difflib
import re

from cloud.assistant.evidence import plain
from cloud.assistant.grammar.names import Names

_QUESTIONS = (
    "What were the most critical defects detected last week?",
    "How many critical findings were detected this month?",
    "How many findings are there by kind?",
    "Which turbine has the most defects?",
    "Show the 5 largest cracks",
    "What was not inspected on {asset}?",
    "What was missed on the last flight?",
    "What was found on blade B, leading edge?",
    "How many findings per week in the last 3 months?",
    "Which critical findings have no ticket?",
    "What is the status of the tickets on {asset}?",
    "What did the last flight find?",
    "Which flights were flown last week?",
    "Which findings are not reviewed?",
    "Findings on {asset} by component",
    "Which drones are online?",
    "List the turbines",
    "What lightning burns were found since yesterday?",
)


def nearest(question: str, known: Names, count: int = 3) -> tuple[str, ...]:
    """Return the answerable questions that share most with ``question``."""
    asset = plain(known.assets[0][1], 40) if known.assets else "T-01"
    asked = set(re.findall(r"[a-z]{3,}", question.lower()))

    def likeness(candidate: str) -> float:
        words = set(re.findall(r"[a-z]{3,}", candidate.lower()))
        shared = len(asked & words) / max(1, len(asked | words))
        return shared + difflib.SequenceMatcher(None, question.lower()[:200], candidate.lower()).ratio() / 4

    filled = [q.format(asset=asset.replace("{", "(").replace("}", ")")) for q in _QUESTIONS]
    return tuple(sorted(filled, key=likeness, reverse=True)[:count])
