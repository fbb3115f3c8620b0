from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import NameOID

from contracts.errors import InvalidInput
from infra.local import certificates
from infra.local.certificates import Keys


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    found = Keys(tmp_path / "certificates")
    certificates.create(found)
    return found


def test_only_the_owner_reads_keys(keys: Keys) -> None:
    assert {path.stat().st_mode & 0o777 for path in keys.folder.rglob("*") if path.is_file()} == {0o600}
    assert {path.stat().st_mode & 0o777 for path in (keys.folder, keys.command_keys_dir)} == {0o700}


def test_creating_twice_keeps_every_file(keys: Keys) -> None:
    before = {path: path.read_bytes() for path in keys.folder.rglob("*") if path.is_file()}
    certificates.create(keys)
    assert {path: path.read_bytes() for path in keys.folder.rglob("*") if path.is_file()} == before


def test_a_drone_is_named_by_its_certificate(keys: Keys) -> None:
    identity = certificates.issue_drone(keys, "drone-1")
    certificate = x509.load_pem_x509_certificate(identity.cert_file.read_bytes())
    assert certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value == "drone-1"
    assert certificates.issue_drone(keys, "drone-1") == identity
    assert certificates.valid_until(identity.cert_file) > datetime.now(UTC) + timedelta(days=800)


def test_the_certificate_matches_its_key_and_authority(keys: Keys) -> None:
    identity = certificates.issue_drone(keys, "drone-1")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(identity.ca_file)
    context.load_cert_chain(identity.cert_file, identity.key_file)
    authority = x509.load_pem_x509_certificate(identity.ca_file.read_bytes())
    x509.load_pem_x509_certificate(identity.cert_file.read_bytes()).verify_directly_issued_by(authority)


@pytest.mark.parametrize("name", ["", "Drone", "../ca", "a b", "x" * 64, "kestrel-cloud", "broker", "ca"])
def test_names_that_no_drone_may_have(keys: Keys, name: str) -> None:
    with pytest.raises(InvalidInput):
        certificates.issue_drone(keys, name)


def test_the_command_key_signs_what_its_public_half_verifies(keys: Keys) -> None:
    private = serialization.load_pem_private_key(keys.command_signing_key_file.read_bytes(), None)
    public_file = keys.command_keys_dir / f"{certificates.COMMAND_KEY_ID}.pem"
    public = serialization.load_pem_public_key(public_file.read_bytes())
    assert isinstance(private, ed25519.Ed25519PrivateKey)
    assert isinstance(public, ed25519.Ed25519PublicKey)
    public.verify(private.sign(b"take off"), b"take off")


def test_the_issuer_key_is_a_p256_key(keys: Keys) -> None:
    key = serialization.load_pem_private_key(keys.issuer_key_file.read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    assert key.curve.name == "secp256r1"
    assert len(bytes.fromhex(keys.session_key_file.read_text())) == 32
