"""A worker takes up the version in force, and keeps the detector it has where that one cannot be had."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from contracts import training
from contracts.errors import InvalidInput
from contracts.training import Current
from tests.factories import MemoryObjects
from tests.vision_views import RedFinder
from vision.detector import BoxFinder
from vision.takeover import Following

SHA = RedFinder().card.sha256


class Store(MemoryObjects):
    def put(self, key: str, body: bytes, content_type: str = "") -> None:  # type: ignore[override]
        super().put(key, body, content_type)

    def exists(self, key: str) -> bool:
        return key in self.stored


class Bench:
    """A worker that only notes what it is given, a clock, a store."""

    def __init__(self, folder: Path) -> None:
        self.store = Store()
        self.now_s = 0.0
        self.steps = 0
        self.used: list[BoxFinder] = []
        self.opened: list[Path] = []
        self.broken = False
        self.following = Following(
            self,  # type: ignore[arg-type] # the two methods it calls
            self.store,
            folder,
            self.open,
            clock=lambda: self.now_s,
        )

    def step(self) -> bool | None:
        self.steps += 1
        return None

    def use(self, finder: BoxFinder) -> None:
        self.used.append(finder)

    def open(self, weights: Path) -> BoxFinder:
        self.opened.append(weights)
        if self.broken:
            raise InvalidInput("The card is another file's.")
        return RedFinder()

    def promote(self, version: str, sha256: str = SHA) -> None:
        known = Current(version=version, sha256=sha256, promoted_at=datetime.now(UTC), promoted_by="ada")
        self.store.put(training.CURRENT_KEY, known.model_dump_json().encode())
        self.store.put(training.weights_key(version), b"weights of " + version.encode())
        self.store.put(training.card_key(version), b"{}")

    def look(self) -> int:
        """Step a minute later; returns how often another detector was taken up until now."""
        self.following.step()
        self.now_s += 61
        return len(self.used)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_a_version_is_taken_up_once_and_the_next_one_after_it(bench: Bench) -> None:
    assert bench.look() == 0
    bench.promote("mdl-1")
    assert [bench.look(), bench.look()] == [1, 1]
    assert bench.opened[0].read_bytes() == b"weights of mdl-1"
    bench.promote("mdl-2")
    assert bench.look() == 2
    assert bench.steps == 4


def test_it_looks_once_a_minute(bench: Bench) -> None:
    bench.following.step()
    bench.promote("mdl-1")
    bench.now_s = 59
    bench.following.step()
    assert bench.used == []


@pytest.mark.parametrize("how", ["unreadable", "no weights", "broken", "other weights"])
def test_one_that_cannot_be_had_changes_nothing_and_is_tried_again(bench: Bench, how: str) -> None:
    bench.promote("mdl-1", SHA if how != "other weights" else "f" * 64)
    bench.broken = how == "broken"
    if how == "unreadable":
        bench.store.put(training.CURRENT_KEY, b"{")
    if how == "no weights":
        del bench.store.stored[training.weights_key("mdl-1")]
    assert [bench.look(), bench.steps] == [0, 1]
    bench.broken = False
    bench.promote("mdl-2")
    assert bench.look() == 1
