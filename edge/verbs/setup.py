"""The settings of an agent for the verbs that need them; what is wrong with them is said by name."""

from __future__ import annotations

import typer
from pydantic import ValidationError

from edge.settings import Settings
from edge.verbs import guard


def settings(**given: object) -> Settings:
    """Return the agent's settings.

    Raises:
        typer.Exit: They are none; why stands on stderr.

    """
    try:
        return Settings(**given)  # type: ignore[arg-type] # the rest comes from the environment
    except ValidationError as error:
        for problem in error.errors(include_url=False, include_input=False):
            name = "_".join(str(part) for part in problem["loc"]).upper()
            typer.echo(f"EDGE_{name}: {problem['msg']}" if name else problem["msg"], err=True)
        typer.echo("With an autopilot's address alone: kestrel-edge bench --autopilot …, or exercise.", err=True)
        raise typer.Exit(guard.USAGE) from error
