"""How the computer on the drone is: load, memory, heat, storage, versions, clock."""

from __future__ import annotations

from pydantic import AwareDatetime, Field

from contracts.geo import Frozen

_HOT_C = 85.0


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
