"""Killed anywhere in provisioning or rotation: the certificate in use works, and the next life ends what was begun."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from edge import pem
from edge.backends import dialogue as dialogues
from edge.backends.keys import P256KeyPairs
from edge.backends.link import Credentials
from edge.life import der
from edge.life.checks import rotation_due
from edge.life.identity import Papers, Wallet
from edge.life.provisioning import CREATE_FROM_CSR
from tests.crash_points import far, lives, walk
from tests.unit.edge.killed.test_killed_events import Teller, told

SERIAL, TEMPLATE = "kestrel-0042", "kestrel-fleet"
_AUTHORITY = ec.generate_private_key(ec.SECP256R1())


class Registry:
    """AWS IoT, which lives on: the certificates it issued and revoked, and the thing it registers them for."""

    def __init__(self, folder: Path) -> None:
        self._revoked, self._thing = folder / "revoked", folder / "thing"

    def ask(self, topic: str, body: bytes) -> tuple[bool, bytes]:
        with far(f"ask {topic}"):
            if topic == CREATE_FROM_CSR:
                return True, json.dumps(_issued(json.loads(body)["certificateSigningRequest"])).encode()
            return True, json.dumps({"thingName": self._thing.read_text()}).encode()

    def revoke(self, certificate_id: str) -> None:
        with far("revoke"), self._revoked.open("a") as out:
            out.write(certificate_id + "\n")

    def revoked(self) -> set[str]:
        return set(self._revoked.read_text().split())

    def lets_in(self, cert_file: Path, key_file: Path) -> bool:
        """Tell whether key and certificate are there, fit together and are not revoked."""
        key = P256KeyPairs().public(pem.unwrapped("PRIVATE KEY", key_file.read_bytes()))
        known = cert_file.read_bytes()
        return der.certificate(known).public_key == key and _id_of(known) not in self.revoked()


def _issued(request_pem: str) -> dict[str, str]:
    request, now = x509.load_pem_x509_csr(request_pem.encode()), datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(request.subject)
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "authority")]))
        .public_key(request.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(days=365))
        .sign(_AUTHORITY, hashes.SHA256())
    )
    text = certificate.public_bytes(Encoding.PEM)
    return {"certificateOwnershipToken": "t", "certificateId": _id_of(text), "certificatePem": text.decode()}


def _id_of(certificate: bytes) -> str:
    return hashlib.sha256(pem.unwrapped("CERTIFICATE", certificate)).hexdigest()


def _wallet(folder: Path) -> Wallet:
    return Wallet(folder / "identity", P256KeyPairs())


def _connected_to(registry: Registry) -> None:
    """Put the registry where the network is."""

    @contextmanager
    def dialogue(*_: object) -> Iterator[Registry]:
        yield registry

    def lets_in(_url: str, _client: str, own: Credentials) -> bool:
        return registry.lets_in(own.cert_file, own.key_file)

    dialogues.MqttDialogue, dialogues.lets_in = dialogue, lets_in  # type: ignore[assignment,misc]


def provisions(folder: Path) -> None:
    """Run the verb until there is an identity."""
    _connected_to(Registry(folder))
    if not _wallet(folder).current.whole:
        claim = Credentials(folder / "ca", folder / "c", folder / "k")
        dialogues.provisioned(folder, "mqtts://x:1", claim, TEMPLATE, SERIAL)


def rotates(folder: Path, revoke: Callable[[str], None] | None = None) -> None:
    """Do what the agent does, restarts included, until nothing is to be done."""
    registry = Registry(folder)
    _connected_to(registry)
    first = (folder / "first").read_text()
    for _ in range(8):
        wallet = _wallet(folder)
        begun = wallet.next.folder.exists() or wallet.previous.folder.exists()
        if not (begun or rotation_due(wallet, first)):
            return
        dialogues.rotated("mqtts://x:1", folder / "ca", wallet, TEMPLATE, revoke or registry.revoke)
    raise AssertionError("It dials for ever.")


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """Return a drone without an identity."""
    folder = tmp_path / "drone"
    folder.mkdir()
    (folder / "thing").write_text(SERIAL)
    (folder / "revoked").touch()
    return folder


@pytest.fixture
def due(bare: Path) -> Path:
    """Return a drone whose certificate is to be replaced."""
    lives(bare, provisions)
    (bare / "first").write_text(_wallet(bare).current.identity().certificate_id)
    return bare


def _in_use(folder: Path) -> Papers:
    papers = _wallet(folder).current
    assert Registry(folder).lets_in(papers.cert_file, papers.key_file)
    assert papers.key_file.stat().st_mode & 0o777 == 0o600
    return papers


def test_killed_anywhere_provisioning_ends_with_a_certificate_that_works(bare: Path) -> None:
    for at in walk(bare, provisions):
        lives(bare, provisions)
        assert _in_use(bare).identity().thing_name == SERIAL, at
        assert not (bare / "identity/next").exists(), at


def _check_rotated(folder: Path, at: str) -> None:
    lives(folder, rotates)
    first = (folder / "first").read_text()
    assert _in_use(folder).identity().certificate_id != first, at
    assert Registry(folder).revoked() == {first}, at
    assert [path.name for path in (folder / "identity").iterdir()] == ["current"], at


def test_killed_anywhere_in_a_rotation_a_certificate_works_and_only_the_old_one_is_given_up(due: Path) -> None:
    for at in walk(due, rotates):
        _in_use(due)
        _check_rotated(due, at)


def test_the_second_life_of_a_rotation_may_be_killed_as_well(due: Path) -> None:
    for first in walk(due, rotates, every=5):
        for second in walk(due, rotates, every=4):
            _in_use(due)
            _check_rotated(due, f"{first}; {second}")


def test_killed_anywhere_the_cloud_is_asked_once_to_revoke_the_replaced_certificate(due: Path) -> None:
    def asks(folder: Path) -> None:
        teller = Teller(folder)
        rotates(folder, teller._give_up)
        teller.close()

    first = (due / "first").read_text()
    for at in walk(due, asks):
        lives(due, asks)
        assert [(event.code, event.detail) for event in told(due)] == [("certificate_replaced", first)], at


def test_killed_anywhere_a_certificate_of_another_thing_is_never_used(due: Path) -> None:
    (due / "thing").write_text("kestrel-9999")

    def tries(folder: Path) -> None:
        registry = Registry(folder)
        _connected_to(registry)
        for _ in range(2):
            dialogues.rotated("mqtts://x:1", folder / "ca", _wallet(folder), TEMPLATE, registry.revoke)

    first = (due / "first").read_text()
    for at in walk(due, tries):
        lives(due, tries)
        assert _in_use(due).identity().certificate_id == first, at
