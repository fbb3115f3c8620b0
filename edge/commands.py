"""The command's way through the drone: verify, journal, acknowledge, run at most once, report."""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import NamedTuple, Protocol

from pydantic import TypeAdapter, ValidationError

from contracts.commands import SAFETY_INCREASING, AckState, Command, CommandAck, SignedCommand
from contracts.errors import InvalidInput, PlatformError
from contracts.ids import CommandId
from contracts.telemetry import Stream
from contracts.topics import MAX_PAYLOAD_BYTES
from contracts.vocabulary import CommandKind
from edge import logbook
from edge.clock import Clock, from_us
from edge.journal import OPEN_STATES, Entry, Journal
from edge.mission import Conclude
from edge.outbox import Make
from edge.pilot import Outcome
from edge.refusals import BadSignature, ClockUntrusted
from edge.verification import Gate, Known, Nonces, admit, authenticate, parse, require_approvals

_CLAIM: TypeAdapter[str] = TypeAdapter(CommandId)


class AckLog(Protocol):
    """Where acknowledgements become durable."""

    def append(self, stream: Stream, make: Make) -> Future[int]:
        """Queue ``make(seq)``."""


class Executor(Protocol):
    """What carries commands out."""

    def lowers_margins(self, command: Command) -> list[str]:
        """Return in which ways a command lowers a safety margin."""

    def check(self, command: Command) -> None:
        """Refuse what cannot be flown now."""

    def fly(self, command: Command, stop: threading.Event) -> Outcome:
        """Carry it out."""


class Waiting(NamedTuple):
    """An accepted command in the queue."""

    entry: Entry
    until_s: float
    """On the clock that nobody sets: a stepped clock makes no command valid for longer."""


class Decision(NamedTuple):
    """What became of a delivery."""

    entry: Entry
    until_s: float | None = None
    """Set when it was accepted: run it before then."""
    nonce: str | None = None
    """Set when it was challenged."""


