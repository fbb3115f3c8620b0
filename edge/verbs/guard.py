"""What the verbs share: how they end, and what several of them are given."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

RETRYABLE, USAGE, REFUSED, FAILED = 75, 2, 1, 1
"""How a verb ends that may succeed later, was told wrongly, refused something, or did not succeed."""
StateDir = Annotated[Path, typer.Option(envvar="EDGE_STATE_DIR", help="The agent's state directory.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")]

AutopilotUrl = Annotated[
    str | None,
    typer.Option("--autopilot", help="tcp:HOST:PORT, udpin:HOST:PORT, udpout:HOST:PORT or serial:/dev/DEVICE:BAUD."),
]


def verb() -> typer.Typer:
    """Return a program of one verb, plain like the whole."""
    return typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
