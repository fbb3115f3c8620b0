"""What a beginning that did not come to its end leaves behind. One table; pure.

A flight is begun by storing fence and route, arming, climbing and starting the mission. Any of these may be broken off
by a command that increases safety or by a rule, fall silent, or fail. What counts is whether the aircraft may have left
the ground under the flight: from then on there is a flight to tell of, and a person who paused it wants to go on.
"""

from __future__ import annotations

from enum import StrEnum

from contracts.errors import PlatformError
from edge.refusals import AutopilotSilent, Preempted


class End(StrEnum):
    """How a beginning ended before its mission was seen to run."""

    BROKEN_OFF = "broken_off"
    """A safety command, a rule, the autopilot itself or a pilot with a transmitter took over."""
    SILENT = "silent"
    """The autopilot is heard no more: what it does now nobody knows."""
    FAILED = "failed"
    """It said no, or nothing happened."""


class Verdict(StrEnum):
    """What becomes of the flight."""

    NOTHING_FLEW = "nothing_flew"
    """Abandoned; the beginning has failed, and may be commanded anew."""
    HAS_BEGUN = "has_begun"
    """It stands: paused where it was held, or to be told as any flight that is brought home early."""
    GIVEN_UP = "given_up"
    """Abandoned and held, so that nothing flies on by itself; the beginning has failed."""


VERDICTS: dict[tuple[bool, End], Verdict] = {
    (False, End.BROKEN_OFF): Verdict.NOTHING_FLEW,
    (False, End.SILENT): Verdict.NOTHING_FLEW,
    (False, End.FAILED): Verdict.NOTHING_FLEW,
    (True, End.BROKEN_OFF): Verdict.HAS_BEGUN,
    # It may be on its mission by now: a flight that nobody keeps would be watched by no fence and no standoff.
    (True, End.SILENT): Verdict.HAS_BEGUN,
    (True, End.FAILED): Verdict.GIVEN_UP,
}
"""By whether the aircraft may be off the ground, and by how the beginning ended."""


def end_of(error: PlatformError) -> End:
    """Return what kind of end an error is."""
    match error:
        case Preempted():
            return End.BROKEN_OFF
        case AutopilotSilent():
            return End.SILENT
        case _:
            return End.FAILED
