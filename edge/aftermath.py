"""What became of a command that was under way when the agent died: what is on disk decides. Pure."""

from __future__ import annotations

from contracts.commands import AckState, Command
from contracts.vocabulary import CommandKind
from edge.flights import Flight, Phase
from edge.journal import Entry
from edge.mission import Conclude

_RESTARTED = "agent_restarted"
NOBODY_KNOWS = Conclude(AckState.UNKNOWN, _RESTARTED, detail="The agent died while it ran.")
_CHANGED = Conclude(
    AckState.DONE,
    detail="The agent died once the changed route was stored: the flight is on it, and resume flies it.",
)
_UNCHANGED = Conclude(
    AckState.FAILED,
    _RESTARTED,
    detail="The agent died before the changed route was stored: the flight is on the route before.",
    hint="Look where the aircraft is, then resume or change the route anew.",
)


def aftermath(entry: Entry, flight: Flight | None, *, heard: bool) -> Conclude | None:
    """Return how a command ended; None where it still goes on.

    Args:
        entry: What the journal says of it.
        flight: The one the aircraft is on, as its record stands.
        heard: Whether the autopilot is. Where it is not, nobody knows of a beginning whether anything took off.

    """
    if flight is not None and entry.command_id == flight.command_id:
        begun = heard or flight.phase in (Phase.FLYING, Phase.RETURNING)
        return None if begun else NOBODY_KNOWS
    if entry.kind is CommandKind.ADJUST_ROUTE and flight is not None:
        return _change(entry.command, flight)
    return NOBODY_KNOWS


def _change(command: Command, flight: Flight) -> Conclude:
    """A changed route and that the autopilot holds it are one write; nothing is flown before it."""
    if flight.flight_id != command.flight_id:
        return NOBODY_KNOWS
    on_it = flight.route.content_hash() == command.route_hash and flight.joined_at == command.resume_at
    return _CHANGED if on_it and flight.stored else _UNCHANGED
