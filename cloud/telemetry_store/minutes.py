"""Minutes of telemetry: each sample is counted into its minute once, and stays counted when the archive has taken it.

A sample belongs to the pass in whose span it was received. A span ends where every transaction that began before it has
ended, so that nothing is committed into it later; whoever reads adds the samples received since (``telemetry_rolled``).
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

_FIRST = text("INSERT INTO telemetry_rolled (id, settled_at) VALUES (1, '-infinity') ON CONFLICT DO NOTHING")
_ROLLED = text(
    "SELECT CASE WHEN isfinite(settled_at) THEN settled_at END FROM telemetry_rolled WHERE id = 1 FOR UPDATE"
)
# A second less: a transaction's start is known to others a moment after it is taken.
_SETTLED = text("""
SELECT least(now(), min(xact_start)) - interval '1 second'
FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
""")
_ADD = text("""
INSERT INTO telemetry_minutes AS m (
  drone_id, flight_id, minute, samples, first_at, last_at, min_battery_percent, sum_battery_percent, battery_untold,
  max_wind_mps, sum_wind_mps, wind_samples, max_alt_rel_m, max_speed_mps, min_link_percent, min_satellites)
SELECT drone_id, coalesce(flight_id, ''), date_trunc('minute', captured_at), count(*), min(captured_at),
  max(captured_at), min(battery_percent), sum(battery_percent), count(*) - count(battery_percent),
  max(wind_mps), sum(wind_mps), count(wind_mps),
  max(alt_rel_m), max(sqrt(vel_east_mps ^ 2 + vel_north_mps ^ 2 + vel_up_mps ^ 2)), min(link_percent), min(satellites)
FROM telemetry WHERE received_at < :until AND received_at >= coalesce(:since, CAST('-infinity' AS timestamptz))
GROUP BY 1, 2, 3
ON CONFLICT (drone_id, flight_id, minute) DO UPDATE SET
  samples = m.samples + excluded.samples,
  first_at = least(m.first_at, excluded.first_at), last_at = greatest(m.last_at, excluded.last_at),
  min_battery_percent = least(m.min_battery_percent, excluded.min_battery_percent),
  sum_battery_percent = coalesce(
    m.sum_battery_percent + excluded.sum_battery_percent, m.sum_battery_percent, excluded.sum_battery_percent),
  battery_untold = m.battery_untold + excluded.battery_untold,
  max_wind_mps = greatest(m.max_wind_mps, excluded.max_wind_mps),
  sum_wind_mps = coalesce(m.sum_wind_mps + excluded.sum_wind_mps, m.sum_wind_mps, excluded.sum_wind_mps),
  wind_samples = m.wind_samples + excluded.wind_samples,
  max_alt_rel_m = greatest(m.max_alt_rel_m, excluded.max_alt_rel_m),
  max_speed_mps = greatest(m.max_speed_mps, excluded.max_speed_mps),
  min_link_percent = least(m.min_link_percent, excluded.min_link_percent),
  min_satellites = least(m.min_satellites, excluded.min_satellites)
""")
_NOTE = text("UPDATE telemetry_rolled SET settled_at = :until WHERE id = 1")


def roll(session: Session) -> datetime | None:
    """Count what was received since the last pass; return until when everything is counted, None when nothing is."""
    session.execute(_FIRST)
    since: datetime | None = session.scalar(_ROLLED)
    until: datetime = session.execute(_SETTLED).scalar_one()
    if since is not None and until <= since:
        return since
    session.execute(_ADD, {"since": since, "until": until})
    session.execute(_NOTE, {"until": until})
    return until
