"""Updates: only what was signed, never backwards, never in flight; killed anywhere, a whole version is in use."""

from __future__ import annotations

import base64
import hashlib
import json
import subprocess
import sys
import zipfile
from collections.abc import Callable
from concurrent.futures import Future
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from contracts.errors import Conflict, Forbidden, InvalidInput, Unavailable
from contracts.events import DroneEventKind
from contracts.updates import UPDATE_PREFIX, SignedUpdate, UpdateOrder
from edge.files import rename_durably, write_durably
from edge.life import slots as slot_files
from edge.life.proof import PROVED_AFTER_S, PROVED_WITHIN_S, Proof, Signs
from edge.life.slots import Slots
from edge.life.updates import install, verified, wheels_into
from edge.status import require_landed

LAUNCH = Path(__file__).parents[4] / "edge" / "deploy" / "kestrel-launch"


class Field:
    """A drone with version 1.0.0 in use, and a release 1.1.0."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.state = folder, folder / "state"
        self.slots = Slots(folder / "slots", self.state)
        self.package = folder / "kestrel-1.1.0.zip"
        self.package.write_bytes(b"wheels")
        self.order = self.ordered("1.1.0")
        self.slots.make("1.0.0", self.build)
        self.slots.use("1.0.0")

    def ordered(self, version: str) -> UpdateOrder:
        content = self.package.read_bytes()
        return UpdateOrder(version=version, sha256=hashlib.sha256(content).hexdigest(), size_bytes=len(content))

    def build(self, place: Path) -> None:
        """A program that says from which slot it was started."""
        program = place / "bin" / "kestrel-edge"
        program.parent.mkdir()
        program.write_text(f'#!/bin/sh\necho {place.name} "$@"\n')
        program.chmod(0o755)

    def update(self, check: Callable[[Path], None] = lambda place: None) -> bool:
        return install(self.package, self.order, self.slots, self.build, check)

    def launch(self) -> str:
        command = [sys.executable, str(LAUNCH), str(self.state), "--autopilot", "tcp:x:1"]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture
def field(tmp_path: Path) -> Field:
    return Field(tmp_path)


def test_a_release_is_put_into_use_on_trial_and_started(field: Field) -> None:
    assert field.update()
    assert field.launch() == "1.1.0 run --autopilot tcp:x:1"
    assert field.slots.trial() == ("1.1.0", "1.0.0")
    assert not field.update(), "again changes nothing"


def test_a_version_that_does_not_prove_itself_in_three_starts_is_left(field: Field) -> None:
    field.update()
    assert [field.launch().split()[0] for _ in range(5)] == ["1.1.0", "1.1.0", "1.1.0", "1.0.0", "1.0.0"]
    assert field.slots.rolled_back() == "1.1.0"


def test_a_proved_version_stays_however_often_it_starts(field: Field) -> None:
    field.update()
    field.launch()
    field.slots.confirm()
    assert {field.launch().split()[0] for _ in range(5)} == {"1.1.0"}


def test_an_unfit_version_is_not_put_into_use(field: Field) -> None:
    def unfit(place: Path) -> None:
        raise Unavailable("check failed")

    with pytest.raises(Unavailable):
        field.update(unfit)
    assert field.launch().split()[0] == "1.0.0"


@pytest.mark.parametrize("content", [b"wheelz", b"wheels and more"])
def test_another_package_than_the_signed_one_is_refused(field: Field, content: bytes) -> None:
    field.package.write_bytes(content)
    with pytest.raises(InvalidInput, match="not the package that was signed"):
        field.update()
    assert not field.slots.whole("1.1.0")


def test_no_way_leads_back_to_an_older_version(field: Field) -> None:
    field.order = field.ordered("0.9.9")
    with pytest.raises(Conflict, match="is older"):
        field.update()


class Killed(BaseException):
    """SIGKILL, as far as the files can tell."""


class Fuse:
    """Burns through at one of the durable steps of an update, before it or after it."""

    def __init__(self, steps: int) -> None:
        self.left = steps

    def on(self, step: Callable[..., Any]) -> Callable[..., Any]:
        def run(*args: Any, **kwargs: Any) -> Any:
            self._burn()
            done = step(*args, **kwargs)
            self._burn()
            return done

        return run

    def _burn(self) -> None:
        if self.left == 0:
            raise Killed
        self.left -= 1


STEPS = 10
"""Build, marker, trial, link made, link put in place: before and after each."""


def killed_at(field: Field, steps: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        fuse = Fuse(steps)
        patch.setattr(slot_files, "write_durably", fuse.on(write_durably))
        patch.setattr(slot_files, "rename_durably", fuse.on(rename_durably))
        patch.setattr(Path, "symlink_to", fuse.on(Path.symlink_to))
        patch.setattr(Field, "build", fuse.on(Field.build))
        field.update()
    assert fuse.left == steps - STEPS, "there are more places to die than are tried"


@pytest.mark.parametrize("steps", range(STEPS))
def test_killed_at_any_step_a_whole_version_is_in_use_and_the_next_try_ends_it(field: Field, steps: int) -> None:
    with pytest.raises(Killed):
        killed_at(field, steps)
    in_use = field.slots.current()
    assert in_use is not None
    assert field.slots.whole(in_use)
    assert (field.slots.trial() is not None) == (in_use == "1.1.0"), "a new one is never without a way back"
    assert field.launch().split()[0] == in_use
    field.update()
    assert field.launch().split()[0] == "1.1.0"
    assert field.slots.trial() is not None


def test_an_update_dies_nowhere_else(field: Field) -> None:
    killed_at(field, STEPS)
    assert field.slots.current() == "1.1.0"


def test_a_slot_is_made_of_the_packages_wheels_alone_and_without_a_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package, ran, found = tmp_path / "release.zip", list[list[str]](), list[str]()
    with zipfile.ZipFile(package, "w") as archive:
        for name in ("kestrel-1.1.0-py3-none-any.whl", "../../evil-1.0-py3-none-any.whl", "run-me.sh"):
            archive.writestr(name, b"")

    def run(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        ran.append(command)
        if "--find-links" in command:
            found.extend(sorted(p.name for p in Path(command[command.index("--find-links") + 1]).iterdir()))
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(subprocess, "run", run)
    wheels_into(package, "1.1.0")(tmp_path / "slots" / "1.1.0")
    assert ran[0][1:3] == ["-m", "venv"]
    assert "--no-index" in ran[1]
    assert ran[1][-1] == "kestrel[edge]==1.1.0"
    assert found == ["evil-1.0-py3-none-any.whl", "kestrel-1.1.0-py3-none-any.whl"], "by their names, beside each other"
    assert not list(tmp_path.parent.glob("evil*"))


def signed(folder: Path, order: UpdateOrder, prefix: bytes = UPDATE_PREFIX) -> Path:
    key = Ed25519PrivateKey.generate()
    (folder / "keys").mkdir()
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (folder / "keys" / "release.pem").write_bytes(public)
    payload = order.model_dump_json()
    signature = base64.b64encode(key.sign(prefix + payload.encode())).decode()
    file = folder / "order.json"
    file.write_text(SignedUpdate(payload=payload, signature_b64=signature, key_id="release").model_dump_json())
    return file


def test_a_signed_order_is_taken(field: Field) -> None:
    assert verified(signed(field.folder, field.order), field.folder / "keys") == field.order


def test_a_signature_of_something_else_is_none(field: Field) -> None:
    with pytest.raises(Forbidden):
        verified(signed(field.folder, field.order, b"kestrel-approval-v1\n"), field.folder / "keys")


def test_a_changed_order_or_an_unknown_key_is_refused(field: Field) -> None:
    file = signed(field.folder, field.order)
    said = json.loads(file.read_text())
    file.write_text(json.dumps(said | {"payload": said["payload"].replace("1.1.0", "9.9.9")}))
    with pytest.raises(Forbidden):
        verified(file, field.folder / "keys")
    file.write_text(json.dumps(said | {"key_id": "other"}))
    with pytest.raises(Forbidden):
        verified(file, field.folder / "keys")


def test_nothing_is_updated_in_flight(field: Field) -> None:
    status = field.state / "status.json"
    said = {"at": datetime.now(UTC).isoformat(), "running": True, "state": "on_route", "flight_id": "flt-1"}
    status.write_text(json.dumps(said))
    with pytest.raises(Conflict, match="flt-1"):
        require_landed(status)
    status.write_text(json.dumps(said | {"flight_id": None}))
    require_landed(status)


class Service:
    """A running version with a clock that is set."""

    def __init__(self, field: Field) -> None:
        self.at_s, self.healthy, self.flying, self.stopped = 0.0, True, False, False
        self.told: list[object] = []
        signs = Signs(lambda: self.healthy, lambda: self.flying, self._announce, self._stop)
        prefix = str(field.slots.place(str(field.slots.current())))
        self.proof = Proof(field.slots, signs, lambda: self.at_s, prefix)

    def _stop(self) -> None:
        self.stopped = True

    def _announce(self, kind: DroneEventKind, fields: dict[str, object]) -> Future[int]:
        self.told.append(fields["code"])
        done: Future[int] = Future()
        done.set_result(1)
        return done

    def wait(self, seconds: float) -> None:
        self.at_s += seconds
        self.proof.step()


def test_a_healthy_version_proves_itself_after_a_while(field: Field) -> None:
    field.update()
    service = Service(field)
    service.wait(1.0)
    assert field.slots.trial() is not None
    service.wait(PROVED_AFTER_S)
    assert field.slots.trial() is None
    assert not service.stopped


def test_one_that_does_not_ends_itself_but_never_in_flight(field: Field) -> None:
    field.update()
    service = Service(field)
    service.healthy, service.flying = False, True
    service.wait(PROVED_WITHIN_S + 1)
    in_flight, service.flying = service.stopped, False
    service.wait(1.0)
    assert (in_flight, service.stopped) == (False, True)
    assert field.slots.trial() is not None


def test_a_return_to_the_version_before_is_told_once(field: Field) -> None:
    field.update()
    for _ in range(4):
        field.launch()
    service = Service(field)
    service.wait(1.0)
    service.wait(1.0)
    assert service.told == ["update_rolled_back"]
