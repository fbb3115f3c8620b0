"""Files that survive a power cut: written beside, flushed, renamed."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

_CHUNK_BYTES = 1024 * 1024


def write_durably(path: Path, content: bytes, *, mode: int = 0o644) -> None:
    """Replace ``path`` by ``content`` in one step; the content is never readable to more than ``mode`` says."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(path.name + ".part")
    beside.unlink(missing_ok=True)
    with open(beside, "wb", opener=lambda name, flags: os.open(name, flags, mode)) as out:
        out.write(content)
        out.flush()
        os.fsync(out.fileno())
    rename_durably(beside, path)


def rename_durably(source: Path, target: Path) -> None:
    """Rename and make the rename itself durable."""
    source.replace(target)
    sync(target.parent)


def sync(path: Path) -> None:
    """Flush a file or a folder to disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal, read in pieces."""
    digest = hashlib.sha256()
    with path.open("rb") as source:
        while piece := source.read(_CHUNK_BYTES):
            digest.update(piece)
    return digest.hexdigest()
