"""The chain itself: each link states facts, names the files that prove them, and holds the digest of the link before.

Changing any fact, file or order changes every digest after it, the last of which is what gets signed.
"""

from __future__ import annotations

import hashlib
import json
from enum import StrEnum
from itertools import pairwise
from typing import Annotated, Literal, Self

from pydantic import AwareDatetime, Field, JsonValue, StringConstraints, model_validator

from contracts.geo import Frozen
from contracts.ids import Sha256

FilePath = Annotated[str, StringConstraints(pattern=r"^[a-z]+/[A-Za-z0-9][A-Za-z0-9._-]{0,160}$")]
"""One folder deep, nothing that could climb out of where a bundle is unpacked."""
_NOTHING_BEFORE = hashlib.sha256(b"").hexdigest()


class Step(StrEnum):
    """What a link speaks of, in the order a chain tells it."""

    SEGMENT = "segment"
    DETECTION = "detection"
    FINDING = "finding"
    COVERAGE = "coverage"
    GRADE = "grade"
    REVIEW = "review"
    SUMMARY = "summary"
    TICKET = "ticket"


class Link(Frozen):
    """One step: facts as the platform holds them, and the SHA-256 of each file that belongs to it, by path."""

    step: Step
    id: str = Field(min_length=1, max_length=200)
    facts: dict[str, JsonValue]
    files: dict[FilePath, Sha256] = Field(default_factory=dict)
    previous: Sha256 = _NOTHING_BEFORE

    def __str__(self) -> str:
        return f"{self.step.value} {self.id}"


class Manifest(Frozen):
    """A whole chain about one subject, oldest link first. ``as_of``: the last change it knows of (UTC)."""

    format: Literal["kestrel-evidence-1"] = "kestrel-evidence-1"
    subject: str = Field(min_length=1, max_length=64)
    as_of: AwareDatetime
    links: tuple[Link, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _each_file_once(self) -> Self:
        paths = self.paths()
        twice = sorted({p for p in paths if paths.count(p) > 1})
        if twice:
            raise ValueError(f"files stand in two links: {', '.join(twice)}")
        return self

    def paths(self) -> list[str]:
        """Return every file's path, in the chain's order."""
        return [path for link in self.links for path in link.files]

    def broken_link(self) -> Link | None:
        """Return the first link that does not hold the digest of the one before, None in an unbroken chain."""
        if self.links[0].previous != _NOTHING_BEFORE:
            return self.links[0]
        return next((after for before, after in pairwise(self.links) if after.previous != digest(before)), None)


def canonical(value: Link | Manifest) -> bytes:
    """Return the one JSON text of a link or manifest: keys sorted, no spaces, UTF-8."""
    plain = value.model_dump(mode="json")
    return json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def digest(link: Link) -> str:
    """Return a link's SHA-256."""
    return hashlib.sha256(canonical(link)).hexdigest()


def chained(links: list[Link]) -> tuple[Link, ...]:
    """Return the links, each holding the digest of the one before."""
    made: list[Link] = []
    for link in links:
        before = digest(made[-1]) if made else _NOTHING_BEFORE
        made.append(link.model_copy(update={"previous": before}))
    return tuple(made)
