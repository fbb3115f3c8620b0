"""What an inspection found: detections become findings, graded, one per physical defect, each step repeatable."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from sqlalchemy import delete, func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from cloud import audit, audit_samples, decisions, executions, flights, grading, kept_verdicts, places
from cloud.db import notify
from cloud.history import identity
from cloud.logbook import log
from cloud.merging import core, is_finding, merged, same_defect
from cloud.policy.replay import yearly
from cloud.policy.versions import active_policy
from cloud.tables import (
    Asset,
    Coverage,
    DefectLink,
    DetectionRow,
    EvidenceRow,
    Finding,
    Flight,
    Media,
    Notification,
    PartCoverage,
    Summary,
    Ticket,
    WorkflowRun,
)
from contracts.errors import Conflict, InvalidInput, NotFound
from contracts.findings import CoverageCell, Detection, DetectionBatch, ModelCard, PartCell
from contracts.ids import mint
from contracts.places import on_blade
from contracts.turbine import TurbineGeometry
from contracts.vocabulary import FindingStatus, MediaState

_CLOSED = (FindingStatus.REJECTED.value, FindingStatus.REPAIRED.value)
_UNKNOWN = ModelCard(name="not recorded", sha256=64 * "0", threshold=0.0)
"""Of what was held before the detector was written beside it."""


@dataclass(frozen=True)
class RecordOutcome:
    """What recording a batch changed. ``held``: detections too weak to tell alone, kept until others agree."""

    new_findings: list[str] = field(default_factory=list)
    critical: list[str] = field(default_factory=list)
    merged: list[str] = field(default_factory=list)
    held: int = 0


@dataclass
class _Group:
    """Detections of one defect, and the findings that held them until now."""

    detections: list[Detection]
    findings: list[str]
    changed: bool = False

    @property
    def is_told(self) -> bool:
        """Return whether it is a finding: it is one already, or what was seen suffices."""
        return bool(self.findings) or is_finding(self.detections)


def record_batch(session: Session, batch: DetectionBatch, policy: grading.Policy | None = None) -> RecordOutcome:
    """Bring everything vision said of a segment into the inspection; the same batch again changes nothing.

    Raises:
        NotFound: The flight or the segment is unknown.
        InvalidInput: The segment belongs to another flight or asset, or was analysed from another video.

    """
    policy = active_policy(session, batch.asset_id, policy or grading.shipped_policy())
    flight = session.get(Flight, batch.flight_id, with_for_update=True)
    media = session.get(Media, batch.segment_id, with_for_update=True)
    if flight is None or media is None:
        raise NotFound(f"Segment {batch.segment_id!r} of flight {batch.flight_id!r} is unknown.")
    if (media.flight_id, media.asset_id) != (batch.flight_id, batch.asset_id):
        raise InvalidInput(f"The batch of {batch.segment_id} names another flight or asset than its video.")
    if media.sha256 != batch.video_sha256:
        raise InvalidInput(f"The batch of {batch.segment_id} was made of another video than the one stored.")
    _cover(session, Coverage, flight.flight_id, batch.coverage)
    _cover(session, PartCoverage, flight.flight_id, batch.parts)
    audit_samples.keep(session, batch)
    outcome = _take(session, flight, batch, policy)
    _analysed(session, media, batch)
    return outcome


def add_seen(session: Session, batch: DetectionBatch, policy: grading.Policy) -> RecordOutcome:
    """Bring what a person saw on a segment's frames into the inspection, as what vision says of it: no analysis ends.

    Raises:
        NotFound: No such flight.

    """
    return _take(session, flights.flight(session, batch.flight_id, lock=True), batch, policy)


def _take(session: Session, flight: Flight, batch: DetectionBatch, policy: grading.Policy) -> RecordOutcome:
    """Bring a batch's detections into the findings of its flight."""
    groups, held_before = _grouped(session, batch)
    outcome = RecordOutcome(held=sum(1 for g in groups if not g.is_told) - held_before)
    inspection = _Inspection(flight, batch.model, policy, _geometry(session, flight.asset_id), outcome)
    written = [(_write(session, inspection, g), g) for g in groups if g.changed and g.is_told]
    # Severity may hang on growth, and growth on which defects the whole flight found again.
    identity.link_asset(session, flight.asset_id, since=flight)
    for finding, group in written:
        _judge(session, inspection, finding, group)
    return outcome


