"""The pages: sign-in and operations."""

from __future__ import annotations

from fastapi import APIRouter

router = APIRouter(include_in_schema=False)
