"""How the computer on the drone is: load, memory, heat, storage, versions, clock."""

from __future__ import annotations

from typing import Literal

from pydantic import AwareDatetime, Field

from contracts.geo import Frozen

_HOT_C = 85.0


class FirstLookHealth(Frozen):
    """How the detector on board does; rates and medians over its newest sixty looks."""

    state: Literal["starting", "looking", "gave_up"]
    why: str = Field(default="", max_length=300, description="gave_up: what it lacked")
    looked: int = Field(ge=0, description="key frames looked at since the agent started")
    skipped: int = Field(ge=0, description="key frames passed over for a newer one")
    crops: int = Field(ge=0, description="crops stored to be sent ahead")
    held_back: int = Field(ge=0, description="sights not sent ahead, so that they do not fill the link")
    frames_per_s: float | None = Field(default=None, ge=0)
    core_percent: float | None = Field(default=None, ge=0, description="processor time, of one core")
    look_s: float | None = Field(default=None, ge=0, description="what one look takes")
    frame_to_crop_s: float | None = Field(default=None, ge=0, description="from a frame's own time to its crop on disk")


def _absent(value: object) -> bool:
    return value is None


class Health(Frozen):
    """One reading. What the computer does not tell is None."""

    at: AwareDatetime
    agent_version: str = Field(max_length=60)
    python_version: str = Field(max_length=60)
    kernel: str = Field(max_length=120)
    load_per_core: float = Field(ge=0, description="one-minute load over the number of cores; 1 is busy")
    memory_free_percent: float | None = Field(default=None, ge=0, le=100)
    agent_memory_bytes: int | None = Field(default=None, ge=0)
    temperature_c: float | None = Field(default=None, description="the hottest zone")
    storage_free_bytes: int = Field(ge=0)
    storage_free_percent: float = Field(ge=0, le=100)
    uptime_s: float | None = Field(default=None, ge=0)
    clock_synchronised: bool | None = None
    first_look: FirstLookHealth | None = Field(
        default=None, exclude_if=_absent, description="the detector on board, where it is wanted"
    )

    def complaints(self) -> list[str]:
        """Return what a person should mend before a flight; a load passes by itself and is only shown."""
        found = []
        if self.temperature_c is not None and self.temperature_c >= _HOT_C:
            found.append(f"{self.temperature_c:.0f} °C: shade it or give it air.")
        if self.memory_free_percent is not None and self.memory_free_percent < 10:
            found.append(f"{self.memory_free_percent:.0f} % of memory is free.")
        if self.storage_free_percent < 5:
            found.append(f"{self.storage_free_percent:.0f} % of the storage is free.")
        if self.clock_synchronised is False:
            found.append("The clock is not synchronised.")
        return found
