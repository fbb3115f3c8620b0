"""KMZ archives, from people we do not know: nothing is unpacked to disk, and limits hold before memory does."""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from collections.abc import Mapping

from contracts.errors import InvalidInput, TooLarge
from interchange.text import MAX_BYTES

MAX_MEMBERS = 2_000
_METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
_ENCRYPTED = 0x1
_OUTSIDE = re.compile(r"^(/|\\|[A-Za-z]:)|(^|[/\\])\.\.([/\\]|$)|\x00")
_EPOCH = (1980, 1, 1, 0, 0, 0)


def is_archive(content: bytes) -> bool:
    """Say whether the bytes begin as a zip archive does."""
    return content.startswith(b"PK\x03\x04")


UNREADABLE = (zipfile.BadZipFile, zlib.error, EOFError, ValueError, RuntimeError, OSError)
"""What the zip module raises on damaged archives, all of it."""


def members(content: bytes, wanted: re.Pattern[str]) -> dict[str, bytes]:
    """Return the archive's files whose name matches; the others are never expanded.

    Raises:
        InvalidInput: No archive, damaged, encrypted, a name twice, or a name that leads out of the archive.
        TooLarge: Too many members, or more bytes in them than `MAX_BYTES`.

    """
    if len(content) > MAX_BYTES:
        raise TooLarge(f"The archive has {len(content)} bytes; at most {MAX_BYTES} are read.", hint="Split the plan.")
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            _check(archive.infolist())
            return _expand(archive, wanted)
    except UNREADABLE as error:
        raise InvalidInput(f"The archive cannot be read: {error}.", hint="Save it again.", field="file") from error


def _check(infos: list[zipfile.ZipInfo]) -> None:
    if len(infos) > MAX_MEMBERS:
        raise TooLarge(f"The archive has {len(infos)} members; at most {MAX_MEMBERS} are read.", hint="Split it.")
    seen: set[str] = set()
    for info in infos:
        fault = None
        if _OUTSIDE.search(info.orig_filename) or _OUTSIDE.search(info.filename):
            fault = "leads out of the archive"
        elif info.filename in seen:
            fault = "stands twice in the archive"
        elif info.flag_bits & _ENCRYPTED:
            fault = "is encrypted"
        elif info.compress_type not in _METHODS:
            fault = f"is compressed by method {info.compress_type}, which is not read"
        if fault:
            raise InvalidInput(f"{info.filename!r:.80} {fault}.", hint="Save it again.", field="file")
        seen.add(info.filename)


def _expand(archive: zipfile.ZipFile, wanted: re.Pattern[str]) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    left = MAX_BYTES
    for info in archive.infolist():
        if wanted.fullmatch(info.filename):
            with archive.open(info) as member:
                # The size in the directory is the sender's word: count what really comes.
                body = member.read(left + 1)
            left -= len(body)
            if left < 0:
                raise TooLarge(f"The archive expands to over {MAX_BYTES} bytes.", hint="Split the plan.")
            found[info.filename] = body
    return found


def pack(files: Mapping[str, bytes]) -> bytes:
    """Return an archive of files: the same files give the same bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, body in files.items():
            info = zipfile.ZipInfo(name, _EPOCH)
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, body)
    return buffer.getvalue()
