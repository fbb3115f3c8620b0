"""Updates by AWS IoT Jobs: a job names a signed order and where its package lies; its end is reported to AWS.

The agent brings the package and checks it, but cannot write versions: `edge/deploy/kestrel-update.service` has those
rights, installs what is handed over in ``update/job`` and leaves ``result.json`` there. What stands on disk is enough
to go on after any end, as AWS gives a job in progress again to whoever asks
(docs.aws.amazon.com/iot/latest/developerguide/jobs-mqtt-api.html).
"""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Literal, NamedTuple, Protocol

from pydantic import Field, ValidationError

from contracts.errors import Conflict, Forbidden, InvalidInput
from contracts.geo import Frozen
from contracts.updates import SignedUpdate
from edge import logbook
from edge.files import sha256_of, write_durably
from edge.life.proof import Signs
from edge.life.rights import rights_of
from edge.life.slots import Slots, runs_from
from edge.life.updates import require_newer, verified

_MOST_DETAIL = 1024
"""AWS IoT's limit on a value of ``statusDetails``."""
_JOB_ID = r"^[A-Za-z0-9_-]{1,64}$"
Fetch = Callable[[str, Path, int], None]
"""Bring what lies at an address into a file of so many bytes, going on where it broke off; Unavailable: not now."""


class JobDocument(Frozen):
    """What a job says. AWS puts a presigned address of S3 into it where its author wrote a placeholder."""

    operation: Literal["kestrel-update"]
    order: SignedUpdate
    package_url: str = Field(max_length=4_000, pattern=r"^(https://|http://127\.0\.0\.1[:/])")


class Job(Frozen):
    """A job execution as ``start-next`` answers; what it holds besides is AWS's own."""

    job_id: str = Field(alias="jobId", pattern=_JOB_ID)
    document: JobDocument = Field(alias="jobDocument")


class Verdict(NamedTuple):
    """How a job ended, as AWS names it."""

    status: Literal["SUCCEEDED", "FAILED", "REJECTED"]
    detail: str


class JobFolder:
    """``update/job``: what is handed to the installer, and what it answers."""

    def __init__(self, update_dir: Path) -> None:
        self._folder, self._state_dir = update_dir / "job", update_dir.parent
        self._job = self._folder / "job"
        self.order, self.package = self._folder / "order.json", self._folder / "package.zip"
        self.ready, self.result = self._folder / "ready", self._folder / "result.json"

    def hold(self, job: Job) -> None:
        """Make room for a job; what was left of another one is thrown away."""
        if self._job.exists() and self._job.read_text(encoding="utf-8") == job.job_id:
            return
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.mkdir(parents=True, exist_ok=True)
        write_durably(self.order, job.document.order.model_dump_json().encode())
        write_durably(self._job, job.job_id.encode())

    def error(self) -> str | None:
        """Return why the installer could not; empty when it could, None when it has not answered."""
        try:
            return str(json.loads(self.result.read_text(encoding="utf-8"))["error"])
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def answer(self, error: str) -> None:
        """Say, as the installer, how it went; the hand-over is done with."""
        with rights_of(self._state_dir):
            write_durably(self.result, json.dumps({"error": error}).encode())
            self.ready.unlink(missing_ok=True)


