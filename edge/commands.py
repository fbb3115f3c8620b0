"""The command's way through the drone: verify, journal, acknowledge, run at most once, report."""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from datetime import datetime
from typing import Protocol

from pydantic import TypeAdapter, ValidationError

from contracts.commands import SAFETY_INCREASING, AckState, Command, CommandAck, SignedCommand
from contracts.errors import InvalidInput, PlatformError
from contracts.ids import CommandId
from contracts.telemetry import Stream
from contracts.topics import MAX_PAYLOAD_BYTES
from edge import logbook
from edge.journal import Entry, Journal
from edge.outbox import Make
from edge.pilot import Outcome
from edge.refusals import BadSignature
from edge.verification import Gate, admit, authenticate, parse

_CLAIM: TypeAdapter[str] = TypeAdapter(CommandId)


class AckLog(Protocol):
    """Where acknowledgements become durable."""

    def append(self, stream: Stream, make: Make) -> Future[int]:
        """Queue ``make(seq)``."""


class Executor(Protocol):
    """What carries commands out."""

    def check(self, command: Command) -> None:
        """Refuse what cannot be flown now."""

    def fly(self, command: Command, stop: threading.Event) -> Outcome:
        """Carry it out."""


class CommandDesk:
    """Receives signed commands in one thread and runs them in another."""

    def __init__(
        self,
        gate: Gate,
        journal: Journal,
        outbox: AckLog,
        executor: Executor,
        now: Callable[[], datetime],
        alarm: Callable[[str, str], None],
    ) -> None:
        self._gate = gate
        self._journal = journal
        self._outbox = outbox
        self._executor = executor
        self._now = now
        self._alarm = alarm
        self._lock = threading.Lock()
        self._queue: deque[Entry] = deque()
        self._running: tuple[Entry, threading.Event] | None = None
        self._left_over = journal.unfinished()

    def receive(self, payload: bytes, settle: Callable[[], None]) -> None:
        """Take one delivery in; ``settle`` (the broker's acknowledgement) is called once it is on disk."""
        try:
            signed, command = self._read(payload)
        except PlatformError as error:
            logbook.warn("command_unreadable", code=error.code, error=error.message)
            self._alarm(error.code, error.message)
            settle()
            return
        known = self._journal.find(command.command_id)
        if known is None:
            known = self._decide(signed, command)
        else:
            logbook.note("command_repeated", command_id=command.command_id, state=known.state)
        settle()
        self._report(known.command_id, known.state, known.code, known.detail, known.hint)

    def step(self) -> bool | None:
        """Run the next accepted command."""
        with self._lock:
            if not self._queue:
                return None
            entry, stop = self._queue.popleft(), threading.Event()
            self._running = (entry, stop)
        try:
            self._run(entry, stop)
        finally:
            with self._lock:
                self._running = None
        return True

    def recover(self, keep: Callable[[Entry], bool]) -> None:
        """After a restart: say ``unknown`` of what was under way, run safety commands again, keep what still flies."""
        left_over, self._left_over = self._left_over, []
        for entry in left_over:
            if entry.kind in SAFETY_INCREASING and self._now() <= entry.command.not_after:
                with self._lock:
                    self._queue.append(entry)
            elif not keep(entry):
                self.conclude(entry.command_id, AckState.UNKNOWN, "agent_restarted", "The agent died while it ran.")

    def conclude(self, command_id: str, state: AckState, code: str = "", detail: str = "", hint: str = "") -> None:
        """Record and report how a command ended; ended commands stay as they are."""
        entry = self._journal.find(command_id)
        if entry is None or entry.state not in (AckState.ACKED, AckState.EXECUTING):
            return
        self._advance(entry, state, code, detail, hint)

    def preempt(self, why: str) -> None:
        """Drop what waits and stop what runs, unless it increases safety."""
        with self._lock:
            dropped = [e for e in self._queue if e.kind not in SAFETY_INCREASING]
            self._queue = deque(e for e in self._queue if e.kind in SAFETY_INCREASING)
            if self._running is not None and self._running[0].kind not in SAFETY_INCREASING:
                self._running[1].set()
        for entry in dropped:
            self.conclude(entry.command_id, AckState.FAILED, "preempted", why)

    def _report(self, command_id: str, state: AckState, code: str, detail: str, hint: str) -> None:
        at = self._now()

        def make(seq: int) -> CommandAck:
            return CommandAck(
                seq=seq, command_id=command_id, state=state, at=at, code=code[:64], detail=detail[:400], hint=hint[:400]
            )

        self._outbox.append(Stream.ACKS, make)

    def _read(self, payload: bytes) -> tuple[SignedCommand, Command]:
        if len(payload) > MAX_PAYLOAD_BYTES:
            raise InvalidInput(f"A command of {len(payload)} bytes is over {MAX_PAYLOAD_BYTES}.")
        try:
            signed = SignedCommand.model_validate_json(payload)
        except ValidationError as error:
            raise InvalidInput(f"Not a signed command: {error.errors(include_url=False)[0]['msg']}.") from error
        try:
            authenticate(signed, self._gate.keys_dir)
        except BadSignature as error:
            self._refuse_forged(signed, error)
            raise
        try:
            return signed, parse(signed)
        except InvalidInput as error:
            self._refuse_forged(signed, error)
            raise

    def _refuse_forged(self, signed: SignedCommand, error: PlatformError) -> None:
        """Answer, without journalling, a command whose id cannot be trusted: the real one may still come."""
        claimed = _claimed_id(signed.payload)
        if claimed is not None and self._journal.find(claimed) is None:
            self._report(claimed, AckState.REJECTED, error.code, error.message, error.hint)

    def _decide(self, signed: SignedCommand, command: Command) -> Entry:
        try:
            admit(command, self._gate.drone_id, self._now(), self._journal.last_seq())
            self._executor.check(command)
        except PlatformError as error:
            logbook.warn("command_rejected", command_id=command.command_id, code=error.code, error=error.message)
            return self._journal.reject(command, signed.payload, error.code, error.message, error.hint)
        entry = self._journal.accept(command, signed.payload)
        logbook.note("command_accepted", command_id=command.command_id, kind=command.kind, seq=command.seq)
        self._enqueue(entry)
        return entry

    def _enqueue(self, entry: Entry) -> None:
        if entry.kind in SAFETY_INCREASING:
            self.preempt(f"{entry.kind} took over.")
        with self._lock:
            self._queue.append(entry)

    def _run(self, entry: Entry, stop: threading.Event) -> None:
        command = entry.command
        if self._now() > command.not_after:
            self.conclude(entry.command_id, AckState.FAILED, "expired", "It waited too long.", "Send it anew.")
            return
        self._advance(entry, AckState.EXECUTING)
        try:
            outcome = self._executor.fly(command, stop)
        except PlatformError as error:
            self.conclude(entry.command_id, AckState.FAILED, error.code, error.message, error.hint)
        except Exception as error:
            self.conclude(entry.command_id, AckState.FAILED, "internal", str(error))
            raise
        else:
            if outcome is Outcome.DONE:
                self.conclude(entry.command_id, AckState.DONE)

    def _advance(self, entry: Entry, state: AckState, code: str = "", detail: str = "", hint: str = "") -> None:
        self._journal.advance(entry._replace(state=state, code=code, detail=detail, hint=hint))
        logbook.note("command_" + state, command_id=entry.command_id, kind=entry.kind, code=code, detail=detail)
        self._report(entry.command_id, state, code, detail, hint)


def _claimed_id(payload: str) -> str | None:
    """Return the id an unauthenticated payload claims, when it at least looks like one."""
    try:
        return _CLAIM.validate_python(json.loads(payload)["command_id"])
    except (ValueError, KeyError, TypeError):
        return None
