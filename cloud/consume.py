"""From queues to rows: stored segments to vision jobs, detections to findings, critical findings to workflows."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import TypeVar
from urllib.parse import unquote_plus

from pydantic import BaseModel, ValidationError
from sqlalchemy.orm import Session

from cloud import captures, dead_letters, decisions, executions, flights, grading, inspections, media, uploads
from cloud.alerts import rota, rounds
from cloud.executions import Workflows
from cloud.intrusion import findings
from cloud.logbook import log, log_failure
from cloud.services import Message, Services
from cloud.tables import Flight
from cloud.training import versions
from contracts import media as keys
from contracts import resources
from contracts.captures import CAPTURE_PREFIX, Capture, CaptureKind, capture_key, photo_key
from contracts.errors import Conflict, CorruptMedia, InvalidInput, PlatformError, Unavailable
from contracts.events import BatchReady
from contracts.findings import DetectionBatch
from contracts.first_look import FIRST_LOOK, FirstLook, crop_key, record_key
from contracts.ids import parse_segment_id
from contracts.media import FlightInventory, FlightMedia, SegmentManifest
from contracts.vocabulary import MediaState
from instruments import metrics, traces

PERMANENT = (InvalidInput, Conflict, CorruptMedia)
"""Errors that the same message will always meet again."""
_WAIT_S = 2
_HOLD_S = 30
"""How long a message stays ours: a process killed with it, or while it waited for it, delays it by no more."""
_MAX_DELAY_S = 30

Handler = Callable[[Services, str], None]
_M = TypeVar("_M", bound=BaseModel)


class Consumer:
    """A daemon over one queue: handle, then delete; what cannot be handled is buried with its reason."""

    def __init__(self, services: Services, queue: str, handler: Handler, *, wait_s: int = _WAIT_S) -> None:
        self.queue = queue
        self._services = services
        self._handler = handler
        self._wait_s = wait_s

    def step(self) -> bool | None:
        """Handle the next message; None when there is none, False when it must be tried again."""
        messages = self._services.queues.receive(self.queue, 1, self._wait_s, _HOLD_S)
        if not messages:
            return None
        message = messages[0]
        try:
            with metrics.QUEUE_SECONDS.labels(queue=self.queue).time():
                self._handler(self._services, message.body)
        except PERMANENT as error:
            self._bury(message, error)
        except Unavailable as error:
            self._later(message, error)
            return False
        except Exception as error:  # noqa: BLE001 - a bug must not stop the queue; the message ends as a dead letter
            if message.receives < resources.MAX_RECEIVES:
                self._later(message, error)
                return False
            self._bury(message, error)
        else:
            metrics.QUEUE_MESSAGES.labels(queue=self.queue, outcome="done").inc()
        self._services.queues.delete(self.queue, message.receipt)
        return True

    def _later(self, message: Message, error: Exception) -> None:
        metrics.QUEUE_MESSAGES.labels(queue=self.queue, outcome="delayed").inc()
        delay_s = min(_MAX_DELAY_S, 2**message.receives)
        if isinstance(error, PlatformError):
            log("message_delayed", queue=self.queue, receives=message.receives, delay_s=delay_s, error=str(error))
        else:
            log_failure("message_failed", error, queue=self.queue, receives=message.receives)
        self._services.queues.extend(self.queue, message.receipt, delay_s)

    def _bury(self, message: Message, error: Exception) -> None:
        metrics.QUEUE_MESSAGES.labels(queue=self.queue, outcome="buried").inc()
        reason = str(error) if isinstance(error, PlatformError) else f"{type(error).__name__}: {error}"
        with self._services.database.session() as session:
            dead_letters.bury(session, self.queue, _key_of(message.body), reason, message.body)


def consumers(services: Services) -> list[Consumer]:
    """Return the daemons of `kestrel-cloud consume`, to be stepped each in its own loop."""
    return [
        Consumer(services, resources.MEDIA_EVENTS_QUEUE, on_media_event),
        Consumer(services, resources.DETECTIONS_QUEUE, on_detections),
        Consumer(services, resources.SECURITY_FINDINGS_QUEUE, findings.on_finding),
    ]


class _S3Object(BaseModel):
    key: str


class _S3Entity(BaseModel):
    object: _S3Object


class _S3Record(BaseModel):
    s3: _S3Entity


class _S3Event(BaseModel):
    Records: list[_S3Record]


def event_keys(body: str) -> Iterator[str]:
    """Yield the object keys of an S3 event notification; none for S3's own test event.

    Raises:
        InvalidInput: Not an S3 event.

    """
    try:
        if json.loads(body).get("Event") == "s3:TestEvent":
            return
        event = _S3Event.model_validate_json(body)
    except (ValueError, AttributeError, RecursionError) as error:
        raise InvalidInput(f"Not an S3 event notification: {error}.") from error
    for record in event.Records:
        yield unquote_plus(record.s3.object.key)


def event_for(key: str) -> str:
    """Return the smallest S3 event that names a key, as :func:`event_keys` reads it."""
    return _S3Event(Records=[_S3Record(s3=_S3Entity(object=_S3Object(key=key)))]).model_dump_json()


def _key_of(body: str) -> str:
    """Return what names a message among dead letters: its object's key where it has one."""
    try:
        found = next(event_keys(body), "")
    except InvalidInput:
        found = ""
    if found:
        return found[:400]
    try:
        return BatchReady.model_validate_json(body).batch_key or body[:200]
    except ValidationError:
        return body[:200]