def tell(session: Session, detection_id: str, shipped: grading.Policy) -> Finding:
    """Make a held detection, and those held that show the same defect, a finding: a person says what it is.

    Nothing is started for it: what its severity asks for follows from what the person says.

    Raises:
        NotFound: No such detection.
        Conflict: It is in a finding already.

    """
    row = session.get(DetectionRow, detection_id)
    if row is None:
        raise NotFound(f"No detection {detection_id!r}.", hint="GET /v1/candidates lists those that wait.")
    media = session.get_one(Media, row.segment_id)
    flight = flights.flight(session, media.flight_id, lock=True)
    session.refresh(row)
    groups = _known(session, flight.flight_id)
    if row.finding_id is None:
        _join(groups, groups.pop(detection_id).detections[0], set())
    group = groups[row.finding_id or detection_id]
    if group.findings:
        raise Conflict(f"Detection {detection_id} is in finding {group.findings[0]} by now.", hint="Judge that one.")
    model = _UNKNOWN if row.model is None else ModelCard.model_validate(row.model)
    policy, geometry = active_policy(session, flight.asset_id, shipped), _geometry(session, flight.asset_id)
    inspection = _Inspection(flight, model, policy, geometry, RecordOutcome())
    finding = _write(session, inspection, group)
    identity.link_asset(session, flight.asset_id, since=flight)
    _grade_growth(session, inspection, finding, group)
    return finding


def regrade(session: Session, flight_id: str, shipped: grading.Policy) -> list[str]:
    """Grade a flight's open findings anew, with the growth that is known by now; returns those whose rank changed.

    What people graded stays. Who is critical by it gets a workflow run.

    Raises:
        NotFound: No such flight.

    """
    flight = flights.flight(session, flight_id, lock=True)
    policy = active_policy(session, flight.asset_id, shipped)
    geometry = _geometry(session, flight.asset_id)
    changed = []
    open_ones = select(Finding).where(Finding.flight_id == flight_id, Finding.status.not_in(_CLOSED))
    for finding in session.scalars(open_ones.order_by(Finding.finding_id).with_for_update()):
        before = finding.severity_rank
        if not _grade_anew(session, finding, policy, geometry):
            continue
        if finding.severity_rank >= policy.critical_rank:
            executions.want(session, finding.finding_id)
        if finding.severity_rank != before:
            changed.append(finding.finding_id)
            notify(session, "finding", finding.finding_id)
    return changed


def grade_anew(session: Session, finding: Finding, shipped: grading.Policy) -> None:
    """Grade a finding as its policy does with what is known by now; what a person graded stays."""
    policy = active_policy(session, finding.asset_id, shipped)
    _grade_anew(session, finding, policy, _geometry(session, finding.asset_id))


def _grade_anew(session: Session, finding: Finding, policy: grading.Policy, geometry: TurbineGeometry | None) -> bool:
    rows = session.scalars(select(DetectionRow).where(DetectionRow.finding_id == finding.finding_id)).all()
    if finding.severity_source == "manual" or not rows:
        return False
    seen = [Detection.model_validate(row.body) for row in rows]
    _grade(finding, seen, policy, geometry, _grown_mm_per_year(session, finding))
    return True


def _grouped(session: Session, batch: DetectionBatch) -> tuple[list[_Group], int]:
    """Return the flight's detections with the batch's new ones, grouped by defect; and how many were held."""
    groups = _known(session, batch.flight_id)
    known = {detection.detection_id for group in groups.values() for detection in group.detections}
    held = sum(1 for g in groups.values() if not g.findings)
    ticketed = _ticketed(session, batch.flight_id)
    for detection in sorted(batch.detections, key=lambda d: d.detection_id):
        if detection.detection_id not in known:
            known.add(detection.detection_id)
            _join(groups, detection, ticketed)
            session.add(_detection_row(batch, detection))
    session.flush()
    return list(groups.values()), held


