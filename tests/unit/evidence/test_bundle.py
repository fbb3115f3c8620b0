"""A bundle is whole, or what is not is named: whatever is changed, by whom, and wherever."""

from __future__ import annotations

import base64
import hashlib
import io
import os
import random
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from contracts.errors import InvalidInput
from evidence.bundle import MANIFEST, SIGNATURE, packed, zipped
from evidence.chain import Link, Manifest, Step, canonical, chained
from evidence.signatures import Algorithm, LocalSigner, Signature, fingerprint
from evidence.verification import CONTAINER, Verdict, verify

TAMPERINGS = int(os.environ.get("KESTREL_TAMPERINGS", "1000"))
FILES = {
    "segments/flt-1.00000.json": b'{"frames": [1, 2, 3]}',
    "crops/d-1.jpg": bytes(range(256)) * 2,
    "frames/d-1.jpg": bytes(range(255, -1, -1)) * 3,
}
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
SIGNER = LocalSigner(KEY, "evidence-1")


def sha(path: str) -> str:
    return hashlib.sha256(FILES[path]).hexdigest()


def manifest() -> Manifest:
    links = [
        Link(
            step=Step.SEGMENT,
            id="flt-1.00000",
            facts={"object_version": "v7"},
            files={k: sha(k) for k in list(FILES)[:1]},
        ),
        Link(step=Step.DETECTION, id="d-1", facts={"frame": 41}, files={k: sha(k) for k in list(FILES)[1:]}),
        Link(step=Step.FINDING, id="fnd-1", facts={"kind": "crack", "length_mm": 412.5, "due": None}),
        Link(step=Step.TICKET, id="10000001", facts={"system": "sap"}),
    ]
    return Manifest(subject="fnd-1", as_of=datetime(2026, 11, 20, tzinfo=UTC), links=chained(links))


def bundle() -> bytes:
    return packed(manifest(), FILES, SIGNER)


def said(verdict: Verdict) -> list[tuple[str, str]]:
    return [(b.link, b.member) for b in verdict.breaks]


def rebuilt(**changed: bytes | None) -> bytes:
    """Return the bundle with members replaced, added or (None) left out, in a sound zip."""
    with zipfile.ZipFile(io.BytesIO(bundle())) as archive:
        members = {i.filename: archive.read(i) for i in archive.infolist()}
    named = {name.replace("__", "/"): body for name, body in changed.items()}
    return zipped({k: v for k, v in {**members, **named}.items() if v is not None})


def test_an_untouched_bundle_is_whole_and_says_what_it_is_about() -> None:
    verdict = verify(bundle())
    assert verdict.intact
    assert verdict.subject == "fnd-1"
    assert [str(link) for link in verdict.links][-1] == "ticket 10000001"


def test_the_same_content_is_the_same_bytes() -> None:
    assert bundle() == bundle()


@pytest.mark.parametrize(("keys", "trusted"), [([], None), (["00" * 32], False), (["mine"], True)])
def test_trust_is_a_matter_of_the_key_not_of_the_bundle(keys: list[str], *, trusted: bool | None) -> None:
    pem = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    known = [fingerprint(pem) if key == "mine" else key for key in keys]
    verdict = verify(bundle(), known)
    assert verdict.intact
    assert verdict.trusted is trusted
    assert verdict.signed_by == fingerprint(pem)


def test_any_tampered_byte_of_any_member_is_seen_and_its_member_named() -> None:
    whole = bundle()
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        spans = {i.filename: (_data_start(whole, i.header_offset), i.file_size) for i in archive.infolist()}
    rng = random.Random(7)
    for _ in range(TAMPERINGS):
        name, (start, size) = rng.choice(list(spans.items()))
        at = start + rng.randrange(size)
        changed = bytearray(whole)
        changed[at] ^= rng.randrange(1, 256)
        verdict = verify(bytes(changed))
        assert name in {b.member for b in verdict.breaks}, (name, at)
        assert not verdict.trusted


def test_any_tampered_byte_anywhere_is_seen() -> None:
    whole = bundle()
    for at in range(len(whole)):
        changed = bytearray(whole)
        changed[at] ^= 0x41
        assert not verify(bytes(changed)).intact, at


@pytest.mark.parametrize("length", [0, 1, 40, -1, -22])
def test_a_cut_bundle_is_no_bundle(length: int) -> None:
    assert said(verify(bundle()[:length])) == [("", CONTAINER)]


