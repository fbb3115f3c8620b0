"""The acceptance flight on a few lines of autopilot: what it does when a step fails, and that its path is safe."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from contracts.geo import Enu
from edge.aircraft import Aircraft, Landed, MissionState
from edge.exercise import Exercise, Row, square_at
from edge.itinerary import Item
from edge.refusals import AutopilotRefused
from edge.retreat import habit_seen
from edge.returns import Habit
from edge.safety import Start, check_route
from tests.unit.edge.world import FRAME, HOME, LIMITS, aircraft, at

WORDS = "PreArm: Compass not healthy"


class Craft:
    """Obeys at once; ``breaks`` is the move it refuses."""

    def __init__(self, breaks: str = "") -> None:
        self.picture = aircraft(version="4.5.5", mode="STABILIZE")
        self.breaks = breaks
        self.did: list[str] = []
        self._tick = 0
        self.on_start: Callable[[], None] = lambda: None

    def look(self) -> Aircraft:
        """Every look, the mission is one item further, and it moves and stands by turns."""
        self._tick += 1
        now, fix = self.picture, self.picture.fix
        assert fix is not None
        flying = now.mode == "AUTO" and now.mission_state is MissionState.ACTIVE
        fix = fix._replace(vel_east_mps=2.0 if flying else 0.0)
        self.picture = now._replace(fix=fix, reached_seq=now.reached_seq + 1 if flying else now.reached_seq)
        if now.mode == "LAND" or (now.mode == "RTL" and self._tick % 3 == 0):
            self.now(landed=Landed.ON_GROUND, armed=False)
        return self.picture

    def now(self, **changes: Any) -> None:
        self.picture = self.picture._replace(**changes)

    def _do(self, what: str) -> None:
        self.did.append(what)
        if what == self.breaks:
            raise AutopilotRefused(f"{what}: {WORDS}")

    def command(self, number: int, *params: float) -> None:
        self._do({400: "arm", 300: "start", 193: f"pause {params[0]:.0f}" if params else ""}[number])
        changes: dict[int, dict[str, Any]] = {400: {"armed": True}, 300: {"mission_state": MissionState.ACTIVE}}
        paused = MissionState.PAUSED if params and not params[0] else MissionState.ACTIVE
        self.now(**changes.get(number, {"mission_state": paused}))
        if number == 300:
            self.on_start()

    def set_mode(self, mode: str) -> None:
        self._do(mode)
        self.now(mode=mode)

    def take_off(self, altitude_m: float) -> None:
        self._do("take off")
        fix = aircraft(up=altitude_m).fix
        assert fix is not None
        self.now(landed=Landed.IN_AIR, fix=fix._replace(point=at(0, 0, altitude_m)))

    def upload(self, items: tuple[Item, ...], stop: threading.Event) -> None:
        self._do(f"upload {len(items)}")
        self.now(reached_seq=-1)

    def learn_habit(self) -> Habit:
        return habit_seen(self.picture)

    def store_fence(self, items: tuple[Item, ...], ceiling_m: float, stop: threading.Event) -> None:
        self._do("fence")

    def store_rally(self, items: tuple[Item, ...]) -> None:
        self._do("rally")

    def clear_rally(self) -> None:
        self._do("no rally")

    def readiness(self) -> list[str]:
        return []

    def said(self, since: float) -> list[str]:
        return [WORDS]

    def set_link_loss(self) -> list[str]:
        self._do("link loss")
        return ["FS_GCS_ENABLE=1"]


def fly(craft: Craft) -> tuple[list[Row], list[Row]]:
    told: list[Row] = []
    return Exercise(craft, 15.0).run(told.append), told


def test_all_steps_pass_and_each_is_told_as_it_ends() -> None:
    rows, told = fly(Craft())
    assert [row.step for row in rows if not row.passed] == []
    assert rows == told
    assert len(rows) == 13
    assert all(row.said == (WORDS,) for row in rows)


@pytest.mark.parametrize(
    ("breaks", "step", "home"),
    [
        ("fence", "fence", "it stands on the ground"),
        ("arm", "arm and take off", "it stands on the ground"),
        ("pause 1", "resume", "returned and landed"),
        ("upload 9", "mission", "it stands on the ground"),
    ],
)
def test_a_step_that_fails_brings_it_home_and_the_rest_is_not_flown(breaks: str, step: str, home: str) -> None:
    craft = Craft(breaks)
    rows, _ = fly(craft) if breaks != "arm" else _impatient(craft)
    failed = [row for row in rows if not row.passed]
    assert failed[0].step == step
    assert WORDS in failed[0].detail
    after = rows[rows.index(failed[0]) + 1]
    assert (after.step, after.passed, after.detail) == ("come home", True, home)
    assert {row.detail for row in failed[1:]} <= {"not flown: an earlier step failed"}
    assert craft.look().on_ground


def _impatient(craft: Craft) -> tuple[list[Row], list[Row]]:
    """Arming is tried again for a minute: not here."""
    exercise, told = Exercise(craft, 15.0), list[Row]()
    exercise._moves.arm = lambda stop, patience_s=0.0: craft.command(400, 1)  # type: ignore[method-assign]
    return exercise.run(told.append), told


@pytest.mark.parametrize("altitude_m", [5.0, 15.0, 100.0])
def test_its_path_keeps_its_own_fence(altitude_m: float) -> None:
    planned = square_at(HOME, altitude_m)
    check_route(planned, HOME, Start(Enu(0, 0, altitude_m)), LIMITS)
    away = [max(map(abs, FRAME.to_enu(w.point)[:2])) for w in planned.waypoints]
    assert max(away) < 30


def test_an_autopilot_that_falls_silent_is_told_at_once_and_not_when_the_leg_should_have_ended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("edge.procedures._REACH_S", 0.0)
    craft = Craft()
    craft.on_start = lambda: craft.now(connected=False)
    rows, _ = fly(craft)
    failed = next(row for row in rows if not row.passed)
    assert failed.step == "start"
    assert "fell silent" in failed.detail
