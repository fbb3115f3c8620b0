"""A program of the cloud while it runs: its status page is served and its traces are sent, as its settings say."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from cloud.settings import Settings
from instruments import traces
from instruments.readiness import Readiness
from instruments.status import served


@contextmanager
def watched(program: str, readiness: Readiness, settings: Settings) -> Iterator[None]:
    """Serve the status page and send traces, where a port and a URL are set, until the block ends."""
    stop = traces.start(program, settings.traces_url)
    try:
        with served(readiness, settings.status_host, settings.status_port):
            yield
    finally:
        stop()
