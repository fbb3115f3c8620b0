"""``kestrel-cloud ask``."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import typer

from cloud.assistant.conversation import Answer, answer
from cloud.assistant.tools.declarations import Asker
from cloud.security import Principal
from cloud.users import rights_of
from cloud.verbs import guard
from contracts.errors import InvalidInput

app = typer.Typer()


@app.command()
def ask(
    question: str,
    *,
    user: Annotated[str, typer.Option(help="Whose rights the question is asked with.")],
    zone: Annotated[str, typer.Option(help="Time zone for words like yesterday.")] = "UTC",
    as_json: guard.Json = False,
) -> None:
    """Ask the assistant; each sentence is printed with what it cites."""

    def act() -> Answer:
        with guard.unit() as session:
            rights = rights_of(session, user)
            principal = Principal(user, rights.roles, "token", rights.sites)
            return answer(Asker(session, principal, datetime.now(UTC), _zone(zone)), question)

    said = guard.guarded(act)
    if as_json:
        sys.stdout.write(said.model_dump_json() + "\n")
        return
    for sentence in said.sentences:
        labels = " ".join(f"[{cite.label}]" for cite in sentence.citations)
        sys.stdout.write(f"{sentence.text} {labels}\n")
    if not said.answered:
        sys.stdout.write("\n- ".join((said.reason, *said.questions)) + "\n")


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise InvalidInput(f"No time zone {name!r}.", hint="A name such as Europe/Berlin.", field="zone") from error
