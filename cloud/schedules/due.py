"""The due list: for each asset and each rule about it, when the next inspection is due, and whether it is planned."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from cloud import audit
from cloud.schedules import rules
from cloud.schedules.rules import DueRule
from cloud.tables import Asset, AssetEvent, DueRuleRow, Flight
from contracts.errors import Conflict, NotFound
from contracts.vocabulary import FlightState

SOON = timedelta(days=7)
_DONE = (FlightState.LANDED.value, FlightState.COMPLETE.value)
_AHEAD = (FlightState.PLANNED.value, FlightState.APPROVED.value, FlightState.FLYING.value, FlightState.PAUSED.value)


class DueState(StrEnum):
    """How a due date stands to now."""

    OVERDUE = "overdue"
    SOON = "soon"
    LATER = "later"


class DueItem(NamedTuple):
    """One asset under one rule."""

    asset: Asset
    rule: DueRule
    due_at: datetime
    why: str
    last_at: datetime | None
    planned_flight: str | None

    def state(self, now: datetime) -> DueState:
        """Return how it stands to ``now``."""
        if self.due_at < now:
            return DueState.OVERDUE
        return DueState.SOON if self.due_at < now + SOON else DueState.LATER


def all_rules(session: Session) -> list[DueRule]:
    """Return the shipped rules and the customers', the shipped ones first."""
    rows = session.scalars(select(DueRuleRow).order_by(DueRuleRow.rule_id))
    return [*rules.shipped(), *(DueRule.model_validate(row.body) for row in rows)]


def add_rule(session: Session, rule: DueRule, by: str) -> DueRule:
    """Keep a customer's rule; Conflict when its id is taken."""
    shipped = {known.rule_id for known in rules.shipped()}
    if rule.rule_id in shipped or session.get(DueRuleRow, rule.rule_id) is not None:
        raise Conflict(f"There is a rule {rule.rule_id} already.", hint="Give it another id.", field="rule_id")
    session.add(DueRuleRow(rule_id=rule.rule_id, body=rule.model_dump(mode="json"), created_by=by))
    session.flush()
    audit.record(session, by, "due-rule.create", rule.rule_id, after=rule.model_dump(mode="json"))
    return rule


def drop_rule(session: Session, rule_id: str, by: str) -> None:
    """Forget a customer's rule.

    Raises:
        Conflict: It is a shipped one.
        NotFound: There is none.

    """
    if any(known.rule_id == rule_id for known in rules.shipped()):
        raise Conflict(f"{rule_id} is a regulation.", hint="Only rules that were added here can be removed.")
    row = session.get(DueRuleRow, rule_id)
    if row is None:
        raise NotFound(f"No rule {rule_id!r}.", hint="List rules with GET /v1/due-rules.")
    audit.record(session, by, "due-rule.delete", rule_id, before=row.body)
    session.delete(row)


def due_list(session: Session) -> list[DueItem]:
    """Return what is due, the most pressing first."""
    assets = session.scalars(select(Asset)).all()
    done, ahead, events = _done(session), _ahead(session), _events(session)
    found = []
    for rule in all_rules(session):
        for asset in assets:
            if rule.concerns(asset.kind, asset.geometry):
                made = done[asset.asset_id]
                seen = sorted(at for kind, at in events[asset.asset_id] if kind in rule.after_events)
                due = rules.next_due(rule, made, asset.registered_at, seen)
                if due is not None:
                    last = made[-1] if made else None
                    found.append(DueItem(asset, rule, due.at, due.why, last, ahead.get(asset.asset_id)))
    return sorted(found, key=lambda item: (item.due_at, item.asset.asset_id, item.rule.rule_id))


def _done(session: Session) -> defaultdict[str, list[datetime]]:
    """Return when each asset was inspected. An inspection that begins counts from its beginning, once it is flown."""
    query = select(Flight.asset_id, Flight.started_at).where(Flight.state.in_(_DONE), Flight.started_at.is_not(None))
    made: defaultdict[str, list[datetime]] = defaultdict(list)
    for asset_id, at in session.execute(query.order_by(Flight.started_at)):
        if at is not None:
            made[asset_id].append(at)
    return made


def _ahead(session: Session) -> dict[str, str]:
    query = select(Flight.asset_id, Flight.flight_id).where(Flight.state.in_(_AHEAD)).order_by(Flight.flight_id.desc())
    return {row.asset_id: row.flight_id for row in session.execute(query)}


def _events(session: Session) -> defaultdict[str, list[tuple[str, datetime]]]:
    found: defaultdict[str, list[tuple[str, datetime]]] = defaultdict(list)
    for row in session.scalars(select(AssetEvent)):
        found[row.asset_id].append((row.kind, row.accessible_at))
    return found
