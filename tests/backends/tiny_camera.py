"""A network camera small enough for tests: films 64x48 while told to, replays from its memory."""

from __future__ import annotations

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self
from urllib.parse import parse_qs, urlsplit

from tests.unit.edge.film import FPS, STEP_US, transport_stream


class TinyCamera:
    """One-second groups of pictures, kept for ever; ``cut_after`` breaks a stream off after so many bytes."""

    def __init__(self) -> None:
        self.groups: dict[int, bytes] = {}
        self.last_us = 0
        self.recording = False
        self.cut_after: int | None = None
        camera = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                url = urlsplit(self.path)
                if url.path == "/status":
                    camera.answer_status(self)
                else:
                    camera.answer_stream(self, int(parse_qs(url.query)["from_us"][0]))

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._closed = threading.Event()

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closed.set()
        self._server.shutdown()
        self._server.server_close()

    def film(self, start_us: int, seconds: float) -> list[int]:
        """Put a strip on the card; return the frames' times."""
        times = [start_us + n * STEP_US for n in range(round(seconds * FPS))]
        for first in range(0, len(times), FPS):
            group = times[first : first + FPS]
            self.groups[group[0]] = transport_stream(group)
        self.last_us = times[-1]
        return times

    def film_while(self, wanted: threading.Event) -> list[int]:
        """Film in true time from now until ``wanted`` is cleared; return the frames' times."""
        times: list[int] = []
        self.recording = True
        while wanted.is_set():
            times += self.film(time.time_ns() // 1000 - 1_000_000, 1.0)
            self._closed.wait(max(0.0, times[-1] / 1e6 + STEP_US / 1e6 + 1.0 - time.time()))
        self.recording = False
        return times

    def answer_status(self, request: BaseHTTPRequestHandler) -> None:
        """Say what is on the card."""
        status = {"recording": self.recording, "behind_s": 0.0, "last_gop_us": max(self.groups, default=None)}
        body = json.dumps(status).encode()
        request.send_response(200)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)

    def answer_stream(self, request: BaseHTTPRequestHandler, at_us: int) -> None:
        """Send groups from a time on; end when something was sent and recording has stopped."""
        request.send_response(200)
        request.send_header("Transfer-Encoding", "chunked")
        request.end_headers()
        request.close_connection = True
        sent = 0
        while not self._closed.is_set():
            due = sorted(t for t in self.groups if t >= at_us)
            for t_us in due:
                data = self.groups[t_us]
                if self.cut_after is not None and sent + len(data) > self.cut_after:
                    self._chunk(request, data[: self.cut_after - sent])
                    self.cut_after = None
                    return
                self._chunk(request, data)
                sent, at_us = sent + len(data), t_us + 1
            if sent and not self.recording and not due:
                request.wfile.write(b"0\r\n\r\n")
                return
            self._closed.wait(0.05)

    def _chunk(self, request: BaseHTTPRequestHandler, data: bytes) -> None:
        request.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
