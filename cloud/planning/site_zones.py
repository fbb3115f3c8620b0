"""No-fly zones and fences of sites, in Postgres."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from cloud import audit
from cloud.planning import assets
from cloud.planning.zones import SiteZone
from cloud.tables import SiteZoneRow
from contracts.errors import NotFound
from contracts.ids import mint
from contracts.routes import Zone


def add(session: Session, site_id: str, zone: SiteZone, by: str) -> SiteZoneRow:
    """Add a zone to a site; NotFound when there is no such site."""
    assets.site(session, site_id)
    row = SiteZoneRow(
        zone_id=mint("zon"), site_id=site_id, name=zone.name, body=zone.model_dump(mode="json"), created_by=by
    )
    session.add(row)
    session.flush()
    session.refresh(row)
    audit.record(session, by, "zone.create", row.zone_id, after={"site_id": site_id, **row.body})
    return row


def remove(session: Session, site_id: str, zone_id: str, by: str) -> None:
    """Take a zone away; NotFound when the site has none of that id."""
    row = session.get(SiteZoneRow, zone_id)
    if row is None or row.site_id != site_id:
        raise NotFound(
            f"No zone {zone_id!r} on site {site_id!r}.", hint="List them with GET /v1/sites/{site_id}/zones."
        )
    audit.record(session, by, "zone.delete", zone_id, before={"site_id": row.site_id, **row.body})
    session.delete(row)
    session.flush()


def rows(session: Session, site_id: str) -> list[SiteZoneRow]:
    """Return a site's zones, the oldest first."""
    return list(
        session.scalars(select(SiteZoneRow).where(SiteZoneRow.site_id == site_id).order_by(SiteZoneRow.zone_id))
    )


def of_site(session: Session, site_id: str) -> tuple[SiteZone, ...]:
    """Return a site's zones."""
    return tuple(SiteZone.model_validate(row.body) for row in rows(session, site_id))


def for_the_drone(zones: tuple[SiteZone, ...]) -> tuple[Zone, ...]:
    """Return the zones that the aircraft itself enforces: those from the ground to the sky.

    A zone with a floor or ceiling is judged here only; the drone's fence knows no heights of zones.
    """
    plain = [zone for zone in zones if zone.floor_alt_m is None and zone.ceiling_alt_m is None]
    return tuple(Zone(kind=z.kind, corners=z.corners, centre=z.centre, radius_m=z.radius_m) for z in plain[:40])