def _known(session: Session, flight_id: str) -> dict[str, _Group]:
    """Return what is known of a flight: by finding, and what is held by detection."""
    rows = session.execute(
        select(DetectionRow.finding_id, DetectionRow.body)
        .join(Media, Media.segment_id == DetectionRow.segment_id)
        .where(Media.flight_id == flight_id)
        .order_by(DetectionRow.detection_id)
    ).all()
    groups: dict[str, _Group] = {}
    for finding_id, body in rows:
        detection = Detection.model_validate(body)
        group = groups.setdefault(finding_id or detection.detection_id, _Group([], [finding_id] if finding_id else []))
        group.detections.append(detection)
    return groups


def _join(groups: dict[str, _Group], detection: Detection, ticketed: set[str]) -> None:
    """Put a detection into its defect's group, joining groups that it ties together: findings only when it is sure."""
    touching = [key for key, g in groups.items() if any(same_defect(detection, other) for other in core(g.detections))]
    if detection.for_review:
        touching = [key for key in touching if groups[key].is_told][:1] or touching
    # Two notifications in SAP cannot become one: of several ticketed findings only the first is joined.
    keys = [k for k in touching if ticketed.isdisjoint(groups[k].findings)]
    keys += [k for k in touching if k not in keys][:1]
    whole = _Group([detection], [], changed=True)
    for key in keys:
        group = groups.pop(key)
        whole.detections += group.detections
        whole.findings += group.findings
    groups[detection.detection_id] = whole


@dataclass(frozen=True)
class _Inspection:
    """What every group of one batch is written with."""

    flight: Flight
    model: ModelCard
    policy: grading.Policy
    geometry: TurbineGeometry | None
    outcome: RecordOutcome


def _write(session: Session, inspection: _Inspection, group: _Group) -> Finding:
    flight, outcome = inspection.flight, inspection.outcome
    finding = _survivor(session, group, outcome)
    if finding is None:
        finding = Finding(finding_id=mint("fnd"), flight_id=flight.flight_id, asset_id=flight.asset_id)
        finding.status, finding.link_group = FindingStatus.OPEN.value, finding.finding_id
        outcome.new_findings.append(finding.finding_id)
    _describe(finding, group.detections, inspection.model)
    if finding.severity_source != "manual":
        _grade(finding, group.detections, inspection.policy, inspection.geometry, None)
    session.add(finding)
    session.flush()
    _attach(session, finding.finding_id, group.detections)
    return finding


def _judge(session: Session, inspection: _Inspection, finding: Finding, group: _Group) -> None:
    """Let what has grown be graded higher, and start what a finding's severity asks for."""
    _grade_growth(session, inspection, finding, group)
    critical = finding.severity_rank >= inspection.policy.critical_rank and finding.status not in _CLOSED
    if critical and executions.want(session, finding.finding_id) is not None:
        inspection.outcome.critical.append(finding.finding_id)
    notify(session, "finding", finding.finding_id)


def _grade_growth(session: Session, inspection: _Inspection, finding: Finding, group: _Group) -> None:
    grown = _grown_mm_per_year(session, finding)
    if grown is not None and finding.severity_source != "manual":
        _grade(finding, group.detections, inspection.policy, inspection.geometry, grown)


def _survivor(session: Session, group: _Group, outcome: RecordOutcome) -> Finding | None:
    """Return the finding that keeps the group: the ticketed one, else the one in a workflow, else the oldest."""
    for finding_id in sorted(group.findings):
        lock_ticketing(session, finding_id)
    rows = session.scalars(select(Finding).where(Finding.finding_id.in_(group.findings))).all()
    if not rows:
        return None
    ticketed = set(session.scalars(select(Ticket.finding_id).where(Ticket.finding_id.in_(group.findings))))
    running = set(session.scalars(select(WorkflowRun.finding_id).where(WorkflowRun.finding_id.in_(group.findings))))
    first, *others = sorted(rows, key=lambda f: (f.finding_id not in ticketed, f.finding_id not in running, f.number))
    kept_verdicts.take(first, others)
    for other in others:
        _absorb(session, first, other)
        outcome.merged.append(other.finding_id)
    return first


