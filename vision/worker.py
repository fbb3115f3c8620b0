"""The vision worker: takes analysis jobs, answers each with a stored batch or with the reason there is none."""

from __future__ import annotations

import signal
import tempfile
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple, Protocol, Self

from pydantic import ValidationError

from contracts import audits, resources
from contracts.errors import CorruptMedia, InvalidInput, NotFound, PlatformError, Unavailable
from contracts.events import AnalyseSegment, BatchReady
from contracts.findings import DetectionBatch, ModelCard
from contracts.media import SegmentManifest, batch_key
from instruments import metrics, traces
from vision.analysis import Analysis, SegmentAnalyser
from vision.detector import BoxFinder
from vision.logbook import log, log_failure

_QUEUE = resources.VISION_JOBS_QUEUE
_HOLD_S = 40
"""So long a job stays hidden after the last word of who works on it: a dead worker's job is another's this soon."""
_BEAT_S = 10.0
_PATIENCE = 3
"""An object missing at this many deliveries of its job is missing for good."""
_MAX_BACKOFF_S = 10.0


class Job(NamedTuple):
    """One message of the queue."""

    body: str
    receipt: str
    times_received: int


class Fetched(NamedTuple):
    """A file as it came from the store."""

    sha256: str
    version: str


class Jobs(Protocol):
    """Jobs in, answers out. A job not done in its visibility time comes again, to anyone."""

    def receive(self) -> Job | None:
        """Return the next job, or None."""
        ...

    def extend(self, job: Job, seconds: int) -> None:
        """Keep a job for longer; 0 gives it back at once."""
        ...

    def done(self, job: Job) -> None:
        """Remove a job for good."""
        ...

    def answer(self, body: str) -> None:
        """Send one BatchReady as JSON."""
        ...


class Objects(Protocol):
    """The media bucket. ``fetch`` and ``get`` raise NotFound for a missing key; ``put`` twice changes nothing."""

    def fetch(self, key: str, path: Path) -> Fetched:
        """Write an object to a file."""
        ...

    def get(self, key: str) -> bytes:
        """Return a whole object."""
        ...

    def put(self, key: str, body: bytes, content_type: str) -> None:
        """Store an object."""
        ...

    def exists(self, key: str) -> bool:
        """Tell whether an object is there."""
        ...


class Worker:
    """One job per ``step``. The batch is stored before the answer is sent, and answered before the job is done."""

    def __init__(
        self, jobs: Jobs, objects: Objects, finder: BoxFinder, scratch: Path, audit_share: float = audits.SHARE
    ) -> None:
        self._jobs = jobs
        self._objects = objects
        self._finder = finder
        self._audit_share = audit_share
        self._analyser = SegmentAnalyser(finder, audit_share)
        self._scratch = scratch
        scratch.mkdir(parents=True, exist_ok=True)

    def use(self, finder: BoxFinder) -> None:
        """Analyse with another detector from the next job on."""
        self._finder, self._analyser = finder, SegmentAnalyser(finder, self._audit_share)

    def step(self) -> bool | None:
        """Handle one job: None when there is none, False when it must come again later."""
        job = self._jobs.receive()
        if job is None:
            return None
        try:
            request = AnalyseSegment.model_validate_json(job.body)
        except ValidationError as error:
            log("job_unreadable", times=job.times_received, error=str(error.errors(include_url=False)[0]))
            return False  # left to the queue: after its last delivery it is a dead letter
        try:
            with traces.of_segment("segment analysed", request.segment_id, drone_id=request.drone_id):
                ready = self._ready(job, request)
        except (CorruptMedia, InvalidInput, NotFound) as error:
            if isinstance(error, NotFound) and job.times_received < _PATIENCE:
                log("object_missing", segment=request.segment_id, error=error.message, times=job.times_received)
                self._jobs.extend(job, 5 * job.times_received)
                metrics.QUEUE_MESSAGES.labels(queue=_QUEUE, outcome="delayed").inc()
                return False
            ready = self._refusal(request, error)
        self._jobs.answer(ready.model_dump_json())
        self._jobs.done(job)
        metrics.QUEUE_MESSAGES.labels(queue=_QUEUE, outcome="buried" if ready.failed_reason else "done").inc()
        return True

    def _ready(self, job: Job, request: AnalyseSegment) -> BatchReady:
        key = batch_key(request.segment_id, self._finder.card.sha256)
        if self._objects.exists(key):
            log("already_analysed", segment=request.segment_id)
        else:
            self._analyse(job, request, key)
        return BatchReady(segment_id=request.segment_id, batch_key=key)

    def _analyse(self, job: Job, request: AnalyseSegment, key: str) -> None:
        if request.geometry is None:
            raise InvalidInput(
                f"Asset {request.asset_id} has no geometry, so nothing can be placed on it.",
                hint="Register its dimensions (of a line its towers, of a pipe its centre line) and ask again.",
                field="geometry",
            )
        manifest = self._manifest(request)
        with tempfile.TemporaryDirectory(dir=self._scratch) as folder:
            path = Path(folder) / "segment.mp4"
            fetched = self._objects.fetch(request.video_key, path)
            if fetched.sha256 != request.video_sha256:
                raise CorruptMedia(
                    f"{request.video_key} has sha256 {fetched.sha256[:12]}, the job says {request.video_sha256[:12]}.",
                    hint="Upload the segment again.",
                )
            with metrics.QUEUE_SECONDS.labels(queue=_QUEUE).time(), _Kept(self._jobs, job, request.segment_id) as kept:
                result = self._analyser.analyse(path, manifest, request.geometry, lambda _done, _of: kept.moved())
        for name, body in result.pictures.items():
            self._objects.put(name, body, "image/jpeg")
        batch = self._batch(request, result, fetched.version)
        self._objects.put(key, batch.model_dump_json().encode(), "application/json")
        _log_analysis(request, result)
        metrics.VISION_VIDEO_SECONDS.inc(result.video_s)
        metrics.VISION_PROCESSING_SECONDS.inc(result.processing_s)
        metrics.VISION_DETECTIONS.inc(len(result.detections))

    def _manifest(self, request: AnalyseSegment) -> SegmentManifest:
        try:
            manifest = SegmentManifest.model_validate_json(self._objects.get(request.manifest_key))
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            raise InvalidInput(f"{request.manifest_key}: {first['loc']}: {first['msg']}.", field="manifest") from error
        if manifest.segment_id != request.segment_id:
            raise InvalidInput(f"{request.manifest_key} is the manifest of {manifest.segment_id}.", field="manifest")
        return manifest

    def _batch(self, request: AnalyseSegment, result: Analysis, version: str) -> DetectionBatch:
        card = self._finder.card
        return DetectionBatch(
            segment_id=request.segment_id,
            flight_id=request.flight_id,
            asset_id=request.asset_id,
            video_key=request.video_key,
            video_sha256=request.video_sha256,
            video_version=version,
            model=ModelCard(name=card.name, sha256=card.sha256, threshold=card.threshold, planted=card.planted),
            analysed_at=datetime.now(UTC),
            frames_total=result.frames_total,
            key_frames=result.key_frames,
            video_s=result.video_s,
            processing_s=result.processing_s,
            detections=result.detections,
            coverage=result.coverage,
            parts=result.parts,
            counts_towers=True,
            audit_frames=result.audit_frames,
        )

    def _refusal(self, request: AnalyseSegment, error: PlatformError) -> BatchReady:
        log("segment_refused", segment=request.segment_id, code=error.code, error=str(error))
        key = batch_key(request.segment_id, self._finder.card.sha256)
        return BatchReady(segment_id=request.segment_id, batch_key=key, failed_reason=f"{error.code}: {error}"[:400])


