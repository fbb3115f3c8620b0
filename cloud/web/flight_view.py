"""What the page says of one flight: state, progress, commands and which of them make sense now."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import NamedTuple

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from cloud.contact import Silence, may_be_given_up, silence
from cloud.fleet import RULES
from cloud.tables import Asset, CommandRow, Drone, Finding, Flight, Media, Plan
from cloud.web import labels
from contracts.routes import Route
from contracts.shapes import AnyShape
from contracts.vocabulary import IN_THE_AIR, CommandKind, CommandState, FindingStatus, FlightState, MediaState

OFFERED = (CommandKind.PAUSE, CommandKind.RESUME, CommandKind.RETURN_HOME, CommandKind.LAND)
TO_BEGIN = (CommandKind.TAKE_OFF, CommandKind.BEGIN_FLIGHT, CommandKind.RETURN_HOME, CommandKind.LAND)
"""What an approved flight on the ground is offered instead."""
LIFE = (CommandState.ACCEPTED, CommandState.SENT, CommandState.ACKED, CommandState.EXECUTING, CommandState.DONE)
"""A command's way; a bad end replaces what did not happen."""
_ENDED_BADLY = frozenset({CommandState.REJECTED, CommandState.FAILED, CommandState.UNKNOWN, CommandState.EXPIRED})
_MAX_COMMANDS = 6


class Button(NamedTuple):
    """A command on offer. ``hint`` says why it is not possible now."""

    kind: CommandKind
    label: str
    enabled: bool
    hint: str


class CommandLine(NamedTuple):
    """A command and how far it came: ``reached`` of the steps of LIFE."""

    row: CommandRow
    reached: int
    ended_badly: bool


class FlightView(NamedTuple):
    """One flight as its header shows it."""

    flight: Flight
    asset: Asset
    drone: Drone
    passes_done: int
    passes: int
    by_sides: bool
    """Whether passes are of blade sides; else they are the waypoints of the route."""
    segments: int
    analysed: int
    failed: int
    findings: int
    moving: bool
    buttons: tuple[Button, ...]
    commands: tuple[CommandLine, ...]
    stretch: str
    """Which part of its asset it is for; empty where that is all of it, or not known."""
    silence: Silence | None
    """Nothing is heard of its aircraft, though it is under way."""
    may_be_given_up: bool

    @property
    def ended_at(self) -> datetime | None:
        """Return when the aircraft was down again."""
        return self.flight.landed_at


def current(session: Session, flight_id: str | None, asset_id: str | None) -> Flight | None:
    """Return the flight asked for, else the one in the air, else the last one of the asset or of all."""
    if flight_id is not None:
        return session.get(Flight, flight_id)
    flights = select(Flight).order_by(Flight.created_at.desc(), Flight.flight_id.desc()).limit(1)
    if asset_id is not None:
        return session.scalars(flights.where(Flight.asset_id == asset_id)).first()
    moving = flights.where(Flight.state.in_([s.value for s in IN_THE_AIR]))
    return session.scalars(moving).first() or session.scalars(flights).first()


def build(session: Session, flight: Flight, route: Route | None) -> FlightView:
    """Return the header of a flight."""
    asset, drone = session.get_one(Asset, flight.asset_id), session.get_one(Drone, flight.drone_id)
    by_state = select(Media.state, func.count()).where(Media.flight_id == flight.flight_id).group_by(Media.state)
    media = {state: count for state, count in session.execute(by_state)}  # noqa: C416 - rows are not tuples to mypy
    counted = select(func.count()).where(
        Finding.flight_id == flight.flight_id, Finding.status != FindingStatus.REJECTED.value
    )
    done, whole, by_sides = _passes(flight, route)
    now = datetime.now(UTC)
    quiet = silence(session, flight, now)
    return FlightView(
        flight=flight,
        asset=asset,
        drone=drone,
        passes_done=done,
        passes=whole,
        by_sides=by_sides,
        segments=sum(media.values()),
        analysed=media.get(MediaState.ANALYSED.value, 0),
        failed=media.get(MediaState.FAILED.value, 0),
        findings=session.scalar(counted) or 0,
        moving=flight.state in IN_THE_AIR,
        buttons=_buttons(flight),
        commands=_commands(session, flight),
        stretch=stretches(session, [flight.flight_id]).get(flight.flight_id, ""),
        silence=quiet,
        may_be_given_up=may_be_given_up(session, flight, quiet, now),
    )


def stretches(session: Session, flight_ids: Iterable[str]) -> dict[str, str]:
    """Return, by flight, which stretch of its asset it is for; nothing of those that are for all of it."""
    planned = (Plan.plan_id == Flight.plan_id) & (Plan.version == Flight.plan_version)
    query = (
        select(Flight.flight_id, Plan, Asset)
        .join(Plan, planned)
        .join(Asset, Asset.asset_id == Flight.asset_id)
        .where(Flight.flight_id.in_(list(flight_ids)), Plan.stretch.is_not(None))
    )
    shapes: dict[str, AnyShape | None] = {}
    said = {}
    for flight_id, plan, asset in session.execute(query):
        if asset.asset_id not in shapes:
            shapes[asset.asset_id] = asset.shape
        if plan.flown is not None:
            said[flight_id] = labels.stretch(plan.flown, plan.pattern, shapes[asset.asset_id])
    return said


def _passes(flight: Flight, route: Route | None) -> tuple[int, int, bool]:
    """Return how many blade sides were passed (their last waypoint was reached), how many the route has, and True.

    Of a route along no blade they are its waypoints, and False.
    """
    if route is None:
        return 0, 0, True
    ends: dict[tuple[str, str], int] = {}
    for waypoint in route.waypoints:
        if waypoint.strip:
            ends[waypoint.strip.blade.value, waypoint.strip.side.value] = waypoint.seq
    reached = -1 if flight.waypoint is None else flight.waypoint
    if not ends:
        return reached + 1, len(route.waypoints), False
    return sum(1 for seq in ends.values() if seq <= reached), len(ends), True


def _buttons(flight: Flight) -> tuple[Button, ...]:
    found = []
    for kind in TO_BEGIN if flight.state == FlightState.APPROVED.value else OFFERED:
        rule = RULES[kind]
        enabled = flight.state in {state.value for state in rule.states}
        label = labels.words(kind.value)
        found.append(Button(kind, label, enabled, "" if enabled else rule.hint))
    return tuple(found)


def _commands(session: Session, flight: Flight) -> tuple[CommandLine, ...]:
    newest = (
        select(CommandRow)
        .where(CommandRow.flight_id == flight.flight_id)
        .order_by(CommandRow.issued_at.desc(), CommandRow.seq.desc())
        .limit(_MAX_COMMANDS)
    )
    return tuple(_line(row) for row in session.scalars(newest))


def _line(row: CommandRow) -> CommandLine:
    state = CommandState(row.state)
    if state in _ENDED_BADLY:
        reached = (
            3 if row.acked_at and state in {CommandState.FAILED, CommandState.UNKNOWN} else 2 if row.sent_at else 1
        )
        return CommandLine(row, reached, ended_badly=True)
    return CommandLine(row, LIFE.index(state) + 1, ended_badly=False)
