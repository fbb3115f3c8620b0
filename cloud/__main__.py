"""kestrel-cloud: the API and the daemons behind it."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup

VERBS = {
    "serve": "serve",
    "ingest": "ingest",
    "consume": "consume",
    "reconcile": "reconcile",
    "migrate": "migrate",
    "seed": "seed",
    "token": "token",
    "ask": "ask",
    "assistant": "assistant",
    "mcp": "mcp",
    "policy": "policy",
    "outlook": "outlook",
    "export": "export",
    "publish": "publish",
    "openapi": "openapi",
}
"""Each verb's module in ``cloud.verbs``, in the order of the help."""


class _Verbs(TyperGroup):
    """Loads a verb's module when it is asked for: five of these programs start at once on one machine."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - click's signature
        return list(VERBS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002 - click's signature
        if cmd_name not in VERBS:
            return None
        command = typer.main.get_command(import_module(f"cloud.verbs.{VERBS[cmd_name]}").app)
        command.name = cmd_name
        return command


app = typer.Typer(cls=_Verbs, help=__doc__, no_args_is_help=True, pretty_exceptions_enable=False, add_completion=False)


@app.callback()
def _root() -> None:
    pass


if __name__ == "__main__":
    app()
