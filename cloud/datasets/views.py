"""The stable SQL schema for analysts: views over the tables, versioned as a whole; a version only gains columns.

``kestrel_v1`` is made after every migration from what stands here (columns may only be added, at the end);
`docs/datasets.md` describes every column, held by a test.
"""

from __future__ import annotations

from typing import Final

from contracts.lake import SCHEMA

_FACE = "(f.place ->> 'face_bearing_deg')::double precision"
_TOWER = f"""{_FACE} AS tower_face_bearing_deg,
          CASE WHEN {_FACE} IS NOT NULL THEN (f.place ->> 'bearing_deg')::double precision END AS tower_bearing_deg,
          CASE WHEN {_FACE} IS NOT NULL THEN (f.place ->> 'height_m')::double precision END AS tower_height_m"""
"""Where a finding lies on a tower or mast; columns were added later, so they stand last."""
_ALONG = """f.place ->> 'from_tower' AS span_from_tower, f.place ->> 'to_tower' AS span_to_tower,
          (f.place ->> 'distance_m')::double precision AS span_distance_m,
          f.place ->> 'tower_name' AS line_tower,
          CASE WHEN f.place ? 'tower_name' THEN (f.place ->> 'height_m')::double precision END AS line_tower_height_m,
          (f.place ->> 'chainage_m')::double precision AS chainage_m,
          CASE WHEN NOT f.place ? 'span' THEN (f.place ->> 'offset_m')::double precision END AS pipe_offset_m,
          (f.place ->> 'clock_h')::double precision AS pipe_clock_h"""
"""Where it lies on a line or a pipe; added later still."""
VIEWS: Final[dict[str, str]] = {
    "findings": f"""
        SELECT f.finding_id, f.number, f.link_group AS defect_id, f.flight_id, f.asset_id, a.site_id,
          a.kind AS asset_kind, a.name AS asset_name, f.kind, f.blade, f.side, f.distance_to_root_m, f.offset_m,
          f.length_mm, f.width_mm, f.size_sigma_mm, f.lat_deg, f.lon_deg, f.alt_m, f.ce90_m, f.confidence,
          f.severity_scheme, f.severity_code, f.severity_rank, f.severity_source, f.policy_version, f.action, f.due_at,
          f.status, f.detected_at, f.reviewed_by, f.reviewed_at, f.model_name, f.model_sha256, {_TOWER},
          {_ALONG}
        FROM findings f JOIN assets a ON a.asset_id = f.asset_id""",  # noqa: S608 - own constants
    "sightings": """
        SELECT l.link_group AS defect_id, l.flight_id, f.asset_id, f.detected_at AS at, l.state, l.finding_id,
          l.probability, l.source, l.grown_mm, l.grown_sigma_mm, l.grown_mm2, l.grown_since_first_mm,
          l.since_first_sigma_mm, NULL::double precision AS seen_share
        FROM defect_links l JOIN findings f ON f.finding_id = l.finding_id WHERE f.status <> 'rejected'
        UNION ALL
        SELECT b.link_group, b.flight_id, g.asset_id, coalesce(g.started_at, g.created_at), b.state, NULL, NULL, NULL,
          NULL, NULL, NULL, NULL, NULL, b.seen_share
        FROM defect_absences b JOIN flights g ON g.flight_id = b.flight_id""",
    "defects": f"""
        SELECT DISTINCT ON (f.link_group) f.link_group AS defect_id, f.asset_id, a.site_id, f.kind, f.blade, f.side,
          f.distance_to_root_m, f.length_mm, f.width_mm, f.severity_rank, f.status, f.finding_id AS latest_finding_id,
          min(f.detected_at) OVER w AS first_seen_at, f.detected_at AS last_seen_at, count(*) OVER w AS sightings,
          l.grown_since_first_mm, l.since_first_sigma_mm, {_TOWER},
          {_ALONG}
        FROM findings f JOIN assets a ON a.asset_id = f.asset_id
        LEFT JOIN defect_links l ON l.finding_id = f.finding_id
        WHERE f.status <> 'rejected'
        WINDOW w AS (PARTITION BY f.link_group)
        ORDER BY f.link_group, f.detected_at DESC, f.finding_id""",  # noqa: S608 - own constants
    "predictions": """
        SELECT link_group AS defect_id, asset_id, made_at, too_little, length_mm, length_low_mm, length_high_mm,
          next_rank, next_from_mm, chance_180_days, chance_365_days, critical_365_days, life_days, life_low_days,
          life_high_days
        FROM predictions""",
    "asset_risks": "SELECT asset_id, made_at, chance_365_days, inspect_by FROM asset_risks",
    "health": """
        SELECT scope, subject, day::date AS day, "index" AS health_index, made_at,
          (derivation ->> 'seen_share')::double precision AS seen_share
        FROM health""",
    "coverage": """
        SELECT c.flight_id, g.asset_id, c.blade, c.side, c.cell AS metre, c.seen_share, c.best_gsd_mm_px,
          c.best_incidence_deg
        FROM coverage c JOIN flights g ON g.flight_id = c.flight_id""",
    "tickets": """
        SELECT t.ticket_id, t.finding_id, t.link_group AS defect_id, f.asset_id, t.system, t.number, t.phase,
          t.priority, t.created_at, t.opened_at
        FROM tickets t JOIN findings f ON f.finding_id = t.finding_id""",
}


def create() -> list[str]:
    """Return the statements that make the schema; harmless when it is there."""
    made = [f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}"]
    return made + [f"CREATE OR REPLACE VIEW {SCHEMA}.{name} AS {query}" for name, query in VIEWS.items()]
