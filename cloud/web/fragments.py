"""Pieces of the page that refresh on their own."""

from __future__ import annotations

from fastapi import APIRouter

router = APIRouter(prefix="/fragments", include_in_schema=False)
