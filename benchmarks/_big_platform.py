"""A platform with a long history for the pages' benchmark: copies of a stocked one's rows, and drones that fly now."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import text

from cloud.db import LIVE_CHANNEL, Database
from cloud.history import standing

ASSETS, VISITS, LIVE = 200, 10, 20
_COPY = """
INSERT INTO {table} SELECT r.*
FROM {table} t, {times}, LATERAL jsonb_populate_record(t, jsonb_build_object({changes})) r
WHERE {which}
"""
_MANY = "generate_series(1, {}) n"
_FLIGHT = "1 + n % (:assets * :visits)"
_FLOWN = "now() - (n / :assets + 1) * interval '180 days'"
_SEEN = "findings f"
_GROWN = (
    ("sites", "t.site_id = 'nordmarsch'", _MANY.format(3), "'site_id', 'site-' || n, 'name', 'Site ' || n"),
    (
        "assets",
        "t.asset_id = 't-02'",
        _MANY.format(":assets"),
        "'asset_id', 'big-' || n, 'name', 'B-' || n, 'site_id', 'site-' || 1 + n % 3",
    ),
    ("drones", "t.drone_id = 'merlin-1'", _MANY.format(":live"), "'drone_id', 'live-' || n, 'name', 'Kite ' || n"),
    (
        "flights",
        "t.flight_id = (SELECT min(flight_id) FROM flights WHERE state = 'complete')",
        _MANY.format(":assets * :visits"),
        (
            "'flight_id', 'big-' || n, 'asset_id', 'big-' || 1 + n % :assets,"
            f" 'created_at', {_FLOWN}, 'started_at', {_FLOWN}, 'landed_at', {_FLOWN}, 'completed_at', {_FLOWN}"
        ),
    ),
    (
        "flights",
        "t.state = 'flying'",
        _MANY.format(":live"),
        (
            "'flight_id', 'live-' || n, 'drone_id', 'live-' || n, 'asset_id', 'big-' || n,"
            " 'created_at', t.created_at - n * interval '1 minute'"
        ),
    ),
    (
        "findings",
        "t.number = 2 + n % 7",
        _MANY.format(":findings"),
        (
            f"'finding_id', 'big-' || n, 'number', 100000 + n, 'flight_id', 'big-' || {_FLIGHT},"
            f" 'asset_id', 'big-' || 1 + ({_FLIGHT}) % :assets,"
            f" 'link_group', 'big-' || ({_FLIGHT}) % :assets || '-' || n / (:assets * :visits),"
            f" 'detected_at', now() - (({_FLIGHT}) / :assets + 1) * interval '180 days',"
            " 'severity_rank', (ARRAY[1,1,2,2,2,3,3,4,4,5])[1 + n % 10], 'length_mm', t.length_mm + n % 300,"
            " 'reviewed_at', CASE WHEN n % 10 > 0 THEN now() END, 'reviewed_by', CASE WHEN n % 10 > 0 THEN 'ana' END,"
            " 'status', (ARRAY['open','confirmed','confirmed','rejected','repaired'])[1 + n % 5],"
            " 'distance_to_root_m', n % 25"
        ),
    ),
    (
        "evidence",
        "t.evidence_id = (SELECT min(evidence_id) FROM evidence WHERE crop_key <> '')",
        _MANY.format(":findings"),
        "'evidence_id', 'big-' || n, 'finding_id', 'big-' || n, 'detection_id', 'big-' || n",
    ),
    (
        "defect_links",
        "t.finding_id = (SELECT min(finding_id) FROM defect_links) AND f.finding_id LIKE 'big-%'",
        _SEEN,
        "'finding_id', f.finding_id, 'flight_id', f.flight_id, 'link_group', f.link_group",
    ),
    (
        "coverage",
        "t.flight_id = (SELECT min(flight_id) FROM coverage)",
        _MANY.format(":assets"),
        "'flight_id', 'big-' || n",
    ),
    (
        "tickets",
        "t.number = '000010000012' AND f.finding_id LIKE 'big-%' AND f.severity_rank = 5 AND f.number % 5 = 0",
        _SEEN,
        "'ticket_id', f.finding_id, 'finding_id', f.finding_id, 'number', f.number, 'link_group', f.link_group",
    ),
)
"""(table, the row that is copied, how often, what is different in each copy)."""
_SAMPLES = """
INSERT INTO telemetry SELECT r.* FROM telemetry t, generate_series(1, :live) n, generate_series(0, 4) s,
  LATERAL jsonb_populate_record(t, jsonb_build_object('drone_id', 'live-' || n, 'flight_id', 'live-' || n,
    'seq', :tick * 5 + s, 'captured_at', now() - (4 - s) * interval '100 ms', 'received_at', now(),
    'lat_deg', t.lat_deg + n * 0.0007 + 0.0003 * sin(:tick * 0.1 + n), 'yaw_deg', (:tick * 3 + n * 18) % 360)) r
WHERE t.drone_id = 'merlin-1' AND t.seq = (SELECT max(seq) FROM telemetry WHERE drone_id = 'merlin-1')
"""
_TELL = """
SELECT pg_notify(:channel, json_build_object('kind', 'telemetry', 'id', 'live-' || n)::text)
FROM generate_series(1, :live) n
"""


def grow(database: Database, findings: int) -> None:
    """Multiply a stocked platform: 200 turbines on three sites, ten inspections of each over five years."""
    numbers = {"findings": findings, "assets": ASSETS, "visits": VISITS, "live": LIVE}
    with database.session() as session:
        for table, which, times, changes in _GROWN:
            session.execute(text(_COPY.format(table=table, which=which, times=times, changes=changes)), numbers)
    folded = True
    while folded:  # as `kestrel-cloud` does every minute
        with database.session() as session:
            folded = bool(standing.fold(session))
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE"))  # as autovacuum does within minutes of such an import


@contextmanager
def flying(database: Database, every_s: float = 0.5) -> Iterator[None]:
    """Let twenty drones send five samples each, twice a second, and tell the pages."""
    stop = threading.Event()

    def send() -> None:
        tick = 1
        while not stop.wait(every_s):
            with database.session() as session:
                session.execute(text(_SAMPLES), {"live": LIVE, "tick": tick})
                session.execute(text(_TELL), {"live": LIVE, "channel": LIVE_CHANNEL})
            tick += 1

    thread = threading.Thread(target=send, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
