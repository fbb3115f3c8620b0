"""Makes plausible rows: a site, turbines, flights, findings with pictures, tickets, coverage, telemetry."""

from __future__ import annotations

import hashlib
import math
import random
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from typing import Any, TypeVar

from sqlalchemy.orm import Session

from cloud.planning import planner
from cloud.planning.flying import Planned
from cloud.planning.pattern import BladesParams, PlanInputs
from cloud.services import ObjectInfo
from cloud.tables import (
    Asset,
    CommandRow,
    Coverage,
    Drone,
    DroneEventRow,
    EvidenceRow,
    Finding,
    Flight,
    Media,
    Plan,
    Site,
    Summary,
    Telemetry,
    Ticket,
    User,
    WorkflowRun,
)
from contracts import media as keys
from contracts.errors import NotFound
from contracts.geo import Enu, GeoPoint, LocalFrame
from contracts.ids import segment_id
from contracts.optics import CameraIntrinsics
from contracts.routes import Route
from contracts.turbine import SurfacePlace, TurbineGeometry
from contracts.vocabulary import Blade, BladeSide, DefectKind
from tests.drawings import draw_frame, jpeg

T = TypeVar("T")
HOME = GeoPoint(lat_deg=54.78, lon_deg=8.86, alt_m=42.0)
CAMERA: dict[str, Any] = {"width_px": 3840, "height_px": 2160, "focal_px": 6000.0}
BOX = {"x0": 0.46, "y0": 0.40, "x1": 0.56, "y1": 0.53}
"""Where a drawn frame shows its defect, as fractions."""


class MemoryObjects:
    """An object store in a dictionary."""

    def __init__(self) -> None:
        self.stored: dict[str, bytes] = {}

    def get(self, key: str) -> bytes:
        """Return the object's bytes."""
        if key not in self.stored:
            raise NotFound(f"{key} is not stored.")
        return self.stored[key]

    def put(self, key: str, body: bytes, content_type: str) -> ObjectInfo:
        """Keep the bytes."""
        self.stored[key] = body
        return ObjectInfo(key, len(body), "")

    def head(self, key: str) -> ObjectInfo:
        """Return the size."""
        return ObjectInfo(key, len(self.get(key)), "")

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """Yield what lies below a prefix."""
        yield from (ObjectInfo(k, len(v), "") for k, v in sorted(self.stored.items()) if k.startswith(prefix))

    def presign_get(self, key: str, expires_s: int = 900) -> str:
        """Return a link nobody follows."""
        return f"memory:{key}?{expires_s}"

    def sha256_stream(self, key: str) -> str:
        """Return the hash."""
        return hashlib.sha256(self.get(key)).hexdigest()

    def read_range(self, key: str, first: int, last: int) -> bytes:
        """Return a slice."""
        return self.get(key)[first : last + 1]


class MemoryRoutes:
    """Routes in a dictionary."""

    def __init__(self) -> None:
        self.stored: dict[tuple[str, int], Route] = {}

    def put(self, route: Route) -> None:
        """Keep a route."""
        self.stored[route.plan_id, route.version] = route

    def get(self, plan_id: str, version: int) -> Route | None:
        """Return a route."""
        return self.stored.get((plan_id, version))


def geometry(east_m: float, north_m: float, yaw_deg: float = 240.0) -> TurbineGeometry:
    """Return a turbine at an offset from home."""
    foot = LocalFrame(HOME).to_geo(Enu(east_m, north_m, 0.0))
    return TurbineGeometry(foot=foot, yaw_deg=yaw_deg, rotor_azimuth_deg=20.0)


def route_around(plan_id: str, asset_id: str, turbine: TurbineGeometry) -> Route:
    """Return the planner's route round a turbine."""
    return _planned(turbine).route.model_copy(update={"plan_id": plan_id, "asset_id": asset_id})


