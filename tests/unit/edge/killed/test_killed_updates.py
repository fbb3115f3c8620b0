"""Killed anywhere in an update: a whole version starts, and a new one has a way back until it has proved itself."""

from __future__ import annotations

import hashlib
import http.client
import io
import json
import os
import runpy
from concurrent.futures import Future
from pathlib import Path
from urllib.request import Request

import pytest

from contracts.events import DroneEventKind
from contracts.updates import UpdateOrder
from edge.backends import release
from edge.life.jobs import Job, JobFolder, JobUpdate, Verdict
from edge.life.proof import PROVED_AFTER_S, Proof, Signs
from edge.life.slots import Slots
from edge.life.updates import install, verified
from tests.crash_points import Life, far, lives, walk
from tests.unit.edge.life.test_updates import LAUNCH, signed

OLD, NEW = "1.0.0", "1.1.0"
PACKAGE = os.urandom(300_000)
_MOST_TURNS = 12


class Drone:
    """Slots and state of a drone; every instance is a new process."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.told = folder, folder / "told"
        self.slots = Slots(folder / "slots", folder / "state")
        self.job = JobFolder(self.slots.update_dir)

    def build(self, place: Path) -> None:
        program = place / "bin" / "kestrel-edge"
        program.parent.mkdir()
        program.write_text("#!/bin/sh\n")

    def install(self) -> None:
        """Do what the installer's unit does while ``ready`` is there."""
        if self.job.ready.exists():
            install(self.job.package, verified(self.job.order, self.folder / "keys"), self.slots, self.build, _fit)
            self.job.answer("")

    def launch(self) -> str:
        """Start: what the launcher does before it becomes the version in use; return that version."""
        runpy.run_path(str(LAUNCH), run_name="launch")["settle"](self.slots.update_dir)
        program = self.slots.update_dir / "current" / "bin" / "kestrel-edge"
        assert program.read_text() == "#!/bin/sh\n"
        return program.resolve().parents[1].name

    def serve(self, version: str, *, good: bool) -> Verdict | None:
        """Run for a while: look after the trial and after the job that AWS gives again and again."""
        clock = iter((0.0, PROVED_AFTER_S + 1))
        signs = Signs(lambda: good, lambda: False, self._announce, lambda: None)
        prefix = str(self.slots.place(version))
        Proof(self.slots, signs, lambda: next(clock), prefix).step()
        return JobUpdate(self.slots, self.folder / "keys", release.fetch, signs, prefix).step(_job(self.folder))

    def _announce(self, _kind: DroneEventKind, fields: dict[str, object]) -> Future[int]:
        with far("announce"), self.told.open("a") as out:
            out.write(f"{fields['code']}\n")
        done: Future[int] = Future()
        done.set_result(1)
        return done


def _fit(_place: Path) -> None:
    """Every version is."""


def _job(folder: Path) -> Job:
    order = json.loads((folder / "order.json").read_bytes())
    url = "https://releases.example/kestrel.zip"
    said = {"operation": "kestrel-update", "order": order, "package_url": url}
    return Job.model_validate({"jobId": "job-1", "jobDocument": said})


class _Answer(io.BytesIO):
    status = http.client.PARTIAL_CONTENT


def _urlopen(request: Request, timeout: float) -> _Answer:
    """Give the rest of the package, as a server that knows ranges does."""
    assert timeout
    with far("GET"):
        return _Answer(PACKAGE[int(request.get_header("Range", "bytes=0-")[6:-1]) :])


def story(*, good: bool) -> Life:
    """Return an update from its job to the job's end, over as many starts as it takes."""

    def life(folder: Path) -> None:
        release.urlopen = _urlopen  # type: ignore[assignment,attr-defined]
        release._PIECE_BYTES = 100_000
        for _ in range(_MOST_TURNS):
            drone = Drone(folder)
            drone.install()
            verdict = drone.serve(drone.launch(), good=good)
            if verdict is not None:
                with far("verdict"):
                    (folder / "verdict").write_text(verdict.status)
                return
        raise AssertionError("The job never ends.")

    return life


@pytest.fixture
def field(tmp_path: Path) -> Path:
    """Return a drone with one version in use and an order for the next."""
    folder = tmp_path / "drone"
    folder.mkdir()
    order = UpdateOrder(version=NEW, sha256=hashlib.sha256(PACKAGE).hexdigest(), size_bytes=len(PACKAGE))
    signed(folder, order)
    drone = Drone(folder)
    drone.slots.make(OLD, drone.build)
    drone.slots.use(OLD)
    return folder


@pytest.mark.parametrize(
    ("good", "verdict", "in_use", "told"),
    [(True, "SUCCEEDED", NEW, set()), (False, "FAILED", OLD, {"update_rolled_back"})],
)
def test_killed_anywhere_an_update_ends_as_its_job_says(
    field: Path, good: bool, verdict: str, in_use: str, told: set[str]
) -> None:
    life = story(good=good)
    for at in walk(field, life):
        slots = Drone(field).slots
        assert slots.whole(slots.current() or ""), at
        assert good or slots.current() == OLD or slots.trial() is not None, f"no way back: {at}"
        lives(field, life)
        assert (field / "verdict").read_text() == verdict, at
        assert (Drone(field).launch(), Drone(field).slots.trial()) == (in_use, None), at
        assert set(_lines(field / "told")) == told, at


def test_the_second_life_of_an_update_may_be_killed_as_well(field: Path) -> None:
    life = story(good=False)
    for first in walk(field, life, every=7):
        for second in walk(field, life, every=5):
            lives(field, life)
            assert (field / "verdict").read_text() == "FAILED", f"{first}; {second}"
            assert Drone(field).launch() == OLD, f"{first}; {second}"


def _lines(path: Path) -> list[str]:
    return path.read_text().split() if path.exists() else []
