"""What the rules look at, read from the tables."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from cloud.intrusion.rules import COMMANDS_WITHIN, WINDOW, Activity, BootSpan, Burst, Jump
from cloud.tables import ApiActivity, CommandRow
from contracts.commands import SAFETY_INCREASING

_REMEMBERED = timedelta(days=7)
_SAMPLES_WITHIN = timedelta(minutes=2)
# One sample a second of each boot, by clocks that can be compared. Distances on a plane: right to 1 % at these limits.
_JUMPS = text("""
SELECT * FROM (
  SELECT drone_id, captured_at, boot_id, before_boot,
    extract(epoch FROM captured_at - before_at)::float AS elapsed_s,
    111320 * sqrt(power(lat_deg - before_lat, 2) + power((lon_deg - before_lon) * cos(radians(lat_deg)), 2)) AS distance_m
  FROM (
    SELECT drone_id, boot_id, captured_at, lat_deg, lon_deg,
      lag(captured_at) OVER place AS before_at, lag(boot_id) OVER place AS before_boot,
      lag(lat_deg) OVER place AS before_lat, lag(lon_deg) OVER place AS before_lon
    FROM telemetry
    WHERE captured_at > :since AND captured_at <= :until AND seq % 10 = 0 AND gps_fix >= 3 AND clock <> 'free'
    WINDOW place AS (PARTITION BY drone_id ORDER BY captured_at, boot_id, seq)
  ) AS samples
) AS jumps WHERE distance_m > :least_m
""")  # noqa: E501 - SQL
_BOOTS = text("""
SELECT drone_id, boot_id, min(captured_at) AS first_at, max(captured_at) AS last_at FROM telemetry
WHERE captured_at > :since AND captured_at <= :until AND clock <> 'free' AND seq % 10 = 0 GROUP BY drone_id, boot_id
""")


def activity(session: Session, now: datetime) -> list[Activity]:
    """Return who asked within the window, and the busiest window of their week before it."""
    since = now - WINDOW
    found: dict[str, dict[str, int]] = {}
    recent = select(ApiActivity.asker, ApiActivity.outcome, func.sum(ApiActivity.requests)).where(
        ApiActivity.minute > since
    )
    for asker, outcome, requests in session.execute(recent.group_by(ApiActivity.asker, ApiActivity.outcome)):
        found.setdefault(asker, {})[outcome] = int(requests)
    slot = func.date_bin(WINDOW, ApiActivity.minute, datetime(2000, 1, 1, tzinfo=now.tzinfo))
    per_slot = (
        select(ApiActivity.asker, func.sum(ApiActivity.requests).label("requests"))
        .where(ApiActivity.minute.between(now - _REMEMBERED, since), ApiActivity.outcome == "answered")
        .where(ApiActivity.asker.in_(found))
        .group_by(ApiActivity.asker, slot)
        .subquery()
    )
    busiest = select(per_slot.c.asker, func.max(per_slot.c.requests)).group_by(per_slot.c.asker)
    usual = {asker: int(most) for asker, most in session.execute(busiest)}
    return [Activity(asker, outcomes, usual.get(asker, 0)) for asker, outcomes in found.items()]


def bursts(session: Session, now: datetime) -> list[Burst]:
    """Return who commanded in the last minute; commands that make a flight safer do not count."""
    counted = select(CommandRow.issuer, func.count(), func.count(CommandRow.drone_id.distinct())).where(
        CommandRow.issued_at > now - COMMANDS_WITHIN, CommandRow.kind.not_in([k.value for k in SAFETY_INCREASING])
    )
    return [Burst(*row) for row in session.execute(counted.group_by(CommandRow.issuer))]


def jumps(session: Session, now: datetime, least_m: float) -> list[Jump]:
    """Return steps between neighbouring samples that are longer than ``least_m``."""
    found = session.execute(_JUMPS, {"since": now - _SAMPLES_WITHIN, "until": now, "least_m": least_m})
    return [
        Jump(row.drone_id, row.distance_m, row.elapsed_s, row.captured_at, (row.before_boot, row.boot_id))
        for row in found
    ]


def boots(session: Session, now: datetime) -> list[BootSpan]:
    """Return when each boot of each drone took samples lately."""
    return [BootSpan(*row) for row in session.execute(_BOOTS, {"since": now - _SAMPLES_WITHIN, "until": now})]