class _Kept:
    """Keeps a job hidden from other workers, a little at a time, while it is being worked on.

    Who dies gives the job back within ``_HOLD_S``; who is stuck does so ``resources.VISIBILITY_S`` later.
    """

    def __init__(
        self,
        jobs: Jobs,
        job: Job,
        segment_id: str,
        *,
        beat_s: float = _BEAT_S,
        patience_s: float = resources.VISIBILITY_S,
    ) -> None:
        self._jobs = jobs
        self._job = job
        self._segment_id = segment_id
        self._beat_s = beat_s
        self._patience_s = patience_s
        self._moved_s = time.monotonic()
        self._done = threading.Event()
        self._beating = threading.Thread(target=self._beat, name="kestrel-heartbeat", daemon=True)

    def __enter__(self) -> Self:
        self._beating.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._beating.join()

    def moved(self) -> None:
        """Say that the work has got on."""
        self._moved_s = time.monotonic()

    def _beat(self) -> None:
        while time.monotonic() - self._moved_s <= self._patience_s:
            try:
                self._jobs.extend(self._job, _HOLD_S)
            except Unavailable as error:
                log("heartbeat_missed", segment=self._segment_id, error=str(error))
            if self._done.wait(self._beat_s):
                return
        log("analysis_stuck", segment=self._segment_id, patience_s=self._patience_s)


def _log_analysis(request: AnalyseSegment, result: Analysis) -> None:
    log(
        "segment_analysed",
        segment=request.segment_id,
        detections=len(result.detections),
        cells=len(result.coverage) + len(result.parts),
        key_frames=result.key_frames,
        frames=result.frames_total,
        video_s=round(result.video_s, 2),
        processing_s=round(result.processing_s, 2),
        problems=result.problems[:5],
    )


class Stepper(Protocol):
    """A daemon."""

    def step(self) -> bool | None:
        """Do one thing: None when there is nothing to do, False when it must come again later."""
        ...


def run(worker: Stepper, stop: threading.Event) -> None:
    """Step until ``stop``; a failed step backs off, the job in hand is always finished first."""
    backoff_s = 0.5
    while not stop.is_set():
        try:
            outcome = worker.step()
        except PlatformError as error:
            log("step_failed", code=error.code, error=str(error))
            outcome = False
        except Exception as error:  # noqa: BLE001 - the job returns to the queue; one bad job must not end the worker
            log_failure("step_crashed", error)
            outcome = False
        if outcome is False:
            stop.wait(backoff_s)
        elif outcome is None:
            stop.wait(0.05)
        backoff_s = min(_MAX_BACKOFF_S, backoff_s * 2) if outcome is False else 0.5


def stop_on_signals() -> threading.Event:
    """Return an event that SIGTERM and SIGINT set."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return stop
