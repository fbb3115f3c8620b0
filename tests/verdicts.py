"""Findings that people judged, and what a new detector measured: what a retraining stands on."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from cloud.services import Services
from cloud.tables import EvidenceRow
from contracts import media as keys
from contracts import training
from contracts.training import Evaluation, Measured
from contracts.vocabulary import DefectKind, FindingStatus
from tests.factories import World

ENOUGH = (FindingStatus.CONFIRMED,) * 25 + (FindingStatus.REJECTED,) * 20 + (FindingStatus.OPEN,) * 5
IN_FORCE = Measured(
    sha256="a" * 64, images=40, boxes=30, map50=0.5, precision=0.8, recall=0.7, false_boxes_per_image=0.1, accept=0.35
)


def judged(services: Services, verdicts: Sequence[FindingStatus]) -> list[str]:
    """Store findings with a frame each and what people said of them; returns the keys of the frames."""
    now = datetime.now(UTC)
    made = []
    with services.database.session() as session:
        world = World(session, now)
        world.site()
        flight = world.flight(world.asset("T-01", 260.0, 0.0), world.drone(), now)
        segment = world.segment(flight, 0, now)
        for number, verdict in enumerate(verdicts):
            found = world.finding(flight, DefectKind.CRACK, rank=2, at=now, status=verdict.value)
            session.flush()
            made.append(keys.frame_key(segment.segment_id, number))
            session.add(
                EvidenceRow(
                    evidence_id=f"evd-{number}", finding_id=found.finding_id, detection_id=f"det-{number}", position=0,
                    segment_id=segment.segment_id, frame=number, pts_ms=0.0, captured_at=now,
                    box={"x0": 0.4, "y0": 0.4, "x1": 0.5, "y1": 0.5}, confidence=0.8, gsd_mm_px=1.0,
                    incidence_deg=5.0, sharpness=90.0, pose={}, frame_key=made[-1],
                )
            )  # fmt: skip
    return made


def measured(services: Services, version: str, map50: float) -> None:
    """Store what was measured of a version, beside what is in force."""
    new = IN_FORCE.model_copy(update={"map50": map50, "sha256": "b" * 64})
    body = Evaluation(version=version, candidate=new, current=IN_FORCE).model_dump_json().encode()
    services.objects.put(training.evaluation_key(version), body, "application/json")
