"""A release is what was signed, or what is not is named."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from typer.testing import CliRunner

from evidence.signatures import LocalSigner, Signature
from infra.local.__main__ import app
from infra.local.release import MANIFEST, PREFIX, SIGNATURE, SUMS, sealed

KEY, OTHER = (Ed25519PrivateKey.from_private_bytes(bytes([number] * 32)) for number in (1, 2))
WHEEL, LOCK = "kestrel-1.4.0-py3-none-any.whl", "requirements.lock"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "kestrel-1.4.0"
    made.mkdir()
    (made / WHEEL).write_bytes(bytes(range(256)))
    (made / LOCK).write_text("attrs==26.1.0\n")
    sealed(made, "1.4.0", "c0ffee", LocalSigner(KEY, "release-1"))
    return made


def public(tmp_path: Path, key: Ed25519PrivateKey) -> str:
    path = tmp_path / "release.pub"
    path.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return str(path)


def test_a_whole_release_of_a_trusted_key(folder: Path, tmp_path: Path) -> None:
    told = CliRunner().invoke(app, ["release", "verify", str(folder), "--trust", public(tmp_path, KEY), "--json"])
    assert told.exit_code == 0, told.output
    assert json.loads(told.stdout) | {"signed_by": ""} == {
        "whole": True, "trusted": True, "signed_by": "", "version": "1.4.0", "breaks": []}  # fmt: skip
    assert (folder / SUMS).read_text().splitlines()[1].endswith(f"  {LOCK}")


@pytest.mark.parametrize(("trust", "said"), [(True, "do NOT trust"), (False, "no key to compare with")])
def test_a_whole_release_of_somebody_else(folder: Path, tmp_path: Path, trust: bool, said: str) -> None:
    trusted = ["--trust", public(tmp_path, OTHER)] if trust else []
    told = CliRunner().invoke(app, ["release", "verify", str(folder), *trusted])
    assert (told.exit_code, said in told.stdout) == (2, True)


def _changed(name: str, change: Callable[[bytes], bytes]) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_bytes(change((folder / name).read_bytes()))


def _swap(folder: Path) -> None:
    wheel, lock = (folder / WHEEL).read_bytes(), (folder / LOCK).read_bytes()
    (folder / WHEEL).write_bytes(lock)
    (folder / LOCK).write_bytes(wheel)


def _signed_as_something_else(folder: Path) -> None:
    text = (folder / MANIFEST).read_bytes()
    (folder / SIGNATURE).write_text(LocalSigner(KEY, "release-1").sign(text).model_dump_json())


def _signed_by_another_in_their_name(folder: Path) -> None:
    text = (folder / MANIFEST).read_bytes()
    theirs = Signature.model_validate_json((folder / SIGNATURE).read_bytes())
    forged = LocalSigner(OTHER, "release-1").sign(PREFIX + text)
    kept = forged.model_copy(update={"public_key_pem": theirs.public_key_pem})
    (folder / SIGNATURE).write_text(kept.model_dump_json())


def _names_a_file_outside(folder: Path) -> None:
    text = (folder / MANIFEST).read_bytes().replace(LOCK.encode(), b"../secrets.txt")
    (folder / MANIFEST).write_bytes(text)
    (folder / SIGNATURE).write_text(LocalSigner(KEY, "release-1").sign(PREFIX + text).model_dump_json())


@pytest.mark.parametrize(
    ("spoil", "names"),
    [
        (_changed(WHEEL, lambda body: body[:-1] + b"x"), {WHEEL: "not the file that was signed"}),
        (_changed(WHEEL, lambda body: body + b"x"), {WHEEL: "has 257 bytes, 256 were signed"}),
        (_swap, {WHEEL: "were signed", LOCK: "were signed"}),
        (lambda folder: (folder / LOCK).unlink(), {LOCK: "is missing"}),
        (lambda folder: (folder / "extra.whl").write_bytes(b"x"), {"extra.whl": "was not signed"}),
        (_changed(MANIFEST, lambda text: text.replace(b"1.4.0", b"1.5.0", 1)), {SIGNATURE: "does not fit"}),
        (_signed_as_something_else, {SIGNATURE: "does not fit"}),
        (_signed_by_another_in_their_name, {SIGNATURE: "does not fit"}),
        (_names_a_file_outside, {MANIFEST: "is no release"}),
        (lambda folder: (folder / SIGNATURE).unlink(), {SIGNATURE: "cannot be read"}),
        (lambda folder: (folder / MANIFEST).unlink(), {MANIFEST: "cannot be read"}),
        (_changed(SIGNATURE, lambda _: b"{}"), {SIGNATURE: "is no signature"}),
        (_changed(SIGNATURE, lambda _: b"x" * 1_000_001), {SIGNATURE: "larger than"}),
        (
            _changed(SIGNATURE, lambda text: json.dumps(json.loads(text) | {"public_key_pem": "x"}).encode()),
            {SIGNATURE: "no public key"},
        ),
    ],
)  # fmt: skip
def test_what_is_not_as_signed_is_named(
    folder: Path, tmp_path: Path, spoil: Callable[[Path], object], names: dict[str, str]
) -> None:
    spoil(folder)
    told = CliRunner().invoke(app, ["release", "verify", str(folder), "--trust", public(tmp_path, KEY), "--json"])
    assert told.exit_code == 1, told.output
    breaks = {each["file"]: each["why"] for each in json.loads(told.stdout)["breaks"]}
    assert breaks.keys() == names.keys()
    assert all(why in breaks[name] for name, why in names.items()), breaks
