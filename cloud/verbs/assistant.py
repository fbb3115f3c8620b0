"""kestrel-cloud assistant: evaluate it against SQL."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from cloud.assistant.conversation import Assistance
from cloud.assistant.evaluation import families, history
from cloud.assistant.evaluation.questions import Case, cases
from cloud.assistant.evaluation.scoring import Scored, jsonl_line, summary
from cloud.assistant.evaluation.session import NOW, evaluate
from cloud.assistant.tools.page import tools_page
from cloud.composition import language_model
from cloud.db import Database
from cloud.model_turns import Models
from cloud.verbs import guard

_SHARDS = 1000
"""Lines per file of a Bedrock evaluation job."""


def chosen(per_family: int | None) -> list[Case]:
    """Return the shipped questions; with ``per_family`` only the first so many of each."""
    every = list(cases(families.FAMILIES, families.REFUSED))
    if per_family is None:
        return every
    seen: dict[str, int] = {}
    kept = []
    for case in every:
        seen[case.family] = seen.get(case.family, 0) + 1
        if seen[case.family] <= per_family:
            kept.append(case)
    return kept


def run(
    database: Database, models: Models, *, seed: bool, per_family: int | None, jsonl: Path | None
) -> dict[str, Any]:
    """Seed where asked, ask everything, write the brought responses, return the summary.

    Raises:
        Conflict: ``seed`` and the database is not empty.

    """
    if seed:
        with database.session() as session:
            history.seed(session, NOW)
    scored: list[Scored] = list(evaluate(database, chosen(per_family), Assistance(models), _told))
    if jsonl is not None:
        _write(jsonl, scored)
    found = summary(scored)
    found["not_right"] = [{"question": s.question, "verdict": s.verdict, "expected": str(s.expected)[:200],
                           "said": s.answer.text[:200]} for s in scored if s.verdict != "right"][:50]  # fmt: skip
    return found


def _told(done: int, of: int) -> None:
    if done % 20 == 0 or done == of:
        sys.stderr.write(f"{done} of {of} questions\n")


def _write(path: Path, scored: list[Scored]) -> None:
    lines = [jsonl_line(s, "" if s.expected is None else str(s.expected)) for s in scored]
    for start in range(0, len(lines), _SHARDS):
        part = path if start == 0 else path.with_stem(f"{path.stem}-{start // _SHARDS + 1}")
        part.write_text("\n".join(lines[start : start + _SHARDS]) + "\n", encoding="utf-8")


app = typer.Typer(help="The assistant: evaluate it.", no_args_is_help=True)


@app.command("tools")
def describe_tools() -> None:
    """Print the page of the assistant's tools (docs/assistant-tools.md)."""
    sys.stdout.write(tools_page())


@app.command("evaluate")
def evaluate_assistant(
    *,
    seed: Annotated[
        bool, typer.Option("--seed", help="Fill the (empty) database with the two-year history first.")
    ] = False,
    per_family: Annotated[int | None, typer.Option(min=1, help="Only the first so many questions of each.")] = None,
    jsonl: Annotated[Path | None, typer.Option(help="Write prompts and responses for a Bedrock evaluation.")] = None,
    as_json: guard.Json = False,
) -> None:
    """Ask more than 300 questions in five wordings each and compare every figure and id with SQL.

    Exit 1 when one is wrong. Use a database of its own: `--seed` fills it. A configured Bedrock model takes part
    where the planner refuses.
    """

    def act() -> dict[str, Any]:
        settings = guard.settings()
        models = Models(
            small=language_model(settings, settings.bedrock_small_model_id),
            large=language_model(settings, settings.bedrock_model_id),
        )
        return run(guard.database(), models, seed=seed, per_family=per_family, jsonl=jsonl)

    found = guard.guarded(act)
    guard.say(found, as_json=as_json)
    if found["wrong"]:
        raise typer.Exit(guard.FAILED_EXIT)
