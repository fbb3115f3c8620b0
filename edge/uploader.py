"""What leaves the drone's disk first: what exists, what looks critical, pictures to judge by, and then the video.

The inventory of each flight, the crops of first looks, thumbnails, 1080p proxies, the segments the cloud asked for and
those round a first look, all the rest oldest first, and at the end the flight's count. One object per step, so that
whatever becomes more urgent meanwhile goes next.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path

from pydantic import ValidationError

from contracts.errors import CorruptMedia, PlatformError
from contracts.events import DroneEventKind, SegmentVerified
from contracts.first_look import FIRST_LOOK, FirstLook, crop_key, record_key
from contracts.ids import parse_segment_id, segment_id
from contracts.media import (
    FlightInventory,
    FlightMedia,
    SegmentEntry,
    SegmentManifest,
    UploadOrder,
    flight_media_key,
    inventory_key,
    manifest_key,
    proxy_key,
    thumbnail_key,
    video_key,
)
from edge import logbook
from edge.files import sha256_of, write_durably
from edge.flights import Flight, Flights
from edge.sender import ObjectStore, Sender, UploadJournal

_ORDER = "upload-order.json"
_AROUND_US = 4_000_000
"""A segment before and one after a first look is worth seeing too."""

Work = Callable[[], bool | None]
Announce = Callable[[DroneEventKind, dict[str, object]], Future[int] | None]
"""Tells an event; the future is done when it would survive a power cut. A segment told again is told once."""


class _Known:
    """What one manifest says, kept so that it is read once."""

    def __init__(self, manifest: SegmentManifest) -> None:
        self.entry = SegmentEntry(
            index=manifest.index,
            sha256=manifest.sha256,
            size_bytes=manifest.size_bytes,
            started_at=manifest.started_at,
        )
        self.first_us, self.last_us = manifest.frames[0].t_us, manifest.frames[-1].t_us


class Uploader(Sender):
    """Sends flights' files in the order above."""

    def __init__(
        self,
        drone_id: str,
        flights: Flights,
        journal: UploadJournal,
        store: ObjectStore,
        announce: Announce,
        stop: threading.Event,
    ) -> None:
        super().__init__(journal, store, stop)
        self._drone_id = drone_id
        self._flights = flights
        self._announce = announce
        self._healthy = True
        self._known: dict[str, _Known] = {}
        self._damaged: set[str] = set()
        self._ahead = threading.Lock()
        self._told: dict[str, Future[int] | None] = {}
        """Of each flight the last event; those before it are told before."""

    def step(self) -> bool | None:
        """Upload the next object; False when the store would not have it."""
        waiting = [flight for flight in self._flights.all() if not flight.media_told]
        if (new := next((flight for flight in waiting if flight.flight_id not in self._told), None)) is not None:
            self._tell_again(new)  # one at a step: the outbox's queue is bounded
        for find in (self._inventory, self._crop, self._thumbnail, self._proxy, self._wanted, self._rest):
            for flight in waiting:
                if (work := find(flight)) is not None:
                    return self._attempt(work)
        return None

    def step_ahead(self) -> bool | None:
        """Upload the next first look beside whatever large thing is under way; False when it would not go."""
        waiting = [flight for flight in self._flights.all() if not flight.media_told]
        work = next((found for flight in waiting if (found := self._crop(flight)) is not None), None)
        return None if work is None else self._attempt(work)

    def order(self, order: UploadOrder) -> None:
        """Send these segments before the others from now on, also after a restart."""
        if self._flights.get(order.flight_id) is None:
            logbook.warn("order_of_unknown_flight", flight_id=order.flight_id)
            return
        write_durably(self._flights.folder(order.flight_id) / _ORDER, order.model_dump_json().encode())
        logbook.note("upload_ordered", flight_id=order.flight_id, segments=len(order.segments))

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
            self._flights.change(flight_id, media_told=False)
            return
        self._journal.verified(verified.segment_id)
        path.with_suffix(".mp4").unlink(missing_ok=True)

    def _attempt(self, work: Work) -> bool | None:
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
        """Yield the recorded segments; one whose manifest is no longer to be read must not keep the others."""
        for path in sorted(self._folder(flight).glob("[0-9]*.json")):
            try:
                self._segment(flight, int(path.stem))
            except ValidationError as error:
                self._tell_unreadable(flight, path)
                self._set_aside(path, error)
            else:
                yield int(path.stem)

    def _tell_again(self, flight: Flight) -> None:
        """Tell what a process may have been killed before it told: it stands in the journal, or is set aside."""
        self._told[flight.flight_id] = None
        for path in sorted(self._folder(flight).glob("[0-9]*.json.corrupt")):
            self._tell_unreadable(flight, path.with_suffix(""))
        for index in self._indices(flight):
            if self.done(manifest_key(self._drone_id, flight.flight_id, index)):
                self._tell_uploaded(flight, index)

    def _tell_unreadable(self, flight: Flight, path: Path) -> None:
        detail = f"The manifest {path.name} cannot be read and is set aside; its video stays on the drone."
        self._say(DroneEventKind.SAFETY, flight, int(path.stem), code="segment_damaged", detail=detail)

    def _tell_uploaded(self, flight: Flight, index: int) -> None:
        self._told[flight.flight_id] = self._say(DroneEventKind.SEGMENT_UPLOADED, flight, index)

    def _say(self, kind: DroneEventKind, flight: Flight, index: int, **more: object) -> Future[int] | None:
        segment = segment_id(flight.flight_id, index)
        return self._announce(kind, {"flight_id": flight.flight_id, "segment_id": segment, **more})

    def _set_aside(self, path: Path, error: ValidationError) -> None:
        logbook.warn("file_set_aside", path=str(path), error=str(error)[:300])
        path.replace(path.with_name(path.name + ".corrupt"))

    def _folder(self, flight: Flight) -> Path:
        return self._flights.folder(flight.flight_id)

    def _segment(self, flight: Flight, index: int) -> _Known:
        name = segment_id(flight.flight_id, index)
        if name not in self._known:
            path = self._folder(flight) / f"{index:05d}.json"
            self._known[name] = _Known(SegmentManifest.model_validate_json(path.read_bytes()))
        return self._known[name]

    def _inventory(self, flight: Flight) -> Work | None:
        entries = tuple(self._segment(flight, index).entry for index in self._indices(flight))
        if not entries:
            return None
        inventory = FlightInventory(
            flight_id=flight.flight_id,
            drone_id=self._drone_id,
            complete=flight.segments is not None,
            segments=entries,
        )
        key, body = inventory_key(self._drone_id, flight.flight_id), inventory.model_dump_json().encode()
        return None if self.holds(key, body) else lambda: self._record(key, body)

    def _crop(self, flight: Flight) -> Work | None:
        for path, look in self._looks(flight):
            key = record_key(self._drone_id, flight.flight_id, look.look_id)
            if not self.done(key):
                return lambda p=path, k=look: self._send_look(flight, p, k)  # type: ignore[misc]
        return None

    def _looks(self, flight: Flight) -> Iterator[tuple[Path, FirstLook]]:
        for path in sorted((self._folder(flight) / FIRST_LOOK).glob("*.json")):
            try:
                yield path, FirstLook.model_validate_json(path.read_bytes())
            except ValidationError as error:
                self._set_aside(path, error)

    def _send_look(self, flight: Flight, path: Path, look: FirstLook) -> bool:
        crop = crop_key(self._drone_id, flight.flight_id, look.look_id)
        record = record_key(self._drone_id, flight.flight_id, look.look_id)
        with self._ahead:  # two loops send first looks: the other one may just have sent this
            if not self.done(crop):
                self.send_file(crop, path.with_suffix(".jpg"), look.crop_sha256)
            return self.done(record) or self._record(record, path.read_bytes())

    def _thumbnail(self, flight: Flight) -> Work | None:
        return self._picture(flight, "thumbs/*.jpg", thumbnail_key)

    def _proxy(self, flight: Flight) -> Work | None:
        return self._picture(flight, "proxy/*.mp4", proxy_key)

    def _picture(self, flight: Flight, pattern: str, key_of: Callable[[str, str, int], str]) -> Work | None:
        for path in sorted(self._folder(flight).glob(pattern)):
            key = key_of(self._drone_id, flight.flight_id, int(path.stem))
            if not self.done(key):
                return lambda k=key, p=path: self.send_file(k, p, sha256_of(p)) or None  # type: ignore[misc]
        return None

    def _wanted(self, flight: Flight) -> Work | None:
        """Return the next segment that was asked for, or that lies round a first look."""
        return self._first_unsent(flight, [*self._ordered(flight), *self._round_looks(flight)])

    def _ordered(self, flight: Flight) -> tuple[int, ...]:
        path = self._folder(flight) / _ORDER
        if not path.exists():
            return ()
        try:
            return UploadOrder.model_validate_json(path.read_bytes()).segments
        except ValidationError as error:
            self._set_aside(path, error)
            return ()

    def _round_looks(self, flight: Flight) -> list[int]:
        times = [look.t_us for _, look in self._looks(flight)]
        spans = [(index, self._segment(flight, index)) for index in self._indices(flight)]
        return [
            index
            for index, known in spans
            if any(known.first_us - _AROUND_US <= t_us <= known.last_us + _AROUND_US for t_us in times)
        ]

    def _rest(self, flight: Flight) -> Work | None:
        indices = list(self._indices(flight))
        if (work := self._first_unsent(flight, indices)) is not None:
            return work
        whole = flight.segments is not None and len(indices) >= flight.segments and not self._damage_in(flight)
        return (lambda: self._tell(flight)) if whole and self._has_told(flight) else None

    def _has_told(self, flight: Flight) -> bool:
        """Tell whether all events of a flight are on disk: once its media are told nobody looks at it again."""
        last = self._told.get(flight.flight_id)
        return flight.flight_id in self._told and (last is None or last.done())

    def _damage_in(self, flight: Flight) -> bool:
        return any(parse_segment_id(name)[0] == flight.flight_id for name in self._damaged)

    def _first_unsent(self, flight: Flight, indices: list[int]) -> Work | None:
        recorded = set(self._indices(flight))
        for index in indices:
            sent = self.done(manifest_key(self._drone_id, flight.flight_id, index))
            if index in recorded and not sent and segment_id(flight.flight_id, index) not in self._damaged:
                return lambda i=index: self._upload_segment(flight, i)  # type: ignore[misc]
        return None

    def _upload_segment(self, flight: Flight, index: int) -> bool | None:
        segment = segment_id(flight.flight_id, index)
        path = self._folder(flight) / f"{index:05d}.mp4"
        body = path.with_suffix(".json").read_bytes()
        key = video_key(self._drone_id, flight.flight_id, index)
        try:
            if not self.done(key) and not self.send_file(key, path, self._segment(flight, index).entry.sha256):
                return None
        except CorruptMedia as error:
            # The others must not wait for it. It is looked at again after a restart.
            self._damaged.add(segment)
            detail = f"{error.message} {error.hint}"
            self._say(DroneEventKind.SAFETY, flight, index, code="segment_damaged", detail=detail)
            raise
        self._record(manifest_key(self._drone_id, flight.flight_id, index), body)
        logbook.note("segment_uploaded", segment_id=segment)
        self._tell_uploaded(flight, index)
        return True

    def _record(self, key: str, body: bytes) -> bool:
        self.send_record(key, body)
        return True

    def _tell(self, flight: Flight) -> bool:
        expected = flight.segments or 0
        media = FlightMedia(flight_id=flight.flight_id, drone_id=self._drone_id, expected_segments=expected)
        self.send_record(flight_media_key(self._drone_id, flight.flight_id), media.model_dump_json().encode())
        self._flights.change(flight.flight_id, media_told=True)
        logbook.note("flight_media_told", flight_id=flight.flight_id, segments=flight.segments)
        return True
