"""Changing the route of a flight under way: another version of its plan, from a stated waypoint on.

The flight follows the new version only when its drone reports that it does; until then it is on the old one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy.orm import Session

from cloud import audit
from cloud.tables import CommandRow, Flight, Plan
from contracts.errors import Conflict, InvalidInput, NotFound


def prepare(
    session: Session, flight: Flight, version: int | None, resume_at: int, acknowledged: Iterable[str] = ()
) -> dict[str, Any]:
    """Return the parameters of an `adjust_route` command.

    ``resume_at`` is the waypoint of the new version to fly to first. ``acknowledged`` names what that version warns of
    and the one being flown does not, or not in the same words.

    Raises:
        InvalidInput: No version is given, or it is the one being flown.
        NotFound: The flight's plan has no such version.
        Conflict: A check blocks that version, or a new warning is not acknowledged; the message is its sentence.

    """
    if version is None:
        hint = "Plan the changed route with POST /v1/plans and this flight's plan_id."
        raise InvalidInput("adjust_route needs plan_version.", hint=hint, field="plan_version")
    if version == flight.plan_version:
        raise InvalidInput(f"The flight is on version {version} already.", field="plan_version")
    plan = session.get(Plan, (flight.plan_id, version))
    if plan is None:
        raise NotFound(f"No plan {flight.plan_id!r} version {version}.", field="plan_version")
    refuse_blocked(plan.checks)
    flown = session.get_one(Plan, (flight.plan_id, flight.plan_version)).checks
    read = {check["sentence"] for check in flown}
    new = acknowledge((check for check in plan.checks if check["sentence"] not in read), acknowledged)
    return {
        "acknowledged": new,
        "plan_version": version,
        "route_hash": plan.content_hash,
        "flown_hash": flight.route_hash,
        "resume_at": resume_at,
    }


def refuse_blocked(checks: Iterable[Mapping[str, Any]]) -> None:
    """Let pass what no check blocks; Conflict with that check's own sentence otherwise."""
    blocked = next((check for check in checks if check["verdict"] == "block"), None)
    if blocked is not None:
        raise Conflict(f"The plan is blocked: {blocked['sentence']}", hint=blocked["mend"], field=blocked["name"])


def acknowledge(checks: Iterable[Mapping[str, Any]], names: Iterable[str]) -> list[str]:
    """Return the names of the checks that warn; Conflict with the sentence of one that ``names`` leaves out."""
    warnings = {check["name"]: check for check in checks if check["verdict"] == "warn"}
    missing = sorted(warnings.keys() - set(names))
    if missing:
        hint = f"Send it with acknowledged: {', '.join(sorted(warnings))}."
        raise Conflict(f"The plan warns: {warnings[missing[0]]['sentence']}", hint=hint, field="acknowledged")
    return sorted(warnings)


def follow(session: Session, row: CommandRow) -> None:
    """Put the flight on the version that its drone now flies; a repeated or late report changes nothing."""
    flight = session.get(Flight, row.flight_id, with_for_update=True) if row.flight_id else None
    if flight is None or flight.route_hash != row.params["flown_hash"]:
        return
    before = {"plan_version": flight.plan_version}
    flight.plan_version, flight.route_hash = row.params["plan_version"], row.params["route_hash"]
    after = {"plan_version": flight.plan_version, "command_id": row.command_id}
    if named := row.params.get("acknowledged"):
        consent = {"by": row.issuer, "at": datetime.now(UTC).isoformat(), "acknowledged": named}
        flight.consents = [*flight.consents, consent]
    audit.record(session, row.issuer, "flight.adjust", flight.flight_id, before=before, after=after)
