"""The camera's HTTP face: the stream from any time on, its status, the list of what is on the card."""

from __future__ import annotations

import json
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Protocol
from urllib.parse import parse_qs, urlsplit

from simulators import logbook
from simulators.card import Card
from simulators.poselog import PoseLog

_POLL_S = 0.5


class Films(Protocol):
    """What the service shows."""

    card: Card
    poses: PoseLog
    rendered_frames: int

    def behind_s(self) -> float:
        """Return how far the card lags the flight."""
        ...


def serve(host: str, port: int, filming: Films, stop: threading.Event) -> ThreadingHTTPServer:
    """Start serving in a thread; port 0 takes a free one."""

    class Handler(_Handler):
        films, stopping = filming, stop

    server = ThreadingHTTPServer((host, port), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, name="camera-http", daemon=True).start()
    return server


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    films: Films
    stopping: threading.Event

    def do_GET(self) -> None:
        """Answer one of the three paths."""
        url = urlsplit(self.path)
        asked = parse_qs(url.query).get("from_us")
        if asked and not asked[0].isdigit():
            self._json(
                {"error": f"from_us={asked[0]!r} is not a whole number of microseconds."}, HTTPStatus.BAD_REQUEST
            )
            return
        from_us = int(asked[0]) if asked else None
        if url.path == "/stream.ts":
            self._stream(from_us)
        elif url.path == "/status":
            self._json(self._status())
        elif url.path == "/gops":
            gops = self.films.card.since(from_us or 0)
            self._json([{"t_us": g.t_us, "frames": g.frames, "bytes": g.size_bytes} for g in gops])
        else:
            self._json({"error": f"No {url.path} here. Ask /stream.ts, /status or /gops."}, HTTPStatus.NOT_FOUND)

    def _status(self) -> dict[str, object]:
        gops = self.films.card.since(0)
        newest = self.films.poses.newest
        return {
            "recording": newest is not None and newest.recording,
            "rendered_frames": self.films.rendered_frames,
            "behind_s": round(self.films.behind_s(), 3),
            "last_gop_us": gops[-1].t_us if gops else None,
            "card_bytes": sum(g.size_bytes for g in gops),
            "gops": len(gops),
        }

    def _stream(self, from_us: int | None) -> None:
        """Send groups as they come to the card; end once the recording they belong to has ended and is all sent.

        The end lets a reader's demultiplexer give out the very last frame; one that asks again waits for more.
        """
        card = self.films.card
        last = card.last()
        at_us = from_us if from_us is not None else (last.last_us + 1 if last else 0)
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", "video/mp2t")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        logbook.note("stream opened", from_us=at_us, peer=self.client_address[0])
        try:
            sent = False
            while not self.stopping.is_set() and not (sent and self._over(at_us)):
                for gop in card.since(at_us):
                    self._chunk(card.data(gop))
                    at_us, sent = gop.t_us + 1, True
                with card.changed:
                    card.changed.wait(_POLL_S)
            self.wfile.write(b"0\r\n\r\n")
        except OSError:
            logbook.note("stream closed by its reader", at_us=at_us)
        self.close_connection = True

    def _over(self, at_us: int) -> bool:
        """Say whether recording has stopped and everything of it was sent."""
        newest = self.films.poses.newest
        stopped = newest is not None and not newest.recording
        return stopped and not self.films.behind_s() and not self.films.card.since(at_us)

    def _chunk(self, data: bytes) -> None:
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        self.wfile.flush()

    def _json(self, body: object, status: HTTPStatus = HTTPStatus.OK) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Say nothing per request: state changes are logged where they happen."""
