"""Settings of the workflow handlers' own loop; what handlers reach is set by ``CLOUD_*``."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Read once from ``WORKFLOWS_*`` in ``__main__``."""

    model_config = SettingsConfigDict(env_prefix="WORKFLOWS_", frozen=True, extra="forbid")

    wait_s: int = Field(default=2, ge=0, le=20, description="long poll of the task queue")
    workers: int = Field(default=4, ge=1, le=64, description="tasks handled side by side")
    rest_s: float = Field(default=0.2, gt=0, description="pause when there is nothing to do")
