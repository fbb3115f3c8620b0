"""Bedrock Runtime's wire format on a loopback port: Converse as JSON, ConverseStream as ``vnd.amazon.eventstream``.

It says what it was told to say, one answer per request, and keeps the requests.
"""

from __future__ import annotations

import json
import struct
import threading
import zlib
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import unquote

Event = tuple[str, dict[str, Any]]


@dataclass
class Said:
    """One answer. ``break_after`` bytes the stream ends without its end; ``status`` other than 200 is an error."""

    events: list[Event] = field(default_factory=list)
    status: int = 200
    error: str = ""
    break_after: int | None = None
    corrupt: bool = False


def text(said: str, *, stop: str = "end_turn", tokens: tuple[int, int] = (900, 60), cached: int = 0) -> Said:
    """Return an answer in words, streamed in pieces of 7 characters."""
    pieces = [said[i : i + 7] for i in range(0, len(said), 7)]
    deltas: list[Event] = [("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": p}}) for p in pieces]
    return Said([("messageStart", {"role": "assistant"}), *deltas, *_end(0, stop, tokens, cached)])


def tool(name: str, arguments: dict[str, Any] | str, *, use_id: str = "tooluse_1") -> Said:
    """Return a call of a tool; a string is sent as it is, JSON or not."""
    raw = arguments if isinstance(arguments, str) else json.dumps(arguments)
    half = len(raw) // 2
    deltas: list[Event] = [
        ("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"toolUse": {"input": part}}})
        for part in (raw[:half], raw[half:])
    ]
    start = {"contentBlockIndex": 0, "start": {"toolUse": {"toolUseId": use_id, "name": name}}}
    return Said([("messageStart", {"role": "assistant"}), ("contentBlockStart", start), *deltas,
                 *_end(0, "tool_use", (1200, 40), 0)])  # fmt: skip


def _end(index: int, stop: str, tokens: tuple[int, int], cached: int) -> list[Event]:
    usage = {"inputTokens": tokens[0], "outputTokens": tokens[1], "totalTokens": sum(tokens),
             "cacheReadInputTokens": cached}  # fmt: skip
    return [("contentBlockStop", {"contentBlockIndex": index}), ("messageStop", {"stopReason": stop}),
            ("metadata", {"usage": usage, "metrics": {"latencyMs": 12}})]  # fmt: skip


def frame(event: Event, kind: str = "event") -> bytes:
    """Return one event-stream message: prelude, its CRC, headers, payload, CRC of all."""
    name, body = event
    headers = b"".join(
        bytes([len(key)]) + key.encode() + b"\x07" + struct.pack(">H", len(value)) + value.encode()
        for key, value in ((f":{kind}-type", name), (":content-type", "application/json"), (":message-type", kind))
    )
    payload = json.dumps(body).encode()
    prelude = struct.pack(">II", 16 + len(headers) + len(payload), len(headers))
    message = prelude + struct.pack(">I", zlib.crc32(prelude)) + headers + payload
    return message + struct.pack(">I", zlib.crc32(message))


class BedrockServer:
    """``with BedrockServer() as server``: point ``AWS_ENDPOINT_URL_BEDROCK_RUNTIME`` at ``server.url``."""

    def __init__(self) -> None:
        self.script: list[Said] = []
        self.requests: list[dict[str, Any]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                model, _, verb = unquote(self.path).removeprefix("/model/").rpartition("/")
                outer.requests.append({"model": model, "verb": verb, **body})
                said = outer.script.pop(0) if outer.script else text("I have nothing to say.")
                outer.answer(self, verb, said)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._http.server_close()

    def answer(self, http: BaseHTTPRequestHandler, verb: str, said: Said) -> None:
        """Write one answer."""
        if said.status != 200:
            body = json.dumps({"message": said.error}).encode()
            headers = {"x-amzn-ErrorType": said.error, "Content-Type": "application/json"}
        elif verb == "converse":
            body, headers = json.dumps(_whole(said)).encode(), {"Content-Type": "application/json"}
        else:
            frames = [frame(event, "exception" if event[0].endswith("Exception") else "event") for event in said.events]
            body, headers = b"".join(frames), {"Content-Type": "application/vnd.amazon.eventstream"}
            if said.corrupt:
                body = body[:-3] + b"\x00\x00\x00"
        http.send_response(said.status)
        for name, value in headers.items():
            http.send_header(name, value)
        http.send_header("Content-Length", str(len(body)))
        http.end_headers()
        http.wfile.write(body[: said.break_after])
        if said.break_after is not None:
            http.close_connection = True


def _whole(said: Said) -> dict[str, Any]:
    words = "".join(body["delta"].get("text", "") for name, body in said.events if name == "contentBlockDelta")
    usage = next(body["usage"] for name, body in said.events if name == "metadata")
    stop = next(body["stopReason"] for name, body in said.events if name == "messageStop")
    message = {"role": "assistant", "content": [{"text": words}]}
    return {"output": {"message": message}, "stopReason": stop, "usage": usage, "metrics": {"latencyMs": 12}}
