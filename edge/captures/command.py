"""`kestrel-edge import`: the verb, its progress and its table."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from contracts.captures import Capture, HeightDatum
from contracts.errors import InvalidInput
from edge.captures.card import Inspector, Inventory, Outcome, Verdict, require_terms
from edge.captures.shelf import CaptureShelf, Taker
from edge.captures.terms import Heights, Terms, parse_offset
from edge.captures.video import Films
from edge.recorder import OpenFile

Say = Callable[[str], None]


class Stated(NamedTuple):
    """The verb's options."""

    drone: str = ""
    asset: str = ""
    utc_offset: str = ""
    datum: HeightDatum = HeightDatum.UNSTATED
    geoid_separation_m: float | None = None
    take_off_alt_m: float | None = None
    focal_mm35: float | None = None

    def terms(self) -> Terms:
        """Return them as the import uses them.

        Raises:
            InvalidInput: An option contradicts another.

        """
        if self.datum is HeightDatum.SEA_LEVEL and self.geoid_separation_m is None:
            hint = "State the geoid's height above the ellipsoid at the place: --geoid-separation-m 46.2."
            raise InvalidInput("--datum sea_level alone gives no height above the ellipsoid.", hint=hint, field="datum")
        offset = parse_offset(self.utc_offset) if self.utc_offset else None
        heights = Heights(self.datum, self.geoid_separation_m, self.take_off_alt_m)
        return Terms(self.drone, self.asset, offset, heights, self.focal_mm35)


class CardImport:
    """One run of the verb."""

    def __init__(self, card: Path, shelf: CaptureShelf | None, films: Films, stated: Stated) -> None:
        self._terms = stated.terms()
        if shelf is not None:
            require_terms(self._terms)
        known = shelf.knows if shelf is not None else lambda _: False
        self._inspector = Inspector(card, films, self._terms, known)
        self._shelf = shelf
        self._films = films

    def look(self, say: Say) -> Inventory:
        """Judge the card, saying each file as it is judged."""
        total = len(self._inspector)
        judged = iter(range(1, total + 1))
        return self._inspector.inventory(lambda verdict: say(f"[{next(judged)}/{total}] {_line(verdict)}"))

    def take(self, inventory: Inventory, open_file: OpenFile, disk_floor: int, say: Say) -> list[Capture]:
        """Put what can be taken on the shelf."""
        if self._shelf is None:
            return []
        taker = Taker(self._shelf, self._films, open_file, self._terms, disk_floor)
        return taker.take(inventory, lambda capture: say(f"taken    {capture.source_name} as {capture.capture_id}"))


def as_json(inventory: Inventory, captures: list[Capture], *, dry_run: bool) -> str:
    """Return the run as one JSON object."""
    return json.dumps(
        {
            "dry_run": dry_run,
            "files": [
                {k: v for k, v in verdict._asdict().items() if v not in (None, "", {}) or k in ("path", "reason")}
                for verdict in inventory.verdicts
            ],
            "counts": _counts(inventory),
            "captures": [
                {"capture_id": c.capture_id, "kind": c.kind, "source": c.source_name, "segments": c.segments,
                 "placed_segments": c.placed_segments, "photos": len(c.photos)}
                for c in captures
            ],
        }
    )  # fmt: skip


def summary(inventory: Inventory) -> str:
    """Return the run in one line."""
    counts = _counts(inventory)
    return ", ".join(f"{counts[outcome]} {outcome}" for outcome in Outcome)


def _counts(inventory: Inventory) -> dict[str, int]:
    found = Counter(verdict.outcome for verdict in inventory.verdicts)
    return {outcome.value: found[outcome] for outcome in Outcome}


def _line(verdict: Verdict) -> str:
    where = f"{verdict.path}:{verdict.line}" if verdict.line else verdict.path
    hint = f" {verdict.hint}" if verdict.hint else ""
    return f"{verdict.outcome:<8} {where}: {verdict.reason}{hint}"
