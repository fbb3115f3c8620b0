"""Is a bundle what was signed? Offline, from its bytes alone; what is not is named.

A signature proves that nothing changed since its key signed. Whose key that is, the bundle cannot prove: compare its
fingerprint with one you trust.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, NamedTuple, TypeVar

from pydantic import BaseModel, ValidationError

from contracts.errors import InvalidInput
from evidence.bundle import MANIFEST, SIGNATURE, written, zipped
from evidence.chain import Link, Manifest, canonical
from evidence.signatures import Signature, fingerprint, holds

CONTAINER = "(container)"
MOST_MEMBERS = 5_000
_UNREADABLE = (zipfile.BadZipFile, EOFError, ValueError, RuntimeError, OSError)
"""What the zip module raises on damaged archives of stored members, all of it."""

Model = TypeVar("Model", bound=BaseModel)


class Break(NamedTuple):
    """Something that is not as it was signed: the link it belongs to (empty: none), the file, and why."""

    link: str
    member: str
    why: str


class Verdict(NamedTuple):
    """What was found. ``trusted``: signed by a trusted key; None when no key to compare with was given."""

    breaks: tuple[Break, ...]
    trusted: bool | None
    subject: str = ""
    signed_by: str = ""
    """Fingerprint (SHA-256) of the key that signed."""
    links: tuple[Link, ...] = ()

    @property
    def intact(self) -> bool:
        """Tell whether everything is as it was signed."""
        return not self.breaks


def verify(bundle: bytes, trusted: Collection[str] = ()) -> Verdict:
    """Return what is broken in a bundle, nothing when it is whole; ``trusted`` holds fingerprints of known keys."""
    try:
        members = _opened(bundle)
    except (*_UNREADABLE, InvalidInput) as error:
        return Verdict((Break("", CONTAINER, f"cannot be read as a bundle: {error}"),), None)
    breaks: list[Break] = []
    manifest = _parsed(Manifest, MANIFEST, canonical, members, breaks)
    signature = _parsed(Signature, SIGNATURE, written, members, breaks)
    if manifest is None or signature is None:
        return Verdict(tuple(breaks), None)
    signed = holds(signature, canonical(manifest))
    if not signed:
        breaks.append(Break("", MANIFEST, "does not carry the signature of the key in signature.json"))
    breaks += _chain_breaks(manifest, members)
    whole = {p: body for p in (MANIFEST, SIGNATURE, *manifest.paths()) if isinstance(body := members.get(p), bytes)}
    if not breaks and zipped(whole) != bundle:
        breaks.append(Break("", CONTAINER, "bytes outside of the members were changed or added"))
    signed_by = fingerprint(signature.public_key_pem) if signed else ""
    return Verdict(
        tuple(breaks), signed_by in trusted if trusted and signed else None, manifest.subject, signed_by, manifest.links
    )


def _opened(bundle: bytes) -> dict[str, bytes | str]:
    """Return every member's bytes, or why it cannot be read."""
    members: dict[str, bytes | str] = {}
    with zipfile.ZipFile(io.BytesIO(bundle)) as archive:
        listed = archive.infolist()
        if len(listed) > MOST_MEMBERS or sum(i.file_size for i in listed) > len(bundle):
            raise InvalidInput("It claims more content than its own size allows.")
        for info in listed:
            if info.filename in members:
                raise InvalidInput(f"It holds {info.filename} twice.")
            members[info.filename] = _read(archive, info)
    return members


def _read(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes | str:
    if info.compress_type != zipfile.ZIP_STORED:
        return "is compressed; bundles never are"
    try:
        return archive.read(info)
    except _UNREADABLE as error:
        return f"cannot be read: {error}"


def _parsed(
    model: type[Model],
    name: str,
    write: Callable[[Any], bytes],
    members: Mapping[str, bytes | str],
    breaks: list[Break],
) -> Model | None:
    """Return a member as the model it should be; say what is wrong with it otherwise."""
    text = members.get(name, "is missing")
    if isinstance(text, str):
        breaks.append(Break("", name, text))
        return None
    try:
        made = model.model_validate_json(text)
    except ValidationError as error:
        breaks.append(Break("", name, f"does not say what it should: {error.errors()[0]['msg']}"))
        return None
    if write(made) != text:
        breaks.append(Break("", name, "is not written the one way it is written"))
    return made


def _chain_breaks(manifest: Manifest, members: Mapping[str, bytes | str]) -> Iterator[Break]:
    broken = manifest.broken_link()
    if broken is not None:
        yield Break(str(broken), MANIFEST, "does not hold the digest of the link before it")
    for link in manifest.links:
        for path, sha256 in link.files.items():
            body = members.get(path, "is missing")
            if isinstance(body, str):
                yield Break(str(link), path, body)
            elif hashlib.sha256(body).hexdigest() != sha256:
                yield Break(str(link), path, "is not the file that was signed")
    for extra in sorted(members.keys() - {MANIFEST, SIGNATURE, *manifest.paths()}):
        yield Break("", extra, "belongs to no link")
