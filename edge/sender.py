"""Files to the object store in parts, two at a time, resumed after a crash, called stored only when the store says so.

A part in flight is all that a crash can cost: two parts of 8 MiB. The store checks each part's CRC-64/NVME and, at the
end, that of the whole object; the SHA-256 in the manifest is the cloud's to check before the drone may free the space.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from contracts.errors import CorruptMedia, InvalidInput, NotFound
from edge import logbook
from edge.database import open_or_renew

PART_BYTES = 8 * 1024 * 1024
PARTS_IN_FLIGHT = 2
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
    """A stored part; ``crc`` is the CRC-64/NVME of its bytes."""

    etag: str
    crc: int


class ObjectStore(Protocol):
    """Where objects go. Every call may be repeated. A refusal is Forbidden, a busy store Unavailable."""

    def crc(self, body: bytes, before: int = 0) -> int:
        """Return the CRC-64/NVME of what ``before`` is the CRC of, followed by ``body``."""

    def put(self, key: str, body: bytes) -> None:
        """Store a whole object; the store checks it."""

    def begin(self, key: str) -> str:
        """Start a multipart upload and return its id."""

    def part(self, key: str, upload_id: str, number: int, body: bytes) -> Part:
        """Store a part; the store checks it; UploadGone when the upload is not known."""

    def parts(self, key: str, upload_id: str) -> dict[int, str]:
        """Return number and tag of the parts the store has; UploadGone when the upload is not known."""

    def complete(self, key: str, upload_id: str, parts: dict[int, Part], crc: int) -> None:
        """Make the object; the store checks that the whole has ``crc``; UploadGone when the upload is not known."""


class UploadJournal:
    """What is under way and what is done, on disk. Its loss costs repeated uploads only."""

    def __init__(self, path: Path) -> None:
        self._db = open_or_renew(path, _SCHEMA)
        self._lock = threading.Lock()

    def done(self, key: str) -> bool:
        """Tell whether an object is stored."""
        return self.stored_sha256(key) is not None

    def stored_sha256(self, key: str) -> str | None:
        """Return the hash of the bytes stored under a key."""
        rows = self._query("SELECT sha256 FROM uploads WHERE key=? AND done=1", key)
        return str(rows[0][0]) if rows else None

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
        self._query("INSERT OR REPLACE INTO parts VALUES(?,?,?,?)", key, number, part.etag, f"{part.crc:016x}")

    def parts(self, key: str) -> dict[int, Part]:
        """Return the parts noted as stored."""
        rows = self._query("SELECT number, etag, checksum FROM parts WHERE key=? AND length(checksum)=16", key)
        return {int(number): Part(str(etag), int(crc, 16)) for number, etag, crc in rows}

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


class Sender:
    """Stores objects and remembers which are stored."""

    def __init__(self, journal: UploadJournal, store: ObjectStore, stop: threading.Event) -> None:
        self._journal = journal
        self._store = store
        self._stop = stop

    def done(self, key: str) -> bool:
        """Tell whether an object is stored."""
        return self._journal.done(key)

    def holds(self, key: str, body: bytes) -> bool:
        """Tell whether exactly these bytes are stored."""
        return self._journal.stored_sha256(key) == hashlib.sha256(body).hexdigest()

    def forget(self, key: str) -> None:
        """Store it again."""
        self._journal.forget(key)

    def send_record(self, key: str, body: bytes) -> None:
        """Store a small object."""
        self._store.put(key, body)
        self._journal.finished(key, hashlib.sha256(body).hexdigest())

    def send_file(self, key: str, path: Path, sha256: str) -> bool:
        """Store a file, resuming what was begun; False when the agent stops meanwhile.

        One that is gone is stored: only what was vouched for is deleted, and the journal that knew of it may be lost.

        Raises:
            CorruptMedia: The file no longer has its recorded hash.

        """
        unnamed = path.with_name(path.name + ".part")
        if not (unnamed.exists() or path.exists()):  # in this order: it may get its name in between
            logbook.note("upload_of_freed_file", key=key)
            self._journal.finished(key, sha256)
            return True
        found, crc = self._fingerprint(path)
        if found != sha256:
            raise CorruptMedia(f"{path} no longer has its recorded hash.", hint="Check the disk.")
        if path.stat().st_size < PART_BYTES:
            self._store.put(key, path.read_bytes())
        elif not self._send_or_restart(key, path, sha256, crc):
            return False
        self._journal.finished(key, sha256)
        return True

    def _fingerprint(self, path: Path) -> tuple[str, int]:
        digest, crc = hashlib.sha256(), 0
        for _, body in _pieces(path):
            digest.update(body)
            crc = self._store.crc(body, crc)
        return digest.hexdigest(), crc

    def _send_or_restart(self, key: str, path: Path, sha256: str, crc: int) -> bool:
        resumed = self._journal.upload_id(key, sha256) is not None
        try:
            return self._send_parts(key, path, sha256, crc)
        except UploadGone:
            logbook.warn("upload_forgotten", key=key)
        except InvalidInput as error:
            # An upload begun by an agent of another version, with other checksums, cannot be gone on with.
            if not resumed:
                raise
            logbook.warn("upload_begun_anew", key=key, error=error.message)
        self._journal.forget(key)
        return self._send_parts(key, path, sha256, crc)

    def _send_parts(self, key: str, path: Path, sha256: str, crc: int) -> bool:
        upload_id, stored = self._resume(key, sha256)
        parts: dict[int, Part] = {}
        under_way: list[tuple[int, Future[Part]]] = []
        with ThreadPoolExecutor(PARTS_IN_FLIGHT, thread_name_prefix="kestrel-part") as pool:
            for number, body in _pieces(path):
                if self._stop.is_set():
                    return False
                if (part := stored.get(number)) is not None and part.crc == self._store.crc(body):
                    parts[number] = part
                    continue
                if len(under_way) == PARTS_IN_FLIGHT:
                    earlier, sent = under_way.pop(0)
                    parts[earlier] = sent.result()
                under_way.append((number, pool.submit(self._send_part, key, upload_id, number, body)))
            parts |= {number: sent.result() for number, sent in under_way}
        self._store.complete(key, upload_id, parts, crc)
        return True

    def _resume(self, key: str, sha256: str) -> tuple[str, dict[int, Part]]:
        known = self._journal.upload_id(key, sha256)
        if known is not None:
            listed, noted = self._store.parts(key, known), self._journal.parts(key)
            stored = {number: part for number, part in noted.items() if listed.get(number) == part.etag}
            logbook.note("upload_resumed", key=key, parts=len(stored))
            return known, stored
        upload_id = self._store.begin(key)
        self._journal.begun(key, sha256, upload_id)
        return upload_id, {}

    def _send_part(self, key: str, upload_id: str, number: int, body: bytes) -> Part:
        part = self._store.part(key, upload_id, number, body)
        self._journal.part_stored(key, number, part)
        return part


def _pieces(path: Path) -> Iterator[tuple[int, bytes]]:
    with path.open("rb") as source:
        number = 1
        while body := source.read(PART_BYTES):
            yield number, body
            number += 1
