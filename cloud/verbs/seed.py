"""``kestrel-cloud seed``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cloud import people
from cloud.verbs import guard

app = typer.Typer()


@app.command()
def seed(
    *,
    file: Annotated[Path | None, typer.Option(help="JSON list of users; default: one of each role.")] = None,
    as_json: guard.Json = False,
) -> None:
    """Create users (or set their passwords and roles) and print their passwords."""

    def act() -> dict[str, str]:
        wanted = people.read(file) if file else people.one_of_each()
        with guard.unit() as session:
            return people.seed(session, wanted)

    guard.say(dict(guard.guarded(act)), as_json=as_json)
