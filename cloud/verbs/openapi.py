"""``kestrel-cloud openapi``."""

from __future__ import annotations

import json
import sys

import typer

from cloud.app import openapi as document

app = typer.Typer()


@app.command()
def openapi() -> None:
    """Print the API's OpenAPI document."""
    sys.stdout.write(json.dumps(document(), indent=2) + "\n")
