"""Two sites that hold the same: what a person of one of them may not see of the other, in every table."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
from sqlalchemy import BigInteger, Boolean, DateTime, Double, Integer, select
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Session

from cloud.row_security import OPEN
from cloud.schedules.rules import DueRule
from cloud.tables import Base, DueRuleRow, Telemetry, TelemetryArchive
from cloud.telemetry_store import parquet
from contracts import media as keys
from contracts.captures import photo_key
from contracts.vocabulary import AssetKind, DefectKind
from tests.factories import HOME, World
from tests.sightings import audit_frame, detection

MARK = "Ravenscar"
"""In every text of the site that must not be seen."""
_BUILT = {
    "sites", "assets", "drones", "plans", "flights", "findings", "media", "evidence", "tickets", "telemetry",
    "workflow_runs", "summaries", "coverage", "commands", "drone_events", "telemetry_archives",
}  # fmt: skip
"""Tables that the tests' own world fills, with rows as they come."""
_OBJECTS = {"body", "by_kind", "record", "model", "derivation", "place", "parameters", "facts", "told", "heard"}
"""JSON columns that hold an object; the others hold lists."""
_ASKERS = ("asked_by", "proposed_for", "principal", "actor")
ZONE = {"kind": "keep_out", "corners": [], "centre": {"lat_deg": 54.7, "lon_deg": 8.8}, "radius_m": 50.0}
_VALUES: dict[str, dict[str, Any]] = {
    "alerts": {"state": "open", "rank": 5},
    "asset_events": {"kind": "incident"},
    "captures": {"kind": "video", "photos": 1},
    "components": {"kind": "blade", "parent_id": None},
    "crew_reports": {"answer": "found"},
    "defect_absences": {"state": "gone"},
    "defect_links": {"state": "new", "source": "computed", "previous_finding_id": None, "joined_by": None},
    "audit_answers": {"verdict": "marked"},
    "audit_frames": {"share": 0.02, "draw": 0.0},
    "audit_marks": {"kind": "crack"},
    "first_looks": {"kind": "crack"},
    "detections": {"finding_id": None, "model": None},
    "health": {"scope": "asset", "day": "2026-11-20"},
    "link_edits": {"action": "merge", "undoes": None},
    "link_suggestions": {"reason": "alone", "others": []},
    "repair_slots": {"state": "unplanned", "crew_id": None, "starts_at": None, "ends_at": None},
    "security_events": {"subject_kind": "drone", "state": "closed"},
    "site_zones": {"body": {"name": MARK, **ZONE}},
    "schedules": {"rrule": "FREQ=DAILY", "zone": "UTC", "enabled": True, "plan_version": 1},
    "ticket_decisions": {"state": "waiting"},
    "webhook_deliveries": {"state": "failed"},
    "webhooks": {"events": ["finding.changed"], "enabled": True},
    "inventories": {"entries": [[0, 9_000_000]]},
    "changes": {"kind": "finding", "xact": 1},
}