def test_added_bytes_are_seen() -> None:
    assert said(verify(bundle() + b"x")) == [("", CONTAINER)]


def test_a_replaced_file_breaks_its_link_even_in_a_sound_zip() -> None:
    assert said(verify(rebuilt(**{"crops__d-1.jpg": b"another crop"}))) == [("detection d-1", "crops/d-1.jpg")]


def test_a_missing_and_an_added_file_are_named() -> None:
    assert said(verify(rebuilt(**{"frames__d-1.jpg": None}))) == [("detection d-1", "frames/d-1.jpg")]
    assert said(verify(rebuilt(**{"crops__x.jpg": b"?"}))) == [("", "crops/x.jpg")]


def test_a_changed_fact_breaks_the_signature_and_the_next_link() -> None:
    links = list(manifest().links)
    links[2] = links[2].model_copy(update={"facts": {"kind": "crack", "length_mm": 41.0, "due": None}})
    forged = canonical(manifest().model_copy(update={"links": tuple(links)}))
    assert said(verify(rebuilt(**{MANIFEST: forged}))) == [("", MANIFEST), ("ticket 10000001", MANIFEST)]


def test_a_reordered_chain_is_broken_where_it_was_cut() -> None:
    links = manifest().links
    forged = canonical(manifest().model_copy(update={"links": (links[1], links[0], *links[2:])}))
    assert ("detection d-1", MANIFEST) in said(verify(rebuilt(**{MANIFEST: forged})))


def test_a_bundle_signed_anew_by_a_stranger_is_whole_but_not_trusted() -> None:
    stranger = LocalSigner(Ed25519PrivateKey.generate(), "evidence-1")
    pem = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    verdict = verify(packed(manifest(), FILES, stranger), [fingerprint(pem)])
    assert verdict.intact
    assert verdict.trusted is False


def test_a_key_service_signs_with_ecdsa() -> None:
    key = ec.generate_private_key(ec.SECP256R1())

    class Service:
        def sign(self, manifest: bytes) -> Signature:
            raw = key.sign(manifest, ec.ECDSA(hashes.SHA256()))
            public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
            return Signature(
                algorithm=Algorithm.ECDSA_P256_SHA256,
                key_id="alias/evidence",
                public_key_pem=public,
                signature_b64=base64.b64encode(raw).decode(),
            )

    assert verify(packed(manifest(), FILES, Service())).intact


@pytest.mark.parametrize(
    ("text", "what"),
    [(b"", "does not say"), (b"{}", "does not say"), (b"[1]", "does not say"), (b"\xff\xfe", "does not say")],
)
def test_a_signature_that_is_none_is_named(text: bytes, what: str) -> None:
    (only,) = verify(rebuilt(**{SIGNATURE: text})).breaks
    assert only.member == SIGNATURE
    assert what in only.why


def test_a_compressed_or_doubled_member_is_refused() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(MANIFEST, canonical(manifest()) + b" " * 100_000)
    verdict = verify(out.getvalue())
    assert said(verdict) == [("", CONTAINER)]
    assert "more content than its own size" in verdict.breaks[0].why


@pytest.mark.parametrize("path", ["../x.jpg", "/etc/passwd", "crops/../../x", "crops\\x", "x.jpg", "crops/.x"])
def test_a_path_that_could_climb_out_is_no_path(path: str) -> None:
    with pytest.raises(ValueError, match="files"):
        Link(step=Step.SEGMENT, id="a", facts={}, files={path: "0" * 64})


def test_packing_refuses_files_the_links_do_not_name(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="missing"):
        packed(manifest(), {}, SIGNER)
    with pytest.raises(InvalidInput, match="in no link"):
        packed(manifest(), FILES | {"crops/x.jpg": b""}, SIGNER)
    with pytest.raises(InvalidInput, match="not the file"):
        packed(manifest(), FILES | {"crops/d-1.jpg": b""}, SIGNER)


def test_only_an_ed25519_key_signs_on_one_machine(tmp_path: Path) -> None:
    pem = ec.generate_private_key(ec.SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (tmp_path / "k").write_bytes(pem)
    with pytest.raises(InvalidInput, match="not an Ed25519"):
        LocalSigner.from_file(tmp_path / "k")


def _data_start(whole: bytes, header: int) -> int:
    name, extra = (int.from_bytes(whole[header + at : header + at + 2], "little") for at in (26, 28))
    return header + 30 + name + extra
