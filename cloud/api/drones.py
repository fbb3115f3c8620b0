"""/v1/drones: registration and presence."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from sqlalchemy import select

from cloud import drone_life, fleet, quarantine
from cloud.idempotency import Key, once
from cloud.intrusion import book
from cloud.paging import Cursor, Limit, Page, decode_cursor, page_of
from cloud.planning import assets
from cloud.problems import RESPONSES
from cloud.requests import UnitOfWork
from cloud.security import Admin, Operator, Reader
from cloud.tables import Drone
from contracts.geo import Frozen
from contracts.health import Health
from contracts.ids import DroneId, SiteId
from contracts.optics import CameraIntrinsics

router = APIRouter(prefix="/v1/drones", tags=["drones"], responses=RESPONSES)


class DroneIn(Frozen):
    """An aircraft and its camera. Its certificate's common name is the drone id."""

    drone_id: DroneId = Field(examples=["kite-01"])
    site_id: SiteId = Field(examples=["north-ridge"])
    name: str = Field(min_length=1, max_length=120, examples=["Kite 1"])
    model: str = Field(default="", max_length=120)
    camera: CameraIntrinsics


class DroneOut(BaseModel):
    """A drone and its presence: online only while it was heard within the last 30 s."""

    drone_id: str
    site_id: str
    name: str
    model: str
    camera: dict[str, Any]
    online: bool
    last_seen_at: datetime | None
    last_seen_age_s: float | None
    quarantined_at: datetime | None
    quarantine_reason: str
    shut_out_at: datetime | None = Field(description="since when its certificates open nothing")
    boot_id: str | None
    agent_version: str
    health: Health | None = Field(description="the last reading of its computer")
    health_complaints: list[str] = Field(description="what of it a person should mend before a flight")


class DroneDetailOut(DroneOut):
    """A drone with what is left to do about its certificates."""

    certificates_to_revoke: list[str] = Field(description="ids of replaced certificates that are still valid")


def of_row(row: Drone) -> DroneOut:
    """Return a drone as the API shows it, now."""
    read = Health.model_validate(row.health) if row.health else None
    age_s = (datetime.now(UTC) - row.last_seen_at).total_seconds() if row.last_seen_at else None
    return DroneOut(
        drone_id=row.drone_id,
        site_id=row.site_id,
        name=row.name,
        model=row.model,
        camera=row.camera,
        online=row.online and age_s is not None and age_s <= fleet.ONLINE_WITHIN_S,
        last_seen_at=row.last_seen_at,
        last_seen_age_s=None if age_s is None else round(max(0.0, age_s), 3),
        quarantined_at=row.quarantined_at,
        quarantine_reason=row.quarantine_reason,
        shut_out_at=row.shut_out_at,
        boot_id=row.boot_id,
        agent_version=row.agent_version,
        health=read,
        health_complaints=read.complaints() if read else [],
    )


@router.post("", status_code=201, response_model=DroneOut)
def add_drone(
    body: DroneIn, request: Request, session: UnitOfWork, principal: Operator, key: Key = None
) -> JSONResponse:
    """Register a drone."""
    values = body.model_dump(exclude={"camera"})
    return once(
        session,
        request,
        principal,
        key,
        body,
        lambda: of_row(assets.add_drone(session, principal.username, body.camera, **values)),
    )


@router.get("")
def list_drones(session: UnitOfWork, _: Reader, limit: Limit = 50, cursor: Cursor = None) -> Page[DroneOut]:
    """List drones by id."""
    query = select(Drone).order_by(Drone.drone_id).limit(limit + 1)
    after = decode_cursor(cursor, 1)
    rows = session.scalars(query.where(Drone.drone_id > after[0]) if after else query).all()
    return page_of(rows, limit, of_row, lambda row: (row.drone_id,))


@router.get("/{drone_id}")
def get_drone(drone_id: str, session: UnitOfWork, _: Reader) -> DroneDetailOut:
    """Return one drone, with the last health report of its computer."""
    shown = of_row(fleet.drone(session, drone_id))
    return DroneDetailOut(**dict(shown), certificates_to_revoke=drone_life.waiting(session, drone_id))


class ReasonIn(Frozen):
    """Why, for the audit."""

    reason: str = Field(min_length=3, max_length=300, examples=["certificate copied from a lost laptop"])


@router.post("/{drone_id}/quarantine")
def quarantine_drone(drone_id: str, body: ReasonIn, session: UnitOfWork, principal: Operator) -> DroneOut:
    """Start nothing with it any more, and shut its certificates out once it is down. Again changes nothing."""
    return of_row(quarantine.impose(session, drone_id, principal.username, body.reason))


@router.post("/{drone_id}/readmit")
def readmit_drone(drone_id: str, body: ReasonIn, session: UnitOfWork, principal: Admin) -> DroneOut:
    """End its quarantine and close the security events about it; its certificates open again within seconds."""
    row = quarantine.lift(session, drone_id, principal.username, body.reason)
    book.settle(session, drone_id, principal.username, body.reason)
    return of_row(row)
