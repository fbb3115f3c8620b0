"""What a broken safety rule has put into force until the landing, on the drone's disk.

An agent that is killed and started again in the air keeps to it: what it would judge anew may look well again by then.
"""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Final, NamedTuple

from edge import logbook
from edge.files import sync, write_durably
from edge.legality import Refusal
from edge.rules import Action, Breach

_UNREADABLE: Final = Refusal(
    "latch_damaged",
    "A safety rule was broken before the agent was started anew; the note of which one cannot be read.",
)


class InForce(NamedTuple):
    """What holds until the landing."""

    refusal: Refusal
    """Why the flight goes on no more: the first rule that was broken."""
    standing: Breach | None
    """The gravest broken rule, whose action is taken; none where the note of it was damaged."""
    told: frozenset[str]
    """The codes of the broken rules that were told."""


class Latch:
    """For one thread; safe to be killed anywhere. A disk that hangs or refuses keeps nobody waiting for long."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._kept: bytes | None = b""  # what cannot be read is still to be deleted
        self._wanted: bytes | None = None
        self._writing = threading.Thread()
        self._trouble = ""
        self.held = self._read()
        """What an earlier process left in force."""

    def keep(self, held: InForce | None, patience_s: float = 0.0) -> None:
        """Have this on disk, None for nothing in force; asked for again, what the disk refused is tried again."""
        self._wanted = None if held is None else _body(held)
        if self._wanted != self._kept and not self._writing.is_alive():
            self._writing = threading.Thread(target=self._write, name="kestrel-latch", daemon=True)
            self._writing.start()
        if patience_s and self._writing.is_alive():
            self._writing.join(patience_s)

    def _write(self) -> None:
        while (wanted := self._wanted) != self._kept:
            try:
                if wanted is None:
                    self._path.unlink(missing_ok=True)
                    sync(self._path.parent)
                else:
                    write_durably(self._path, wanted)
            except OSError as error:
                if str(error) != self._trouble:
                    self._trouble = str(error)
                    logbook.fail("latch_not_kept", error)
                return
            self._kept, self._trouble = wanted, ""

    def _read(self) -> InForce | None:
        try:
            self._kept = self._path.read_bytes()
            told = json.loads(self._kept)
            standing = told["standing"]
            return InForce(
                Refusal(*map(str, told["refusal"])),
                None if standing is None else Breach(str(standing[0]), str(standing[1]), Action(standing[2])),
                frozenset(map(str, told["told"])),
            )
        except FileNotFoundError:
            self._kept = None
            return None
        except (OSError, ValueError, TypeError, KeyError, IndexError) as error:
            logbook.warn("latch_damaged", path=str(self._path), error=str(error)[:200])
            return InForce(_UNREADABLE, None, frozenset())


def _body(held: InForce) -> bytes:
    standing = held.standing
    told = {
        "refusal": list(held.refusal),
        "standing": None if standing is None else [standing.code, standing.detail, standing.action.value],
        "told": sorted(held.told),
    }
    return json.dumps(told).encode()
