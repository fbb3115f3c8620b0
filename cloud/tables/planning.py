"""What planning needs beside assets and plans: parts of assets, and zones of a site."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, UniqueConstraint, func
from sqlalchemy.orm import Mapped, mapped_column

from cloud.tables.columns import Base


class Component(Base):
    """A part of an asset that a customer keeps a record of; parts form a tree."""

    __tablename__ = "components"
    component_id: Mapped[str] = mapped_column(primary_key=True)
    asset_id: Mapped[str] = mapped_column(ForeignKey("assets.asset_id"), index=True)
    parent_id: Mapped[str | None] = mapped_column(ForeignKey("components.component_id"))
    kind: Mapped[str]
    name: Mapped[str]
    external_id: Mapped[str | None]
    functional_location: Mapped[str] = mapped_column(default="")
    place: Mapped[dict[str, Any]]
    """Where on the asset: blade and side, span, face and height, chainage."""
    __table_args__ = (UniqueConstraint("asset_id", "external_id"),)


class SiteZoneRow(Base):
    """A no-fly zone or fence of a site; ``body`` is a cloud.planning.zones.SiteZone."""

    __tablename__ = "site_zones"
    zone_id: Mapped[str] = mapped_column(primary_key=True)
    site_id: Mapped[str] = mapped_column(ForeignKey("sites.site_id"), index=True)
    name: Mapped[str]
    body: Mapped[dict[str, Any]]
    created_by: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
