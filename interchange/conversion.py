"""From one format to another, with the report of what was lost on the way."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

from pydantic import Field

from contracts.geo import Frozen
from interchange import formats, unspoken
from interchange.altitudes import Given
from interchange.formats import Format
from interchange.losses import Ledger, Loss, Severity
from interchange.mission import Mission


class LossReport(Frozen):
    """What a conversion lost, while reading and while writing; nothing else was."""

    source: Format | None = Field(description="null: a plan of our own")
    target: Format | None = Field(description="null: a plan of our own")
    items: int = Field(description="of the mission")
    counts: dict[Severity, int]
    losses: tuple[Loss, ...]


class Converted(NamedTuple):
    """The new file and what it lacks."""

    content: bytes
    mission: Mission
    report: LossReport


def read(content: bytes, source: Format) -> tuple[Mission, tuple[Loss, ...]]:
    """Return the mission of a file, and what of the file it does not hold.

    Raises:
        InvalidInput: The file breaks its format's rules; line or field is named.
        TooLarge: It is over a limit.

    """
    ledger = Ledger()
    mission = formats.CODECS[source].read(content, ledger)
    return mission, tuple(ledger.losses)


def write(mission: Mission, target: Format, given: Given | None = None) -> tuple[bytes, tuple[Loss, ...]]:
    """Return the file of a mission, and what of the mission it does not hold.

    Raises:
        InvalidInput: The target cannot say an altitude with what is known; item and number are named.

    """
    ledger = Ledger()
    codec = formats.CODECS[target]
    unspoken.book(mission, codec.native, ledger)
    content = codec.write(mission, ledger, given or Given())
    return content, tuple(ledger.losses)


def convert(content: bytes, source: Format, target: Format, given: Given | None = None) -> Converted:
    """Read, write, and report. Raises what `read` and `write` raise."""
    mission, on_reading = read(content, source)
    written, on_writing = write(mission, target, given)
    return Converted(written, mission, report(source, target, mission, (*on_reading, *on_writing)))


def report(source: Format | None, target: Format | None, mission: Mission, losses: tuple[Loss, ...]) -> LossReport:
    """Return the report of a conversion; no ``source`` or no ``target`` for a plan of our own."""
    counted = Counter(loss.severity for loss in losses)
    counts = {severity: counted[severity] for severity in Severity}
    return LossReport(source=source, target=target, items=len(mission.items), counts=counts, losses=losses)
