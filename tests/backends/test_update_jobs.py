"""Updates by AWS IoT Jobs on a broker: asked for, brought, handed over, tried, reported; or back, and said so."""

from __future__ import annotations

import base64
import hashlib
import http.server
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from typer.testing import CliRunner

from contracts.errors import Unavailable
from contracts.updates import UPDATE_PREFIX, SignedUpdate, UpdateOrder
from edge.__main__ import app
from edge.backends.link import Credentials, MqttLink, Post
from edge.backends.release import fetch
from edge.life.jobs import Job, JobFolder, JobPost, JobUpdate, topics
from edge.life.proof import Signs
from edge.life.slots import Slots
from edge.life.updates import install, verified
from edge.status import status_file
from infra.local import certificates
from tests.backends.aws_iot import AwsIot

THING = "kite-01"
LAUNCH = Path(__file__).parents[2] / "edge" / "deploy" / "kestrel-launch"
PACKAGE = os.urandom(300_000)
KEY = Ed25519PrivateKey.generate()


class Shelf(http.server.BaseHTTPRequestHandler):
    """Gives the package, from where it is asked to; ``breaks`` sends half of the rest and ends."""

    breaks = 0

    def do_GET(self) -> None:
        first = int(self.headers.get("Range", "bytes=0-")[6:-1])
        rest = PACKAGE[first:]
        self.send_response(206 if first else 200)
        self.send_header("Content-Length", str(len(rest)))
        self.end_headers()
        Shelf.breaks, broken = max(0, Shelf.breaks - 1), Shelf.breaks
        self.wfile.write(rest[: len(rest) // 2] if broken else rest)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Shelf) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/release.zip"
        server.shutdown()


class Drone:
    """A drone with 1.0.0 in use; ``restart`` is what systemd and the launcher do, ``installer`` what root does."""

    def __init__(self, folder: Path) -> None:
        self.slots = Slots(folder / "slots", folder / "state")
        self.keys = folder / "keys"
        self.keys.mkdir()
        public = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        (self.keys / "r1.pem").write_bytes(public)
        self.slots.make("1.0.0", self.build)
        self.slots.use("1.0.0")
        self.job = JobFolder(self.slots.update_dir)
        self.flying, self.stopped = False, 0
        self.restart()

    def build(self, place: Path) -> None:
        program = place / "bin" / "kestrel-edge"
        program.parent.mkdir()
        program.write_text("#!/bin/sh\n")
        program.chmod(0o755)

    def restart(self) -> None:
        subprocess.run([sys.executable, str(LAUNCH), str(self.slots.update_dir.parent)], check=True)
        prefix = str(self.slots.place(self.slots.current() or ""))
        signs = Signs(lambda: True, lambda: self.flying, lambda *_: Future(), self._stop)
        self.update = JobUpdate(self.slots, self.keys, fetch, signs, prefix)

    def _stop(self) -> None:
        self.stopped += 1

    def installer(self) -> None:
        assert self.job.ready.exists()
        order = verified(self.job.order, self.keys)
        assert install(self.job.package, order, self.slots, self.build, lambda place: None)
        self.job.answer("")


@pytest.fixture
def drone(tmp_path: Path) -> Drone:
    return Drone(tmp_path)


def document(
    url: str, version: str = "1.1.0", content: bytes = PACKAGE, key: Ed25519PrivateKey = KEY
) -> dict[str, Any]:
    order = UpdateOrder(version=version, sha256=hashlib.sha256(content).hexdigest(), size_bytes=len(content))
    payload = order.model_dump_json()
    signature = base64.b64encode(key.sign(UPDATE_PREFIX + payload.encode())).decode()
    signed = SignedUpdate(payload=payload, signature_b64=signature, key_id="r1")
    return {"operation": "kestrel-update", "order": signed.model_dump(), "package_url": url}


def job(said: dict[str, Any], job_id: str = "job-1") -> Job:
    return Job.model_validate({"jobId": job_id, "jobDocument": said})


def test_a_proved_version_is_a_success_and_the_agent_restarts_only_on_the_ground(drone: Drone, url: str) -> None:
    asked = job(document(url))
    assert drone.update.step(asked) is None
    drone.installer()
    drone.flying = True
    assert (drone.update.step(asked), drone.stopped) == (None, 0)
    drone.flying = False
    assert (drone.update.step(asked), drone.stopped) == (None, 1)
    drone.restart()
    assert (drone.update.step(asked), drone.stopped) == (None, 1), "on trial"
    drone.slots.confirm()
    verdict = drone.update.step(asked)
    assert verdict is not None
    assert verdict.status == "SUCCEEDED"


def test_a_version_that_was_rolled_back_is_a_failure_that_is_not_tried_again(drone: Drone, url: str) -> None:
    asked = job(document(url))
    drone.update.step(asked)
    drone.installer()
    for _ in range(4):
        drone.restart()
    for _ in range(2):
        assert drone.update.step(asked) == ("FAILED", "1.1.0 did not prove itself; 1.0.0 is in use again.")
    assert drone.update.step(job(document(url), "job-2")) is None, "a new job tries anew"
    assert drone.job.ready.exists()


def test_what_cannot_be_installed_is_a_failure_with_the_reason(drone: Drone, url: str) -> None:
    asked = job(document(url))
    drone.update.step(asked)
    drone.job.answer("kestrel-edge check failed: the camera is silent.")
    assert drone.update.step(asked) == ("FAILED", "kestrel-edge check failed: the camera is silent.")


@pytest.mark.parametrize(("flight_id", "code", "answered"), [("flt-1", 75, False), (None, 2, True)])
def test_the_installers_verb_waits_for_the_landing_and_answers_all_else(
    drone: Drone, url: str, tmp_path: Path, flight_id: str | None, code: int, answered: bool
) -> None:
    drone.update.step(job(document(url)))
    state, no_keys = drone.slots.update_dir.parent, tmp_path / "none"
    said = {"at": datetime.now(UTC).isoformat(), "running": True, "state": "hover", "flight_id": flight_id}
    status_file(state).write_text(json.dumps(said))
    verb = ["update", str(drone.job.package), str(drone.job.order), "--slots", str(tmp_path / "slots")]
    verb += ["--keys", str(no_keys), "--state-dir", str(state), "--handed", str(drone.slots.update_dir)]
    assert CliRunner().invoke(app, verb).exit_code == code
    assert (drone.job.error() is not None, drone.job.ready.exists()) == (answered, not answered)


REFUSED: list[tuple[Callable[[str], dict[str, Any]], str]] = [
    (lambda url: document(url, key=Ed25519PrivateKey.generate()), "is not signed by a release key"),
    (lambda url: document(url, content=PACKAGE[:-1] + b"x"), "not the package that was signed"),
    (lambda url: document(url, content=PACKAGE[:-9]), "not the package that was signed"),
    (lambda url: document(url, version="0.9.9"), "0.9.9 is older"),
]


@pytest.mark.parametrize(("said", "why"), REFUSED, ids=["signature", "other bytes", "too long", "older"])
def test_what_was_not_released_is_rejected_and_never_handed_over(
    drone: Drone, url: str, said: Callable[[str], dict[str, Any]], why: str
) -> None:
    verdict = drone.update.step(job(said(url)))
    assert verdict is not None
    assert verdict.status == "REJECTED"
    assert why in verdict.detail
    assert not drone.job.ready.exists()


def test_in_flight_nothing_is_brought_and_a_broken_download_goes_on(drone: Drone, url: str) -> None:
    asked = job(document(url))
    drone.flying = True
    drone.update.step(asked)
    assert not drone.job.package.exists()
    drone.flying, Shelf.breaks = False, 1
    with pytest.raises(Unavailable):
        drone.update.step(asked)
    drone.restart()
    drone.update.step(asked)
    assert drone.job.package.read_bytes() == PACKAGE


class Jobs(AwsIot):
    """AWS IoT Jobs: one execution, its document, and what it was told to be."""

    def __init__(self, folder: Path, said: dict[str, Any]) -> None:
        super().__init__(folder)
        self.said, self.status, self.detail = said, "QUEUED", ""

    def subscriptions(self) -> tuple[str, ...]:
        """Return what AWS listens to."""
        return (topics(THING)["start"], f"$aws/things/{THING}/jobs/job-1/update")

    def _answer(self, topic: str, asked: dict[str, Any]) -> tuple[str, dict[str, object]]:
        if topic.endswith("/update"):
            self.status, self.detail = asked["status"], asked["statusDetails"]["detail"]
        elif self.status in {"QUEUED", "IN_PROGRESS"}:
            self.status = "IN_PROGRESS"
            execution = {"jobId": "job-1", "jobDocument": self.said, "status": self.status, "versionNumber": 2}
            return "accepted", {"timestamp": 1, "execution": execution}
        return "accepted", {"timestamp": 1}


def drive(link: MqttLink, drone: Drone, holds: Callable[[], bool]) -> None:
    """Run a process of the agent, as far as jobs go, until something holds."""
    post = JobPost(drone.update, link, THING)
    end = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < end
        while not link.inbox.empty():
            message = link.inbox.get()
            post.take(message.topic, message.payload)
        if post.step() is None:
            time.sleep(0.01)


@pytest.mark.parametrize("said", ["the release", {"operation": "reboot"}, {}], ids=["ours", "another's", "empty"])
def test_a_job_goes_its_whole_way_over_the_broker(
    drone: Drone, url: str, tmp_path: Path, said: str | dict[str, Any]
) -> None:
    ours = isinstance(said, str)
    with Jobs(tmp_path / "aws", document(url) if ours else said) as aws:  # type: ignore[arg-type]
        mine = Credentials(*certificates.issue_drone(aws.broker.keys, THING))
        link = MqttLink(
            aws.broker.url, THING, mine, Post(None, (topics(THING)["notify"], topics(THING)["started"]), ())
        )
        link.start()
        try:
            assert link.wait_connected(10)
            if ours:
                drive(link, drone, drone.job.ready.exists)
                drone.installer()
                drone.restart()
                drone.slots.confirm()
            drive(link, drone, lambda: aws.status not in {"QUEUED", "IN_PROGRESS"})
        finally:
            link.stop()
        assert aws.status == ("SUCCEEDED" if ours else "REJECTED")
        assert aws.detail
