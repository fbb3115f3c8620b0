"""Drones and the commands they are given; the ``commands`` table is the outbox."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, and_, or_, select, update
from sqlalchemy.orm import Session

from cloud import adjustments, audit, challenges, quarantine
from cloud.db import notify
from cloud.tables import CommandRow, Drone, Flight
from contracts.commands import MAX_LIFE_S, SAFETY_INCREASING, AckState, CommandAck
from contracts.errors import Conflict, InvalidInput, NotFound
from contracts.ids import mint
from contracts.vocabulary import IN_THE_AIR, CommandKind, CommandState, FlightState

ONLINE_WITHIN_S = 30.0
"""A drone that has been silent for longer is not sent flying."""
_TTL_S = {
    CommandKind.BEGIN_FLIGHT: 30.0,
    CommandKind.ADJUST_ROUTE: MAX_LIFE_S[CommandKind.ADJUST_ROUTE],
    CommandKind.SET_LIMITS: MAX_LIFE_S[CommandKind.SET_LIMITS],
}
_DEFAULT_TTL_S = 10.0
_ACK_GRACE_S = 5.0
_STOPPABLE = IN_THE_AIR | {FlightState.APPROVED}
_NEEDS_PRESENCE = frozenset({CommandKind.TAKE_OFF, CommandKind.BEGIN_FLIGHT})
_RANK = {
    CommandState.ACCEPTED: 0,
    CommandState.SENT: 1,
    CommandState.EXPIRED: 1,
    CommandState.ACKED: 2,
    CommandState.EXECUTING: 3,
    CommandState.UNKNOWN: 4,
    CommandState.DONE: 5,
    CommandState.REJECTED: 5,
    CommandState.FAILED: 5,
}
"""A report moves a command up only: what is expired or unknown is still settled by a late result."""
UNFINISHED = [s.value for s in (CommandState.ACCEPTED, CommandState.SENT, CommandState.ACKED, CommandState.EXECUTING)]


class Rule(NamedTuple):
    """In which states of its flight a command is legal, and what to do otherwise."""

    states: frozenset[FlightState]
    hint: str


RULES: dict[CommandKind, Rule] = {
    CommandKind.TAKE_OFF: Rule(frozenset({FlightState.APPROVED}), "Approve the flight first."),
    CommandKind.BEGIN_FLIGHT: Rule(frozenset({FlightState.APPROVED}), "Approve the flight first."),
    CommandKind.PAUSE: Rule(frozenset({FlightState.FLYING}), "Only a drone on its route can pause."),
    CommandKind.RESUME: Rule(frozenset({FlightState.PAUSED}), "Only a paused flight can resume."),
    CommandKind.RETURN_HOME: Rule(_STOPPABLE, "Only an approved flight that has not landed can return."),
    CommandKind.LAND: Rule(_STOPPABLE, "Only an approved flight that has not landed can land."),
    CommandKind.HOLD: Rule(IN_THE_AIR, "Only a drone in the air can hold."),
    CommandKind.ADJUST_ROUTE: Rule(
        frozenset({FlightState.FLYING, FlightState.PAUSED}), "A changed route is sent to a flight under way."
    ),
    CommandKind.SET_LIMITS: Rule(frozenset(), "A drone's limits are changed with two approvers, not by a flight."),
}


def drone(session: Session, drone_id: str, *, lock: bool = False) -> Drone:
    """Return a drone.

    Raises:
        NotFound: No drone of this id is registered.

    """
    row = session.get(Drone, drone_id, with_for_update=lock or None)
    if row is None:
        raise NotFound(f"No drone {drone_id!r} is registered.", hint="Register it with POST /v1/drones.")
    return row


def issue_command(  # noqa: PLR0913 - a command's parts, all by name
    session: Session,
    *,
    flight: Flight | None,
    drone_id: str,
    kind: CommandKind,
    issuer: str,
    altitude_m: float | None = None,
    params: dict[str, Any] | None = None,
    key: str | None = None,
) -> CommandRow:
    """Accept a command for a drone; the ingest process signs and sends it. The same issuer and key: the same command.

    Raises:
        NotFound: Unknown drone.
        InvalidInput: A take-off without its altitude.
        Conflict: The state of the flight or drone forbids it; the message says which and why.

    """
    command_id = _command_id(issuer, key)
    target = drone(session, drone_id, lock=True)
    known = session.get(CommandRow, command_id)
    if known is not None:
        return known
    now = datetime.now(UTC)
    if kind is CommandKind.TAKE_OFF and altitude_m is None:
        raise InvalidInput("take_off needs altitude_m.", hint="Give metres above home.", field="altitude_m")
    _check_legal(session, flight, target, kind, now)
    target.command_seq += 1
    row = CommandRow(
        command_id=command_id,
        drone_id=drone_id,
        flight_id=flight.flight_id if flight else None,
        kind=kind.value,
        seq=target.command_seq,
        params=(params or {}) | ({"altitude_m": altitude_m} if kind is CommandKind.TAKE_OFF else {}),
        issuer=issuer,
        state=CommandState.ACCEPTED.value,
        issued_at=now,
        not_after=now + timedelta(seconds=_TTL_S.get(kind, _DEFAULT_TTL_S)),
    )
    session.add(row)
    session.flush()
    audit.record(session, issuer, f"command.{kind.value}", command_id, after={"drone_id": drone_id, "seq": row.seq})
    notify(session, "command", command_id)
    return row


def _command_id(issuer: str, key: str | None) -> str:
    if key is None:
        return mint("cmd")
    digest = hashlib.sha256(f"{issuer}\n{key}".encode()).hexdigest()
    return f"cmd-{digest[:24]}"


def _check_legal(session: Session, flight: Flight | None, target: Drone, kind: CommandKind, now: datetime) -> None:
    if kind not in SAFETY_INCREASING:
        quarantine.check(target)
    if flight is None:
        if kind not in SAFETY_INCREASING | {CommandKind.SET_LIMITS}:
            raise Conflict(f"{kind.value} belongs to a flight.", hint="Send it to /v1/flights/{id}/commands.")
        return
    check_state(flight, kind)
    if kind in _NEEDS_PRESENCE:
        _check_present(target, now)
        _check_free(session, flight, kind)


def check_state(flight: Flight, kind: CommandKind) -> None:
    """Let a command pass that the state of its flight allows; Conflict, with what to do, otherwise."""
    rule = RULES[kind]
    if FlightState(flight.state) not in rule.states:
        raise Conflict(f"{kind.value}: the flight {flight.flight_id} is {flight.state}.", hint=rule.hint, field="kind")


def _check_present(target: Drone, now: datetime) -> None:
    age_s = (now - target.last_seen_at).total_seconds() if target.last_seen_at else None
    if target.online and age_s is not None and age_s <= ONLINE_WITHIN_S:
        return
    heard = "has never been heard" if age_s is None else f"was last heard {age_s:.0f} s ago"
    raise Conflict(f"The drone {target.drone_id} {heard}.", hint="Check its power, its certificate and its link.")


def _check_free(session: Session, flight: Flight, kind: CommandKind) -> None:
    busy = session.scalar(
        select(Flight.flight_id).where(
            Flight.drone_id == flight.drone_id,
            Flight.flight_id != flight.flight_id,
            Flight.state.in_([s.value for s in IN_THE_AIR]),
        )
    )
    if busy is not None:
        raise Conflict(f"The drone {flight.drone_id} is flying {busy}.", hint="Wait until it has landed.")
    pending = session.scalar(
        select(CommandRow.command_id).where(
            CommandRow.flight_id == flight.flight_id,
            CommandRow.kind == kind.value,
            CommandRow.state.in_(UNFINISHED),
        )
    )
    if pending is not None:
        raise Conflict(f"{kind.value} {pending} is still under way.", hint="Wait for its result or its expiry.")


def on_ack(session: Session, drone_id: str, ack: CommandAck) -> CommandRow | None:
    """Move a command on as its drone reports; late and repeated reports never move it back. None: not its command."""
    row = session.get(CommandRow, ack.command_id, with_for_update=True)
    if row is None or row.drone_id != drone_id:
        return None
    told = challenges.answer(session, row, ack)
    if told is None:
        notify(session, "command", row.command_id)
        return row
    ack, state = told, CommandState(told.state.value)
    if _RANK[state] <= _RANK[CommandState(row.state)]:
        return row
    row.state = state.value
    row.code = ack.code or ("outcome_unknown" if ack.state is AckState.UNKNOWN else "")
    row.detail, row.hint = ack.detail, ack.hint
    row.acked_at = row.acked_at or ack.at
    if _RANK[state] >= _RANK[CommandState.UNKNOWN]:
        row.finished_at = ack.at
    if state is CommandState.DONE and row.kind == CommandKind.ADJUST_ROUTE.value:
        adjustments.follow(session, row)
    notify(session, "command", row.command_id)
    return row


def expire(session: Session, now: datetime | None = None) -> int:
    """Mark commands that no drone answered in time; a late result still reconciles. Returns how many."""
    moment = now or datetime.now(UTC)
    rows = session.execute(
        update(CommandRow)
        .where(_overdue(moment))
        .values(
            state=CommandState.EXPIRED.value,
            code="expired",
            detail="The drone did not answer before the command's time was over.",
            hint="Check the drone's link and send the command again.",
        )
        .returning(CommandRow.command_id)
    ).scalars()
    ids = list(rows)
    for command_id in ids:
        notify(session, "command", command_id)
    return len(ids)


def leave_unknown(session: Session, flight_id: str, now: datetime) -> None:
    """End the commands of a flight whose aircraft is lost as unknown; a later report of the drone still counts."""
    rows = session.scalars(
        update(CommandRow)
        .where(CommandRow.flight_id == flight_id, CommandRow.state.in_(UNFINISHED))
        .values(
            state=CommandState.UNKNOWN.value,
            code="outcome_unknown",
            detail="The flight was given up: its aircraft is not heard any more.",
            hint="Look for the aircraft.",
            finished_at=now,
        )
        .returning(CommandRow.command_id)
    )
    for command_id in rows.all():
        notify(session, "command", command_id)


def _overdue(moment: datetime) -> ColumnElement[bool]:
    sent = and_(
        CommandRow.state == CommandState.SENT.value, CommandRow.not_after < moment - timedelta(seconds=_ACK_GRACE_S)
    )
    return or_(and_(CommandRow.state == CommandState.ACCEPTED.value, CommandRow.not_after < moment), sent)
