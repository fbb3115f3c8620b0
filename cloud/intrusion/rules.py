"""The rules: from facts to suspicions, with their numbers. Pure; the same on one machine and on AWS.

On AWS, GuardDuty, CloudTrail and Device Defender watch the account below the application; these rules watch what only
the application knows: who asked for what, what was commanded, where a drone says it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import pairwise
from typing import Any, NamedTuple

WINDOW = timedelta(minutes=10)
"""What is looked at together."""
GUESSES = 20
"""Refused sign-ins and unknown API keys of one address."""
FORBIDDEN = 15
"""Requests for what the asker may not do."""
MISSING = 60
"""Requests for things that do not exist: somebody tries numbers out."""
VOLUME_TIMES, VOLUME_AT_LEAST = 8.0, 3000
"""Answered requests, against the asker's own busiest ten minutes of the week before."""
COMMANDS, COMMANDS_WITHIN = 15, timedelta(minutes=1)
"""Commands of one issuer that do not make a flight safer."""
MAX_SPEED_MPS, MIN_JUMP_M = 120.0, 500.0
"""No multicopter does either within a second or two; a GPS that settles after start jumps less."""
OVERLAP = timedelta(seconds=5)
"""Two boots of one drone that both took samples for so long: two computers hold its key."""


class SubjectKind(StrEnum):
    """Whom a suspicion is about."""

    DRONE = "drone"
    ASKER = "asker"


class Suspicion(NamedTuple):
    """A rule that holds for somebody."""

    rule: str
    kind: SubjectKind
    subject: str
    summary: str
    facts: dict[str, Any]


class Activity(NamedTuple):
    """Requests of one asker within the window, by outcome; ``usual`` is the most answered in any window before."""

    asker: str
    outcomes: dict[str, int]
    usual: int


class Burst(NamedTuple):
    """Commands of one issuer within a minute."""

    issuer: str
    commands: int
    drones: int


class Jump(NamedTuple):
    """Two positions of one drone with trusted times, one after the other."""

    drone_id: str
    distance_m: float
    elapsed_s: float
    at: datetime
    boots: tuple[str, str]


class BootSpan(NamedTuple):
    """When one boot of a drone took its samples, by a trusted clock."""

    drone_id: str
    boot_id: str
    first_at: datetime
    last_at: datetime


def of_activity(activity: Iterable[Activity]) -> Iterator[Suspicion]:
    """Yield who guesses, probes, walks through ids, or asks for far more than they ever did."""
    for one in activity:
        for rule, outcome, limit, said in (
            ("sign_in_guessing", "unauthenticated", GUESSES, "was refused a sign-in or a token"),
            ("forbidden_probing", "forbidden", FORBIDDEN, "asked for what it may not do"),
            ("id_walking", "not_found", MISSING, "asked for things that do not exist"),
        ):
            count = one.outcomes.get(outcome, 0)
            if count >= limit:
                yield _of_asker(rule, one.asker, f"{one.asker} {said} {count} times in ten minutes.", count, limit)
        answered, limit = one.outcomes.get("answered", 0), max(VOLUME_AT_LEAST, round(VOLUME_TIMES * one.usual))
        if answered > limit:
            said = f"{one.asker} made {answered} requests in ten minutes; its busiest before were {one.usual}."
            yield _of_asker("unusual_volume", one.asker, said, answered, limit)


def _of_asker(rule: str, asker: str, summary: str, count: int, limit: int) -> Suspicion:
    return Suspicion(rule, SubjectKind.ASKER, asker, summary, {"count": count, "limit": limit})


def of_bursts(bursts: Iterable[Burst]) -> Iterator[Suspicion]:
    """Yield who commands faster than a person does."""
    for one in bursts:
        if one.commands > COMMANDS:
            said = f"{one.issuer} gave {one.commands} commands to {one.drones} drones within a minute."
            yield Suspicion("command_burst", SubjectKind.ASKER, one.issuer, said, {**one._asdict(), "limit": COMMANDS})


def of_jumps(jumps: Iterable[Jump]) -> Iterator[Suspicion]:
    """Yield drones that were in two places faster than they can fly."""
    for one in jumps:
        speed_mps = one.distance_m / max(one.elapsed_s, 0.001)
        if one.distance_m < MIN_JUMP_M or speed_mps < MAX_SPEED_MPS:
            continue
        said = f"{one.drone_id} moved {one.distance_m / 1000:.1f} km in {one.elapsed_s:.1f} s."
        facts = {"distance_m": round(one.distance_m), "elapsed_s": round(one.elapsed_s, 3), "at": one.at.isoformat()}
        yield Suspicion(
            "impossible_position", SubjectKind.DRONE, one.drone_id, said, facts | {"boots": list(one.boots)}
        )


def of_boots(spans: Sequence[BootSpan]) -> Iterator[Suspicion]:
    """Yield drones whose certificate two computers use at once: their boots overlap in time."""
    for first, second in pairwise(sorted(spans, key=lambda span: (span.drone_id, span.first_at, span.boot_id))):
        shared = min(first.last_at, second.last_at) - second.first_at
        if first.drone_id == second.drone_id and shared > OVERLAP:
            said = f"Two computers speak as {first.drone_id}: their samples overlap by {shared.total_seconds():.0f} s."
            facts = {"boots": [first.boot_id, second.boot_id], "overlap_s": round(shared.total_seconds(), 1)}
            yield Suspicion("certificate_in_two_places", SubjectKind.DRONE, first.drone_id, said, facts)
