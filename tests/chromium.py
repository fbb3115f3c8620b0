"""Where Chromium is: Debian's without windows where there is one (``make setup-browser``), else the whole."""

from __future__ import annotations

from pathlib import Path

_PROGRAMS = (Path("/usr/bin/chromium-headless-shell"), Path("/usr/bin/chromium"))


def executable() -> Path | None:
    """Return the program to start; None where neither is installed."""
    return next((program for program in _PROGRAMS if program.exists()), None)
