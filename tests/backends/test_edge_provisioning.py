"""A new drone gets its certificate by claim, an old one replaces its own; killed at each step, it comes through."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID

from contracts.errors import Conflict, Forbidden, InvalidInput, Unavailable
from edge.backends import dialogue as dialogues
from edge.backends.dialogue import MqttDialogue, lets_in, provisioned, rotated
from edge.backends.keys import P256KeyPairs
from edge.backends.link import Credentials
from edge.files import rename_durably
from edge.life import identity as identities
from edge.life.checks import rotation_due
from edge.life.identity import Identity, Wallet, open_to_others
from edge.life.provisioning import CREATE_FROM_CSR, Clerk, Rotation, answers, register_thing
from tests.backends.aws_iot import TEMPLATE, AwsIot

SERIAL = "kestrel-0042"


@pytest.fixture(scope="module")
def aws_iot(services_dir: Path) -> Iterator[AwsIot]:
    with AwsIot(services_dir / "iot") as running:
        yield running


@pytest.fixture(autouse=True)
def _calm(aws_iot: AwsIot, monkeypatch: pytest.MonkeyPatch) -> None:
    aws_iot.refuse = aws_iot.mute = ""
    aws_iot.requests.clear()
    monkeypatch.setattr(dialogues, "_ANSWER_S", 3.0)


def test_a_claim_becomes_the_drones_own_certificate(aws_iot: AwsIot, tmp_path: Path) -> None:
    papers = provisioned(tmp_path, aws_iot.broker.url, aws_iot.claim, TEMPLATE, SERIAL)
    said = papers.identity()
    certificate = x509.load_pem_x509_certificate(papers.cert_file.read_bytes())
    assert said.thing_name == SERIAL
    assert aws_iot.things[said.certificate_id] == SERIAL
    assert certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value == SERIAL
    own = Credentials(aws_iot.claim.ca_file, papers.cert_file, papers.key_file)
    assert lets_in(aws_iot.broker.url, SERIAL, own)


def test_the_key_never_leaves_the_drone(aws_iot: AwsIot, tmp_path: Path) -> None:
    papers = provisioned(tmp_path, aws_iot.broker.url, aws_iot.claim, TEMPLATE, SERIAL)
    secret = papers.key_file.read_text().splitlines()[1]
    assert "PRIVATE" in papers.key_file.read_text()
    assert all(secret not in str(body) and "PRIVATE" not in str(body) for _, body in aws_iot.requests)
    assert papers.key_file.stat().st_mode & 0o777 == 0o600
    assert papers.folder.stat().st_mode & 0o777 == 0o700


def test_a_drone_with_an_identity_is_not_provisioned_again(aws_iot: AwsIot, tmp_path: Path) -> None:
    provisioned(tmp_path, aws_iot.broker.url, aws_iot.claim, TEMPLATE, SERIAL)
    with pytest.raises(Conflict):
        provisioned(tmp_path, aws_iot.broker.url, aws_iot.claim, TEMPLATE, SERIAL)


@pytest.mark.parametrize("topic", [CREATE_FROM_CSR, register_thing(TEMPLATE)])
def test_a_refusal_is_said_and_the_next_try_uses_the_same_key(aws_iot: AwsIot, tmp_path: Path, topic: str) -> None:
    aws_iot.refuse = topic
    with pytest.raises(Forbidden, match="not on the list"):
        provisioned(tmp_path, aws_iot.broker.url, aws_iot.claim, TEMPLATE, SERIAL)
    key = (tmp_path / "identity/next/key.pem").read_bytes()
    aws_iot.refuse = ""
    papers = provisioned(tmp_path, aws_iot.broker.url, aws_iot.claim, TEMPLATE, SERIAL)
    assert papers.key_file.read_bytes() == key


def test_silence_is_retryable(aws_iot: AwsIot, tmp_path: Path) -> None:
    aws_iot.mute = CREATE_FROM_CSR
    with pytest.raises(Unavailable, match="no answer"):
        provisioned(tmp_path, aws_iot.broker.url, aws_iot.claim, TEMPLATE, SERIAL)


def test_a_certificate_for_another_key_is_refused(aws_iot: AwsIot, tmp_path: Path) -> None:
    foreign = provisioned(tmp_path / "other", aws_iot.broker.url, aws_iot.claim, TEMPLATE, SERIAL)
    wallet = Wallet(tmp_path / "identity", P256KeyPairs())
    wallet.prepare(SERIAL)
    with pytest.raises(InvalidInput, match="another key"):
        wallet.accept(foreign.cert_file.read_text(), Identity(thing_name=SERIAL, certificate_id="x"))
    assert not wallet.next.whole


class Drone:
    """A provisioned drone that rotates; every ``step`` is a new process."""

    def __init__(self, aws_iot: AwsIot, folder: Path) -> None:
        self.aws_iot, self.folder = aws_iot, folder
        self.revoked: list[str] = []
        papers = provisioned(folder, aws_iot.broker.url, aws_iot.claim, TEMPLATE, SERIAL)
        self.first = papers.identity().certificate_id

    @property
    def wallet(self) -> Wallet:
        return Wallet(self.folder / "identity", P256KeyPairs())

    def proves(self) -> bool:
        return lets_in(self.aws_iot.broker.url, SERIAL, self.own(self.wallet.next.folder))

    def own(self, folder: Path) -> Credentials:
        return Credentials(self.aws_iot.claim.ca_file, folder / "cert.pem", folder / "key.pem")

    def step(self, *, due: bool = True) -> bool | None:
        wallet = self.wallet
        rotation = Rotation(wallet, Clerk(wallet, TEMPLATE, SERIAL), self.proves, self.revoked.append)
        with MqttDialogue(
            self.aws_iot.broker.url, SERIAL, self.own(wallet.current.folder), answers(TEMPLATE)
        ) as dialogue:
            return rotation.step(dialogue, due=due)


def test_rotation_asks_tries_switches_and_gives_the_old_one_up(aws_iot: AwsIot, tmp_path: Path) -> None:
    drone = Drone(aws_iot, tmp_path)
    assert drone.step(due=False) is None
    assert drone.step() is True
    assert drone.wallet.current.identity().certificate_id == drone.first
    assert drone.step(due=False) is True
    second = drone.wallet.current.identity().certificate_id
    assert second != drone.first
    assert drone.step(due=False) is True
    assert drone.revoked == [drone.first]
    assert drone.step(due=False) is None
    assert aws_iot.things[second] == SERIAL


def test_a_new_certificate_that_is_not_let_in_is_not_used(aws_iot: AwsIot, tmp_path: Path) -> None:
    drone = Drone(aws_iot, tmp_path)
    drone.step()
    (tmp_path / "identity/next/cert.pem").write_bytes((tmp_path / "identity/current/cert.pem").read_bytes())
    drone.proves = lambda: False  # type: ignore[method-assign]
    assert drone.step() is False
    assert drone.wallet.current.identity().certificate_id == drone.first


def test_a_refused_rotation_leaves_the_current_one(aws_iot: AwsIot, tmp_path: Path) -> None:
    drone = Drone(aws_iot, tmp_path)
    aws_iot.refuse = register_thing(TEMPLATE)
    assert drone.step() is False
    assert drone.wallet.current.identity().certificate_id == drone.first
    assert not drone.wallet.next.folder.exists()


def test_the_agents_own_steps_rotate_beside_its_link(aws_iot: AwsIot, tmp_path: Path) -> None:
    papers = provisioned(tmp_path, aws_iot.broker.url, aws_iot.claim, TEMPLATE, SERIAL)
    wallet, revoked = Wallet(tmp_path / "identity", P256KeyPairs()), list[str]()
    first, ca_file = papers.identity().certificate_id, aws_iot.claim.ca_file
    for _ in range(3):
        assert rotated(aws_iot.broker.url, ca_file, wallet, TEMPLATE, revoked.append) is True
    assert revoked == [first]
    assert rotation_due(wallet)
    assert rotation_due(wallet, wallet.current.identity().certificate_id)


class Killed(BaseException):
    """The process dies here."""


@pytest.mark.parametrize("survives", range(5))
def test_killed_at_each_durable_step_of_a_rotation(
    aws_iot: AwsIot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, survives: int
) -> None:
    """``survives`` counts the renames that still happen; the process dies at the next."""
    drone = Drone(aws_iot, tmp_path)
    left = [survives]

    def mortal(source: Path, target: Path) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise Killed
        rename_durably(source, target)

    with monkeypatch.context() as patch, suppress(Killed):
        patch.setattr(identities, "rename_durably", mortal)
        patch.setattr("edge.files.rename_durably", mortal)
        drone.step()
        drone.step()
    for _ in range(4):
        drone.step(due=not drone.revoked)
        if drone.revoked:
            break
    assert drone.revoked == [drone.first]
    assert drone.wallet.current.identity().certificate_id != drone.first
    assert lets_in(aws_iot.broker.url, SERIAL, drone.own(drone.wallet.current.folder))


def test_rights_of_private_files(tmp_path: Path) -> None:
    key, folder = tmp_path / "key.pem", tmp_path / "identity"
    key.touch(mode=0o600)
    folder.mkdir(mode=0o700)
    assert open_to_others((key, folder, tmp_path / "missing")) == []
    key.chmod(0o640)
    folder.chmod(0o755)
    assert [line.split(": ")[1].split()[1] for line in open_to_others((key, folder))] == ["600", "700"]


def test_the_dialogue_is_over_when_the_broker_is_away(aws_iot: AwsIot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dialogues, "_CONNECT_S", 0.3)
    with pytest.raises(Unavailable), MqttDialogue("mqtts://127.0.0.1:1", SERIAL, aws_iot.claim, ()):
        threading.Event()
