"""Parameters of the autopilot that the agent sets for one flight, and gives back: what they were is on disk first."""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from edge import logbook
from edge.files import sync, write_durably
from edge.refusals import AutopilotRefused


class Parameters(Protocol):
    """The autopilot's own settings."""

    def parameter(self, name: str) -> float | None:
        """Return a value; None where there is none of this name."""

    def put_parameter(self, name: str, value: float) -> bool:
        """Set a value and see it hold; False where there is none of this name."""


class Loan:
    """Thread-safe, and safe to be killed anywhere: a value is set after what it was is on disk, which goes last."""

    def __init__(self, path: Path, autopilot: Parameters) -> None:
        self._path, self._autopilot = path, autopilot
        self._lock = threading.Lock()
        self._held = _read(path)
        self.due = False
        """It may be given back in flight: the aircraft is on its way home from a place where that is clear."""

    @property
    def held(self) -> dict[str, tuple[float, float]]:
        """Return what each parameter was and is set to; empty where nothing is to be given back."""
        return dict(self._held)

    def take(self, wanted: Mapping[str, float]) -> None:
        """Set parameters; one that was set for an earlier flight, and not given back, was what it was before that.

        Raises:
            PlatformError: One does not hold. What was set is still to be given back.

        """
        with self._lock:
            self.due = False
            for name, value in wanted.items():
                now = self._autopilot.parameter(name)
                if now is None:
                    raise AutopilotRefused(f"The autopilot has no parameter {name}; its failsafe stays as it is.")
                was = self._held[name][0] if name in self._held else now
                if not _same(now, value) or name in self._held:
                    self._note({**self._held, name: (was, value)})
                self._autopilot.put_parameter(name, value)

    def give_back(self) -> list[str]:
        """Set what was lent to what it was, unless somebody else has changed it since; return what was set.

        Raises:
            PlatformError: The autopilot does not take one; the rest is still to be given back.

        """
        with self._lock:
            given = []
            for name, (was, put) in self.held.items():
                now = self._autopilot.parameter(name)
                if now is not None and _same(now, put):
                    self._autopilot.put_parameter(name, was)
                    given.append(f"{name}={was:g}")
                elif now is not None:
                    logbook.note("not_given_back", parameter=name, why=f"somebody has set it to {now:g}")
                self._note({other: values for other, values in self._held.items() if other != name})
            self.due = False
            return given

    def _note(self, held: dict[str, tuple[float, float]]) -> None:
        if held:
            write_durably(self._path, json.dumps(held).encode())
        else:
            self._path.unlink(missing_ok=True)
            sync(self._path.parent)
        self._held = held


def _read(path: Path) -> dict[str, tuple[float, float]]:
    try:
        return {str(name): (float(was), float(put)) for name, (was, put) in json.loads(path.read_bytes()).items()}
    except FileNotFoundError:
        return {}
    except (ValueError, TypeError, AttributeError) as error:
        logbook.warn("loan_set_aside", path=str(path), error=str(error)[:200])
        path.replace(path.with_name(path.name + ".corrupt"))
        return {}


def _same(one: float, other: float) -> bool:
    return math.isclose(one, other, rel_tol=1e-5, abs_tol=1e-6)
