"""Video segments in S3: verified, recorded once, queued for vision, and where their analysis stands."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from cloud.db import notify
from cloud.logbook import log
from cloud.tables import Asset, Flight, Media, Outgoing
from contracts import media as keys
from contracts.errors import Conflict, CorruptMedia, InvalidInput, NotFound
from contracts.events import AnalyseSegment, SegmentVerified
from contracts.media import FlightMedia, SegmentManifest
from contracts.topics import VERIFIED
from contracts.vocabulary import MediaState

_REASON_MAX = 400


def record_segment(session: Session, manifest: SegmentManifest, size: int, version: str, sha256: str) -> Media:
    """Record a stored segment and tell its drone; again is harmless (the drone is told again, it may have missed it).

    ``size``, ``version`` and ``sha256`` are of the video as the store holds it. A video that does not match its
    manifest is recorded as failed and the drone is told nothing, so it keeps its copy.

    Raises:
        NotFound: The flight is unknown.
        InvalidInput: The flight is another drone's or another asset's.
        Conflict: The segment was recorded before with other content that was fine.

    """
    flight = session.get(Flight, manifest.flight_id)
    if flight is None:
        raise NotFound(f"Segment {manifest.segment_id} is of flight {manifest.flight_id!r}, which is unknown.")
    if (flight.drone_id, flight.asset_id) != (manifest.drone_id, manifest.asset_id):
        raise InvalidInput(f"Segment {manifest.segment_id} names another drone or asset than its flight.")
    good = sha256 == manifest.sha256 and size == manifest.size_bytes
    row = _row(session, manifest, size, version)
    if good and row.state == MediaState.FAILED.value and not row.attempts:
        row.state, row.reason = MediaState.STORED.value, ""
    if good and row.sha256 != sha256:
        if row.state != MediaState.STORED.value or row.attempts:
            raise Conflict(f"Segment {manifest.segment_id} is recorded already with another video.")
        _replace(row, manifest, size, version)
    if not good and row.state == MediaState.STORED.value and not row.attempts:
        row.state = MediaState.FAILED.value
        row.reason = f"The stored video ({size} bytes, sha256 {sha256[:12]}…) does not match its manifest."
    if good:
        _tell(session, manifest)
    notify(session, "media", manifest.segment_id)
    return row


def check(row: Media) -> None:
    """Refuse a segment whose video does not match.

    Raises:
        CorruptMedia: It was recorded as failed.

    """
    if row.state == MediaState.FAILED.value:
        raise CorruptMedia(f"{row.segment_id}: {row.reason}", hint="The drone will upload it again.")


def _row(session: Session, manifest: SegmentManifest, size: int, version: str) -> Media:
    values = {
        "segment_id": manifest.segment_id,
        "flight_id": manifest.flight_id,
        "drone_id": manifest.drone_id,
        "asset_id": manifest.asset_id,
        "index": manifest.index,
        "video_key": keys.video_key(manifest.drone_id, manifest.flight_id, manifest.index),
        "manifest_key": keys.manifest_key(manifest.drone_id, manifest.flight_id, manifest.index),
        "state": MediaState.STORED.value,
        **_content(manifest, size, version),
    }
    session.execute(insert(Media).values(**values).on_conflict_do_nothing(index_elements=["segment_id"]))
    return session.get_one(Media, manifest.segment_id, with_for_update=True, populate_existing=True)


def _content(manifest: SegmentManifest, size: int, version: str) -> dict[str, Any]:
    return {
        "sha256": manifest.sha256,
        "object_version": version,
        "size_bytes": size,
        "frames": len(manifest.frames),
        "started_at": manifest.started_at,
        "duration_s": duration_s(manifest),
    }


def _replace(row: Media, manifest: SegmentManifest, size: int, version: str) -> None:
    for name, value in _content(manifest, size, version).items():
        setattr(row, name, value)


def _tell(session: Session, manifest: SegmentManifest) -> None:
    said = SegmentVerified(segment_id=manifest.segment_id, sha256=manifest.sha256)
    session.add(
        Outgoing(drone_id=manifest.drone_id, topic=VERIFIED.of(manifest.drone_id), payload=said.model_dump(mode="json"))
    )


def duration_s(manifest: SegmentManifest) -> float:
    """Return how long a segment plays: to its last frame, plus one mean frame time."""
    last_ms = manifest.frames[-1].pts_ms
    steps = len(manifest.frames) - 1
    return (last_ms + (last_ms / steps if steps else 0.0)) / 1000


def record_flight_media(session: Session, record: FlightMedia) -> None:
    """Record how many segments a flight made.

    Raises:
        NotFound: The flight is unknown.
        InvalidInput: It is another drone's flight.

    """
    flight = session.get(Flight, record.flight_id, with_for_update=True)
    if flight is None:
        raise NotFound(f"Flight {record.flight_id!r} is unknown.")
    if flight.drone_id != record.drone_id:
        raise InvalidInput(f"Flight {record.flight_id} is not one of drone {record.drone_id}.")
    if flight.expected_segments != record.expected_segments:
        flight.expected_segments = record.expected_segments
        notify(session, "flight", record.flight_id)


def job_of(session: Session, segment_id: str) -> AnalyseSegment:
    """Return the vision job of a segment, with the geometry of its asset, where that is known."""
    row = session.get_one(Media, segment_id)
    asset = session.get(Asset, row.asset_id)
    return AnalyseSegment(
        segment_id=row.segment_id,
        flight_id=row.flight_id,
        drone_id=row.drone_id,
        asset_id=row.asset_id,
        video_key=row.video_key,
        manifest_key=row.manifest_key,
        video_sha256=row.sha256,
        geometry=asset.shape if asset is not None else None,
    )


def mark_queued(session: Session, segment_id: str) -> None:
    """Note that a job for a segment is in the queue."""
    row = session.get_one(Media, segment_id, with_for_update=True)
    if row.state in (MediaState.STORED.value, MediaState.QUEUED.value):
        row.state, row.queued_at, row.attempts = MediaState.QUEUED.value, datetime.now(UTC), row.attempts + 1
        notify(session, "media", segment_id)


def mark_failed(session: Session, segment_id: str, reason: str) -> None:
    """Note that a segment cannot be analysed; a segment that was analysed stays so.

    Raises:
        NotFound: No such segment.

    """
    row = session.get(Media, segment_id, with_for_update=True)
    if row is None:
        raise NotFound(f"Segment {segment_id!r} is unknown.")
    if row.state not in (MediaState.ANALYSED.value, MediaState.FAILED.value):
        row.state, row.reason = MediaState.FAILED.value, reason[:_REASON_MAX]
        notify(session, "media", segment_id)
        log("segment_failed", segment_id=segment_id, reason=reason[:_REASON_MAX])


def outstanding(session: Session, *, older_than: timedelta) -> list[Media]:
    """Return segments stored or queued for longer than this without an answer from vision, oldest first."""
    before = datetime.now(UTC) - older_than
    waiting = (Media.state == MediaState.STORED.value) & (Media.stored_at < before)
    asked = (Media.state == MediaState.QUEUED.value) & (Media.queued_at < before)
    return list(session.scalars(select(Media).where(waiting | asked).order_by(Media.stored_at)))
