"""How an answer is scored against SQL, and written for a Bedrock evaluation job that judges brought responses."""

from __future__ import annotations

import json
import re
import statistics
from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import text
from sqlalchemy.orm import Session

from cloud.assistant.conversation import Answer
from cloud.assistant.evaluation.questions import Case

_GROUP = re.compile(r"(.+): (\d+) findings?(?:, the worst|\.)")
_PAIR = re.compile(r": (\d+)(?:, then| and) (\d+)\.")


class Scored(NamedTuple):
    """One phrasing, asked. ``verdict``: right, wrong, refused (an answer was due), or answered (a refusal was due)."""

    case: Case
    question: str
    answer: Answer
    expected: Any
    verdict: str
    citations_valid: bool


def expected(session: Session, case: Case, now: datetime) -> Any:
    """Return what SQL says."""
    if case.shape == "refusal":
        return None
    rows = session.execute(text(case.sql), {"now": now} if ":now" in case.sql else {}).all()
    if case.shape == "groups":
        return {str(name).lower(): count for name, count in rows}
    if case.shape == "ids":
        return [row[0] for row in rows]
    return tuple(rows[0]) if case.shape == "pair" else rows[0][0]


def _said(case: Case, answer: Answer) -> Any:
    texts = [sentence.text for sentence in answer.sentences]
    first = texts[0]
    if case.shape == "count":
        found = re.match(r"(\d+|No) ", first)
        return None if found is None else 0 if found[1] == "No" else int(found[1])
    if case.shape == "ids":
        return [int(m[1]) for t in texts if (m := re.match(r"F-(\d+):", t))]
    if case.shape == "figure":
        found = re.search(r" is (\d+(?:\.\d+)?) ", first)
        return float(found[1]) if found else None
    if case.shape == "pair":
        found = _PAIR.search(texts[-1])
        return (int(found[1]), int(found[2])) if found else None
    return {m[1].lower().replace("unspecified damage", "damage"): int(m[2]) for t in texts if (m := _GROUP.match(t))}


def score(case: Case, question: str, answer: Answer, truth: Any) -> Scored:
    """Return whether an answer is right, to the last figure and id."""
    if case.shape == "refusal":
        verdict = "answered" if answer.answered else "right"
        return Scored(case, question, answer, truth, verdict, citations_valid=True)
    if not answer.answered:
        return Scored(case, question, answer, truth, "refused", citations_valid=True)
    said = _said(case, answer)
    right = said == (float(f"{truth:.0f}") if case.shape == "figure" else truth)
    return Scored(case, question, answer, truth, "right" if right else "wrong", _citations_valid(answer))


def _citations_valid(answer: Answer) -> bool:
    known = {cite["id"] for step in answer.steps for row in step["rows"] for cite in row["cites"]}
    return all(s.citations and {c.id for c in s.citations} <= known for s in answer.sentences) and not answer.removed


def summary(scored: Iterable[Scored]) -> dict[str, Any]:
    """Return the counts and shares of an evaluation."""
    every = list(scored)
    due = [s for s in every if s.case.shape != "refusal"]
    undue = [s for s in every if s.case.shape == "refusal"]
    verdicts = Counter(s.verdict for s in due)
    times = sorted(s.answer.elapsed_ms for s in every)
    return {
        "questions": len({s.case for s in every}),
        "phrasings": len(every),
        "right": verdicts["right"],
        "wrong": verdicts["wrong"],
        "refused_though_answerable": verdicts["refused"],
        "answered_share": round(1 - verdicts["refused"] / max(1, len(due)), 4),
        "exact_share_of_answered": round(verdicts["right"] / max(1, len(due) - verdicts["refused"]), 4),
        "citations_valid_share": round(sum(s.citations_valid for s in every) / max(1, len(every)), 4),
        "unanswerable": len(undue),
        "unanswerable_refused": sum(s.verdict == "right" for s in undue),
        "p50_ms": round(statistics.median(times), 1),
        "p95_ms": round(times[int(0.95 * (len(times) - 1))], 1),
        "input_tokens": sum(s.answer.input_tokens for s in every),
        "output_tokens": sum(s.answer.output_tokens for s in every),
        "cost_usd": round(sum(s.answer.cost_usd for s in every), 6),
    }


def jsonl_line(scored: Scored, truth: str) -> str:
    """Return a line of a Bedrock model-evaluation data set with a brought response (LLM as a judge)."""
    source = re.sub(r"[^A-Za-z0-9_.-]", "-", f"kestrel-{scored.answer.source}")
    return json.dumps({
        "prompt": scored.question,
        "referenceResponse": truth,
        "category": scored.case.family,
        "modelResponses": [{"response": scored.answer.text, "modelIdentifier": source}],
    }, ensure_ascii=False)  # fmt: skip