def _absorb(session: Session, kept: Finding, lost: Finding) -> None:
    """Move a finding's evidence to another one and drop it; its workflow finds nothing left to do."""
    session.execute(
        update(EvidenceRow).where(EvidenceRow.finding_id == lost.finding_id).values(finding_id=kept.finding_id)
    )
    session.execute(
        update(DetectionRow).where(DetectionRow.finding_id == lost.finding_id).values(finding_id=kept.finding_id)
    )
    session.execute(update(Finding).where(Finding.link_group == lost.finding_id).values(link_group=kept.finding_id))
    for table in (WorkflowRun, Notification, Summary):
        session.execute(delete(table).where(table.finding_id == lost.finding_id))
    decisions.withdraw(session, lost.finding_id, f"Merged into {kept.finding_id}.")
    audit.record(
        session,
        "inspections",
        "finding.merge",
        lost.finding_id,
        before={"number": lost.number, "kind": lost.kind},
        after={"into": kept.finding_id},
    )
    session.delete(lost)
    session.flush()
    notify(session, "finding", lost.finding_id)
    log("finding_merged", finding_id=lost.finding_id, into=kept.finding_id)


def _grown_mm_per_year(session: Session, finding: Finding) -> float | None:
    link = session.get(DefectLink, finding.finding_id)
    if link is None or link.previous_finding_id is None:
        return None
    earlier = session.get(Finding, link.previous_finding_id)
    at = earlier.detected_at if earlier is not None else None
    return yearly(link.grown_mm, link.grown_sigma_mm, at, finding.detected_at)


def lock_ticketing(session: Session, finding_id: str) -> None:
    """Keep other transactions from opening a ticket for a finding, or merging it away, until this one ends."""
    session.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))"), {"key": f"ticket/{finding_id}"})


def _describe(finding: Finding, detections: list[Detection], model: ModelCard) -> None:
    defect = merged(detections)
    point = defect.point
    finding.kind = defect.kind.value
    places.keep(finding, defect.place)
    finding.length_mm, finding.width_mm, finding.size_sigma_mm = (
        defect.length_mm,
        defect.width_mm,
        defect.size_sigma_mm,
    )
    finding.lat_deg = point.lat_deg if point else None
    finding.lon_deg = point.lon_deg if point else None
    finding.alt_m = point.alt_m if point else None
    finding.ce90_m, finding.le90_m = defect.ce90_m, defect.le90_m
    finding.confidence = defect.confidence
    finding.model_name, finding.model_sha256, finding.threshold = model.name, model.sha256, model.threshold
    finding.detected_at = defect.best.frame.captured_at


def _grade(
    finding: Finding,
    detections: list[Detection],
    policy: grading.Policy,
    geometry: TurbineGeometry | None,
    grown_mm_per_year: float | None,
) -> None:
    defect = merged(detections)
    place = on_blade(defect.place)
    severity = grading.grade(
        policy,
        grading.Measured(
            kind=defect.kind,
            length_mm=defect.length_mm,
            width_mm=defect.width_mm,
            size_sigma_mm=defect.size_sigma_mm,
            side=place.side if place else None,
            span_share=place.distance_to_root_m / geometry.blade_length_m if place and geometry else None,
            incidence_deg=min(e.incidence_deg for d in detections for e in d.evidence),
            grown_mm_per_year=grown_mm_per_year,
        ),
    )
    finding.severity_scheme, finding.severity_code, finding.severity_rank = (
        severity.scheme,
        severity.code,
        severity.rank,
    )
    finding.severity_source, finding.policy_version = "policy", severity.policy_version
    finding.severity_reason, finding.action = severity.reason, severity.action
    finding.due_at = severity.due_at(finding.detected_at)


def _detection_row(batch: DetectionBatch, detection: Detection) -> DetectionRow:
    return DetectionRow(
        detection_id=detection.detection_id,
        segment_id=batch.segment_id,
        finding_id=None,
        kind=detection.kind.value,
        confidence=detection.confidence,
        body=detection.model_dump(mode="json"),
        model=batch.model.model_dump(mode="json"),
    )


