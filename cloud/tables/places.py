"""Sites, assets and the aircraft that serve them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import BigInteger, ForeignKey, func
from sqlalchemy.orm import Mapped, mapped_column

from cloud.tables.columns import Base
from contracts.shapes import AnyShape, AssetGeometry, kind_of
from contracts.turbine import TurbineGeometry
from contracts.vocabulary import AssetKind


class Site(Base):
    """A wind farm, a line, a field."""

    __tablename__ = "sites"
    site_id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    home_lat_deg: Mapped[float]
    home_lon_deg: Mapped[float]
    home_alt_m: Mapped[float]


_SHAPES: TypeAdapter[AnyShape] = TypeAdapter(AssetGeometry)


class Asset(Base):
    """What is inspected. ``geometry`` is one of contracts.shapes; empty where it is not known."""

    __tablename__ = "assets"
    asset_id: Mapped[str] = mapped_column(primary_key=True)
    site_id: Mapped[str] = mapped_column(ForeignKey("sites.site_id"))
    kind: Mapped[str]
    name: Mapped[str]
    functional_location: Mapped[str]
    external_id: Mapped[str | None]
    geometry: Mapped[dict[str, Any]]
    registered_at: Mapped[datetime] = mapped_column(server_default=func.now())
    """From when due-date rules count."""

    @property
    def turbine(self) -> TurbineGeometry | None:
        """Return the geometry of a wind turbine; None for anything else."""
        known = self.kind == AssetKind.WIND_TURBINE.value and self.geometry
        return TurbineGeometry.model_validate(self.geometry) if known else None

    @property
    def shape(self) -> AnyShape | None:
        """Return the geometry, of whatever class of asset; None where it is not known or is another class's."""
        known = self.geometry and kind_of(self.geometry) == self.kind
        return _SHAPES.validate_python(self.geometry) if known else None


class Drone(Base):
    """An aircraft: identity, camera, presence, last command number."""

    __tablename__ = "drones"
    drone_id: Mapped[str] = mapped_column(primary_key=True)
    site_id: Mapped[str] = mapped_column(ForeignKey("sites.site_id"))
    name: Mapped[str]
    model: Mapped[str] = mapped_column(default="")
    camera: Mapped[dict[str, Any]]
    online: Mapped[bool] = mapped_column(default=False)
    quarantined_at: Mapped[datetime | None]
    quarantine_reason: Mapped[str] = mapped_column(default="", server_default="")
    shut_out_at: Mapped[datetime | None]
    """Since when its certificates open nothing."""
    boot_id: Mapped[str | None]
    agent_version: Mapped[str] = mapped_column(default="")
    last_seen_at: Mapped[datetime | None]
    command_seq: Mapped[int] = mapped_column(BigInteger, default=0)
    health: Mapped[dict[str, Any] | None]
    """The last reading of its computer, a contracts.health.Health; earlier ones are drone events."""
    health_at: Mapped[datetime | None]


class CertificateRevocation(Base):
    """A certificate that its drone has replaced, to be revoked where it was issued."""

    __tablename__ = "certificate_revocations"
    certificate_id: Mapped[str] = mapped_column(primary_key=True)
    drone_id: Mapped[str] = mapped_column(ForeignKey("drones.drone_id"), index=True)
    asked_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]
    refused: Mapped[str] = mapped_column(default="", server_default="")
    """Why it is not revoked and will not be."""
