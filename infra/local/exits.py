"""How a verb of ``kestrel`` ends when it cannot do what it was asked."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import typer

from contracts.errors import PlatformError

RETRY, FAILED = 75, 1


@contextmanager
def told() -> Iterator[None]:
    """Turn an error into one line and an exit code that tells retryable (75) from not (1)."""
    try:
        yield
    except PlatformError as error:
        typer.echo(f"kestrel: {error}", err=True)
        raise typer.Exit(RETRY if error.retryable else FAILED) from error
