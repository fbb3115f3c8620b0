"""Recorded segments to the object store: video, then manifest, then the flight's count; resumed after a crash."""

from __future__ import annotations

import base64
import hashlib
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from contracts.errors import CorruptMedia, NotFound, PlatformError
from contracts.events import DroneEventKind, SegmentVerified
from contracts.ids import parse_segment_id, segment_id
from contracts.media import FlightMedia, SegmentManifest, flight_media_key, manifest_key, video_key
from edge import logbook
from edge.database import open_or_renew
from edge.files import sha256_of
from edge.flights import Flight, Flights

PART_BYTES = 8 * 1024 * 1024
_SCHEMA = """
CREATE TABLE IF NOT EXISTS uploads(
  key TEXT PRIMARY KEY, sha256 TEXT NOT NULL, upload_id TEXT NOT NULL, done INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS parts(key TEXT NOT NULL, number INTEGER NOT NULL, etag TEXT NOT NULL, checksum TEXT NOT NULL,
  PRIMARY KEY(key, number)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS verified(segment_id TEXT PRIMARY KEY) WITHOUT ROWID;
"""


class UploadGone(NotFound):
    """The store has forgotten a multipart upload."""

    code = "upload_gone"


class Part(NamedTuple):
    """A stored part; ``checksum`` is the base64 SHA-256 of its bytes."""

    etag: str
    checksum: str


class ObjectStore(Protocol):
    """Where objects go. Every call may be repeated. A refusal is Forbidden, a busy store Unavailable."""

    def put(self, key: str, body: bytes, checksum: str) -> None:
        """Store a whole object; the store checks the base64 SHA-256."""

    def begin(self, key: str) -> str:
        """Start a multipart upload and return its id."""

    def part(self, key: str, upload_id: str, number: int, body: bytes, checksum: str) -> str:
        """Store a part and return its tag; UploadGone when the upload is not known."""

    def parts(self, key: str, upload_id: str) -> dict[int, Part]:
        """Return the parts the store has; UploadGone when the upload is not known."""

    def complete(self, key: str, upload_id: str, parts: dict[int, Part]) -> None:
        """Make the object; UploadGone when the upload is not known."""


