"""The agent dies at every step of the command path: nothing runs twice, and what became of it is always told."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from contracts.commands import AckState, Command, CommandAck
from contracts.telemetry import Stream
from contracts.vocabulary import CommandKind
from edge.aftermath import NOBODY_KNOWS
from edge.commands import CommandDesk
from edge.journal import Journal
from edge.pilot import Outcome
from edge.verification import Gate
from tests.unit.edge.world import NOW_US, SetClock, Signer, command

STEPS = 60
"""More than the path has: the first life that is not killed ends the walk."""


class Killed(BaseException):
    """The process is gone."""


class Fuse:
    """Kills at the n-th step; every collaborator's call has a step before and one behind it."""

    def __init__(self, steps: int | None) -> None:
        self.left = steps

    def burn(self) -> None:
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                raise Killed

    @contextmanager
    def around(self) -> Iterator[None]:
        self.burn()
        yield
        self.burn()

    def on(self, thing: Any, *names: str) -> None:
        """Put the fuse around some methods of a thing."""
        for name in names:
            setattr(thing, name, self._fused(getattr(thing, name)))

    def _fused(self, method: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            with self.around():
                return method(*args, **kwargs)

        return call


class Drone:
    """What outlives the process: the disk, the outbox's disk, and the aircraft."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.signer = Signer(folder / "keys")
        self.reports: list[CommandAck] = []
        self.flown: list[str] = []
        self.settled = 0

    def append(self, _stream: Stream, make: Callable[[int], BaseModel]) -> Future[int]:
        record = make(len(self.reports) + 1)
        assert isinstance(record, CommandAck)
        self.reports.append(record)
        stored: Future[int] = Future()
        stored.set_result(len(self.reports))
        return stored

    def lowers_margins(self, _command: Command) -> list[str]:
        return []

    def check(self, _command: Command) -> None:
        return

    def fly(self, order: Command, _stop: threading.Event) -> Outcome:
        self.flown.append(order.command_id)
        return Outcome.DONE

    def process(self, fuse: Fuse) -> tuple[CommandDesk, Journal]:
        """Start the agent anew."""
        journal = Journal(self.folder / "journal.db", lambda: NOW_US)
        executor, outbox = _Executor(self), _Outbox(self)
        fuse.on(journal, "find", "accept", "advance", "told", "last_order")
        fuse.on(executor, "check", "fly")
        fuse.on(outbox, "append")
        gate = Gate("drone-1", self.folder / "keys")
        return CommandDesk(gate, journal, outbox, executor, SetClock(), lambda _code, _detail: None), journal

    def live(self, sent: Command, fuse: Fuse) -> bool:
        """One life of the agent: settle the past, take the command in if the broker still has it, run it."""
        desk, journal = self.process(fuse)
        try:
            desk.recover(lambda _entry: NOBODY_KNOWS)
            if not self.settled:
                desk.receive(self.signer.sign(sent.model_dump_json()), self._settle_of(fuse))
            while desk.step():
                continue
        except Killed:
            return False
        finally:
            journal.close()
        return True

    def _settle_of(self, fuse: Fuse) -> Callable[[], None]:
        def settle() -> None:
            with fuse.around():
                self.settled += 1

        return settle


class _Executor:
    def __init__(self, drone: Drone) -> None:
        self.lowers_margins, self.check, self.fly = drone.lowers_margins, drone.check, drone.fly


class _Outbox:
    def __init__(self, drone: Drone) -> None:
        self.append = drone.append


@pytest.mark.parametrize("kind", [CommandKind.TAKE_OFF, CommandKind.RETURN_HOME])
def test_killed_at_every_step_it_runs_at_most_once_and_is_always_told(tmp_path: Path, kind: CommandKind) -> None:
    sent, ends = command(kind), []
    for steps in range(STEPS):
        drone = Drone(tmp_path / str(steps))
        whole = drone.live(sent, Fuse(steps))
        before = len(drone.flown)
        if not whole:
            assert drone.live(sent, Fuse(None))
        states = [ack.state for ack in drone.reports if ack.command_id == sent.command_id]
        assert states[-1] in (AckState.DONE, AckState.UNKNOWN), f"killed at step {steps}: {states}"
        again = 1 if kind is CommandKind.RETURN_HOME else 0
        assert len(drone.flown) - before <= (again if before else 1), f"killed at step {steps}: flown again"
        if not drone.flown:
            assert states[-1] is AckState.UNKNOWN
        ends.append((whole, states[-1]))
        if whole:
            break
    assert ends[-1] == (True, AckState.DONE)
    assert (False, AckState.UNKNOWN) in ends or kind is CommandKind.RETURN_HOME
    assert sum(not whole for whole, _ in ends) > 15, "the fuse burned on the path"


def test_the_second_life_may_be_killed_as_well(tmp_path: Path) -> None:
    sent = command(CommandKind.TAKE_OFF)
    for first in range(4, 40, 9):
        for second in range(4, 40, 9):
            drone = Drone(tmp_path / f"{first}-{second}")
            if not drone.live(sent, Fuse(first)) and not drone.live(sent, Fuse(second)):
                assert drone.live(sent, Fuse(None))
            assert len(drone.flown) <= 1
            assert drone.reports[-1].state in (AckState.DONE, AckState.UNKNOWN)
