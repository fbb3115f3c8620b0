"""How a long-running simulator lives as a process: a wish to end from SIGTERM, a clear word when it cannot start."""

from __future__ import annotations

import logging
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import typer

from contracts.errors import PlatformError
from simulators import logbook

_USAGE, _RETRYABLE = 2, 75


class Shutdown:
    """Turns SIGTERM and SIGINT into a wish that a loop can look at."""

    def __init__(self) -> None:
        self.wanted = False
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._note)

    def _note(self, _number: int, _frame: FrameType | None) -> None:
        self.wanted = True


@contextmanager
def program(*libraries: str) -> Iterator[None]:
    """Log as JSON lines, the named libraries' warnings too; end with the right exit code on a refusal."""
    logbook.configure()
    for name in libraries:
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = logging.getLogger("kestrel").handlers, False
        logger.setLevel(logging.WARNING)
    try:
        yield
    except PlatformError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(_RETRYABLE if error.retryable else _USAGE) from error
