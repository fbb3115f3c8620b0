"""Signatures as RFC 8032 has them and as the cryptography package makes them, which no drone carries."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.signatures import PublicKey, public_pem

ORDER = 2**252 + 27742317777372353535851937790883648493


@pytest.mark.parametrize(
    ("public", "message", "signature"),
    [
        (
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
            "",
            (
                "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
                "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"
            ),
        ),
        (
            "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
            "72",
            (
                "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
                "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
            ),
        ),
    ],
)
def test_the_published_signatures_fit(public: str, message: str, signature: str) -> None:
    """RFC 8032, 7.1, tests 1 and 2."""
    assert PublicKey(public_pem(bytes.fromhex(public))).fits(bytes.fromhex(signature), bytes.fromhex(message))


def _pem(key: ed25519.Ed25519PrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


@settings(deadline=None)
@given(st.binary(min_size=32, max_size=32), st.binary(max_size=300), st.integers(0, 511))
def test_what_the_other_library_signs_fits_and_no_bit_of_it_may_change(seed: bytes, message: bytes, bit: int) -> None:
    theirs = ed25519.Ed25519PrivateKey.from_private_bytes(seed)
    key, signature = PublicKey(_pem(theirs)), theirs.sign(message)
    assert key.fits(signature, message)
    changed = bytearray(signature)
    changed[bit // 8] ^= 1 << bit % 8
    assert not key.fits(bytes(changed), message)
    assert not key.fits(signature, message + b"\0")


def test_a_signature_has_one_form_only() -> None:
    """With the group's order added to S the equation still holds: taken, a replay would look like another command."""
    theirs = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(32))
    signature = theirs.sign(b"land")
    other = (int.from_bytes(signature[32:], "little") + ORDER).to_bytes(32, "little")
    assert not PublicKey(_pem(theirs)).fits(signature[:32] + other, b"land")


def test_a_key_of_small_order_signs_nothing() -> None:
    """The neutral element as key, and a signature that fits every message under a lenient check."""
    weak, zero = b"\x01" + bytes(31), b"\x01" + bytes(63)
    assert not PublicKey(public_pem(weak)).fits(zero, b"anything")


@pytest.mark.parametrize("length", [0, 32, 63, 65, 128])
def test_a_signature_of_another_length_fits_nothing(length: int) -> None:
    theirs = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(32))
    assert not PublicKey(_pem(theirs)).fits((theirs.sign(b"m") * 2)[:length], b"m")


def test_the_file_is_the_one_the_other_library_writes() -> None:
    theirs = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    raw = theirs.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    assert (public_pem(raw), PublicKey(_pem(theirs)).raw) == (_pem(theirs), raw)


@pytest.mark.parametrize(
    "pem",
    [
        b"",
        b"rubbish",
        b"-----BEGIN PUBLIC KEY-----\n!\n-----END PUBLIC KEY-----\n",
        public_pem(bytes(31)),
        public_pem(bytes(33)),
        public_pem(bytes(32)).replace(b"BEGIN PUBLIC", b"BEGIN PRIVATE"),
        ec.generate_private_key(ec.SECP256R1())
        .public_key()
        .public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
    ],
)
def test_what_is_no_ed25519_key_is_refused(pem: bytes) -> None:
    with pytest.raises(ValueError, match="PEM"):
        PublicKey(pem)
