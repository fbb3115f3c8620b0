"""Rules that read a wish to act: what the assistant may draft as a form, never do."""

from __future__ import annotations

import re
from typing import Any

_LEAD = r"^(?:please |can you |could you |kindly |now )*"
_FINDING = r"(?:finding |defect )?f[- ]?(?P<finding>\d{1,9})"
_TICKET = re.compile(rf"{_LEAD}(?:open|create|raise|file|make) (?:a |an |the )?(?:sap |maintenance )?"
                     rf"(?:tickets?|notifications?|work orders?) (?:for|on|about) {_FINDING}$")  # fmt: skip
_GRADE = re.compile(
    rf"{_LEAD}(?:change|set|raise|lower|regrade) (?:the )?(?:(?:grade|severity|rank)(?: of| for)? )?{_FINDING}"
    rf"(?: (?:grade|severity|rank))? to (?:severity |grade |rank |category )?(?P<rank>[1-5])"
    rf"(?: because (?P<reason>.{{1,300}}))?$"
)


def proposed(text: str) -> dict[str, Any] | None:
    """Return the form of an action that the (normalised) question asks for; None when it is none we can draft."""
    if match := _TICKET.match(text):
        return {"kind": "open_ticket", "finding": int(match["finding"])}
    if match := _GRADE.match(text):
        return {"kind": "change_grade", "finding": int(match["finding"]), "rank": int(match["rank"]),
                "reason": match["reason"] or ""}  # fmt: skip
    return None
