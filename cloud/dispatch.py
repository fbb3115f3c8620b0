"""From Postgres to drones: signed commands and notices, each row sent at least once and marked when sent."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from cloud import approvals
from cloud.db import Database, notify
from cloud.ingest import Link
from cloud.logbook import log
from cloud.planning import plans
from cloud.services import Routes
from cloud.signing import Signer
from cloud.tables import CommandRow, Flight, Outgoing
from contracts.commands import Command, LimitsChange, Preconditions
from contracts.errors import Conflict, NotFound, Unavailable
from contracts.topics import COMMANDS
from contracts.vocabulary import CommandKind, CommandState
from instruments import metrics

_AT_ONCE = 20
_CARRY_A_ROUTE = frozenset({CommandKind.BEGIN_FLIGHT, CommandKind.ADJUST_ROUTE})


@dataclass
class Dispatch:
    """The daemon's outbound half. ``step`` sends what waits."""

    database: Database
    link: Link
    routes: Routes
    signer: Signer

    def step(self) -> bool | None:
        """Send; None when nothing waits, False when the broker or database is away (rows stay)."""
        if not self.link.connected:
            return None
        try:
            sent = self._send_commands() + self._send_notices()
        except Unavailable as error:
            log("dispatch_waits", reason=str(error))
            return False
        return True if sent else None

    def _send_commands(self) -> int:
        """Send accepted commands in order. A crash after sending sends them again: drones run each at most once."""
        now = datetime.now(UTC)
        waiting = (
            select(CommandRow)
            .where(CommandRow.state == CommandState.ACCEPTED.value, CommandRow.not_after > now, approvals.enough())
            .order_by(CommandRow.drone_id, CommandRow.seq)
            .limit(_AT_ONCE)
            .with_for_update(skip_locked=True)
        )
        with self.database.session() as session:
            rows = list(session.scalars(waiting))
            for row in rows:
                self._send_command(session, row)
        return len(rows)

    def _send_command(self, session: Session, row: CommandRow) -> None:
        try:
            signed = self.signer.sign(command_of(session, self.routes, row))
            signed = signed.model_copy(update={"approvals": approvals.of(row)})
        except (Conflict, NotFound) as error:
            row.state, row.code = CommandState.REJECTED.value, error.code
            row.detail, row.hint = error.message, error.hint
            notify(session, "command", row.command_id)
            return
        expires_s = max(1, math.ceil((row.not_after - datetime.now(UTC)).total_seconds()))
        self.link.publish(COMMANDS.of(row.drone_id), signed.model_dump_json().encode(), expires_s=expires_s)
        row.state, row.sent_at = CommandState.SENT.value, datetime.now(UTC)
        metrics.COMMANDS_SENT.labels(kind=row.kind).inc()
        log("command_sent", command_id=row.command_id, drone_id=row.drone_id, kind=row.kind, seq=row.seq)
        notify(session, "command", row.command_id)

    def _send_notices(self) -> int:
        waiting = select(Outgoing).order_by(Outgoing.id).limit(_AT_ONCE).with_for_update(skip_locked=True)
        with self.database.session() as session:
            rows = list(session.scalars(waiting))
            for row in rows:
                self.link.publish(row.topic, json.dumps(row.payload).encode())
                session.delete(row)
        return len(rows)


def command_of(session: Session, routes: Routes, row: CommandRow) -> Command:
    """Return the command of a row: the same row gives the same bytes, however often it is made.

    Raises:
        NotFound: Its plan version is gone.
        Conflict: The planner makes another route of it now.

    """
    kind, params = CommandKind(row.kind), row.params
    route, resume_at = None, params.get("resume_at", 0)
    if kind in _CARRY_A_ROUTE:
        flight = session.get_one(Flight, row.flight_id)
        route = plans.route(session, routes, flight.plan_id, params.get("plan_version", flight.plan_version))
        resume_at = params.get("resume_at", flight.resume_at)
    flown = params.get("flown_hash")
    limits = params.get("limits")
    return Command(
        command_id=row.command_id,
        drone_id=row.drone_id,
        kind=kind,
        seq=row.seq,
        issued_at=row.issued_at,
        not_after=row.not_after,
        issuer=row.issuer,
        flight_id=row.flight_id,
        altitude_m=params.get("altitude_m"),
        route=route,
        route_hash=route.content_hash() if route else None,
        resume_at=resume_at,
        limits=LimitsChange.model_validate(limits) if limits else None,
        preconditions=Preconditions(route_hash=flown),
        nonce=params.get("nonce"),
    )
