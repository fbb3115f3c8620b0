"""The field's words as enumerations."""

from __future__ import annotations

from enum import StrEnum


class AssetKind(StrEnum):
    """What is inspected."""

    WIND_TURBINE = "wind_turbine"
    POWER_LINE = "power_line"
    TELECOM_TOWER = "telecom_tower"
    PIPELINE = "pipeline"


class Blade(StrEnum):
    """A rotor's blades; B and C follow A clockwise, seen from upwind."""

    A = "A"
    B = "B"
    C = "C"


class BladeSide(StrEnum):
    """The four strips of a blade: leading edge, trailing edge, pressure side, suction side."""

    LE = "LE"
    TE = "TE"
    PS = "PS"
    SS = "SS"


class DefectKind(StrEnum):
    """What can be wrong with a surface. The order is the detector's class order: append only."""

    CRACK = "crack"
    LEADING_EDGE_EROSION = "leading_edge_erosion"
    LIGHTNING_BURN = "lightning_burn"
    CORROSION = "corrosion"
    MISSING_COATING = "missing_coating"
    DELAMINATION = "delamination"
    DAMAGE = "damage"
    """Unspecified damage: the label of real data sets that do not say which kind."""
    BROKEN_INSULATOR = "broken_insulator"
    """A disc or shed of an insulator string is broken, missing or burnt by a flashover."""
    BROKEN_STRANDS = "broken_strands"
    """Strands of a conductor, an earth wire or a guy are broken or frayed."""
    NEST = "nest"
    """A bird's nest on a structure."""
    VEGETATION = "vegetation"
    """What grows into the clearance of a conductor, or over a pipe."""
    LOOSE_MOUNT = "loose_mount"
    """An antenna, dish or radio head hangs loose, or a part that holds it is missing."""
    LEAK = "leak"
    """What is in a pipe comes out: a stain, a plume, dead growth."""
    ENCROACHMENT = "encroachment"
    """Somebody digs, builds or parks in the right of way, or under a line."""


BEYOND_BLADES = frozenset(
    {
        DefectKind.BROKEN_INSULATOR,
        DefectKind.BROKEN_STRANDS,
        DefectKind.NEST,
        DefectKind.VEGETATION,
        DefectKind.LOOSE_MOUNT,
        DefectKind.LEAK,
        DefectKind.ENCROACHMENT,
    }
)
"""What is wrong with lines, masts and pipes, and never with a blade."""
_OF_LAMINATE = frozenset({DefectKind.LEADING_EDGE_EROSION, DefectKind.DELAMINATION})
_OF_LINES = frozenset({DefectKind.BROKEN_INSULATOR, DefectKind.BROKEN_STRANDS, DefectKind.NEST})
_OF_THE_GROUND = frozenset({DefectKind.VEGETATION, DefectKind.ENCROACHMENT})
NEVER_ON: dict[AssetKind, frozenset[DefectKind]] = {
    AssetKind.WIND_TURBINE: BEYOND_BLADES,
    AssetKind.POWER_LINE: _OF_LAMINATE | {DefectKind.MISSING_COATING, DefectKind.LOOSE_MOUNT, DefectKind.LEAK},
    AssetKind.TELECOM_TOWER: _OF_THE_GROUND
    | {DefectKind.LEADING_EDGE_EROSION, DefectKind.BROKEN_INSULATOR, DefectKind.LEAK},
    AssetKind.PIPELINE: _OF_LINES | {DefectKind.LEADING_EDGE_EROSION, DefectKind.LOOSE_MOUNT},
}
"""What a class of asset cannot have: conductors, fittings and lattice are bare or galvanised metal and glass, antennas
have glass-fibre covers, guys have strands, pipes have a coating that peels; a leading edge is a blade's alone."""


class FindingStatus(StrEnum):
    """Where a finding stands."""

    OPEN = "open"
    CONFIRMED = "confirmed"
    REJECTED = "rejected"
    REPAIRED = "repaired"


class Verdict(StrEnum):
    """What a person says of a finding."""

    CONFIRM = "confirm"
    REJECT = "reject"
    REGRADE = "regrade"


class FlightState(StrEnum):
    """A flight's life, as the cloud knows it."""

    PLANNED = "planned"
    APPROVED = "approved"
    FLYING = "flying"
    PAUSED = "paused"
    RETURNING = "returning"
    LANDED = "landed"
    COMPLETE = "complete"
    """Landed, and every recorded segment is stored and analysed."""
    ABORTED = "aborted"


IN_THE_AIR = frozenset({FlightState.FLYING, FlightState.PAUSED, FlightState.RETURNING})
"""Flights whose aircraft is aloft, as far as the cloud knows."""


class AircraftState(StrEnum):
    """What the aircraft is doing, as the edge agent knows it."""

    NOT_HEARD = "not_heard"
    """No autopilot has been heard yet since the agent started."""
    DISCONNECTED = "disconnected"
    """The autopilot was heard and is silent now."""
    ON_GROUND = "on_ground"
    TAKING_OFF = "taking_off"
    HOLDING = "holding"
    ON_ROUTE = "on_route"
    PAUSED = "paused"
    RETURNING = "returning"
    LANDING = "landing"


class CommandKind(StrEnum):
    """What an operator may ask of a drone."""

    TAKE_OFF = "take_off"
    BEGIN_FLIGHT = "begin_flight"
    PAUSE = "pause"
    RESUME = "resume"
    RETURN_HOME = "return_home"
    LAND = "land"
    HOLD = "hold"
    """Stop where you are, whatever you are doing; unlike pause it needs no mission."""
    ADJUST_ROUTE = "adjust_route"
    """Fly a changed route from a stated waypoint on, in flight: a closer second look at a finding."""
    SET_LIMITS = "set_limits"
    """Change what the drone's owner allows; lowering a margin needs two approvers."""


class CommandState(StrEnum):
    """A command's life. ``expired`` is not final: a late result still reconciles."""

    ACCEPTED = "accepted"
    SENT = "sent"
    ACKED = "acked"
    EXECUTING = "executing"
    DONE = "done"
    REJECTED = "rejected"
    FAILED = "failed"
    """Started and did not reach its effect."""
    UNKNOWN = "unknown"
    """The agent died before the effect, or its autopilot fell silent; look at the aircraft. A later report counts."""
    EXPIRED = "expired"


class MediaState(StrEnum):
    """A segment's life in the cloud."""

    STORED = "stored"
    QUEUED = "queued"
    ANALYSED = "analysed"
    FAILED = "failed"


class Role(StrEnum):
    """What a person or program may do."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ANALYST = "analyst"
    REVIEWER = "reviewer"
    ADMIN = "admin"
    INTEGRATION = "integration"