class CommandDesk:
    """Receives signed commands in one thread and runs them in another."""

    def __init__(
        self,
        gate: Gate,
        journal: Journal,
        outbox: AckLog,
        executor: Executor,
        clock: Clock,
        alarm: Callable[[str, str], None],
    ) -> None:
        self._gate = gate
        self._journal = journal
        self._outbox = outbox
        self._executor = executor
        self._clock = clock
        self._nonces = Nonces()
        self._alarm = alarm
        self._lock = threading.Lock()
        self._queue: deque[Waiting] = deque()
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
        if known is not None:
            logbook.note("command_repeated", command_id=command.command_id, state=known.state)
            settle()
            self._report(known)
            return
        decided = self._decide(signed, command)
        settle()
        self._report(decided.entry, decided.nonce)
        if decided.until_s is not None:
            self._enqueue(Waiting(decided.entry, decided.until_s))

    def step(self) -> bool | None:
        """Run the next accepted command."""
        with self._lock:
            if not self._queue:
                return None
            waiting, stop = self._queue.popleft(), threading.Event()
            self._running = (waiting.entry, stop)
        try:
            self._run(waiting, stop)
        finally:
            with self._lock:
                self._running = None
        return True

    def recover(self, ended: Callable[[Entry], Conclude | None]) -> None:
        """After a restart: say how what was under way has ended, run safety commands again, keep what still flies."""
        left_over, self._left_over = self._left_over, []
        for entry in self._journal.untold():
            self._report(entry)
        for entry in left_over:
            life_s = (entry.command.not_after - self._clock.now()).total_seconds()
            if entry.kind in SAFETY_INCREASING and life_s >= 0:
                with self._lock:
                    self._queue.append(Waiting(entry, self._clock.elapsed_s() + life_s))
            elif (end := ended(entry)) is not None:
                self.conclude(entry.command_id, *end)

    def conclude(self, command_id: str, state: AckState, code: str = "", detail: str = "", hint: str = "") -> None:
        """Record and report how a command ended. It stays so; what was unknown is settled by what is seen."""
        entry = self._journal.find(command_id)
        open_states = OPEN_STATES if state is AckState.UNKNOWN else (*OPEN_STATES, AckState.UNKNOWN)
        if entry is None or entry.state not in open_states:
            return
        self._advance(entry, state, code, detail, hint)

    def preempt(self, why: str) -> None:
        """Drop what waits and stop what runs, unless it increases safety."""
        with self._lock:
            dropped = [w.entry for w in self._queue if w.entry.kind not in SAFETY_INCREASING]
            self._queue = deque(w for w in self._queue if w.entry.kind in SAFETY_INCREASING)
            if self._running is not None and self._running[0].kind not in SAFETY_INCREASING:
                self._running[1].set()
        for entry in dropped:
            self.conclude(entry.command_id, AckState.FAILED, "preempted", why)

    def _report(self, entry: Entry, nonce: str | None = None) -> None:
        at = self._clock.now()

        def make(seq: int) -> CommandAck:
            return CommandAck(
                seq=seq,
                command_id=entry.command_id,
                state=entry.state,
                at=at,
                code=entry.code[:64],
                detail=entry.detail[:400],
                hint=entry.hint[:400],
                nonce=nonce,
            )

        def told(stored: Future[int]) -> None:
            if not stored.cancelled() and stored.exception() is None:
                self._journal.told(entry.command_id, entry.state)

        self._outbox.append(Stream.ACKS, make).add_done_callback(told)

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
            known = Entry(claimed, CommandKind.HOLD, "", AckState.REJECTED, error.code, error.message, error.hint)
            self._report(known)

    def _decide(self, signed: SignedCommand, command: Command) -> Decision:
        """Journal an authentic command as accepted or refused.

        A challenge is no verdict: it is not journalled, so that the same command may come again with the nonce.
        """
        elapsed_s, trusted = self._clock.elapsed_s(), self._clock.trusted()
        began = from_us(self._journal.began_us)
        known = Known(self._clock.now(), trusted, self._journal.last_order(), began)
        try:
            admit(command, self._gate.drone_id, known, self._nonces, elapsed_s)
            if lowered := self._executor.lowers_margins(command):
                require_approvals(signed, self._gate.approvers_dir, lowered)
            self._executor.check(command)
        except ClockUntrusted as error:
            logbook.warn("command_challenged", command_id=command.command_id, kind=command.kind)
            refused = Entry(command.command_id, command.kind, "", AckState.REJECTED, *_why(error))
            return Decision(refused, nonce=self._nonces.issue(elapsed_s))
        except PlatformError as error:
            logbook.warn("command_rejected", command_id=command.command_id, code=error.code, error=error.message)
            return Decision(self._journal.reject(command, signed.payload, *_why(error)))
        entry = self._journal.accept(command, signed.payload)
        logbook.note("command_accepted", command_id=command.command_id, kind=command.kind, seq=command.seq)
        begins = known.now if trusted else command.issued_at
        return Decision(entry, until_s=elapsed_s + (command.not_after - begins).total_seconds())

    def _enqueue(self, waiting: Waiting) -> None:
        if waiting.entry.kind in SAFETY_INCREASING:
            self.preempt(f"{waiting.entry.kind} took over.")
        with self._lock:
            self._queue.append(waiting)

    def _run(self, waiting: Waiting, stop: threading.Event) -> None:
        entry = waiting.entry
        command = entry.command
        if self._clock.elapsed_s() > waiting.until_s:
            self.conclude(entry.command_id, AckState.FAILED, "expired", "It waited too long.", "Send it anew.")
            return
        self._advance(entry, AckState.EXECUTING)
        try:
            if command.kind not in SAFETY_INCREASING:
                self._executor.check(command)  # what ran before it may have changed what it was accepted in
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
        now = entry._replace(state=state, code=code, detail=detail, hint=hint)
        self._journal.advance(now)
        logbook.note("command_" + state, command_id=entry.command_id, kind=entry.kind, code=code, detail=detail)
        self._report(now)


def _why(error: PlatformError) -> tuple[str, str, str]:
    return error.code, error.message, error.hint


def _claimed_id(payload: str) -> str | None:
    """Return the id an unauthenticated payload claims, when it at least looks like one."""
    try:
        return _CLAIM.validate_python(json.loads(payload)["command_id"])
    except (ValueError, KeyError, TypeError):
        return None
