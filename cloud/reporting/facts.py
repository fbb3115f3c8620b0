"""Everything an inspection report says, read once. Renderers only lay it out: no figure is made after this."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import Session

from cloud import candidates, coverage, line_towers, merging, miss_rate, places, stretches, tickets
from cloud.assistant.words import kind_label, severity_label
from cloud.blind import planted, rate
from cloud.history import suggestions
from cloud.history.growth import INTERVAL_SIGMAS, growth
from cloud.line_towers import TowersSeen
from cloud.reporting import blades
from cloud.tables import (
    Asset,
    Coverage,
    DefectAbsence,
    Drone,
    EvidenceRow,
    Finding,
    Flight,
    Media,
    PartCoverage,
    Plan,
    Site,
    Summary,
)
from contracts.errors import NotFound
from contracts.geo import Frozen
from contracts.vocabulary import AssetKind, FindingStatus, MediaState

_MOST_ASKED = 10_000
"""More than the findings of a flight."""


class Subject(Frozen):
    """What was inspected, by whom."""

    site: str
    asset: str
    asset_id: str
    functional_location: str
    flight_id: str
    drone: str
    drone_model: str
    agent_version: str
    plan: str
    stretch: str
    """Which part of the asset it was for, in words; empty where that is all of it, or not known."""
    route_hash: str
    approved_by: str | None
    started_at: datetime | None
    landed_at: datetime | None


class Picture(Frozen):
    """The best frame of a finding: where it lies in the store, and how good it is."""

    crop_key: str
    captured_at: datetime
    segment_id: str
    frame: int
    gsd_mm_px: float
    incidence_deg: float


class Earlier(Frozen):
    """The same defect as the inspection before saw it."""

    flight_id: str
    seen_at: datetime
    length_mm: float
    growth_mm: float
    growth_sigma_mm: float
    growth_reach_mm: float
    """Half of the 95 % interval of the growth, as pages tell it."""


class Perhaps(Frozen):
    """An earlier defect that a finding may be, which no person has decided; the likeliest."""

    number: int
    seen_at: datetime
    probability: float


class Reported(Frozen):
    """One finding."""

    finding_id: str
    number: int
    kind: str
    place: str
    lat_deg: float | None
    lon_deg: float | None
    alt_m: float | None
    ce90_m: float | None
    length_mm: float
    width_mm: float
    size_sigma_mm: float
    rank: int
    severity: str
    scheme: str
    code: str
    graded_by: str
    reason: str
    action: str
    due_at: datetime | None
    status: str
    confidence: float
    reviewed_by: str | None
    reviewed_at: datetime | None
    review_reason: str
    ticket: str | None
    ticket_system: str
    ticket_phase: str
    sentences: tuple[str, ...]
    frames: int
    picture: Picture | None
    earlier: Earlier | None
    perhaps: Perhaps | None


class Missing(Frozen):
    """A defect that inspections before had found and this one did not, as it was seen last."""

    finding_id: str
    number: int
    kind: str
    place: str
    length_mm: float
    rank: int
    severity: str
    seen_at: datetime
    state: str
    """``gone``: all of its place was seen, and nothing there; ``not_visible``: its place was not all seen."""
    seen_share: float
    counted: bool
    """Whether coverage counts what it lies on."""


class Seen(Frozen):
    """How much of the surface was seen, and what was not, in words."""

    surface: str
    """What is looked at, such as ``blade``."""
    side: str
    """What its metres are counted on, such as ``blade side``."""
    percent: float | None
    whole_m: int
    unseen_m: int
    asset_m: int
    """Metres that the asset has of it, whether this flight was to look at them or not."""
    gaps: tuple[str, ...]
    """What the flight was to look at and did not see."""
    beyond: tuple[str, ...]
    """What it was not to look at."""
    towers: TowersSeen | None
    """Of a line, where the flight tells of them."""
    best_gsd_mm_px: float | None
    seen_share: float = blades.SEEN_SHARE


class Video(Frozen):
    """What was filmed and analysed."""

    expected_segments: int | None
    stored: int
    analysed: int
    failed: int
    seconds: float
    key_frames: int


class Method(Frozen):
    """What the findings rest on."""

    detectors: tuple[str, ...]
    policies: tuple[str, ...]
    miss_rate: str
    blind_audits: str
    planted: str
    false_alarm_rate: str


class InspectionReport(Frozen):
    """The whole report. ``as_of``: the last change among its facts."""

    subject: Subject
    as_of: datetime
    findings: tuple[Reported, ...]
    rejected: int
    unsure: int
    """Places that the detector left to a person, and nobody has judged: they are among no findings."""
    missing: tuple[Missing, ...]
    """What was known of the asset before and not repaired, worst first."""
    seen: Seen
    video: Video
    method: Method
    schematic: blades.Schematic | None

    def by_rank(self) -> dict[int, int]:
        """Return how many findings have each severity rank, worst first."""
        return {rank: sum(1 for f in self.findings if f.rank == rank) for rank in (5, 4, 3, 2, 1)}

    @property
    def unreviewed(self) -> int:
        """Return how many findings wait for a person: what was repaired needs no verdict any more."""
        return sum(1 for f in self.findings if f.reviewed_by is None and f.status != FindingStatus.REPAIRED.value)

    @property
    def undecided(self) -> int:
        """Return of how many findings no person has decided whether they were known before."""
        return sum(1 for f in self.findings if f.perhaps is not None)

    @property
    def final(self) -> bool:
        """Tell whether every segment was analysed, and a person has judged all that a person must."""
        video = self.video
        whole = video.expected_segments is not None and video.analysed >= video.expected_segments
        open_ = self.unreviewed or self.unsure or self.undecided
        return whole and not video.failed and not open_


def gather(session: Session, flight_id: str) -> InspectionReport:
    """Return the report of a flight as the database has it now.

    Raises:
        NotFound: No such flight.

    """
    flight = session.get(Flight, flight_id)
    if flight is None:
        raise NotFound(f"No flight {flight_id!r}.", hint="List flights with GET /v1/flights.")
    rows = session.scalars(
        select(Finding)
        .where(Finding.flight_id == flight_id)
        .order_by(Finding.severity_rank.desc(), Finding.blade, Finding.distance_to_root_m, Finding.number)
    ).all()
    kept = [row for row in rows if row.status != FindingStatus.REJECTED.value]
    schematic = blades.build(session, flight)
    perhaps = _perhaps(session, flight_id)
    asset_kind = AssetKind(session.get_one(Asset, flight.asset_id).kind)
    quality = miss_rate.of_classes(session).get(asset_kind)
    changes = [row.updated_at for row in rows] + [t for t in (flight.completed_at, flight.landed_at) if t]
    return InspectionReport(
        subject=_subject(session, flight),
        as_of=max(changes, default=flight.created_at),
        findings=tuple(_reported(session, row, perhaps.get(row.finding_id)) for row in kept),
        rejected=len(rows) - len(kept),
        unsure=candidates.count(session, flight_id),
        missing=tuple(_missing(session, flight)),
        seen=_seen(session, flight, schematic, asset_kind),
        video=_video(session, flight),
        method=Method(
            miss_rate=miss_rate.missed_in_words(quality),
            blind_audits=rate.in_words(rate.of_class(session, asset_kind)),
            planted=planted.in_words(planted.spoke_last(session), asset_kind),
            false_alarm_rate=miss_rate.false_alarms_in_words(quality),
            detectors=tuple(sorted({f"{row.model_name} (SHA-256 {row.model_sha256})" for row in rows})),
            policies=tuple(sorted({f"{row.policy_version} ({row.severity_scheme})" for row in rows})),
        ),
        schematic=schematic,
    )


def _subject(session: Session, flight: Flight) -> Subject:
    asset, drone = session.get_one(Asset, flight.asset_id), session.get_one(Drone, flight.drone_id)
    plan = session.get(Plan, (flight.plan_id, flight.plan_version))
    flown = plan.flown if plan else None
    return Subject(
        site=session.get_one(Site, asset.site_id).name,
        asset=asset.name,
        asset_id=asset.asset_id,
        functional_location=asset.functional_location,
        flight_id=flight.flight_id,
        drone=drone.name,
        drone_model=drone.model,
        agent_version=drone.agent_version,
        plan=f"{flight.plan_id} version {flight.plan_version}",
        stretch=stretches.in_words(flown, plan.pattern, asset.shape) if plan and flown else "",
        route_hash=flight.route_hash,
        approved_by=flight.approved_by,
        started_at=flight.started_at,
        landed_at=flight.landed_at,
    )


def _reported(session: Session, row: Finding, perhaps: Perhaps | None) -> Reported:
    ticket, summary = tickets.of_defect(session, row), session.get(Summary, row.finding_id)
    evidence = session.scalars(select(EvidenceRow).where(EvidenceRow.finding_id == row.finding_id)).all()
    same = {name: getattr(row, name) for name in Reported.model_fields if hasattr(row, name)}
    return Reported(
        **same
        | {
            "kind": kind_label(row.kind),
            "place": places.where(row),
            "rank": row.severity_rank,
            "severity": severity_label(row.severity_rank),
            "scheme": row.severity_scheme,
            "code": row.severity_code,
            "graded_by": row.severity_source,
            "reason": row.severity_reason,
            "ticket": ticket.number if ticket else None,
            "ticket_system": ticket.system.upper() if ticket else "",
            "ticket_phase": ticket.phase if ticket else "",
            "sentences": tuple(s["text"] for s in summary.sentences) if summary else (),
            "frames": len(evidence),
            "picture": _best(evidence),
            "earlier": _earlier(session, row),
            "perhaps": perhaps,
        }
    )


def _best(evidence: Sequence[EvidenceRow]) -> Picture | None:
    def worth(row: EvidenceRow) -> tuple[float, str]:
        seen = {"confidence": row.confidence, "gsd_mm_px": row.gsd_mm_px, "incidence_deg": row.incidence_deg}
        return merging.quality(**seen), row.evidence_id

    best = max((row for row in evidence if row.crop_key), key=worth, default=None)
    if best is None:
        return None
    return Picture(**{name: getattr(best, name) for name in Picture.model_fields})


def _earlier(session: Session, row: Finding) -> Earlier | None:
    """Return the same defect in the latest inspection before, with how much longer it is now and how sure that is."""
    before = session.scalars(
        select(Finding)
        .where(
            Finding.link_group == row.link_group,
            Finding.flight_id != row.flight_id,
            Finding.detected_at < row.detected_at,
            Finding.status != FindingStatus.REJECTED.value,
        )
        .order_by(Finding.detected_at.desc())
        .limit(1)
    ).first()
    if before is None:
        return None
    grown = growth(before, row)
    return Earlier(
        flight_id=before.flight_id,
        seen_at=before.detected_at,
        length_mm=before.length_mm,
        growth_mm=grown.length_mm,
        growth_sigma_mm=grown.sigma_mm,
        growth_reach_mm=INTERVAL_SIGMAS * grown.sigma_mm,
    )


def _perhaps(session: Session, flight_id: str) -> dict[str, Perhaps]:
    """Return, by finding of a flight, the defect it may be and nobody has decided."""
    asked = suggestions.asked(session, flight_id=flight_id, limit=_MOST_ASKED)
    return {
        one.finding.finding_id: Perhaps(number=likely.latest.number, seen_at=likely.latest.detected_at,
                                        probability=likely.probability)
        for one in asked
        for likely in one.candidates[:1]
    }  # fmt: skip


def _missing(session: Session, flight: Flight) -> Iterator[Missing]:
    """Yield what was known of the asset before a flight that did not find it, but for what had been repaired."""
    known = (
        select(Finding, DefectAbsence.state, DefectAbsence.seen_share)
        .join(DefectAbsence, DefectAbsence.link_group == Finding.link_group)
        .join(Flight, Flight.flight_id == Finding.flight_id)
        .where(
            DefectAbsence.flight_id == flight.flight_id,
            Finding.status != FindingStatus.REJECTED.value,
            Flight.created_at < flight.created_at,
        )
        .ext(distinct_on(Finding.link_group))
        .order_by(Finding.link_group, Finding.detected_at.desc(), Finding.finding_id)
    )
    rows = [row for row in session.execute(known) if row[0].status != FindingStatus.REPAIRED.value]
    for last, state, share in sorted(rows, key=lambda row: (-row[0].severity_rank, row[0].number)):
        yield Missing(
            finding_id=last.finding_id,
            number=last.number,
            kind=kind_label(last.kind),
            place=places.where(last),
            length_mm=last.length_mm,
            rank=last.severity_rank,
            severity=severity_label(last.severity_rank),
            seen_at=last.detected_at,
            state=state,
            seen_share=share,
            counted=places.is_counted(last),
        )


_COUNTED = {
    AssetKind.POWER_LINE: ("conductor", "span"),
    AssetKind.PIPELINE: ("right of way", "right of way"),
}
"""What is seen of assets that have neither blades nor faces, and what its metres are counted on."""


def _seen(session: Session, flight: Flight, schematic: blades.Schematic | None, kind: AssetKind) -> Seen:
    table = Coverage if schematic else PartCoverage
    best = select(func.min(table.best_gsd_mm_px)).where(
        table.flight_id == flight.flight_id, table.seen_share >= blades.SEEN_SHARE
    )
    parts, towers = coverage.parts(session, flight.flight_id), coverage.towers(session, flight.flight_id)
    whole_m, unseen_m = parts.whole_m, parts.whole_m - parts.seen_m
    percent = 100 * parts.seen_m / whole_m if whole_m and parts.is_known else None
    surface, side = ("blade", "blade side") if schematic else _COUNTED.get(kind, ("tower", "tower face"))
    return Seen(
        surface=surface,
        side=side,
        percent=schematic.seen_percent if schematic else percent,
        whole_m=schematic.whole_m if schematic else whole_m,
        unseen_m=schematic.unseen_m if schematic else unseen_m,
        asset_m=schematic.whole_m if schematic else parts.asset_m,
        gaps=tuple(str(gap) for gap in coverage.gaps(session, flight.flight_id)),
        beyond=tuple(coverage.beyond(session, flight.flight_id)),
        best_gsd_mm_px=session.scalar(best),
        towers=line_towers.tally(towers) if towers is not None else None,
    )


def _video(session: Session, flight: Flight) -> Video:
    rows = session.scalars(select(Media).where(Media.flight_id == flight.flight_id)).all()
    return Video(
        expected_segments=flight.expected_segments,
        stored=len(rows),
        analysed=sum(1 for row in rows if row.state == MediaState.ANALYSED.value),
        failed=sum(1 for row in rows if row.state == MediaState.FAILED.value),
        seconds=sum(row.duration_s for row in rows),
        key_frames=sum(row.key_frames or 0 for row in rows),
    )
