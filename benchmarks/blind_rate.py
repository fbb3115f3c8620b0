"""How long Insights and a report wait for the blind rate: read from kept rows, and computed from every mark.

    python -m benchmarks.blind_rate --flights 1000 --json

Each flight has 100 detections in 20 findings and five sampled frames that a person answered with one mark each; half of
the marks are beside a detection. Both ways must say the same, or it fails.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from sqlalchemy import insert
from sqlalchemy.orm import Session

from cloud.blind import kept, rate
from cloud.db import Database
from cloud.tables import AuditAnswer, AuditFrameRow, AuditMark, DetectionRow
from contracts.vocabulary import DefectKind
from tests.factories import World
from tests.scenes import utc_now
from tests.services import DatabaseServer
from tests.sightings import audit_frame, detection

DETECTIONS, FINDINGS, FRAMES = 100, 20, 5
_ROUNDS = 5


def stock(session: Session, flights: int) -> None:
    """Fill a database with audited flights of one turbine."""
    world, rng = World(session, utc_now()), random.Random(7)
    world.site()
    asset, drone = world.asset("T-01", 240.0, 10.0), world.drone()
    for number in range(flights):
        flight = world.flight(asset, drone, world.now)
        segment = world.segment(flight, 0, world.now).segment_id
        found = [world.finding(flight, DefectKind.CRACK, root_m=n + 1.0).finding_id for n in range(FINDINGS)]
        rows = [_detected(f"det-{number}-{n}", segment, found[n % FINDINGS]) for n in range(DETECTIONS)]
        session.execute(insert(DetectionRow), rows)
        for n in range(FRAMES):
            _audited(world, flight.flight_id, segment, n, rng)


def _detected(name: str, segment: str, finding_id: str) -> dict[str, Any]:
    root_m = 1.0 + int(name.rpartition("-")[2]) % FINDINGS
    body = detection(name, segment=segment, root_m=root_m, frames=1).model_dump(mode="json")
    return {
        "detection_id": name, "segment_id": segment, "finding_id": finding_id, "kind": "crack", "confidence": 0.9,
        "body": body,
    }  # fmt: skip


def _audited(world: World, flight_id: str, segment: str, number: int, rng: random.Random) -> None:
    record = audit_frame(segment, number)
    frame_id, answer_id = f"{segment}-{number:06d}", f"ans-{segment}-{number}"
    frame = AuditFrameRow(
        frame_id=frame_id, segment_id=segment, flight_id=flight_id, asset_id="t-01", captured_at=world.now,
        draw=record.draw, share=record.share, model_sha256="ab" * 32, record=record.model_dump(mode="json"),
    )  # fmt: skip
    said = AuditAnswer(
        answer_id=answer_id, frame_id=frame_id, answered_by="rita", answered_at=world.now, verdict="marked"
    )
    world.add(frame)
    world.add(said)
    where_m = rng.randrange(FINDINGS) + rng.choice((1.0, 1.5))
    body = detection(f"aud-{segment}-{number}", segment=segment, root_m=where_m, length_mm=100.0, frames=1)
    mark = {"kind": "crack", "body": body.model_dump(mode="json")}
    world.add(AuditMark(mark_id=body.detection_id, answer_id=answer_id, **mark))


def timed(session: Session) -> tuple[float, list[rate.BlindRate]]:
    """Return how long the rates take, in seconds, the middle of a few times; and the rates."""
    took = []
    for _ in range(_ROUNDS):
        session.expire_all()
        started = time.perf_counter()
        said = rate.of_classes(session)
        took.append(time.perf_counter() - started)
    return sorted(took)[_ROUNDS // 2], said


def main() -> int:
    """Print both times; 1 where the two ways differ."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--flights", type=int, default=1000)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="kb") as folder,
        DatabaseServer(Path(folder) / "pg") as postgres,
        postgres.database(migrated=True) as url,
    ):
        database = Database(url)
        with database.session() as session:
            stock(session, asked.flights)
        with database.session() as session:
            computed_s, anew = timed(session)
        started, folded = time.perf_counter(), 1
        while folded:
            with database.session() as session:
                folded = kept.fold(session)
        folding_s = time.perf_counter() - started
        with database.session() as session:
            kept_s, read = timed(session)
        database.close()
    figures = {
        "flights": asked.flights, "frames": FRAMES * asked.flights, "detections": DETECTIONS * asked.flights,
        "computed_s": round(computed_s, 3), "kept_s": round(kept_s, 3), "folding_s": round(folding_s, 2),
        "same": read == anew,
    }  # fmt: skip
    told = [f"{name}: {value}" for name, value in figures.items()]
    sys.stdout.write((json.dumps(figures) if asked.json else "\n".join(told)) + "\n")
    return 0 if read == anew else 1


if __name__ == "__main__":
    sys.exit(main())
