"""Questions and cited answers."""

from __future__ import annotations

from fastapi import APIRouter

router = APIRouter(prefix="/v1/assistant", tags=["assistant"])
