"""One stocked platform in which no page is empty: four kinds of asset, a defect's years, work that waits, a fleet."""

from __future__ import annotations

import io
from datetime import datetime, timedelta
from functools import cache
from typing import Any

import av
import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session

from cloud import audit, dead_letters, health_index, keys
from cloud.alerts import book
from cloud.history.certainty import BESIDE
from cloud.history.identity import link_asset
from cloud.intrusion import book as suspicions
from cloud.intrusion.rules import Activity, Jump, of_activity, of_jumps
from cloud.policy import versions
from cloud.tables import (
    Alert,
    Asset,
    AssetEvent,
    AssetRisk,
    CertificateRevocation,
    CrewRow,
    Delivery,
    DetectionRow,
    DetectorVersion,
    Drone,
    EvidenceRow,
    Finding,
    Flight,
    HealthRow,
    LinkSuggestion,
    Media,
    Prediction,
    RepairSlot,
    Schedule,
    TicketDecision,
    Transcript,
    Webhook,
)
from contracts import promotion
from contracts.geo import Enu, LocalFrame
from contracts.health import FirstLookHealth, Health
from contracts.resources import VISION_JOBS_QUEUE
from contracts.training import Evaluation
from contracts.vocabulary import DefectKind
from tests import blind_stock, line_stock
from tests.factories import HOME, World
from tests.policies import stricter
from tests.scenes import seed_live
from tests.sightings import MODEL, detection
from tests.verdicts import IN_FORCE


