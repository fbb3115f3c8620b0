"""Puts a simulated history into a database as the platform would have recorded it: flights, batches, repairs."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import update
from sqlalchemy.orm import Session

from cloud.inspections import record_batch
from cloud.tables import Asset, Drone, EvidenceRow, Finding, Flight, Media, Site
from contracts import media as keys
from contracts.findings import Detection, DetectionBatch, Evidence, Frame, ModelCard
from contracts.geo import BoxNorm, Pose
from contracts.ids import segment_id
from contracts.vocabulary import FindingStatus
from simulators.history import History, Inspection, Sighting
from simulators.world import Asset as Turbine

DRONE = "merlin-1"
SITE = "north-coast"
MODEL = ModelCard(name="blade-n", sha256="ab" * 32, threshold=0.3)
CAMERA = {"width_px": 3840, "height_px": 2160, "focal_px": 5120.0}


def flight_of(inspection: Inspection) -> str:
    """Return the id of an inspection's flight."""
    return f"flt-{inspection.asset_id}-{inspection.number:03d}"


def seed(session: Session, made: History) -> dict[str, str]:
    """Record a whole history; return the true defect of each finding."""
    _ground(session, made)
    turbines = {asset.asset_id: asset for asset in made.assets}
    repairs = {life.defect_id: life.repaired_at for life in made.lives if life.repair_recorded and life.repaired_at}
    truth: dict[str, str] = {}
    for inspection in made.inspections:
        done = [d for d, at in repairs.items() if at <= inspection.flown_at]
        latest = {defect: finding for finding, defect in truth.items()}
        repaired = [latest[defect] for defect in done if defect in latest]
        session.execute(
            update(Finding).where(Finding.finding_id.in_(repaired)).values(status=FindingStatus.REPAIRED.value)
        )
        truth |= record(session, inspection, turbines[inspection.asset_id])
    return truth


def _ground(session: Session, made: History) -> None:
    home = made.assets[0].home
    session.add(
        Site(
            site_id=SITE,
            name="North coast",
            home_lat_deg=home.lat_deg,
            home_lon_deg=home.lon_deg,
            home_alt_m=home.alt_m,
        )
    )
    session.flush()
    session.add(Drone(drone_id=DRONE, site_id=SITE, name="Merlin 1", camera=CAMERA))
    for asset in made.assets:
        session.add(
            Asset(
                asset_id=asset.asset_id,
                site_id=SITE,
                kind=asset.kind.value,
                name=asset.name,
                functional_location=f"NC-{asset.name}",
                geometry=asset.geometry.model_dump(mode="json"),
            )
        )
    session.flush()


def record(session: Session, inspection: Inspection, turbine: Turbine) -> dict[str, str]:
    """Record one inspection as a flight of one segment; return the true defect of each finding."""
    flight_id, at = flight_of(inspection), inspection.flown_at
    session.add(
        Flight(
            flight_id=flight_id,
            asset_id=inspection.asset_id,
            drone_id=DRONE,
            plan_id=f"pln-{inspection.asset_id}",
            plan_version=1,
            route_hash="0" * 64,
            state="complete",
            created_by="operator",
            created_at=at,
            started_at=at,
            landed_at=at + timedelta(minutes=12),
            completed_at=at + timedelta(minutes=13),
        )
    )
    session.flush()
    segment = segment_id(flight_id, 0)
    session.add(
        Media(
            segment_id=segment,
            flight_id=flight_id,
            drone_id=DRONE,
            asset_id=inspection.asset_id,
            index=0,
            video_key=keys.video_key(DRONE, flight_id, 0),
            manifest_key=keys.manifest_key(DRONE, flight_id, 0),
            sha256="0" * 64,
            size_bytes=1,
            frames=1,
            started_at=at,
            duration_s=720.0,
            state="queued",
        )
    )
    session.flush()
    record_batch(session, batch_of(inspection, turbine, segment))
    session.flush()
    shown = session.query(EvidenceRow.detection_id, EvidenceRow.finding_id).where(EvidenceRow.segment_id == segment)
    return {str(finding): str(name).split("/")[1] for name, finding in shown}


def batch_of(inspection: Inspection, turbine: Turbine, segment: str) -> DetectionBatch:
    """Return what vision would have stored of an inspection."""
    return DetectionBatch(
        segment_id=segment,
        flight_id=flight_of(inspection),
        asset_id=inspection.asset_id,
        video_key=f"flights/{DRONE}/{segment}.mp4",
        video_sha256="0" * 64,
        model=MODEL,
        analysed_at=inspection.flown_at + timedelta(minutes=13),
        frames_total=1,
        key_frames=1,
        video_s=720.0,
        processing_s=1.0,
        detections=tuple(_detection(s, turbine, segment) for s in inspection.sightings),
        coverage=inspection.coverage,
    )


def _detection(sighting: Sighting, turbine: Turbine, segment: str) -> Detection:
    geometry = turbine.geometry
    point = geometry.frame().to_geo(geometry.surface_point(sighting.place))
    shown = Evidence(
        frame=Frame(
            segment_id=segment,
            frame=0,
            pts_ms=0.0,
            captured_at=sighting.seen_at,
            pose=Pose(point=point, yaw_deg=0.0, pitch_deg=0.0),
            sharpness=300.0,
        ),
        box=BoxNorm(x0=0.4, y0=0.4, x1=0.5, y1=0.5),
        confidence=sighting.confidence,
        gsd_mm_px=1.5,
        incidence_deg=20.0,
    )
    return Detection(
        detection_id=f"{segment}/{sighting.defect_id}",
        kind=sighting.kind,
        confidence=sighting.confidence,
        place=sighting.place,
        point=point,
        ce90_m=sighting.ce90_m,
        length_mm=sighting.length_mm,
        width_mm=sighting.width_mm,
        size_sigma_mm=sighting.size_sigma_mm,
        evidence=(shown,),
    )