class Site(World):
    """One of the sites, filled; ``ids`` are what its things are called."""

    def fill(self, site_id: str, mark: str, asker: str) -> dict[str, str]:
        """Fill the site and return the names that paths of the API ask for."""
        self.mark = mark
        self.site(site_id, f"{mark} farm")
        asset = self.asset(f"{mark} 1", 240.0, 10.0 * self.seed, asset_id=f"wt-{site_id}", site_id=site_id)
        drone = self.drone(f"{mark} drone", site_id=site_id)
        flight = self.flight(asset, drone, self.now - timedelta(minutes=3), state="flying")
        self.landed = self.flight(asset, drone, self.now - timedelta(days=2)).flight_id
        finding = self.finding(flight, DefectKind.CRACK, rank=5, at=self.now)
        finding.review_reason = mark
        segment = self.segment(flight, 0, self.now)
        evidence = self.evidence(finding, segment)
        evidence.crop_sha256 = evidence.frame_sha256 = None
        self.objects.put(segment.manifest_key, mark.encode(), "application/json")
        self.ticket(finding, number=f"{mark}-1")
        self.run(finding, "failed", error=mark)
        self.summary(finding, mark)
        self.coverage(flight, {})
        command = self.command(flight, "pause", 1, self.now)
        command.detail = mark
        self.drone_event(flight, 1, "note", self.now, text=mark)
        self.fly(flight, share=0.1, step_s=60.0)
        self.telemetry(flight, 99, self.now + timedelta(hours=1), HOME)
        self.names = {
            "site_id": site_id, "asset_id": asset.asset_id, "drone_id": drone.drone_id, "flight_id": flight.flight_id,
            "finding_id": finding.finding_id, "segment_id": segment.segment_id, "link_group": finding.link_group,
            "plan_id": flight.plan_id, "evidence_id": evidence.evidence_id, "command_id": command.command_id,
            "username": asker, "detection_id": evidence.detection_id, "key": f"{site_id}-key",
            "look_id": f"{site_id}-look",
        }  # fmt: skip
        for table in Base.metadata.sorted_tables:
            if table.name not in OPEN and table.name not in _BUILT:
                self._row(table)
        self._objects()
        self._archive(flight.flight_id, drone.drone_id)
        return self.names

    def _row(self, table: Any) -> None:
        """Add a row of any table: the site's own ids where columns want them, the mark in every other text."""
        values: dict[str, Any] = {}
        for column in table.columns:
            if column.autoincrement is True or column.identity is not None:
                continue
            values[column.name] = self._value(table.name, column)
        result = self.session.execute(table.insert().values(**values).returning(*table.primary_key))
        first = next(iter(table.primary_key)).name
        self.names.setdefault(first if first != "id" else f"{table.name}.id", str(result.one()[0]))

    def _value(self, table: str, column: Any) -> Any:
        special = {
            ("health", "subject"): self.names["asset_id"],
            ("security_events", "subject"): self.names["drone_id"],
            ("audit", "object"): self.names["finding_id"],
            ("changes", "object_id"): self.names["finding_id"],
            ("webhooks", "sites"): [self.names["site_id"]],
            ("first_looks", "crop_key"): f"{self.mark}/crop",
            ("detections", "body"): detection(self.names["detection_id"]).model_dump(mode="json"),
            ("audit_frames", "record"): audit_frame(self.names["segment_id"], key=f"{self.mark}/crop").model_dump(
                mode="json"
            ),
            ("audit_frames", "flight_id"): self.landed,
            ("audit_marks", "body"): detection(f"{self.mark}-seen").model_dump(mode="json"),
            **{(table, name): self.names["username"] for name in _ASKERS},
            **{(table, name): value for name, value in _VALUES.get(table, {}).items()},
        }
        if (table, column.name) in special:
            return special[table, column.name]
        return self.names.get(column.name) or self._plausible(table, column)

    def _plausible(self, table: str, column: Any) -> Any:
        if isinstance(column.type, JSONB):
            return {} if column.name in _OBJECTS else []
        plain = {DateTime: self.now, Boolean: False, BigInteger: 1, Integer: 1, Double: 1.0}
        return plain.get(type(column.type), f"{self.mark}-{table}-{column.name}")

    def _archive(self, flight_id: str, drone_id: str) -> None:
        """Put a sample of last year into the object store, as the retention does."""
        row = self.session.scalars(select(Telemetry).where(Telemetry.flight_id == flight_id)).first()
        assert row is not None
        at = self.now - timedelta(days=400)
        values = {name: getattr(row, name) for name in parquet.SCHEMA} | {"boot_id": self.mark, "captured_at": at}
        body = parquet.packed(pl.DataFrame([values], schema=parquet.SCHEMA))
        key = f"telemetry/drone={drone_id}/{self.mark}.parquet"
        self.objects.put(key, body, parquet.CONTENT_TYPE)
        self.add(TelemetryArchive(key=key, drone_id=drone_id, first_at=at, last_at=at, rows=1, sha256=self.mark,
                                  size_bytes=len(body), flights={flight_id: 1}, archived_at=self.now))  # fmt: skip

    def _objects(self) -> None:
        photo = photo_key(self.names["drone_id"], self.names["flight_id"], 0)
        for key in (photo, f"{self.mark}/crop", keys.video_key(self.names["drone_id"], self.names["flight_id"], 0)):
            self.objects.put(key, self.mark.encode(), "image/jpeg")


def fill(session: Session) -> tuple[Site, Site]:
    """Fill a site that may be seen and one that may not; return both."""
    now = datetime.now(UTC)
    seen, hidden = Site(session, now, seed=7), Site(session, now, seed=66)
    hidden.objects, hidden.routes = seen.objects, seen.routes
    rule = DueRule(
        rule_id="blades", title="Blades", asset_kinds=[AssetKind.WIND_TURBINE], max_interval_days=1, source="Contract"
    )
    session.add(DueRuleRow(rule_id="blades", body=rule.model_dump(mode="json"), created_by="ana"))
    seen.fill("nordmarsch", "Nordmarsch", "ana")
    hidden.fill("ravenscar", MARK, "bert")
    return seen, hidden
