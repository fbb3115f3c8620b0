"""Captures on their way to the cloud: a folder each, whole or not there. What was taken before is known by its hash."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable
from itertools import groupby
from pathlib import Path

from pydantic import ValidationError

from contracts.captures import CAPTURE_PREFIX, CAPTURE_RECORD, Capture, CaptureKind, PhotoRecord
from contracts.errors import Conflict, CorruptMedia
from edge import logbook
from edge.captures.card import FoundPhoto, FoundVideo, Inventory
from edge.captures.terms import Terms
from edge.captures.video import Cutter, Films
from edge.clock import from_us
from edge.files import rename_durably, sync, write_durably
from edge.recorder import OpenFile

_CHUNK_BYTES = 1024 * 1024
_PART = ".part"

Told = Callable[[Capture], None]


class CaptureShelf:
    """The folder of captures. A capture is on it when its folder has lost its ``.part``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._hashes: set[str] = set()
        for capture in self.captures():
            self._remember(capture)

    def captures(self) -> list[Capture]:
        """Return what is on the shelf or was sent from it, in a stable order."""
        found = []
        for path in sorted(self.folder.glob(f"{CAPTURE_PREFIX}*/{CAPTURE_RECORD}")):
            if path.parent.name.endswith(_PART):
                continue
            try:
                found.append(Capture.model_validate_json(path.read_bytes()))
            except ValidationError as error:
                path.replace(path.with_name(path.name + ".corrupt"))
                logbook.warn("capture_record_set_aside", path=str(path), error=str(error)[:300])
        return found

    def knows(self, sha256: str) -> bool:
        """Tell whether content was taken before."""
        return sha256 in self._hashes

    def path(self, capture_id: str) -> Path:
        """Return a capture's folder."""
        return self.folder / capture_id

    def begin(self, capture_id: str) -> Path:
        """Return the folder in which a capture is made; what a killed import left in it is kept."""
        part = self.folder / (capture_id + _PART)
        part.mkdir(exist_ok=True)
        return part

    def place(self, part: Path, capture: Capture) -> None:
        """Put a finished capture on the shelf, in one step."""
        write_durably(part / CAPTURE_RECORD, capture.model_dump_json(indent=1).encode())
        sync(part)
        rename_durably(part, self.path(capture.capture_id))
        self._remember(capture)
        logbook.note("capture_taken", capture_id=capture.capture_id, kind=capture.kind, source=capture.source_name)

    def _remember(self, capture: Capture) -> None:
        self._hashes |= {photo.sha256 for photo in capture.photos}
        if capture.source_sha256 is not None:
            self._hashes.add(capture.source_sha256)


class Taker:
    """Takes an inventory onto the shelf, one capture after the other."""

    def __init__(self, shelf: CaptureShelf, films: Films, open_file: OpenFile, terms: Terms, disk_floor: int) -> None:
        self._shelf = shelf
        self._films = films
        self._open_file = open_file
        self._terms = terms
        self._disk_floor = disk_floor

    def take(self, inventory: Inventory, told: Told = lambda _: None) -> list[Capture]:
        """Take everything that can be taken; a repeat takes only what is not on the shelf.

        Raises:
            Conflict: The disk has no room.
            CorruptMedia: The card gave other bytes than a moment ago.

        """
        wanted = sum(v.reel.path.stat().st_size for v in inventory.videos)
        wanted += sum(p.size_bytes for p in inventory.photos)
        free = shutil.disk_usage(self._shelf.folder).free
        if free - wanted < self._disk_floor:
            raise Conflict(
                f"The captures need {wanted / 1e9:.1f} GB and {free / 1e9:.1f} GB are free.", hint="Free some space."
            )
        taken = []
        for video in inventory.videos:
            taken.append(self._take_video(video))
            told(taken[-1])
        for folder, photos in groupby(inventory.photos, key=lambda p: p.name.rpartition("/")[0]):
            taken.append(self._take_photos(folder, tuple(photos)))
            told(taken[-1])
        return taken

    def _take_video(self, found: FoundVideo) -> Capture:
        part = self._shelf.begin(found.capture_id)
        cutter = Cutter(found.reel, found.capture_id, self._terms, part, self._open_file)
        segments = cutter.run(self._films.frames(found.reel.path))
        ended_us = found.reel.start_us + round(found.reel.film.duration_s * 1e6)
        capture = Capture(
            capture_id=found.capture_id,
            drone_id=self._terms.drone_id,
            asset_id=self._terms.asset_id,
            kind=CaptureKind.VIDEO,
            source_name=found.name,
            source_sha256=found.sha256,
            subtitle_sha256=found.subtitle_sha256,
            started_at=from_us(found.reel.start_us),
            ended_at=from_us(ended_us),
            segments=segments,
            placed_segments=cutter.placed,
            notes=found.reel.notes,
        )
        self._shelf.place(part, capture)
        return capture

    def _take_photos(self, folder: str, photos: tuple[FoundPhoto, ...]) -> Capture:
        digest = hashlib.sha256("".join(sorted(p.sha256 for p in photos)).encode()).hexdigest()
        capture_id = CAPTURE_PREFIX + digest[:24]
        part = self._shelf.begin(capture_id)
        for index, photo in enumerate(photos):
            _copy(photo, part / f"{index:05d}.jpg")
        times = sorted(p.photo.captured_at for p in photos if p.photo.captured_at is not None)
        capture = Capture(
            capture_id=capture_id,
            drone_id=self._terms.drone_id,
            asset_id=self._terms.asset_id,
            kind=CaptureKind.PHOTOS,
            source_name=folder or ".",
            started_at=times[0] if times else None,
            ended_at=times[-1] if times else None,
            photos=tuple(_record(index, photo) for index, photo in enumerate(photos)),
        )
        self._shelf.place(part, capture)
        return capture


def _copy(found: FoundPhoto, target: Path) -> None:
    """Copy a photo; its bytes must be those that were judged."""
    if target.exists():
        return
    part = target.with_name(target.name + _PART)
    digest = hashlib.sha256()
    with found.path.open("rb") as source, part.open("wb") as out:
        while piece := source.read(_CHUNK_BYTES):
            digest.update(piece)
            out.write(piece)
        out.flush()
        os.fsync(out.fileno())
    if digest.hexdigest() != found.sha256:
        raise CorruptMedia(f"{found.name} gave other bytes than a moment ago.", hint="Is the card failing?")
    rename_durably(part, target)


def _record(index: int, found: FoundPhoto) -> PhotoRecord:
    said = found.photo
    return PhotoRecord(
        index=index,
        name=found.name,
        sha256=found.sha256,
        size_bytes=found.size_bytes,
        width_px=said.width_px,
        height_px=said.height_px,
        camera_model=said.camera_model,
        camera_time=said.camera_time,
        captured_at=said.captured_at,
        place=said.place,
        direction=said.direction,
        camera=said.camera,
    )
