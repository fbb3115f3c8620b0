"""A program's status page for machines: ``/healthz`` (it lives), ``/readyz`` (it can work), ``/metrics``.

On a port of its own, on loopback unless told otherwise: what is counted is not for everyone who reaches the API.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Self

from contracts.errors import Unavailable
from instruments import metrics

if TYPE_CHECKING:
    from instruments.readiness import Readiness

_JSON = "application/json"


class _Page(BaseHTTPRequestHandler):
    timeout = 5

    def __init__(self, readiness: Readiness, *rest: object) -> None:
        self._readiness = readiness
        super().__init__(*rest)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        """Answer one request."""
        match self.path.partition("?")[0]:
            case "/healthz":
                self._answer(200, _JSON, b'{"status": "alive"}')
            case "/readyz":
                reasons = self._readiness.look()
                body = json.dumps({"ready": not reasons, "reasons": reasons}).encode()
                self._answer(503 if reasons else 200, _JSON, body)
            case "/metrics":
                self._answer(200, metrics.CONTENT_TYPE, metrics.exposed())
            case _:
                self._answer(404, _JSON, b'{"paths": ["/healthz", "/readyz", "/metrics"]}')

    def _answer(self, status: int, content_type: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("content-type", content_type)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing: a probe comes every second."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """A probe that went away is no event."""


class StatusServer:
    """Serves the page in a thread until the block ends.

    Raises:
        Unavailable: The port is taken.

    """

    def __init__(self, readiness: Readiness, host: str, port: int) -> None:
        try:
            self._server = _Server((host, port), partial(_Page, readiness))
        except OSError as error:
            raise Unavailable(
                f"{host}:{port} is taken: {error.strerror}.", hint="Choose another status port."
            ) from error
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.1,), name="kestrel-status", daemon=True
        )

    @property
    def port(self) -> int:
        """Return where it answers."""
        return int(self._server.server_address[1])

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)


@contextmanager
def served(readiness: Readiness, host: str, port: int) -> Iterator[None]:
    """Serve the page until the block ends; a port of 0 is none."""
    with StatusServer(readiness, host, port) if port else nullcontext():
        yield
