"""A seeded history of two years for the evaluation: two sites, eight turbines, 96 flights, a thousand findings."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from cloud.tables import Asset, Coverage, Drone, Finding, Flight, Plan, Site, Ticket
from contracts.errors import Conflict
from contracts.vocabulary import Blade, BladeSide, DefectKind

SEED = 20
_FLIGHTS_PER_ASSET = 12
_DAYS_BETWEEN = 60
_SITES = (("nordmarsch", "Nordmarsch"), ("suedhang", "Suedhang"))
_MODEL = {"model_name": "blade-n", "model_sha256": "ab" * 32, "threshold": 0.35}
_GRADE = {"severity_scheme": "gwo", "policy_version": "wind-gwo-1", "severity_source": "policy", "review_reason": ""}


def seed(session: Session, now: datetime, *, seed_number: int = SEED) -> dict[str, int]:
    """Fill an empty database; the same seed and time give the same rows. Returns how many rows per table.

    Raises:
        Conflict: The database holds assets already: this is for a database of its own.

    """
    if session.scalar(select(Asset.asset_id).limit(1)) is not None:
        raise Conflict("The database is not empty.", hint="Evaluate against a database of its own.")
    rows = _rows(random.Random(seed_number), now)
    tables = (Site, Asset, Drone, Plan, Flight, Finding, Ticket, Coverage)
    for table in tables:
        session.execute(insert(table), rows[table.__tablename__])
    return {table.__tablename__: len(rows[table.__tablename__]) for table in tables}


def _rows(rng: random.Random, now: datetime) -> dict[str, list[dict[str, Any]]]:
    made: dict[str, list[dict[str, Any]]] = {
        name: [] for name in ("sites", "assets", "drones", "plans", "flights", "findings", "tickets", "coverage")
    }
    for i, (site_id, name) in enumerate(_SITES):
        made["sites"].append({"site_id": site_id, "name": name, "home_lat_deg": 54.7 + i, "home_lon_deg": 8.8,
                              "home_alt_m": 10.0})  # fmt: skip
        made["drones"].append({"drone_id": f"merlin-{i + 1}", "site_id": site_id, "name": f"Merlin {i + 1}",
                               "model": "sim", "camera": {}, "online": i == 0, "agent_version": "",
                               "command_seq": 0})  # fmt: skip
    for number in range(1, 9):
        _asset(rng, now, number, made)
    return made


def _asset(rng: random.Random, now: datetime, number: int, made: dict[str, list[dict[str, Any]]]) -> None:
    asset_id, site = f"t-{number:02d}", (number - 1) // 4
    foot = {"lat_deg": 54.7 + site + 0.01 * number, "lon_deg": 8.8, "alt_m": 10.0}
    made["assets"].append({"asset_id": asset_id, "site_id": _SITES[site][0], "kind": "wind_turbine",
                           "name": f"T-{number:02d}", "functional_location": f"WEA-{number:02d}", "external_id": None,
                           "geometry": {"foot": foot, "blade_length_m": 25.0}})  # fmt: skip
    made["plans"].append({"plan_id": f"pln-{asset_id}", "version": 1, "asset_id": asset_id, "pattern": "blades",
                          "params": {}, "content_hash": "0" * 64, "checks": [], "estimates": {},
                          "created_by": "operator", "created_at": now - timedelta(days=740)})  # fmt: skip
    for i in range(_FLIGHTS_PER_ASSET):
        back = timedelta(days=_DAYS_BETWEEN * (_FLIGHTS_PER_ASSET - 1 - i) + 2 + 5 * number, hours=number)
        _flight(rng, now - back, (asset_id, site, i), made)


def _flight(rng: random.Random, at: datetime, of: tuple[str, int, int], made: dict[str, list[dict[str, Any]]]) -> None:
    asset_id, site, i = of
    flight_id = f"flt-{asset_id}-{i:02d}"
    made["flights"].append({"flight_id": flight_id, "asset_id": asset_id, "drone_id": f"merlin-{site + 1}",
                            "plan_id": f"pln-{asset_id}", "plan_version": 1, "route_hash": "0" * 64,
                            "state": "complete", "created_by": "operator", "created_at": at - timedelta(minutes=9),
                            "started_at": at, "landed_at": at + timedelta(minutes=11)})  # fmt: skip
    for j in range(rng.randint(7, 14)):
        _finding(rng, at + timedelta(seconds=15 * j), (asset_id, flight_id, j), made)
    if i == _FLIGHTS_PER_ASSET - 1:
        seen = {(b.value, s.value): rng.randint(18, 25) for b in Blade for s in BladeSide}
        made["coverage"] += [
            {"flight_id": flight_id, "blade": blade, "side": side, "cell": cell, "best_gsd_mm_px": 1.4,
             "seen_share": 0.95 if cell < limit else 0.2, "best_incidence_deg": 20.0, "best_sharpness": 300.0}
            for (blade, side), limit in seen.items() for cell in range(25)
        ]  # fmt: skip


def _finding(rng: random.Random, at: datetime, of: tuple[str, str, int], made: dict[str, list[dict[str, Any]]]) -> None:
    asset_id, flight_id, j = of
    rank = rng.choice((1, 2, 2, 3, 3, 3, 4, 4, 5))
    status = rng.choice(("open", "open", "open", "confirmed", "rejected", "repaired"))
    finding_id = f"fnd-{flight_id}-{j:02d}"
    made["findings"].append({
        "finding_id": finding_id, "link_group": finding_id, "flight_id": flight_id, "asset_id": asset_id,
        "kind": rng.choice(list(DefectKind)).value, "blade": rng.choice("ABC"),
        "side": rng.choice(list(BladeSide)).value, "distance_to_root_m": round(rng.uniform(0.5, 24.5), 2),
        "offset_m": 0.1, "length_mm": float(rng.randint(20, 1400)), "width_mm": float(rng.randint(5, 300)),
        "size_sigma_mm": 4.0, "confidence": round(rng.uniform(0.4, 0.99), 3), "severity_code": str(rank),
        "severity_rank": rank, "severity_reason": f"reaches rank {rank}", "action": "Look again.", "status": status,
        "detected_at": at, "reviewed_by": None if status == "open" else "analyst",
        "reviewed_at": None if status == "open" else at + timedelta(hours=2), **_MODEL, **_GRADE,
    })  # fmt: skip
    if rank >= 4 and j % 4 != 3:
        number = f"0000{len(made['tickets']) + 10_000_000:08d}"
        made["tickets"].append({
            "ticket_id": f"tkt-{finding_id}", "finding_id": finding_id, "link_group": finding_id, "system": "SAP",
            "number": number, "phase": rng.choice(("Outstanding", "In process", "Completed")), "priority": "2",
            "text": "", "url": "", "created_at": at + timedelta(seconds=6), "opened_at": at + timedelta(seconds=9),
        })  # fmt: skip
