"""The form by which a person lets something happen, or not."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field


class Answer(BaseModel):
    """A person's answer, with its reason."""

    answer: Literal["approve", "reject"]
    reason: str = Field(min_length=1, max_length=400)
