"""The formats: who reads and writes each, and how a file's format is told."""

from __future__ import annotations

import json
from collections.abc import Callable
from enum import StrEnum
from typing import NamedTuple

from contracts.errors import InvalidInput
from interchange import qgc_plan, qgc_wpl
from interchange.altitudes import Site
from interchange.losses import Ledger
from interchange.mission import Mission


class Format(StrEnum):
    """A file format of flight plans."""

    QGC_PLAN = "qgc-plan"
    QGC_WPL = "qgc-wpl"


class Codec(NamedTuple):
    """How a format is read and written."""

    title: str
    suffixes: tuple[str, ...]
    media_type: str
    read: Callable[[bytes, Ledger], Mission]
    write: Callable[[Mission, Ledger, Site], bytes]


CODECS: dict[Format, Codec] = {
    Format.QGC_PLAN: Codec("QGroundControl plan", (".plan",), "application/json", qgc_plan.read, qgc_plan.write),
    Format.QGC_WPL: Codec("QGC WPL 110", (".waypoints", ".txt"), "text/plain", qgc_wpl.read, qgc_wpl.write),
}


def of_name(name: str) -> Format:
    """Return the format that a file's name says.

    Raises:
        InvalidInput: The suffix is none of ours.

    """
    for found, codec in CODECS.items():
        if name.lower().endswith(codec.suffixes):
            return found
    known = ", ".join(suffix for codec in CODECS.values() for suffix in codec.suffixes)
    raise InvalidInput(
        f"{name!r:.80} does not say its format.",
        hint=f"Name it with one of {known}, or give the format: {', '.join(CODECS)}.",
        field="format",
    )


def of_content(content: bytes, name: str = "") -> Format:
    """Return the format of a file: what it begins with, else what its name says.

    Raises:
        InvalidInput: Neither tells.

    """
    head = content[:4096].lstrip(b"\xef\xbb\xbf").lstrip()
    if head.startswith(qgc_wpl.HEADER[:7].encode()):
        return Format.QGC_WPL
    if head.startswith(b"{") and b'"Plan"' in content and _file_type(content) == "Plan":
        return Format.QGC_PLAN
    return of_name(name)


def _file_type(content: bytes) -> object:
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        return None
    return document.get("fileType") if isinstance(document, dict) else None
