"""The file people pass on: a zip of the manifest, its signature and every file, the same bytes for the same content."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Mapping

from contracts.errors import InvalidInput
from evidence.chain import Manifest, canonical
from evidence.signatures import BundleSigner, Signature

MANIFEST, SIGNATURE = "manifest.json", "signature.json"
_EPOCH = (1980, 1, 1, 0, 0, 0)
_READABLE = 0o644 << 16


def packed(manifest: Manifest, files: Mapping[str, bytes], signer: BundleSigner) -> bytes:
    """Return the signed bundle of a chain and its files.

    Raises:
        InvalidInput: A file is missing, left over, or not the one its link names.
        Unavailable: The key service does not answer.

    """
    named = {path: sha256 for link in manifest.links for path, sha256 in link.files.items()}
    for path in named.keys() ^ files.keys():
        raise InvalidInput(f"{path} is {'missing' if path in named else 'in no link'}.", field="files")
    for path, sha256 in named.items():
        if hashlib.sha256(files[path]).hexdigest() != sha256:
            raise InvalidInput(f"{path} is not the file its link names.", field="files")
    text = canonical(manifest)
    return zipped({MANIFEST: text, SIGNATURE: written(signer.sign(text))} | {path: files[path] for path in named})


def written(signature: Signature) -> bytes:
    """Return the one text of a signature."""
    return signature.model_dump_json(indent=1).encode()


def zipped(members: Mapping[str, bytes]) -> bytes:
    """Return the one zip of some members: stored, in their order, without times or anything else that varies."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for path, body in members.items():
            info = zipfile.ZipInfo(path, _EPOCH)
            info.create_system, info.external_attr = 3, _READABLE
            archive.writestr(info, body)
    return out.getvalue()
