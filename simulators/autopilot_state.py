"""Everything of the simulated drone that outlives its process: written often, whole or not at all."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from pydantic import TypeAdapter, ValidationError

from contracts.errors import InvalidInput
from contracts.geo import Enu
from simulators.autopilot_params import DEFAULTS
from simulators.flight import REST, Craft, Leg
from simulators.flight_battery import Battery

TICK_MS = 20


class Phase(StrEnum):
    """What the position controller is busy with."""

    GROUND = "ground"
    TAKE_OFF = "take_off"
    HOLD = "hold"
    LEG = "leg"
    RETURN_CLIMB = "return_climb"
    RETURN_HOME = "return_home"
    RETURN_WAIT = "return_wait"
    RETRACE = "retrace"
    LAND = "land"
    FALL = "fall"


class Run(StrEnum):
    """Whether the mission is being flown."""

    STOPPED = "stopped"
    RUNNING = "running"
    COMPLETE = "complete"


class Item(NamedTuple):
    """A mission or fence item as stored; ``x`` and ``y`` are degrees times 1e7 for places, plain otherwise."""

    command: int
    frame: int
    p1: float
    p2: float
    p3: float
    p4: float
    x: int
    y: int
    z: float
    autocontinue: int = 1


@dataclass(slots=True)
class Controls:
    """State of the position controller."""

    phase: Phase = Phase.GROUND
    leg: Leg = field(default_factory=lambda: Leg(REST, REST, 0.0))
    speed_mps: float = 8.0
    paused: bool = False
    arrived_ms: int | None = None
    recording: bool = False
    track: list[Enu] = field(default_factory=list)
    """The way it came since it was armed; while it retraces it, what is left of it."""
    track_lost: bool = False
    """It was too long to keep: there is no SmartRTL until it is armed again."""


@dataclass(slots=True)
class Sequencer:
    """State of the mission runner."""

    run: Run = Run.STOPPED
    seq: int = 0
    images: int = 0
    turned_deg: float = 0.0
    """How far round an orbit it has come."""


@dataclass(slots=True)
class Supervisor:
    """State of modes, arming and failsafes."""

    mode: int = 0
    armed: bool = False
    landed: bool = False
    """Whether it has flown since it was armed, and stands again."""
    idle_since_ms: int = 0
    low_since_ms: int | None = None
    battery_failsafe: int = 0
    """0 none, 1 low, 2 critical: once fired they stay."""
    fence_breached: bool = False
    fence_breaches: int = 0
    fence_breach_ms: int = 0
    link_lost: bool = False
    blind_since_ms: int | None = None
    """Since when there is no GPS."""


@dataclass(slots=True)
class State:
    """The simulated drone. ``t_ms`` is the one clock: whole milliseconds since boot, UTC by ``boot_utc_ms``."""

    boot_utc_ms: int
    home_lat_deg: float
    home_lon_deg: float
    home_alt_m: float
    seed: int
    t_ms: int = 0
    ready_at_ms: int = 3000
    craft: Craft = field(default_factory=Craft)
    battery: Battery = field(default_factory=Battery)
    controls: Controls = field(default_factory=Controls)
    sequencer: Sequencer = field(default_factory=Sequencer)
    supervisor: Supervisor = field(default_factory=Supervisor)
    params: dict[str, float] = field(default_factory=lambda: dict(DEFAULTS))
    mission: list[Item] = field(default_factory=list)
    fence: list[Item] = field(default_factory=list)
    rally: list[Item] = field(default_factory=list)

    @property
    def t_us(self) -> int:
        """Return UTC in microseconds."""
        return (self.boot_utc_ms + self.t_ms) * 1000

    @property
    def position(self) -> Enu:
        """Return where the controller believes the airframe is, metres from home."""
        return self.craft.body.position


_STATE = TypeAdapter(State)


class StateFile:
    """The file a restarted simulator resumes from."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._draft = path.with_name(path.name + ".new")
        path.parent.mkdir(parents=True, exist_ok=True)

    def save(self, state: State) -> None:
        """Replace the file in one step: a reader sees the old state or the new one."""
        with self._draft.open("wb") as out:
            out.write(_STATE.dump_json(state))
        self._draft.replace(self._path)

    def load(self) -> State | None:
        """Return the saved state, or None where there is none.

        Raises:
            InvalidInput: The file is not a saved state.

        """
        try:
            return _STATE.validate_json(self._path.read_bytes())
        except FileNotFoundError:
            return None
        except ValidationError as error:
            raise InvalidInput(
                f"{self._path} is not a saved drone state: {error.errors()[0]['msg']}.",
                hint="Remove the file to start on the ground.",
                field="state_file",
            ) from error
