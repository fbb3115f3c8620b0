"""A release over HTTPS: brought piece by piece, and on from where it broke off."""

from __future__ import annotations

import http.client
from pathlib import Path
from urllib.request import Request, urlopen

from contracts.errors import Unavailable

_PATIENCE_S = 30.0
_PIECE_BYTES = 1024 * 1024


def fetch(url: str, path: Path, size_bytes: int) -> None:
    """Bring what lies at ``url`` to ``path``, at most one byte more than it should have: that is the wrong thing.

    Raises:
        Unavailable: It broke off, or the server refuses; what came stays beside ``path`` and is gone on with.

    """
    part = path.with_name(f"{path.name}.part")
    held = part.stat().st_size if part.exists() else 0
    if held > size_bytes:
        held = 0
    try:
        if held < size_bytes:
            held = _add(url, part, held, size_bytes)
    except (OSError, http.client.HTTPException) as error:  # an HTTPError is an OSError
        raise Unavailable(f"The release did not come: {error}.", hint="It is tried again.") from error
    if held < size_bytes:
        raise Unavailable(f"The release broke off at {held} of {size_bytes} bytes.", hint="It is tried again.")
    part.replace(path)


def _add(url: str, part: Path, held: int, size_bytes: int) -> int:
    request = Request(url, headers={"Range": f"bytes={held}-"} if held else {})  # noqa: S310 - the job's schema bounds it
    with urlopen(request, timeout=_PATIENCE_S) as answer:  # noqa: S310 - as above
        goes_on = answer.status == http.client.PARTIAL_CONTENT
        held = held if goes_on else 0
        with part.open("ab" if goes_on else "wb") as out:
            while held <= size_bytes and (piece := answer.read(min(_PIECE_BYTES, size_bytes + 1 - held))):
                out.write(piece)
                held += len(piece)
    return held
