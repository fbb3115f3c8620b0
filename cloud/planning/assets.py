"""Sites and the assets on them."""

from __future__ import annotations

from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import select
from sqlalchemy.orm import Session

from cloud import audit
from cloud.planning import components
from cloud.planning.surveys import AnyGeometry
from cloud.tables import Asset, Drone, Site
from contracts.errors import Conflict, InvalidInput, NotFound
from contracts.geo import GeoPoint
from contracts.optics import CameraIntrinsics
from contracts.shapes import kind_of
from contracts.turbine import TurbineGeometry
from contracts.vocabulary import AssetKind

_GEOMETRIES: TypeAdapter[AnyGeometry] = TypeAdapter(AnyGeometry)


def site(session: Session, site_id: str) -> Site:
    """Return a site; NotFound when there is none."""
    row = session.get(Site, site_id)
    if row is None:
        raise NotFound(f"No site {site_id!r}.", hint="Create it with POST /v1/sites.")
    return row


def asset(session: Session, asset_id: str) -> Asset:
    """Return an asset; NotFound when there is none."""
    row = session.get(Asset, asset_id)
    if row is None:
        raise NotFound(f"No asset {asset_id!r}.", hint="Create it with POST /v1/assets.")
    return row


def home_of(row: Site) -> GeoPoint:
    """Return a site's default take-off place."""
    return GeoPoint(lat_deg=row.home_lat_deg, lon_deg=row.home_lon_deg, alt_m=row.home_alt_m)


def add_site(session: Session, by: str, **values: Any) -> Site:
    """Create a site; Conflict when its id is taken."""
    if session.get(Site, values["site_id"]) is not None:
        raise Conflict(f"The site {values['site_id']} exists.", field="site_id")
    row = Site(**values)
    session.add(row)
    session.flush()
    audit.record(session, by, "site.create", row.site_id, after=values)
    return row


def add_asset(session: Session, by: str, kind: AssetKind, geometry: AnyGeometry | None, **values: Any) -> Asset:
    """Create an asset with the parts its geometry has.

    Raises:
        Conflict: Its id is taken.
        NotFound: No such site.
        InvalidInput: A wind turbine without its geometry, or the geometry of another kind of asset.

    """
    site(session, values["site_id"])
    if session.get(Asset, values["asset_id"]) is not None:
        raise Conflict(f"The asset {values['asset_id']} exists.", field="asset_id")
    if kind is AssetKind.WIND_TURBINE and geometry is None:
        raise InvalidInput("A wind turbine needs its geometry.", hint="Give at least geometry.foot.", field="geometry")
    if geometry is not None and kind_of(geometry) != kind.value:
        raise InvalidInput(f"This is the geometry of a {kind_of(geometry)}, not of a {kind.value}.", field="geometry")
    row = Asset(kind=kind.value, geometry=geometry.model_dump(mode="json") if geometry else {}, **values)
    session.add(row)
    session.flush()
    if geometry is not None:
        components.grow(session, row.asset_id, geometry)
    audit.record(session, by, "asset.create", row.asset_id, after={"site_id": row.site_id, "kind": row.kind})
    return row


def add_drone(session: Session, by: str, camera: CameraIntrinsics, **values: Any) -> Drone:
    """Register a drone; Conflict when its id is taken, NotFound without its site."""
    site(session, values["site_id"])
    if session.get(Drone, values["drone_id"]) is not None:
        raise Conflict(f"The drone {values['drone_id']} is registered.", field="drone_id")
    row = Drone(camera=camera.model_dump(mode="json"), **values)
    session.add(row)
    session.flush()
    audit.record(session, by, "drone.register", row.drone_id, after={"site_id": row.site_id})
    return row


def turbine(row: Asset) -> TurbineGeometry:
    """Return a wind turbine's geometry; InvalidInput for other assets."""
    if row.kind != AssetKind.WIND_TURBINE.value:
        raise InvalidInput(
            f"{row.asset_id} is a {row.kind}; the blades pattern needs a wind turbine.", field="asset_id"
        )
    return TurbineGeometry.model_validate(row.geometry)


def geometry_of(row: Asset) -> AnyGeometry | None:
    """Return an asset's geometry; None when it has none."""
    if not row.geometry:
        return None
    return _GEOMETRIES.validate_python(row.geometry)


def camera_on_site(session: Session, site_id: str, drone_id: str | None) -> CameraIntrinsics | None:
    """Return the camera of a drone (or of the site's first one), None when the site has no drone."""
    query = select(Drone.camera).where(Drone.site_id == site_id).order_by(Drone.drone_id)
    if drone_id is not None:
        query = select(Drone.camera).where(Drone.drone_id == drone_id)
    found = session.scalar(query.limit(1))
    if drone_id is not None and found is None:
        raise NotFound(f"No drone {drone_id!r} is registered.", hint="Register it with POST /v1/drones.")
    return CameraIntrinsics.model_validate(found) if found else None