def on_media_event(services: Services, body: str) -> None:
    """Handle an S3 event: every segment manifest or flight record it names."""
    for key in event_keys(body):
        on_stored_object(services, key)


def on_stored_object(services: Services, key: str) -> None:
    """Record what arrived under a key and send it on.

    Raises:
        InvalidInput: The key or the record in it is malformed, or they disagree.
        NotFound: The object, its video or its flight is missing.
        CorruptMedia: The video does not match its manifest.
        Unavailable: A dependency does not answer.

    """
    parts = keys.parse_key(key)
    if key == keys.flight_media_key(parts.drone_id, parts.flight_id):
        record = _parsed(FlightMedia, services.objects.get(key), key)
        if (record.drone_id, record.flight_id) != (parts.drone_id, parts.flight_id):
            raise InvalidInput(f"{key} is the record of another flight.", field="key")
        with services.database.session() as session:
            media.record_flight_media(session, record)
            flights.try_complete(session, record.flight_id)
        return
    if key == keys.inventory_key(parts.drone_id, parts.flight_id):
        _on_inventory(services, key)
        return
    if key == capture_key(parts.drone_id, parts.flight_id):
        _on_capture(services, key)
        return
    if parts.name.startswith(f"{FIRST_LOOK}/"):
        _on_first_look(services, key)
        return
    manifest = _parsed(SegmentManifest, services.objects.get(key), key)
    if keys.manifest_key(manifest.drone_id, manifest.flight_id, manifest.index) != key:
        raise InvalidInput(f"{key} holds the manifest of {manifest.segment_id}.", field="key")
    with traces.of_segment("segment stored", manifest.segment_id, drone_id=manifest.drone_id):
        _on_segment(services, manifest)


def _on_inventory(services: Services, key: str) -> None:
    inventory = _parsed(FlightInventory, services.objects.get(key), key)
    if keys.inventory_key(inventory.drone_id, inventory.flight_id) != key:
        raise InvalidInput(f"{key} is the inventory of {inventory.flight_id}.", field="key")
    with services.database.session() as session:
        uploads.record_inventory(session, inventory)


def _on_capture(services: Services, key: str) -> None:
    """Record an imported capture; its photos are re-hashed first, and each that is whole is vouched for."""
    capture = _parsed(Capture, services.objects.get(key), key)
    if capture_key(capture.drone_id, capture.capture_id) != key:
        raise InvalidInput(f"{key} holds the record of {capture.capture_id}.", field="key")
    stored = [photo_key(capture.drone_id, capture.capture_id, photo.index) for photo in capture.photos]
    hashes = [services.objects.sha256_stream(name) for name in stored]
    with services.database.session() as session:
        captures.record_capture(session, capture)
        for photo, sha256 in zip(capture.photos, hashes, strict=True):
            if sha256 == photo.sha256:
                captures.vouch_for(session, capture, photo)
        if capture.kind is CaptureKind.PHOTOS:
            flights.try_complete(session, capture.capture_id)
    if spoilt := [name for name, p, h in zip(stored, capture.photos, hashes, strict=True) if h != p.sha256]:
        raise CorruptMedia(
            f"{spoilt[0]} (of {len(spoilt)}) does not match its record.", hint="The drone keeps its copy."
        )


def _on_first_look(services: Services, key: str) -> None:
    look = _parsed(FirstLook, services.objects.get(key), key)
    if record_key(look.drone_id, look.flight_id, look.look_id) != key:
        raise InvalidInput(f"{key} holds the first look {look.look_id} of {look.flight_id}.", field="key")
    name = crop_key(look.drone_id, look.flight_id, look.look_id)
    if services.objects.sha256_stream(name) != look.crop_sha256:
        raise CorruptMedia(f"{name} does not match its record.", hint="The full analysis does not need it.")
    with services.database.session() as session:
        captures.record_first_look(session, look)