@cache
def _planned(turbine: TurbineGeometry) -> Planned:
    """Plan once for each turbine: tests fill their sites with the same few."""
    blades = BladesParams(fence_radius_m=2000)
    inputs = PlanInputs(asset_id="any", geometry=turbine, home=HOME, camera=CameraIntrinsics(**CAMERA), blades=blades)
    return planner.plan(inputs, "pln-" + 20 * "0", 1)


@cache
def _pictures(kind: str, seed: int) -> tuple[bytes, bytes]:
    """Draw a frame and its crop, as JPEG."""
    picture = draw_frame(kind, seed, BOX)
    height, width = picture.shape[:2]
    part = picture[int(0.28 * height) : int(0.65 * height), int(0.33 * width) : int(0.69 * width)]
    return jpeg(picture), jpeg(part)


@dataclass
class World:
    """A site being filled. Ids and numbers follow from ``seed`` and the order of calls."""

    session: Session
    now: datetime
    objects: MemoryObjects = field(default_factory=MemoryObjects)
    routes: MemoryRoutes = field(default_factory=MemoryRoutes)
    seed: int = 7

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        self.counter = 0
        self.geometries: dict[str, TurbineGeometry] = {}

    def _id(self, prefix: str) -> str:
        self.counter += 1
        return f"{prefix}-{self.seed:02d}{self.counter:06d}"

    def add(self, row: T) -> T:
        """Add a row and flush, so that foreign keys and numbers exist."""
        self.session.add(row)
        self.session.flush()
        return row

    def user(self, username: str, password_hash: str, roles: Iterable[str]) -> User:
        """Add a user."""
        return self.add(
            User(username=username, display_name=username.capitalize(), password_hash=password_hash, roles=list(roles))
        )

    def site(self, site_id: str = "nordmarsch", name: str = "Nordmarsch") -> Site:
        """Add the site."""
        return self.add(
            Site(
                site_id=site_id, name=name, home_lat_deg=HOME.lat_deg, home_lon_deg=HOME.lon_deg, home_alt_m=HOME.alt_m
            )
        )

    def asset(
        self, name: str, east_m: float, north_m: float, *, asset_id: str | None = None, site_id: str = "nordmarsch"
    ) -> Asset:
        """Add a turbine."""
        turbine = geometry(east_m, north_m)
        asset_id = asset_id or name.lower().replace(" ", "-")
        self.geometries[asset_id] = turbine
        return self.add(
            Asset(
                asset_id=asset_id,
                site_id=site_id,
                kind="wind_turbine",
                name=name,
                functional_location=f"NM-WEA-{asset_id[-2:]}",
                external_id=None,
                geometry=turbine.model_dump(mode="json"),
            )
        )

    def drone(self, name: str = "Merlin 1", *, online: bool = True, site_id: str = "nordmarsch") -> Drone:
        """Add a drone."""
        return self.add(
            Drone(
                drone_id=name.lower().replace(" ", "-"),
                site_id=site_id,
                name=name,
                model="Kestrel sim",
                camera=CAMERA,
                online=online,
                boot_id="boot-1",
                agent_version="0.1.0",
                last_seen_at=self.now,
            )
        )

    def flight(
        self, asset: Asset, drone: Drone, started_at: datetime | None, *, state: str = "complete", minutes: float = 6.0
    ) -> Flight:
        """Add a flight with its plan and route."""
        plan_id = self._id("pln")
        route = route_around(plan_id, asset.asset_id, self.geometries[asset.asset_id])
        self.routes.put(route)
        made = (started_at or self.now) - timedelta(minutes=10)
        self.add(
            Plan(
                plan_id=plan_id,
                version=1,
                asset_id=asset.asset_id,
                pattern="blades",
                params={},
                content_hash=route.content_hash(),
                checks=[],
                estimates=_planned(self.geometries[asset.asset_id]).estimates.model_dump(mode="json"),
                created_by="operator",
                created_at=made,
            )
        )
        landed = started_at + timedelta(minutes=minutes) if started_at and state in {"landed", "complete"} else None
        return self.add(
            Flight(
                flight_id=self._id("flt"),
                asset_id=asset.asset_id,
                drone_id=drone.drone_id,
                plan_id=plan_id,
                plan_version=1,
                route_hash=route.content_hash(),
                state=state,
                created_by="operator",
                created_at=made,
                approved_by="operator",
                approved_at=made,
                started_at=started_at,
                landed_at=landed,
                completed_at=landed if state == "complete" else None,
            )
        )

    def segment(
        self, flight: Flight, index: int, started_at: datetime, *, state: str = "analysed", duration_s: float = 10.0
    ) -> Media:
        """Add a video segment."""
        at = started_at + timedelta(seconds=duration_s + 4)
        return self.add(
            Media(
                segment_id=segment_id(flight.flight_id, index),
                flight_id=flight.flight_id,
                drone_id=flight.drone_id,
                asset_id=flight.asset_id,
                index=index,
                video_key=keys.video_key(flight.drone_id, flight.flight_id, index),
                manifest_key=keys.manifest_key(flight.drone_id, flight.flight_id, index),
                sha256="0" * 64,
                size_bytes=9_000_000,
                frames=int(duration_s * 24),
                started_at=started_at,
                duration_s=duration_s,
                state=state,
                stored_at=at,
                queued_at=at,
                analysed_at=at + timedelta(seconds=9) if state == "analysed" else None,
            )
        )

    def finding(
        self,
        flight: Flight,
        kind: DefectKind,
        *,
        blade: str | None = "A",
        side: str | None = "LE",
        root_m: float | None = 12.0,
        rank: int = 3,
        length_mm: float = 120.0,
        width_mm: float = 20.0,
        at: datetime | None = None,
        status: str = "open",
        reviewed_by: str | None = None,
        confidence: float = 0.87,
    ) -> Finding:
        """Add a finding."""
        at = at or flight.started_at or self.now
        name = kind.value.replace("_", " ").capitalize()
        reasons = f"{name} of {length_mm:.0f} x {width_mm:.0f} mm (± 4 mm) reaches rank {rank} (wind-gwo-1)."
        place = self._point(flight.asset_id, blade, side, root_m)
        return self.add(
            Finding(
                finding_id=self._id("fnd"),
                link_group=self._id("lnk"),
                flight_id=flight.flight_id,
                asset_id=flight.asset_id,
                kind=kind.value,
                blade=blade,
                side=side,
                distance_to_root_m=root_m,
                offset_m=0.2,
                length_mm=length_mm,
                width_mm=width_mm,
                size_sigma_mm=4.0,
                lat_deg=place.lat_deg,
                lon_deg=place.lon_deg,
                alt_m=place.alt_m,
                ce90_m=0.12,
                confidence=confidence,
                model_name="blade-n",
                model_sha256="ab" * 32,
                threshold=0.35,
                severity_scheme="gwo",
                severity_code=str(rank),
                severity_rank=rank,
                policy_version="wind-gwo-1",
                severity_reason=reasons,
                action="Repair within a short time frame; keep running under watch.",
                due_at=at + timedelta(days=30) if rank >= 4 else None,
                status=status,
                detected_at=at,
                reviewed_by=reviewed_by,
                reviewed_at=at + timedelta(hours=2) if reviewed_by else None,
            )
        )

    def _point(self, asset_id: str, blade: str | None, side: str | None, root_m: float | None) -> GeoPoint:
        turbine = self.geometries[asset_id]
        if blade is None or side is None or root_m is None:
            return turbine.foot
        place = SurfacePlace(blade=Blade(blade), side=BladeSide(side), distance_to_root_m=root_m, offset_m=0.1)
        return turbine.frame().to_geo(turbine.surface_point(place))

    def evidence(self, finding: Finding, segment: Media, *, frame: int = 60, position: int = 0) -> EvidenceRow:
        """Add a frame that shows a finding, with a drawn crop and frame in the object store."""
        detection = f"det-{finding.finding_id}"
        crop, whole = (
            keys.crop_key(segment.segment_id, f"{detection}-{position}"),
            keys.frame_key(segment.segment_id, frame + position),
        )
        for name, body in zip((whole, crop), _pictures(finding.kind, finding.number + position), strict=True):
            self.objects.put(name, body, "image/jpeg")
        pose = {
            "point": {"lat_deg": finding.lat_deg, "lon_deg": finding.lon_deg, "alt_m": finding.alt_m},
            "yaw_deg": 60.0,
            "pitch_deg": -8.0,
            "roll_deg": 0.0,
        }
        return self.add(
            EvidenceRow(
                evidence_id=self._id("evd"),
                finding_id=finding.finding_id,
                detection_id=detection,
                position=position,
                segment_id=segment.segment_id,
                frame=frame + position,
                pts_ms=1000 * (frame + position) / 24,
                captured_at=finding.detected_at + timedelta(milliseconds=400 * position),
                box=BOX,
                confidence=finding.confidence - 0.04 * position,
                gsd_mm_px=1.5,
                incidence_deg=14.0 + 6 * position,
                sharpness=410.0 - 30 * position,
                pose=pose,
                crop_key=crop,
                frame_key=whole,
                crop_sha256="cd" * 32,
                frame_sha256="ef" * 32,
            )
        )

    def ticket(
        self, finding: Finding, *, number: str | None, waited_s: float = 8.0, phase: str = "Outstanding"
    ) -> Ticket:
        """Add a ticket; without a number it is still on its way."""
        opened = finding.detected_at + timedelta(seconds=waited_s)
        return self.add(
            Ticket(
                ticket_id=self._id("tkt"),
                finding_id=finding.finding_id,
                link_group=finding.link_group,
                system="SAP",
                number=number,
                phase=phase if number else "",
                priority="1" if finding.severity_rank == 5 else "2",
                text="",
                url="",
                created_at=opened - timedelta(seconds=2),
                opened_at=opened if number else None,
            )
        )

    def summary(self, finding: Finding, *texts: str) -> Summary:
        """Add a drafted summary."""
        sentences = [{"text": text, "citations": [finding.finding_id]} for text in texts]
        return self.add(Summary(finding_id=finding.finding_id, source="template", sentences=sentences))

    def run(self, finding: Finding, state: str = "succeeded", error: str = "") -> WorkflowRun:
        """Add a workflow execution."""
        return self.add(
            WorkflowRun(
                execution_name=finding.finding_id,
                machine="kestrel-critical-finding",
                finding_id=finding.finding_id,
                state=state,
                arn=None,
                error=error,
                hint="Resume it." if error else "",
            )
        )

    def coverage(self, flight: Flight, unseen: Mapping[tuple[str, str], Iterable[int]], *, cells: int = 25) -> None:
        """Add coverage of every cell; those in ``unseen`` got a share of 0.3."""
        for blade in Blade:
            for side in BladeSide:
                missing = set(unseen.get((blade.value, side.value), ()))
                for cell in range(cells):
                    share = 0.3 if cell in missing else 0.97
                    self.session.add(
                        Coverage(
                            flight_id=flight.flight_id,
                            blade=blade.value,
                            side=side.value,
                            cell=cell,
                            seen_share=share,
                            best_gsd_mm_px=1.5,
                            best_incidence_deg=18.0,
                            best_sharpness=380.0,
                        )
                    )
        self.session.flush()

    def command(
        self, flight: Flight, kind: str, seq: int, at: datetime, *, state: str = "done", code: str = "", hint: str = ""
    ) -> CommandRow:
        """Add a command."""
        drone = self.session.get_one(Drone, flight.drone_id)
        drone.command_seq = max(drone.command_seq, seq)
        final = state in {"done", "failed", "rejected"}
        return self.add(
            CommandRow(
                command_id=self._id("cmd"),
                drone_id=flight.drone_id,
                flight_id=flight.flight_id,
                kind=kind,
                seq=seq,
                params={},
                issuer="operator",
                state=state,
                code=code,
                hint=hint,
                issued_at=at,
                not_after=at + timedelta(seconds=30),
                sent_at=at + timedelta(milliseconds=200),
                acked_at=at + timedelta(milliseconds=420),
                finished_at=at + timedelta(seconds=3) if final else None,
            )
        )

    def drone_event(self, flight: Flight, seq: int, kind: str, at: datetime, **body: Any) -> DroneEventRow:
        """Add something the drone reported."""
        return self.add(
            DroneEventRow(
                drone_id=flight.drone_id,
                boot_id="boot-1",
                stream="events",
                seq=seq,
                kind=kind,
                at=at,
                flight_id=flight.flight_id,
                body={"kind": kind, **body},
            )
        )

    def telemetry(
        self,
        flight: Flight,
        seq: int,
        at: datetime,
        point: GeoPoint,
        *,
        yaw_deg: float = 60.0,
        state: str = "on_route",
        battery: float | None = 76.0,
        speed_mps: float = 2.0,
        waypoint: int | None = None,
    ) -> Telemetry:
        """Add one sample."""
        return self.add(
            Telemetry(
                drone_id=flight.drone_id,
                boot_id="boot-1",
                seq=seq,
                captured_at=at,
                flight_id=flight.flight_id,
                state=state,
                lat_deg=point.lat_deg,
                lon_deg=point.lon_deg,
                alt_m=point.alt_m,
                alt_rel_m=point.alt_m - HOME.alt_m,
                yaw_deg=yaw_deg,
                pitch_deg=0.0,
                roll_deg=0.0,
                gimbal_yaw_deg=yaw_deg,
                gimbal_pitch_deg=-8.0,
                vel_east_mps=speed_mps * math.sin(math.radians(yaw_deg)),
                vel_north_mps=speed_mps * math.cos(math.radians(yaw_deg)),
                vel_up_mps=0.0,
                battery_percent=battery,
                battery_v=None if battery is None else 22.8,
                gps_fix=6,
                satellites=19,
                link_percent=92.0,
                wind_mps=6.4,
                wind_from_deg=255.0,
                waypoint=waypoint,
                monotonic_ms=seq * 100,
                clock="gps",
            )
        )

    def fly(
        self, flight: Flight, *, share: float = 1.0, step_s: float = 1.0, gap: tuple[float, float] | None = None
    ) -> None:
        """Add telemetry along the flight's route up to ``share`` of it, with an optional gap (shares)."""
        route = self.routes.stored[flight.plan_id, flight.plan_version]
        frame = LocalFrame(HOME)
        corners = [Enu(0, 0, 0), Enu(0, 0, 30), *(frame.to_enu(w.point) for w in route.waypoints)]
        start = flight.started_at or self.now
        total_s = ((flight.landed_at or self.now) - start).total_seconds() / share
        count = int(total_s * share / step_s)
        for i in range(count + 1):
            at_share = i * step_s / total_s
            if gap and gap[0] < at_share < gap[1]:
                continue
            along = at_share * (len(corners) - 1)
            leg = min(int(along), len(corners) - 2)
            step = corners[leg + 1].minus(corners[leg])
            here = corners[leg].plus(step, along - leg)
            yaw = math.degrees(math.atan2(step.east, step.north)) % 360
            self.telemetry(
                flight,
                i + 1,
                start + timedelta(seconds=i * step_s),
                frame.to_geo(here),
                yaw_deg=yaw,
                battery=98.0 - 45.0 * at_share,
                speed_mps=step.norm() * (len(corners) - 1) / total_s,
                waypoint=max(0, leg - 1),
                state="taking_off" if leg == 0 else "paused" if 0.44 < at_share < 0.49 else "on_route",
            )
