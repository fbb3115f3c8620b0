"""``kestrel-cloud mcp``."""

from __future__ import annotations

from typing import Annotated

import typer

from cloud.composition import build_services
from cloud.mcp import stdio
from cloud.verbs import guard

app = typer.Typer()


@app.command()
def mcp(*, user: Annotated[str, typer.Option(help="Whose rights every call has.")]) -> None:
    """Serve the assistant's tools over MCP on standard input and output; read only."""
    guard.guarded(lambda: stdio.serve(build_services(guard.settings()), user))