class JobUpdate:
    """Brings one job forward, a step at a time."""

    def __init__(self, slots: Slots, keys_dir: Path, fetch: Fetch, signs: Signs, prefix: str = sys.prefix) -> None:
        self._slots, self._keys, self._fetch, self._signs, self._prefix = slots, keys_dir, fetch, signs, prefix
        self._folder = JobFolder(slots.update_dir)

    def step(self, job: Job) -> Verdict | None:
        """Return the job's end, None while it goes on. In flight nothing is brought and nothing restarts.

        Raises:
            Unavailable: The package cannot be brought now.

        """
        try:
            return self._step(job)
        except (InvalidInput, Forbidden, Conflict) as error:
            return Verdict("REJECTED", f"{error.message} {error.hint}".strip())

    def _step(self, job: Job) -> Verdict | None:
        folder, slots = self._folder, self._slots
        folder.hold(job)
        order = verified(folder.order, self._keys)
        if slots.current() == order.version:
            if slots.trial() is None:
                return Verdict("SUCCEEDED", f"{order.version} is in use and has proved itself.")
            if not runs_from(slots, self._prefix) and not self._signs.flying():
                logbook.note("agent_restarts", why=f"version {order.version} is to be tried")
                self._signs.stop()
            return None
        error = folder.error()
        if error is not None:
            back = f"{order.version} did not prove itself; {slots.current()} is in use again."
            return Verdict("FAILED", error or back)
        require_newer(order, slots)
        if not folder.ready.exists() and not self._signs.flying():
            self._fetch(job.document.package_url, folder.package, order.size_bytes)
            if folder.package.stat().st_size != order.size_bytes or sha256_of(folder.package) != order.sha256:
                raise InvalidInput("What lies at package_url is not the package that was signed.", field="package_url")
            write_durably(folder.ready, b"")
        return None


def topics(thing: str) -> dict[str, str]:
    """Return the topics of a thing's jobs by what they are for."""
    root = f"$aws/things/{thing}/jobs"
    return {"notify": f"{root}/notify-next", "start": f"{root}/start-next", "started": f"{root}/start-next/accepted"}


class _Link(Protocol):
    @property
    def generation(self) -> int: ...

    def publish(self, topic: str, payload: bytes, *, qos: int, retain: bool) -> Future[None]: ...


class JobPost:
    """Asks AWS for the next job, and tells it how one ended."""

    def __init__(self, update: JobUpdate, link: _Link, thing: str) -> None:
        self._update, self._link = update, link
        self._topics = topics(thing)
        self._asked = 0
        self._job: Job | None = None

    def take(self, topic: str, payload: bytes) -> bool:
        """Take a message; False when the topic is none of the jobs'."""
        if topic == self._topics["notify"]:
            self._asked = 0
        elif topic == self._topics["started"]:
            self._job = self._read(payload)
        else:
            return False
        return True

    def _read(self, payload: bytes) -> Job | None:
        """Return the job that AWS gives; None when there is none, or when it is not for us and was refused."""
        try:
            given = dict(json.loads(payload)).get("execution") or {}
            known = {name: given[name] for name in ("jobId", "jobDocument") if name in given}
        except (ValueError, TypeError, AttributeError, RecursionError) as error:
            logbook.warn("job_unreadable", error=str(error)[:300])
            return None
        try:
            return Job.model_validate(known) if known else None
        except ValidationError as error:
            said = error.errors(include_url=False)[0]
            job_id, where = str(known.get("jobId")), ".".join(map(str, said["loc"]))
            if re.fullmatch(_JOB_ID, job_id):
                self._tell(job_id, Verdict("REJECTED", f"{where}: {said['msg']}"))
            return None

    def step(self) -> bool | None:
        """Ask once for each connection and each notice, and bring the job at hand forward."""
        generation = self._link.generation
        if not generation:
            return None
        if generation != self._asked:
            self._link.publish(self._topics["start"], b"{}", qos=1, retain=False).result(timeout=10.0)
            self._asked = generation
        job = self._job
        verdict = self._update.step(job) if job else None
        if job is None or verdict is None:
            return None
        self._tell(job.job_id, verdict).result(timeout=10.0)
        self._job = None
        return True

    def _tell(self, job_id: str, verdict: Verdict) -> Future[None]:
        logbook.note("job_ended", job_id=job_id, status=verdict.status, detail=verdict.detail)
        said = {"status": verdict.status, "statusDetails": {"detail": verdict.detail[:_MOST_DETAIL]}}
        topic = f"{self._topics['notify'].rpartition('/')[0]}/{job_id}/update"
        return self._link.publish(topic, json.dumps(said).encode(), qos=1, retain=False)
