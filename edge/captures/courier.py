"""Captures from the shelf to the object store; the space is freed when the cloud has re-hashed what it got."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from contracts.captures import CAPTURE_PREFIX, Capture, CaptureKind, capture_key, photo_key
from contracts.errors import PlatformError
from contracts.events import SegmentVerified
from contracts.ids import parse_segment_id
from contracts.media import FlightMedia, SegmentManifest, flight_media_key, manifest_key, video_key
from edge import logbook
from edge.captures.shelf import CaptureShelf

ASK_AGAIN_S = 900.0


class Sender(Protocol):
    """Stores objects and remembers which are stored."""

    def done(self, key: str) -> bool:
        """Tell whether an object is stored."""

    def send_file(self, key: str, path: Path, sha256: str) -> bool:
        """Store a file, resuming what was begun; False when the agent stops meanwhile."""

    def send_record(self, key: str, body: bytes) -> None:
        """Store a small object."""

    def forget(self, key: str) -> None:
        """Store it again."""


class Courier:
    """One object per step: a video's record before its segments, a record of photos after the photos it vouches for."""

    def __init__(self, shelf: CaptureShelf, sender: Sender, now: Callable[[], float] = time.monotonic) -> None:
        self._shelf = shelf
        self._sender = sender
        self._captures: dict[str, Capture] = {}
        self._sent: dict[str, float] = {}
        self._healthy = True
        self._now = now

    def step(self) -> bool | None:
        """Send the next object; None when all is sent, False when the store would not have it."""
        try:
            return self._send_next()
        except PlatformError as error:
            if self._healthy:
                logbook.warn("capture_not_sent", code=error.code, error=error.message, hint=error.hint)
            self._healthy = False
            return False

    def _send_next(self) -> bool | None:
        for name in sorted(path.parent.name for path in self._shelf.folder.glob(f"{CAPTURE_PREFIX}*/capture.json")):
            if name.endswith(".part") or not self._is_due(name):
                continue
            if self._send_one(self._capture(name)):
                self._healthy = True
                return True
            self._sent[name] = self._now()
        return None

    def _is_due(self, name: str) -> bool:
        """Tell whether a capture needs a look: not sent whole, or not vouched for long after it was.

        The cloud's own message of its arrival may have been lost: its record is then stored once more.
        """
        if name not in self._sent:
            return True
        if self._now() - self._sent[name] < ASK_AGAIN_S or not any(self._shelf.path(name).glob("[0-9]*.[mj]p[4g]")):
            return False
        capture = self._capture(name)
        self._sender.forget(capture_key(capture.drone_id, capture.capture_id))
        return True

    def waiting(self) -> int:
        """Return how many captures are not sent whole."""
        return sum(
            not self._sender.done(flight_media_key(c.drone_id, c.capture_id))
            if c.kind is CaptureKind.VIDEO
            else not self._sender.done(capture_key(c.drone_id, c.capture_id))
            for c in self._shelf.captures()
        )

    def _capture(self, capture_id: str) -> Capture:
        if capture_id not in self._captures:
            path = self._shelf.path(capture_id) / "capture.json"
            self._captures[capture_id] = Capture.model_validate_json(path.read_bytes())
        return self._captures[capture_id]

    def _send_one(self, capture: Capture) -> bool:
        """Send one object of a capture; False when none is left."""
        record = capture_key(capture.drone_id, capture.capture_id)
        if capture.kind is CaptureKind.VIDEO and not self._sender.done(record):
            self._sender.send_record(record, capture.model_dump_json().encode())
            return True
        sent = self._send_segment(capture) if capture.kind is CaptureKind.VIDEO else self._send_photo(capture)
        if sent:
            return True
        if not self._sender.done(record):
            self._sender.send_record(record, capture.model_dump_json().encode())
            return True
        return False

    def _send_segment(self, capture: Capture) -> bool:
        folder = self._shelf.path(capture.capture_id)
        for index in range(capture.segments):
            key = manifest_key(capture.drone_id, capture.capture_id, index)
            if self._sender.done(key):
                continue
            body = (folder / f"{index:05d}.json").read_bytes()
            sha256 = SegmentManifest.model_validate_json(body).sha256
            video = video_key(capture.drone_id, capture.capture_id, index)
            if self._sender.done(video) or self._sender.send_file(video, folder / f"{index:05d}.mp4", sha256):
                self._sender.send_record(key, body)
            return True
        key = flight_media_key(capture.drone_id, capture.capture_id)
        if self._sender.done(key):
            return False
        told = FlightMedia(flight_id=capture.capture_id, drone_id=capture.drone_id, expected_segments=capture.segments)
        self._sender.send_record(key, told.model_dump_json().encode())
        return True

    def _send_photo(self, capture: Capture) -> bool:
        folder = self._shelf.path(capture.capture_id)
        for photo in capture.photos:
            key = photo_key(capture.drone_id, capture.capture_id, photo.index)
            if not self._sender.done(key):
                self._sender.send_file(key, folder / f"{photo.index:05d}.jpg", photo.sha256)
                return True
        return False

    def verify(self, verified: SegmentVerified) -> None:
        """Free the space of a segment or photo that the cloud has re-hashed; send it again if the cloud saw others."""
        capture_id, index = parse_segment_id(verified.segment_id)
        if not (self._shelf.path(capture_id) / "capture.json").exists():
            logbook.warn("verified_unknown_capture", segment_id=verified.segment_id)
            return
        capture = self._capture(capture_id)
        path, sha256, keys = self._payload(capture, index)
        if sha256 != verified.sha256:
            logbook.warn("verified_other_bytes", segment_id=verified.segment_id, sha256=verified.sha256)
            for key in (*keys, capture_key(capture.drone_id, capture_id)):
                self._sender.forget(key)
            self._sent.pop(capture_id, None)
            return
        path.unlink(missing_ok=True)

    def _payload(self, capture: Capture, index: int) -> tuple[Path, str, tuple[str, ...]]:
        folder = self._shelf.path(capture.capture_id)
        if capture.kind is CaptureKind.PHOTOS:
            key = photo_key(capture.drone_id, capture.capture_id, index)
            return folder / f"{index:05d}.jpg", capture.photos[index].sha256, (key,)
        manifest = SegmentManifest.model_validate_json((folder / f"{index:05d}.json").read_bytes())
        keys = (
            video_key(capture.drone_id, capture.capture_id, index),
            manifest_key(capture.drone_id, capture.capture_id, index),
        )
        return folder / f"{index:05d}.mp4", manifest.sha256, keys
