"""The daemon: looks every few seconds, writes events down, quarantines drones whose key is not theirs alone."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

from sqlalchemy import delete
from sqlalchemy.orm import Session

from cloud import quarantine
from cloud.alerts import rota
from cloud.intrusion import book, facts, rules, telling
from cloud.intrusion.rules import SubjectKind, Suspicion
from cloud.logbook import log
from cloud.services import Services
from cloud.tables import ApiActivity

EVERY_S = 15.0
"""A stolen key is found and quarantined within a minute: samples come within seconds, then this, then the gate."""
_KEPT = timedelta(days=8)


class Watch:
    """One look at a time; ``step`` returns None between looks."""

    def __init__(
        self, services: Services, *, every_s: float = EVERY_S, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._services = services
        self._database = services.database
        self._every_s = every_s
        self._clock = clock
        self._next_s = float("-inf")

    def step(self) -> bool | None:
        """Look when it is time."""
        if self._clock() < self._next_s:
            return None
        self._next_s = self._clock() + self._every_s
        now = datetime.now(UTC)
        self.look(now)
        quarantine.enforce(self._database, self._services.gate)
        telling.tell(self._database, self._services.channels, rota.load(self._services.settings.oncall_file), now)
        return True

    def look(self, now: datetime) -> int:
        """Apply every rule once; returns how many events are new."""
        with self._database.session() as session:
            new = [one for one in suspicions(session, now) if book.report(session, one, now)]
            for one in new:
                if one.kind is SubjectKind.DRONE:
                    quarantine.impose(session, one.subject, "platform", one.summary)
            session.execute(delete(ApiActivity).where(ApiActivity.minute < now - _KEPT))
        if new:
            log("intrusion_watch", events=len(new))
        return len(new)


def suspicions(session: Session, now: datetime) -> Iterator[Suspicion]:
    """Yield what any rule holds against anybody."""
    yield from rules.of_activity(facts.activity(session, now))
    yield from rules.of_bursts(facts.bursts(session, now))
    yield from rules.of_jumps(facts.jumps(session, now, rules.MIN_JUMP_M))
    yield from rules.of_boots(facts.boots(session, now))