def _attach(session: Session, finding_id: str, detections: Iterable[Detection]) -> None:
    """Point the group's detections at its finding and keep the frames that show it."""
    ids = [d.detection_id for d in detections]
    session.execute(update(DetectionRow).where(DetectionRow.detection_id.in_(ids)).values(finding_id=finding_id))
    rows = [_evidence_values(finding_id, d, position) for d in detections for position in range(len(d.evidence))]
    session.execute(insert(EvidenceRow).on_conflict_do_nothing(index_elements=["evidence_id"]), rows)


def _evidence_values(finding_id: str, detection: Detection, position: int) -> Mapping[str, object]:
    shown = detection.evidence[position]
    return {
        "evidence_id": f"{detection.detection_id}.{position}",
        "finding_id": finding_id,
        "detection_id": detection.detection_id,
        "position": position,
        "segment_id": shown.frame.segment_id,
        "frame": shown.frame.frame,
        "pts_ms": shown.frame.pts_ms,
        "captured_at": shown.frame.captured_at,
        "box": shown.box.model_dump(mode="json"),
        "confidence": shown.confidence,
        "gsd_mm_px": shown.gsd_mm_px,
        "incidence_deg": shown.incidence_deg,
        "sharpness": shown.frame.sharpness,
        "pose": shown.frame.pose.model_dump(mode="json"),
        "crop_key": shown.crop_key,
        "crop_sha256": shown.crop_sha256,
        "frame_key": shown.frame_key,
        "frame_sha256": shown.frame_sha256,
    }


def _cover(
    session: Session,
    table: type[Coverage | PartCoverage],
    flight_id: str,
    cells: Iterable[CoverageCell | PartCell],
) -> None:
    """Keep the best that any segment saw of each cell.

    Rows go beside the statement, not into it: a statement as long as its rows is compiled anew each time.
    """
    rows = [{"flight_id": flight_id, **cell.model_dump(mode="json")} for cell in _once(cells)]
    if not rows:
        return
    added = insert(table)
    new = added.excluded
    best = {
        "seen_share": func.greatest(table.seen_share, new.seen_share),
        "best_gsd_mm_px": func.least(table.best_gsd_mm_px, new.best_gsd_mm_px),
        "best_incidence_deg": func.least(table.best_incidence_deg, new.best_incidence_deg),
        "best_sharpness": func.greatest(table.best_sharpness, new.best_sharpness),
    }
    key = [column.name for column in table.__table__.primary_key]
    session.execute(added.on_conflict_do_update(index_elements=key, set_=best), rows)


def _once(cells: Iterable[CoverageCell | PartCell]) -> list[CoverageCell | PartCell]:
    """Return one entry per cell: Postgres refuses to update a row twice in one statement."""
    best: dict[tuple[str, int], CoverageCell | PartCell] = {}
    for cell in cells:
        part = cell.part if isinstance(cell, PartCell) else f"{cell.blade.value}/{cell.side.value}"
        key = (part, cell.cell)
        if key not in best or cell.seen_share > best[key].seen_share:
            best[key] = cell
    return list(best.values())


def _analysed(session: Session, media: Media, batch: DetectionBatch) -> None:
    media.counts_towers = batch.counts_towers
    if media.state == MediaState.ANALYSED.value and media.model_sha256 == batch.model.sha256:
        return
    media.state, media.reason = MediaState.ANALYSED.value, ""
    media.analysed_at, media.processing_s = batch.analysed_at, batch.processing_s
    media.key_frames, media.model_sha256 = batch.key_frames, batch.model.sha256
    notify(session, "media", media.segment_id)


def _ticketed(session: Session, flight_id: str) -> set[str]:
    found = select(Ticket.finding_id).join(Finding, Finding.finding_id == Ticket.finding_id)
    return set(session.scalars(found.where(Finding.flight_id == flight_id)))


def _geometry(session: Session, asset_id: str) -> TurbineGeometry | None:
    asset = session.get(Asset, asset_id)
    return asset.turbine if asset is not None else None