class Outbox:
    """Queues that keep what was sent."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, str]] = []

    def send(self, queue: str, body: str) -> None:
        """Keep a message."""
        self.sent.append((queue, body))


class Machines:
    """Step Functions that takes every answer."""

    def succeed(self, token: str, output: str) -> bool:
        """Say that the task waited."""
        return True


_FRAME = LocalFrame(HOME)


def stock_all(session: Session, now: datetime) -> World:
    """Fill a database for every page."""
    world = seed_live(session, now)
    _years(world, now)
    others = _other_kinds(world, now)
    for asset_id in session.scalars(select(Asset.asset_id)):
        link_asset(session, asset_id)
    line_stock.fill(world)
    _outlook(session, now)
    _work(world, now)
    _fleet(session, now)
    _settings(session, now)
    for segment in session.scalars(select(Media)):
        world.objects.put(segment.video_key, _film(), "video/mp4")
    session.add(
        AssetEvent(
            event_id="evt-1",
            asset_id=others[2],
            kind="extreme_weather",
            happened_at=now - timedelta(days=2),
            accessible_at=now - timedelta(days=1),
            note="River over the right of way",
            created_by="operator",
        )
    )
    _asked(world)
    blind_stock.fill(world)
    session.flush()
    return world


@cache
def _film() -> bytes:
    """Return ten seconds of H.264: a light that wanders over a dark picture."""
    out = io.BytesIO()
    with av.open(out, "w", format="mp4", options={"movflags": "frag_keyframe+empty_moov"}) as box:
        stream = box.add_stream("libx264", rate=6)
        stream.width, stream.height, stream.pix_fmt = 320, 180, "yuv420p"
        for n in range(60):
            picture = np.full((180, 320, 3), 40, np.uint8)
            picture[70:110, 4 * n : 4 * n + 60] = 190
            box.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        box.mux(stream.encode())
    return out.getvalue()


def _years(world: World, now: datetime) -> None:
    """Turbine T-01 inspected five times in two years: one crack grows, one erosion stays, one burn is repaired."""
    session = world.session
    asset, drone = session.get_one(Asset, "t-01"), session.get_one(Drone, "merlin-1")
    for i, days in enumerate((700, 520, 340, 160, 1)):
        at = now - timedelta(days=days, hours=3)
        flight = world.flight(asset, drone, at)
        segment = world.segment(flight, 0, at)
        world.coverage(flight, {("B", "TE"): range(18, 25)} if i % 2 else {("C", "SS"): range(6, 9)})
        crack = world.finding(
            flight,
            DefectKind.CRACK,
            blade="A",
            side="LE",
            root_m=17.4 + 0.02 * i,
            rank=2 + i // 2,
            at=at,
            length_mm=180.0 + 60 * i,
            width_mm=5.0 + i,
            confidence=0.9,
            status="open" if i == 4 else "confirmed",
            reviewed_by=None if i == 4 else "analyst",
        )
        erosion = world.finding(
            flight,
            DefectKind.LEADING_EDGE_EROSION,
            blade="B",
            side="LE",
            root_m=21.0,
            rank=3,
            at=at,
            length_mm=640.0 + 4 * i,
            width_mm=60.0,
        )
        if i in (0, 3, 4):
            world.evidence(crack, segment, frame=40)
        if i == 4:
            world.evidence(erosion, segment, frame=90)
        if i < 3:
            world.finding(
                flight,
                DefectKind.LIGHTNING_BURN,
                blade="C",
                side="SS",
                root_m=23.2,
                rank=4,
                at=at,
                length_mm=150.0,
                status="repaired" if i == 2 else "confirmed",
                reviewed_by="analyst",
            )
    world.ticket(crack, number="000010000031", waited_s=7)


def _asked(world: World) -> None:
    """Ask whether coating that is missing on T-01 is the place seen before: it lies farther along than expected."""
    session = world.session
    segment = {media.flight_id: media for media in session.scalars(select(Media))}
    filmed = select(Flight).where(Flight.asset_id == "t-01", Flight.flight_id.in_(segment))
    now, before = session.scalars(filmed.order_by(Flight.started_at.desc()).limit(2))
    seen = []
    for flight, root_m in ((before, 9.4), (now, 10.3)):
        place: dict[str, Any] = {"blade": "C", "side": "LE", "root_m": root_m, "at": flight.started_at}
        size: dict[str, Any] = {"length_mm": 330.0 * root_m / 9.4, "width_mm": 60.0}
        seen.append(world.finding(flight, DefectKind.MISSING_COATING, rank=1, **place, **size))
        world.evidence(seen[-1], segment[flight.flight_id], frame=60)
    link_asset(session, "t-01")
    asked: dict[str, Any] = {"link_group": seen[0].link_group, "probability": 0.71, "reason": BESIDE, "others": []}
    session.merge(LinkSuggestion(finding_id=seen[1].finding_id, flight_id=now.flight_id, **asked))


def _other_kinds(world: World, now: datetime) -> tuple[str, str, str]:
    def place(east_m: float, north_m: float) -> dict[str, Any]:
        return _FRAME.to_geo(Enu(east_m, north_m, 0.0)).model_dump(mode="json")

    mast = {
        "kind": "telecom_tower",
        "foot": place(-600, 250),
        "height_m": 48.0,
        "mounts": [{"name": "Panel 1", "face": 0, "height_m": 44.0}, {"name": "Dish 2", "face": 2, "height_m": 31.0}],
    }
    line = {
        "kind": "power_line",
        "towers": [{"name": f"M{n}", "foot": place(-900 + 280 * n, -500 + 40 * (n % 2))} for n in range(5)],
    }
    pipe = {"kind": "pipeline", "centre_line": [place(600 + 420 * n, -300 + 120 * (n % 3)) for n in range(6)]}
    for asset_id, name, geometry in (
        ("mast-7", "Mast 7", mast),
        ("line-110", "Line 110", line),
        ("pipe-2", "Pipe 2", pipe),
    ):
        world.add(
            Asset(
                asset_id=asset_id,
                site_id="nordmarsch",
                kind=geometry["kind"],
                name=name,
                functional_location=f"NM-{asset_id.upper()}",
                external_id=None,
                geometry=geometry,
            )
        )
    _off_blade(world, now, "mast-7", Enu(-600.0, 252.0, 31.0), DefectKind.CORROSION, 3)
    _off_blade(world, now, "line-110", Enu(-480.0, -480.0, 22.0), DefectKind.DAMAGE, 4)
    _off_blade(world, now, "pipe-2", Enu(1250.0, -190.0, 0.0), DefectKind.CORROSION, 2)
    return "mast-7", "line-110", "pipe-2"


def _off_blade(world: World, now: datetime, asset_id: str, at: Enu, kind: DefectKind, rank: int) -> None:
    """Add a finding that lies at a place in the world and on no blade, with its flight."""
    session = world.session
    template = session.scalars(select(Flight).where(Flight.asset_id == "t-01")).first()
    assert template is not None
    flight = world.add(
        Flight(
            flight_id=f"flt-{asset_id}",
            asset_id=asset_id,
            drone_id="merlin-1",
            plan_id=template.plan_id,
            plan_version=1,
            route_hash="0" * 64,
            state="complete",
            created_by="operator",
            created_at=now - timedelta(days=40),
            started_at=now - timedelta(days=40),
            landed_at=now - timedelta(days=40) + timedelta(minutes=9),
            completed_at=now - timedelta(days=40),
        )
    )
    world.geometries[asset_id] = world.geometries["t-01"]
    found = world.finding(flight, kind, blade=None, side=None, root_m=None, rank=rank, length_mm=95.0)
    point = _FRAME.to_geo(at)
    found.lat_deg, found.lon_deg, found.alt_m = point.lat_deg, point.lon_deg, point.alt_m


def _outlook(session: Session, now: datetime) -> None:
    health_index.keep(session, now)
    for asset in session.scalars(select(Asset)):
        today = session.get(HealthRow, ("asset", asset.asset_id, now.date().isoformat()))
        if today is None:  # nobody ever looked at it
            continue
        for week in range(1, 40):
            day = (now - timedelta(days=7 * week)).date().isoformat()
            index = min(100.0, today.index + 0.55 * week + 2 * (week % 3))
            session.add(
                HealthRow(scope="asset", subject=asset.asset_id, day=day, index=index, derivation={"parts": []})
            )
    rows = session.scalars(select(Finding).where(Finding.asset_id == "t-01").order_by(Finding.detected_at))
    for finding in {row.link_group: row for row in rows}.values():
        sure = finding.kind == "crack" and finding.blade == "A"
        session.add(
            Prediction(
                link_group=finding.link_group,
                asset_id=finding.asset_id,
                finding_id=finding.finding_id,
                made_at=now,
                too_little="" if sure else "Seen at one size only.",
                length_mm=560.0 if sure else None,
                length_low_mm=480.0 if sure else None,
                length_high_mm=660.0 if sure else None,
                next_rank=5 if sure else None,
                next_from_mm=500.0 if sure else None,
                chance_180_days=0.41 if sure else None,
                chance_365_days=0.78 if sure else None,
                critical_365_days=1.0 if sure else None,
                life_days=240.0 if sure else None,
                life_low_days=150.0 if sure else None,
                life_high_days=410.0 if sure else None,
                model={},
            )
        )
    for asset_id, chance in (("t-01", 0.78), ("t-02", 0.34)):
        session.add(
            AssetRisk(
                asset_id=asset_id,
                made_at=now,
                chance_365_days=chance,
                inspect_by=now + timedelta(days=42 if asset_id == "t-01" else 210),
                because=[],
            )
        )


def _unsure(world: World) -> None:
    """Add detections that wait for a person, with the pictures of others."""
    older = select(EvidenceRow).join(Finding, Finding.finding_id == EvidenceRow.finding_id)
    older = older.where(Finding.asset_id == "t-01", EvidenceRow.crop_key != "")
    pictures = world.session.scalars(older.order_by(EvidenceRow.captured_at.desc(), EvidenceRow.evidence_id).limit(3))
    for i, shown in enumerate(pictures.all()):
        name = f"det-unsure-{i}"
        seen = detection(name, segment=shown.segment_id, root_m=5.0 + 4 * i, length_mm=90.0, confidence=0.4)
        first, *rest = seen.evidence
        first = first.model_copy(update={"crop_key": shown.crop_key, "frame_key": shown.frame_key})
        body = seen.model_copy(update={"for_review": True, "evidence": (first, *rest)}).model_dump(mode="json")
        world.add(
            DetectionRow(
                detection_id=name,
                segment_id=shown.segment_id,
                kind=seen.kind.value,
                confidence=seen.confidence,
                body=body,
                model=MODEL.model_dump(mode="json"),
            )
        )


def _work(world: World, now: datetime) -> None:
    session = world.session
    worst = session.scalars(select(Finding).where(Finding.severity_rank >= 4).order_by(Finding.number.desc())).all()
    for i, finding in enumerate(worst[:4]):
        book.raise_alert(
            session,
            finding.finding_id,
            finding.severity_rank,
            f"F-{finding.number} {finding.kind}",
            "Look at it.",
            now - timedelta(minutes=7 * i),
        )
    _unsure(world)
    book.acknowledge(session, session.scalars(select(Alert.alert_id).order_by(Alert.created_at)).first() or "", "ana")
    for i, finding in enumerate(worst[:3]):
        world.add(
            TicketDecision(
                decision_id=f"dcn-{i}",
                finding_id=finding.finding_id,
                execution_name=finding.finding_id,
                token=f"token-{i}",
                because=f"wind-gwo-1 asks a person at rank {finding.severity_rank}.",
                state="waiting" if i < 2 else "approved",
                asked_at=now - timedelta(hours=2 + i),
                expires_at=now + timedelta(hours=20 - i),
                on_silence="open" if i else "fail",
                answered_by=None if i < 2 else "rita",
                answered_at=None if i < 2 else now,
                reason="" if i < 2 else "Seen on two passes.",
            )
        )
    world.add(
        CrewRow(
            crew_id="north",
            name="Crew North",
            skills=["rope"],
            home_lat_deg=54.78,
            home_lon_deg=8.86,
            zone="Europe/Berlin",
            shift_start="07:00",
            shift_end="16:00",
            weekdays=[1, 2, 3, 4, 5],
            language="en",
            created_by="operator",
        )
    )
    morning = (now + timedelta(days=5)).replace(hour=8, minute=0, second=0, microsecond=0)
    for i, finding in enumerate(worst[:3]):
        placed = i < 2
        world.add(
            RepairSlot(
                slot_id=f"rep-{i}",
                finding_id=finding.finding_id,
                state="proposed" if placed else "unplanned",
                crew_id="north" if placed else None,
                starts_at=morning + timedelta(days=i) if placed else None,
                ends_at=morning + timedelta(days=i, hours=4) if placed else None,
                late=not placed,
                reason="" if placed else "No crew has the skills composite.",
                wind_known=i == 0,
            )
        )
    flight = session.scalars(select(Flight).where(Flight.asset_id == "t-01")).first()
    assert flight is not None
    world.add(
        Schedule(
            schedule_id="sch-1",
            name="Blades, every half year",
            asset_id="t-01",
            plan_id=flight.plan_id,
            plan_version=1,
            drone_id="merlin-1",
            starts_at=now + timedelta(days=9),
            rrule="FREQ=MONTHLY;INTERVAL=6",
            zone="Europe/Berlin",
            duration_min=45,
            lead_h=24,
            created_by="operator",
        )
    )


def _fleet(session: Session, now: datetime) -> None:
    one, two = session.get_one(Drone, "merlin-1"), session.get_one(Drone, "merlin-2")
    two.last_seen_at = now - timedelta(days=2)
    for drone, free, hot in ((one, 61.0, 58.0), (two, 3.0, 88.0)):
        drone.health_at = now - timedelta(seconds=40)
        drone.health = Health(
            at=now,
            agent_version="0.1.0",
            python_version="3.11.7",
            kernel="6.1",
            load_per_core=0.4,
            memory_free_percent=44.0,
            agent_memory_bytes=91_000_000,
            temperature_c=hot,
            storage_free_bytes=int(free * 2_400_000_000),
            storage_free_percent=free,
            uptime_s=8123.0,
            clock_synchronised=True,
            first_look=FirstLookHealth(state="looking", looked=412, skipped=23, crops=7, held_back=2)
            if drone is one
            else FirstLookHealth(
                state="gave_up",
                why="A look takes 9.4 s here (median of 5), 5.0 s is the slowest of use.",
                looked=5,
                skipped=41,
                crops=0,
                held_back=0,
            ),
        ).model_dump(mode="json")
    session.add(CertificateRevocation(certificate_id="c0ffee12", drone_id="merlin-2", asked_at=now - timedelta(days=1)))
    dead_letters.bury(session, VISION_JOBS_QUEUE, "segment flt-9/3", "No manifest beside the video.", '{"segment": 3}')
    dead_letters.bury(session, "mqtt", "kestrel/v1/merlin-2/telemetry", "seq: not a number.", '{"seq": "x"}')


def _settings(session: Session, now: datetime) -> None:
    keys.create(session, name="Weather service", scopes=["flights:read"], expires_at=now + timedelta(days=90), by="ana")
    crack = session.scalars(select(Finding).where(Finding.number == 2)).one()
    said = {"text": "F-2 is a crack of 742 mm on T-02, blade B.", "citations": [crack.finding_id, "t-02"]}
    session.add(
        Transcript(
            transcript_id="asn-1", asked_by="ana", asked_at=now - timedelta(hours=3), channel="page",
            question="Which defect of T-02 is the worst?", answered=True, source="planner", sentences=[said],
            removed=[], steps=[], elapsed_ms=21.0,
        )
    )  # fmt: skip
    row, _ = keys.create(session, name="Old dashboard", scopes=["findings:read"], expires_at=None, by="ana")
    keys.revoke(session, row.key_id, "ana")
    session.add(
        Webhook(
            webhook_id="whk-1",
            name="Work orders",
            url="https://hooks.example.com/kestrel",
            secret="whsec_x",
            events=["finding.changed", "ticket.changed"],
            min_rank=4,
            created_by="ana",
            created_at=now,
        )
    )
    session.flush()
    for i, state in enumerate(("delivered", "failed", "pending")):
        session.add(
            Delivery(
                delivery_id=f"dlv-{i}",
                webhook_id="whk-1",
                event="finding.changed",
                body='{"id": "evt-1"}',
                state=state,
                attempts=1 + i,
                status=200 if state == "delivered" else 503,
                took_ms=40 + i,
                error="" if state == "delivered" else "The address answered 503.",
            )
        )
    versions.store(session, stricter(), by="rita")
    _detectors(session, now)
    _suspicions(session, now)
    audit.record(
        session,
        "ana",
        "component.name",
        "t-01.blade-a",
        before={"external_id": None, "functional_location": ""},
        after={"external_id": "BLD-2031-A", "functional_location": "NM-WEA-01-BA"},
    )


def _detectors(session: Session, now: datetime) -> None:
    """One version in force, one that the gate refused, one that waits for a person."""
    judged = {"defect": {"crack": 64, "corrosion": 21}, "nothing": {"crack": 38}, "open": {}}
    better = IN_FORCE.model_copy(update={"map50": 0.58, "recall": 0.76, "accept_by_kind": {DefectKind.CRACK: 0.45}})
    worse = IN_FORCE.model_copy(update={"map50": 0.44})
    for days, state, figures in ((40, "promoted", better), (9, "refused", worse), (1, "waiting", better)):
        at = now - timedelta(days=days)
        measured = Evaluation(version=f"mdl-{at:%Y%m%d}-120000", candidate=figures, current=IN_FORCE)
        session.add(
            DetectorVersion(
                version=measured.version, state=state, wanted_by="rita", created_at=at, labels=judged,
                evaluation=measured.model_dump(mode="json"), objections=promotion.objections(measured),
                expires_at=at + timedelta(days=7), answered_by="ana" if state == "promoted" else None,
                answered_at=at if state == "promoted" else None, reason="Better on cracks.",
                promoted_at=at if state == "promoted" else None, told_at=at,
            )
        )  # fmt: skip


def _suspicions(session: Session, now: datetime) -> None:
    """One event that goes on, and one about a drone that turned out to be harmless."""
    (guessing,) = of_activity([Activity("address 203.0.113.9", {"unauthenticated": 41}, 0)])
    for _ in range(3):
        suspicions.report(session, guessing, now - timedelta(minutes=4))
    (jump,) = of_jumps([Jump("merlin-2", 3400.0, 1.0, now - timedelta(days=2), ("boot-1", "boot-2"))])
    suspicions.report(session, jump, now - timedelta(days=2))
    suspicions.settle(session, "merlin-2", "ana", "Its GPS was tested on the bench")