class UploadJournal:
    """What is under way and what is done, on disk. Its loss costs repeated uploads only."""

    def __init__(self, path: Path) -> None:
        self._db, self.renewed = open_or_renew(path, _SCHEMA)
        self._lock = threading.Lock()

    def done(self, key: str) -> bool:
        """Tell whether an object is stored."""
        rows = self._query("SELECT 1 FROM uploads WHERE key=? AND done=1", key)
        return bool(rows)

    def upload_id(self, key: str, sha256: str) -> str | None:
        """Return the multipart upload under way for exactly these bytes."""
        rows = self._query("SELECT upload_id FROM uploads WHERE key=? AND sha256=? AND done=0", key, sha256)
        return str(rows[0][0]) if rows else None

    def begun(self, key: str, sha256: str, upload_id: str) -> None:
        """Note a multipart upload; parts of an earlier one are forgotten."""
        self._query("DELETE FROM parts WHERE key=?", key)
        self._query("INSERT OR REPLACE INTO uploads VALUES(?,?,?,0)", key, sha256, upload_id)

    def part_stored(self, key: str, number: int, part: Part) -> None:
        """Note a stored part."""
        self._query("INSERT OR REPLACE INTO parts VALUES(?,?,?,?)", key, number, part.etag, part.checksum)

    def parts(self, key: str) -> dict[int, Part]:
        """Return the parts noted as stored."""
        rows = self._query("SELECT number, etag, checksum FROM parts WHERE key=?", key)
        return {int(n): Part(str(etag), str(checksum)) for n, etag, checksum in rows}

    def finished(self, key: str, sha256: str) -> None:
        """Note that an object is stored."""
        self._query("INSERT OR REPLACE INTO uploads VALUES(?,?,'',1)", key, sha256)
        self._query("DELETE FROM parts WHERE key=?", key)

    def forget(self, key: str) -> None:
        """Upload it again."""
        self._query("DELETE FROM uploads WHERE key=?", key)

    def verified(self, segment: str) -> None:
        """Note that the cloud has vouched for a segment."""
        self._query("INSERT OR IGNORE INTO verified VALUES(?)", segment)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()

    def _query(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        with self._lock:
            return self._db.execute(sql, values).fetchall()


class Uploader:
    """One object per step, oldest flight and segment first."""

    def __init__(
        self,
        drone_id: str,
        flights: Flights,
        journal: UploadJournal,
        store: ObjectStore,
        announce: Callable[[DroneEventKind, dict[str, object]], None],
        stop: threading.Event,
    ) -> None:
        self._drone_id = drone_id
        self._flights = flights
        self._journal = journal
        self._store = store
        self._announce = announce
        self._stop = stop
        self._healthy = True

    def step(self) -> bool | None:
        """Upload the next object; False when the store would not have it."""
        for flight in self._flights.all():
            if flight.media_told:
                continue
            for index in self._indices(flight):
                if not self._journal.done(manifest_key(self._drone_id, flight.flight_id, index)):
                    return self._attempt(lambda f=flight, i=index: self._upload_segment(f, i))  # type: ignore[misc]
            if flight.segments is not None and len(list(self._indices(flight))) >= flight.segments:
                return self._attempt(lambda f=flight: self._tell(f))  # type: ignore[misc]
        return None

    def verify(self, verified: SegmentVerified) -> None:
        """Free the space of a segment the cloud has re-hashed; upload it again when the cloud saw other bytes."""
        flight_id, index = parse_segment_id(verified.segment_id)
        path = self._flights.folder(flight_id) / f"{index:05d}.json"
        if not path.exists():
            logbook.warn("verified_unknown_segment", segment_id=verified.segment_id)
            return
        manifest = SegmentManifest.model_validate_json(path.read_bytes())
        if manifest.sha256 != verified.sha256:
            logbook.warn("verified_other_bytes", segment_id=verified.segment_id, sha256=verified.sha256)
            self._journal.forget(video_key(self._drone_id, flight_id, index))
            self._journal.forget(manifest_key(self._drone_id, flight_id, index))
            return
        self._journal.verified(verified.segment_id)
        path.with_suffix(".mp4").unlink(missing_ok=True)

    def _attempt(self, work: Callable[[], bool | None]) -> bool | None:
        try:
            outcome = work()
        except PlatformError as error:
            if self._healthy:
                self._healthy = False
                logbook.warn("upload_failed", code=error.code, error=error.message, hint=error.hint)
            return False
        if not self._healthy:
            self._healthy = True
            logbook.note("upload_back")
        return outcome

    def _indices(self, flight: Flight) -> Iterator[int]:
        for path in sorted(self._flights.folder(flight.flight_id).glob("[0-9]*.json")):
            yield int(path.stem)

    def _upload_segment(self, flight: Flight, index: int) -> bool | None:
        path = self._flights.folder(flight.flight_id) / f"{index:05d}.mp4"
        manifest_path = path.with_suffix(".json")
        manifest = SegmentManifest.model_validate_json(manifest_path.read_bytes())
        key = video_key(self._drone_id, flight.flight_id, index)
        if not self._journal.done(key):
            if sha256_of(path) != manifest.sha256:
                raise CorruptMedia(f"{path} no longer has its recorded hash.", hint="Check the disk.")
            if not self.send_file(key, path, manifest.sha256):
                return None
        body = manifest_path.read_bytes()
        name = manifest_key(self._drone_id, flight.flight_id, index)
        self._store.put(name, body, _checksum(body))
        self._journal.finished(name, hashlib.sha256(body).hexdigest())
        segment = segment_id(flight.flight_id, index)
        logbook.note("segment_uploaded", segment_id=segment)
        self._announce(DroneEventKind.SEGMENT_UPLOADED, {"flight_id": flight.flight_id, "segment_id": segment})
        return True

    def done(self, key: str) -> bool:
        """Tell whether an object is stored."""
        return self._journal.done(key)

    def forget(self, key: str) -> None:
        """Store it again."""
        self._journal.forget(key)

    def send_record(self, key: str, body: bytes) -> None:
        """Store a small object."""
        self._store.put(key, body, _checksum(body))
        self._journal.finished(key, hashlib.sha256(body).hexdigest())

    def send_file(self, key: str, path: Path, sha256: str) -> bool:
        """Store a file, resuming what was begun; False when the agent stops meanwhile."""
        if path.stat().st_size < PART_BYTES:
            body = path.read_bytes()
            self._store.put(key, body, _checksum(body))
        else:
            try:
                if not self._upload_parts(key, path, sha256):
                    return False
            except UploadGone:
                self._journal.forget(key)
                if not self._upload_parts(key, path, sha256):
                    return False
        self._journal.finished(key, sha256)
        return True

    def _upload_parts(self, key: str, path: Path, sha256: str) -> bool:
        upload_id = self._journal.upload_id(key, sha256)
        stored: dict[int, Part] = {}
        if upload_id is None:
            upload_id = self._store.begin(key)
            self._journal.begun(key, sha256, upload_id)
        else:
            stored = self._store.parts(key, upload_id)
            logbook.note("upload_resumed", key=key, parts=len(stored))
        parts: dict[int, Part] = {}
        for number, body in _pieces(path):
            if self._stop.is_set():
                return False
            checksum = _checksum(body)
            part = stored.get(number)
            if part is None or part.checksum != checksum:
                part = Part(self._store.part(key, upload_id, number, body, checksum), checksum)
                self._journal.part_stored(key, number, part)
            parts[number] = part
        self._store.complete(key, upload_id, parts)
        return True

    def _tell(self, flight: Flight) -> bool:
        expected = flight.segments or 0
        media = FlightMedia(flight_id=flight.flight_id, drone_id=self._drone_id, expected_segments=expected)
        body = media.model_dump_json().encode()
        self._store.put(flight_media_key(self._drone_id, flight.flight_id), body, _checksum(body))
        self._flights.change(flight.flight_id, media_told=True)
        logbook.note("flight_media_told", flight_id=flight.flight_id, segments=flight.segments)
        return True


def _pieces(path: Path) -> Iterator[tuple[int, bytes]]:
    with path.open("rb") as source:
        number = 1
        while body := source.read(PART_BYTES):
            yield number, body
            number += 1


def _checksum(body: bytes) -> str:
    return base64.b64encode(hashlib.sha256(body).digest()).decode()
