"""Signing requests and certificates beside the cryptography package, which the drone does not carry."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
)
from cryptography.x509.oid import NameOID
from hypothesis import given, settings
from hypothesis import strategies as st

from edge import pem
from edge.backends.keys import P256KeyPairs
from edge.life import der

KEY = ec.generate_private_key(ec.SECP256R1())
PUBLIC = KEY.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def name_of(*texts: str) -> x509.Name:
    return x509.Name(
        [x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Kestrel")]
        + [x509.NameAttribute(NameOID.COMMON_NAME, text) for text in texts]
    )


def issued(*names: str, start: datetime, end: datetime) -> x509.Certificate:
    made = x509.CertificateBuilder().subject_name(name_of(*names)).issuer_name(name_of("authority"))
    made = made.public_key(KEY.public_key()).serial_number(2**159 - 1).not_valid_before(start).not_valid_after(end)
    made = made.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    return made.sign(KEY, hashes.SHA256())


NAMES = st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40), max_size=3)
MOMENTS = st.datetimes(datetime(1950, 1, 1), datetime(2100, 1, 1)).map(lambda t: t.replace(microsecond=0))  # noqa: DTZ001 - naive is UTC to the other library


@settings(deadline=None)
@given(NAMES, MOMENTS)
def test_a_certificate_says_what_the_other_library_reads(names: list[str], start: datetime) -> None:
    whole = issued(*names, start=start, end=start + timedelta(days=400))
    read = der.certificate(b"a line before\n" + whole.public_bytes(Encoding.PEM))
    assert read == der.Certificate(tuple(names), whole.not_valid_before_utc, whole.not_valid_after_utc, PUBLIC)


@settings(deadline=None)
@given(st.integers(0, 2000), st.integers(1, 255))
def test_a_damaged_certificate_is_a_value_error_or_read(at: int, by: int) -> None:
    now = datetime(2026, 11, 27, tzinfo=UTC)
    body = bytearray(issued("drone-1", start=now, end=now + timedelta(days=1)).public_bytes(Encoding.DER))
    body[at % len(body)] ^= by
    for damaged in (bytes(body), bytes(body[: at % len(body)])):
        try:
            der.certificate(pem.wrapped("CERTIFICATE", damaged))
        except ValueError:
            continue


@pytest.mark.parametrize("text", [b"", b"rubbish", b"-----BEGIN CERTIFICATE-----\n?\n-----END CERTIFICATE-----"])
def test_what_is_no_certificate_is_a_value_error(text: bytes) -> None:
    with pytest.raises(ValueError, match="PEM"):
        der.certificate(text)


@pytest.mark.parametrize("common_name", ["kestrel-0042", "Möwe " * 10])
def test_a_request_is_one_the_other_library_takes(common_name: str) -> None:
    key_pairs = P256KeyPairs()
    key = key_pairs.make()
    text = der.request(common_name, key_pairs.public(key), lambda info: key_pairs.sign(key, info))
    read = x509.load_pem_x509_csr(text.encode())
    assert read.is_signature_valid
    assert read.subject == x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    theirs = load_der_private_key(key, None)
    assert read.public_key() == theirs.public_key()


def test_keys_made_before_by_the_other_library_go_on_being_used() -> None:
    before = KEY.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    assert P256KeyPairs().public(before) == PUBLIC
    KEY.public_key().verify(P256KeyPairs().sign(before, b"info"), b"info", ec.ECDSA(hashes.SHA256()))


def test_every_key_made_can_be_read_again() -> None:
    key_pairs = P256KeyPairs()
    assert all(key_pairs.public(key_pairs.make()) for _ in range(2_000)), "one in 256 could not"


def test_a_key_file_is_the_one_the_other_library_writes() -> None:
    before = KEY.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    assert pem.wrapped("PRIVATE KEY", before) == KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    assert pem.unwrapped("PRIVATE KEY", pem.wrapped("PRIVATE KEY", before)) == before


def test_what_is_no_key_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="no EC key"):
        P256KeyPairs().public(b"rubbish")
