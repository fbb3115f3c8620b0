"""A camera that speaks RTSP (RFC 2326) with RTP over the same TCP connection, H.264 (RFC 6184) or H.265 (RFC 7798)."""

from __future__ import annotations

import base64
import socketserver
import struct
import threading
import time
from pathlib import Path
from typing import Any, Self

import av

_MTU = 1200
_CLOCK_HZ = 90_000


class Unit:
    """One access unit: its NAL units, when it is shown, whether it can be shown alone."""

    def __init__(self, nals: list[bytes], pts_s: float, key: bool) -> None:
        self.nals, self.pts_s, self.key = nals, pts_s, key


class RtspCamera:
    """Serves films in their own time, each PLAY the next one; then it hangs up.

    ``stall_after`` sends so many frames and then nothing, keeping the connection.
    """

    def __init__(self, *films: Path, stall_after: int | None = None) -> None:
        self.films = list(films)
        self.stall_after = stall_after
        self.plays = 0
        self.closed = threading.Event()
        camera = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                camera.converse(self)

        class Server(socketserver.ThreadingTCPServer):
            allow_reuse_address = True
            daemon_threads = True

        self._server = Server(("127.0.0.1", 0), Handler)
        self.url = f"rtsp://127.0.0.1:{self._server.server_address[1]}/live"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closed.set()
        self._server.shutdown()
        self._server.server_close()

    def converse(self, link: Any) -> None:
        """Answer one client until it has had its film."""
        film = self.films[min(self.plays, len(self.films) - 1)]
        codec, units = read(film)
        while (request := _request(link.rfile)) is not None:
            method, headers = request
            answer = {"CSeq": headers.get("cseq", "0"), "Session": "k1"}
            body = b""
            if method == "OPTIONS":
                answer["Public"] = "OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN"
            elif method == "DESCRIBE":
                body = _sdp(codec, units[0])
                answer |= {
                    "Content-Type": "application/sdp",
                    "Content-Length": str(len(body)),
                    "Content-Base": self.url,
                }
            elif method == "SETUP":
                answer["Transport"] = "RTP/AVP/TCP;unicast;interleaved=0-1"
            lines = "".join(f"{name}: {value}\r\n" for name, value in answer.items())
            link.wfile.write(f"RTSP/1.0 200 OK\r\n{lines}\r\n".encode() + body)
            if method == "PLAY":
                self.plays += 1
                self._play(link.wfile, codec, units)
                return
            if method == "TEARDOWN":
                return

    def _play(self, out: Any, codec: str, units: list[Unit]) -> None:
        sequence, began = 0, time.monotonic()
        for count, unit in enumerate(units):
            self.closed.wait(max(0.0, began + unit.pts_s - time.monotonic()))
            if count == self.stall_after:
                self.closed.wait(60)
                return
            stamp = round(unit.pts_s * _CLOCK_HZ)
            payloads = [part for nal in unit.nals for part in _payloads(codec, nal)]
            for number, payload in enumerate(payloads):
                marker = 0x80 if number == len(payloads) - 1 else 0
                rtp = struct.pack(">BBHII", 0x80, marker | 96, sequence & 0xFFFF, stamp & 0xFFFFFFFF, 7) + payload
                out.write(b"$\x00" + struct.pack(">H", len(rtp)) + rtp)
                sequence += 1


def read(film: Path) -> tuple[str, list[Unit]]:
    """Return a film's codec and access units, parameter sets before each key frame."""
    with av.open(str(film), mode="r") as opened:
        stream = opened.streams.video[0]
        codec = stream.codec_context.name
        to_annex_b = av.BitStreamFilterContext(f"{codec}_mp4toannexb", stream)
        units = []
        for packet in opened.demux(stream):
            for unit in to_annex_b.filter(packet) if packet.size else ():
                nals = [nal.rstrip(b"\x00") for nal in bytes(unit).split(b"\x00\x00\x01") if nal.strip(b"\x00")]
                units.append(Unit(nals, float((unit.pts or 0) * (stream.time_base or 1)), unit.is_keyframe))
    return codec, units


def _request(lines: Any) -> tuple[str, dict[str, str]] | None:
    first = lines.readline().decode()
    if not first:
        return None
    headers = {}
    while (line := lines.readline().decode().strip()) != "":
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    return first.split()[0], headers


def _sdp(codec: str, first: Unit) -> bytes:
    if codec == "h264":
        sets = ",".join(base64.b64encode(n).decode() for n in first.nals if n[0] & 0x1F in (7, 8))
        form = f"a=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=1;sprop-parameter-sets={sets}\r\n"
    else:
        names = {32: "sprop-vps", 33: "sprop-sps", 34: "sprop-pps"}
        sets = ";".join(
            f"{names[n[0] >> 1 & 0x3F]}={base64.b64encode(n).decode()}" for n in first.nals if n[0] >> 1 & 0x3F in names
        )
        form = f"a=rtpmap:96 H265/90000\r\na=fmtp:96 {sets}\r\n"
    return (
        "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=camera\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\n"
        f"m=video 0 RTP/AVP 96\r\n{form}a=control:track1\r\n"
    ).encode()


def _payloads(codec: str, nal: bytes) -> list[bytes]:
    """Return a NAL unit as one packet, or in fragments where it is too long for one."""
    if len(nal) <= _MTU:
        return [nal]
    if codec == "h264":
        head, kind, body = bytes([nal[0] & 0xE0 | 28]), nal[0] & 0x1F, nal[1:]
    else:
        head, kind, body = bytes([nal[0] & 0x81 | 49 << 1, nal[1]]), nal[0] >> 1 & 0x3F, nal[2:]
    pieces = [body[i : i + _MTU] for i in range(0, len(body), _MTU)]
    return [
        head + bytes([(0x80 if i == 0 else 0) | (0x40 if i == len(pieces) - 1 else 0) | kind]) + piece
        for i, piece in enumerate(pieces)
    ]