def _ensure_capture(services: Services, manifest: SegmentManifest) -> None:
    """Record the capture of a segment that overtook it, or whose own message was lost."""
    if manifest.flight_id.startswith(CAPTURE_PREFIX):
        with services.database.session() as session:
            known = session.get(Flight, manifest.flight_id) is not None
        if not known:
            _on_capture(services, capture_key(manifest.drone_id, manifest.flight_id))


def _on_segment(services: Services, manifest: SegmentManifest) -> None:
    _ensure_capture(services, manifest)
    video = services.objects.head(keys.video_key(manifest.drone_id, manifest.flight_id, manifest.index))
    sha256 = services.objects.sha256_stream(video.key)
    with services.database.session() as session:
        row = media.record_segment(session, manifest, video.size_bytes, video.version, sha256)
        waiting = row.state == MediaState.STORED.value
        log("segment_stored", segment_id=manifest.segment_id, state=row.state, size_bytes=video.size_bytes)
    media.check(row)
    if waiting:
        send_job(services, manifest.segment_id)


def send_job(services: Services, segment_id: str) -> None:
    """Ask vision to analyse a segment, then note that it was asked (in this order: a crash between asks again)."""
    with services.database.session() as session:
        job = media.job_of(session, segment_id)
    with traces.of_segment("vision asked", segment_id):
        services.queues.send(resources.VISION_JOBS_QUEUE, job.model_dump_json())
    with services.database.session() as session:
        media.mark_queued(session, segment_id)


def on_detections(services: Services, body: str) -> None:
    """Handle vision's answer for a segment, then start what it made necessary."""
    ready = _parsed(BatchReady, body.encode(), "the message")
    if ready.failed_reason:
        with services.database.session() as session:
            media.mark_failed(session, ready.segment_id, ready.failed_reason)
            flights.try_complete(session, parse_segment_id(ready.segment_id)[0])
        return
    with traces.of_segment("detections recorded", ready.segment_id):
        record(services, ready)
    start_wanted(services)


def record(services: Services, ready: BatchReady) -> inspections.RecordOutcome:
    """Bring a stored batch into its inspection."""
    batch = _parsed(DetectionBatch, services.objects.get(ready.batch_key), ready.batch_key)
    if batch.segment_id != ready.segment_id:
        raise InvalidInput(f"{ready.batch_key} is the batch of {batch.segment_id}.", field="batch_key")
    policy = grading.load_policy(services.settings.policy_file)
    with services.database.session() as session:
        outcome = inspections.record_batch(session, batch, policy)
        flights.try_complete(session, batch.flight_id)
    log(
        "segment_analysed",
        segment_id=batch.segment_id,
        detections=len(batch.detections),
        findings=outcome.new_findings,
        critical=outcome.critical,
        held=outcome.held,
    )
    return outcome


def start_wanted(services: Services) -> int:
    """Start every wanted workflow run; returns how many. What cannot start now, the reconciler starts later."""
    return _as_many_as_go(services, executions.start_next, "workflow_not_started")


def tell_people(services: Services) -> Counter[str]:
    """Send the messages that are due by the rota; returns what was done."""
    chosen = rota.load(services.settings.oncall_file)
    with services.database.session() as session:
        return rounds.send_due(session, services.channels, chosen, datetime.now(UTC))


def follow_reviews(services: Services) -> None:
    """Start and answer what people's verdicts made due."""
    start_wanted(services)
    pass_on_answers(services)


def pass_on_answers(services: Services) -> int:
    """Give every answer of people to the run that waits for it; returns how many. What cannot go now goes later."""
    answers = (decisions.pass_on, versions.pass_on)
    return sum(_as_many_as_go(services, one, "answer_not_passed_on") for one in answers)


def _as_many_as_go(services: Services, one: Callable[[Session, Workflows], str | None], stopped: str) -> int:
    """Do one after the other, each in its transaction, until none is left or Step Functions does not answer."""
    done = 0
    try:
        while True:
            with services.database.session() as session:
                if one(session, services.workflows) is None:
                    return done
            done += 1
    except Unavailable as error:
        log(stopped, error=str(error))
        return done


def _parsed(model: type[_M], body: bytes, source: str) -> _M:
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        field = ".".join(str(part) for part in first["loc"])
        raise InvalidInput(f"{source}: {field or 'body'}: {first['msg']}.", field=field or None) from error
