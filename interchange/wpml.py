"""DJI WPML archives: ``wpmz/template.kml`` and ``wpmz/waylines.wpml`` in a KMZ."""

from __future__ import annotations

import re

from interchange import archive, markup, wpml_reading, wpml_writing
from interchange.altitudes import Given
from interchange.losses import Ledger
from interchange.mission import Mission
from interchange.reading import wrong

_WANTED = re.compile(r"(.*/)?(template\.kml|waylines\.wpml)", re.IGNORECASE | re.DOTALL)


def read(content: bytes, ledger: Ledger) -> Mission:
    """Return the mission of a WPML archive (or of a bare ``waylines.wpml``).

    Raises:
        InvalidInput: The archive or its XML is damaged or hostile, or an element breaks a rule; it is named.
        TooLarge: Too many bytes, members or elements.

    """
    if not archive.is_archive(content):
        return wpml_reading.read(markup.parse(content, "waylines.wpml"), None, ledger)
    found = archive.members(content, _WANTED)
    documents = {}
    for name, body in found.items():
        short = name.lower().rpartition("/")[2]
        if short in documents:
            raise wrong("file", f"an archive with one {short}")
        documents[short] = markup.parse(body, short)
    return wpml_reading.read(documents.get("waylines.wpml"), documents.get("template.kml"), ledger)


def write(mission: Mission, ledger: Ledger, given: Given) -> bytes:
    """Return the WPML archive of a mission.

    Raises:
        InvalidInput: No waypoint, or the altitudes cannot be said against one reference; the item is named.

    """
    waylines, template = wpml_writing.write(mission, ledger, given)
    files = {"wpmz/template.kml": markup.write(template)} if template is not None else {}
    return archive.pack({**files, "wpmz/waylines.wpml": markup.write(waylines)})
