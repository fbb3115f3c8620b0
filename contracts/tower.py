"""A telecom tower as parametric geometry: a tapering mast with faces, mounts on them, and guys when it has them."""

from __future__ import annotations

import math
from typing import Literal

from pydantic import Field, model_validator

from contracts.geo import UP, Enu, Frozen, GeoPoint, LocalFrame


class Mount(Frozen):
    """Something fixed to a face: an antenna, a dish, a remote radio head."""

    name: str = Field(min_length=1, max_length=60)
    face: int = Field(ge=0, le=7)
    height_m: float = Field(gt=0, le=350)
    reach_m: float = Field(default=1.0, gt=0, le=6, description="how far it stands out from the mast")
    external_id: str | None = Field(default=None, max_length=120)


class Guy(Frozen):
    """A stay: where it is fixed on the mast and where it is anchored in the ground."""

    height_m: float = Field(gt=0, le=350)
    anchor_bearing_deg: float = Field(ge=0, lt=360)
    anchor_radius_m: float = Field(gt=1, le=300)


class TelecomTower(Frozen):
    """Dimensions of one mast. Face 0 looks along ``face_bearing_deg``; the others follow clockwise."""

    kind: Literal["telecom_tower"] = "telecom_tower"
    foot: GeoPoint
    height_m: float = Field(default=45.0, gt=6, le=350)
    faces: int = Field(default=4, ge=3, le=8)
    face_bearing_deg: float = Field(default=0.0, ge=0, lt=360)
    base_radius_m: float = Field(default=2.5, gt=0, le=20)
    top_radius_m: float = Field(default=0.8, gt=0, le=20)
    mounts: tuple[Mount, ...] = Field(default=(), max_length=400)
    guys: tuple[Guy, ...] = Field(default=(), max_length=48)

    @model_validator(mode="after")
    def _parts_are_on_it(self) -> TelecomTower:
        for number, mount in enumerate(self.mounts):
            if mount.face >= self.faces:
                raise ValueError(f"mounts.{number}.face: the mast has {self.faces} faces, numbered from 0")
            if mount.height_m > self.height_m + 10:
                raise ValueError(f"mounts.{number}.height_m: more than 10 m above the mast")
        for number, guy in enumerate(self.guys):
            if guy.height_m > self.height_m:
                raise ValueError(f"guys.{number}.height_m: above the mast")
        return self

    def frame(self) -> LocalFrame:
        """Return the local frame at the foot."""
        return LocalFrame(self.foot)

    def radius_at(self, height_m: float) -> float:
        """Return the mast's radius (centre to corner) at a height."""
        share = min(max(height_m / self.height_m, 0.0), 1.0)
        return self.base_radius_m + share * (self.top_radius_m - self.base_radius_m)

    def top_m(self) -> float:
        """Return the height of the highest part."""
        return max([self.height_m, *(mount.height_m + 1.0 for mount in self.mounts)])

    def reach_m(self) -> float:
        """Return the largest distance of any part but the guys from the mast's axis."""
        mounts = [self.radius_at(mount.height_m) + mount.reach_m for mount in self.mounts]
        return max([self.base_radius_m, self.top_radius_m, *mounts])

    def face_bearing_of(self, face: int) -> float:
        """Return the compass bearing a face looks along."""
        return (self.face_bearing_deg + 360.0 * face / self.faces) % 360.0

    def outward(self, face: int) -> Enu:
        """Return the horizontal unit vector a face looks along."""
        bearing = math.radians(self.face_bearing_of(face))
        return Enu(math.sin(bearing), math.cos(bearing), 0.0)

    def mount_point(self, mount: Mount) -> Enu:
        """Return where a mount is, east-north-up of the foot."""
        away_m = self.radius_at(mount.height_m) + mount.reach_m / 2
        return self.outward(mount.face).times(away_m).plus(UP, mount.height_m)
